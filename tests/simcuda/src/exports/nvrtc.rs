//! NVRTC under its own names: the real one, which `ECF8_SIM_NVRTC` names, whose cubins get their PTX.

use std::ffi::{c_char, c_int, c_void};
use std::sync::OnceLock;

use libloading::Library;

use crate::cubin::with_ptx;

type Handle = *mut c_void;
type Size = unsafe extern "C" fn(Handle, *mut usize) -> c_int;
type Get = unsafe extern "C" fn(Handle, *mut c_char) -> c_int;

/// `NVRTC_ERROR_INTERNAL_ERROR`.
const BROKEN: c_int = 11;

/// The real library, which is never unloaded.
fn library() -> Option<&'static Library> {
    static LIBRARY: OnceLock<Option<Library>> = OnceLock::new();
    let load = || {
        let path = std::env::var_os("ECF8_SIM_NVRTC");
        // SAFETY: whoever sets the variable vouches for the library's initialisers.
        let library = path.map(|path| unsafe { Library::new(path) });
        match library {
            Some(Ok(library)) => return Some(library),
            Some(Err(error)) => crate::driver::Driver::complain(&format!("ECF8_SIM_NVRTC: {error}")),
            None => crate::driver::Driver::complain("ECF8_SIM_NVRTC should name the real libnvrtc.so"),
        }
        None
    };
    LIBRARY.get_or_init(load).as_ref()
}

/// A function of the real library.
///
/// # Safety
/// The type is what `nvrtc.h` gives the function of this name.
unsafe fn real<T: Copy>(name: &str) -> Option<T> {
    // SAFETY: the caller promises the type; the library is never unloaded.
    let found = unsafe { library()?.get::<T>(name) };
    found.ok().map(|function| *function)
}

macro_rules! forward {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $kind:ty),*);)*) => {$(
        $(#[$doc])*
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name($($argument: $kind),*) -> c_int {
            // SAFETY: this is the function's type in nvrtc.h.
            let real = unsafe { real::<unsafe extern "C" fn($($kind),*) -> c_int>(stringify!($name)) };
            // SAFETY: the caller keeps to what nvrtc.h asks for.
            real.map_or(BROKEN, |real| unsafe { real($($argument),*) })
        }
    )*};
}

forward! {
    /// The version.
    nvrtcVersion(major: *mut c_int, minor: *mut c_int);
    /// How many architectures it knows.
    nvrtcGetNumSupportedArchs(count: *mut c_int);
    /// Which they are.
    nvrtcGetSupportedArchs(archs: *mut c_int);
    /// A program of a source.
    nvrtcCreateProgram(
        program: *mut Handle, source: *const c_char, name: *const c_char, headers: c_int,
        contents: *const *const c_char, names: *const *const c_char
    );
    /// Lets it go.
    nvrtcDestroyProgram(program: *mut Handle);
    /// Compiles it.
    nvrtcCompileProgram(program: Handle, count: c_int, options: *const *const c_char);
    /// How long the log is.
    nvrtcGetProgramLogSize(program: Handle, size: *mut usize);
    /// The log.
    nvrtcGetProgramLog(program: Handle, log: *mut c_char);
    /// How long the PTX is.
    nvrtcGetPTXSize(program: Handle, size: *mut usize);
    /// The PTX.
    nvrtcGetPTX(program: Handle, ptx: *mut c_char);
}

/// Words for a result code.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvrtcGetErrorString(code: c_int) -> *const c_char {
    // SAFETY: this is the function's type in nvrtc.h.
    let real = unsafe { real::<unsafe extern "C" fn(c_int) -> *const c_char>("nvrtcGetErrorString") };
    // SAFETY: it takes any number.
    real.map_or(c"there is no real NVRTC".as_ptr(), |real| unsafe { real(code) })
}

/// How long the cubin with its PTX is.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvrtcGetCUBINSize(program: Handle, size: *mut usize) -> c_int {
    // SAFETY: the caller gives a live program.
    match unsafe { whole(program) } {
        // SAFETY: the caller gives the address of a number.
        Ok(cubin) => unsafe { super::put(size, cubin.len()) }.map_or(BROKEN, |()| 0),
        Err(code) => code,
    }
}

/// The cubin with its PTX.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvrtcGetCUBIN(program: Handle, cubin: *mut c_char) -> c_int {
    // SAFETY: the caller gives a live program.
    match unsafe { whole(program) } {
        Ok(whole) if !cubin.is_null() => {
            // SAFETY: the caller promises as much room as `nvrtcGetCUBINSize` asks for.
            unsafe { cubin.copy_from_nonoverlapping(whole.as_ptr().cast(), whole.len()) };
            0
        }
        Ok(_) => BROKEN,
        Err(code) => code,
    }
}

/// # Safety
/// The program is live and compiled.
unsafe fn whole(program: Handle) -> Result<Vec<u8>, c_int> {
    // SAFETY: the caller promises what this asks for.
    let cubin = unsafe { read(program, "nvrtcGetCUBINSize", "nvrtcGetCUBIN") }?;
    // SAFETY: as above.
    let ptx = unsafe { read(program, "nvrtcGetPTXSize", "nvrtcGetPTX") }?;
    let ptx = String::from_utf8_lossy(&ptx);
    Ok(with_ptx(&cubin, ptx.trim_end_matches('\0')))
}

/// # Safety
/// The program is live and compiled, and the names are those of a function that tells a size and one that writes as much.
unsafe fn read(program: Handle, size: &str, content: &str) -> Result<Vec<u8>, c_int> {
    // SAFETY: the caller promises such a function.
    let size: Size = unsafe { real(size) }.ok_or(BROKEN)?;
    // SAFETY: as above.
    let content: Get = unsafe { real(content) }.ok_or(BROKEN)?;
    let check = |code: c_int| if code == 0 { Ok(()) } else { Err(code) };
    let mut length = 0;
    // SAFETY: the program is live, and the pointer is to a live number.
    check(unsafe { size(program, &raw mut length) })?;
    let mut bytes = vec![0_u8; length];
    // SAFETY: there is as much room as was asked for.
    check(unsafe { content(program, bytes.as_mut_ptr().cast()) })?;
    Ok(bytes)
}
