//! The real NVRTC, which the environment variable `ECF8_SIM_NVRTC` names, and what it made before.
//!
//! A self-test compiles the same kernels for many tensors, and a compilation takes as long as some hundred of its
//! kernel's runs here. So what was compiled is remembered, and kept in the folder that `ECF8_SIM_CACHE` names, if any.
#![allow(unsafe_code, reason = "NVRTC is called by addresses in its library")]

use std::collections::HashMap;
use std::ffi::{CStr, CString, OsString, c_char, c_int, c_void};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::ptr::{null, null_mut};
use std::sync::{Mutex, OnceLock, PoisonError};

use libloading::Library;

use crate::cubin::with_ptx;
use crate::driver::Driver;

/// `NVRTC_ERROR_INTERNAL_ERROR`.
pub(crate) const FAILED: c_int = 11;

type Handle = *mut c_void;

/// What is compiled.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Source {
    pub(crate) text: String,
    pub(crate) name: String,
    pub(crate) options: Vec<CString>,
}

/// What that gives.
#[derive(Clone, Debug, Default)]
pub(crate) struct Compiled {
    /// The result code; 0 if all is well.
    pub(crate) code: c_int,
    /// With a zero at its end.
    pub(crate) log: Vec<u8>,
    /// With its PTX.
    pub(crate) cubin: Vec<u8>,
}

/// The library.
pub(crate) struct Real {
    library: Library,
    /// By the hash of the source and the version.
    known: Mutex<HashMap<u64, Compiled>>,
    folder: Option<PathBuf>,
}

impl Real {
    pub(crate) fn get() -> Option<&'static Self> {
        static REAL: OnceLock<Option<Real>> = OnceLock::new();
        REAL.get_or_init(|| {
            let path = std::env::var_os("ECF8_SIM_NVRTC")?;
            // SAFETY: whoever sets the variable vouches for the library's initialisers.
            let loaded = unsafe { Library::new(path) };
            let loaded = loaded.inspect_err(|error| Driver::complain(&format!("ECF8_SIM_NVRTC: {error}")));
            let folder = std::env::var_os("ECF8_SIM_CACHE").filter(|folder: &OsString| !folder.is_empty());
            let folder = folder.map(PathBuf::from);
            Some(Self { library: loaded.ok()?, known: Mutex::default(), folder })
        })
        .as_ref()
    }

    /// One of its functions.
    ///
    /// # Safety
    /// The type is what `nvrtc.h` gives the function of this name.
    unsafe fn function<T: Copy>(&self, name: &str) -> Option<T> {
        // SAFETY: the caller promises the type, and the library is never unloaded.
        let found = unsafe { self.library.get::<T>(name) };
        found.ok().map(|function| *function)
    }

    pub(crate) fn version(&self) -> Option<(c_int, c_int)> {
        type Version = unsafe extern "C" fn(*mut c_int, *mut c_int) -> c_int;
        // SAFETY: this is its type.
        let version: Version = unsafe { self.function("nvrtcVersion") }?;
        let (mut major, mut minor) = (0, 0);
        // SAFETY: the addresses are of live numbers.
        (unsafe { version(&raw mut major, &raw mut minor) } == 0).then_some((major, minor))
    }

    pub(crate) fn words(&self, code: c_int) -> Option<&'static CStr> {
        // SAFETY: this is its type.
        let words: unsafe extern "C" fn(c_int) -> *const c_char =
            unsafe { self.function("nvrtcGetErrorString") }?;
        // SAFETY: it takes any number.
        let text = unsafe { words(code) };
        // SAFETY: NVRTC's words are constants with a zero at their end, of a library that is never unloaded.
        (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) })
    }

    pub(crate) fn archs(&self) -> Option<Vec<c_int>> {
        type Get = unsafe extern "C" fn(*mut c_int) -> c_int;
        // SAFETY: this is its type.
        let count: Get = unsafe { self.function("nvrtcGetNumSupportedArchs") }?;
        // SAFETY: as above.
        let list: Get = unsafe { self.function("nvrtcGetSupportedArchs") }?;
        let mut number = 0;
        // SAFETY: the address is of a live number.
        let counted = unsafe { count(&raw mut number) };
        let mut archs = vec![0; usize::try_from(number).ok()?];
        // SAFETY: there is room for as many as were counted.
        (counted == 0 && unsafe { list(archs.as_mut_ptr()) } == 0).then_some(archs)
    }

    /// Compiles a source, unless it was before.
    pub(crate) fn compile(&self, source: &Source) -> Compiled {
        let mut hasher = DefaultHasher::new();
        (source, self.version()).hash(&mut hasher);
        let key = hasher.finish();
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(compiled) = known().get(&key) {
            return compiled.clone();
        }
        let file = |end: &str| self.folder.as_ref().map(|folder| folder.join(format!("{key:016x}.{end}")));
        let kept = file("log").zip(file("cubin")).and_then(|(log, cubin)| {
            Some(Compiled { code: 0, log: fs::read(log).ok()?, cubin: fs::read(cubin).ok()? })
        });
        let compiled = kept.unwrap_or_else(|| {
            let compiled =
                self.compile_anew(source).unwrap_or(Compiled { code: FAILED, ..Compiled::default() });
            if let (0, Some(log), Some(cubin)) = (compiled.code, file("log"), file("cubin")) {
                // The log last, since both are wanted. What cannot be kept is compiled again.
                let _ = write(&cubin, &compiled.cubin).and_then(|()| write(&log, &compiled.log));
            }
            compiled
        });
        known().insert(key, compiled.clone());
        compiled
    }

    fn compile_anew(&self, source: &Source) -> Option<Compiled> {
        type Create = unsafe extern "C" fn(
            *mut Handle,
            *const c_char,
            *const c_char,
            c_int,
            *const *const c_char,
            *const *const c_char,
        ) -> c_int;
        type Compile = unsafe extern "C" fn(Handle, c_int, *const *const c_char) -> c_int;
        // SAFETY: this is its type.
        let create: Create = unsafe { self.function("nvrtcCreateProgram") }?;
        // SAFETY: this is its type.
        let compile: Compile = unsafe { self.function("nvrtcCompileProgram") }?;
        // SAFETY: this is its type.
        let destroy: unsafe extern "C" fn(*mut Handle) -> c_int =
            unsafe { self.function("nvrtcDestroyProgram") }?;
        let (text, name) = (CString::new(&*source.text).ok()?, CString::new(&*source.name).ok()?);
        let options: Vec<*const c_char> = source.options.iter().map(|option| option.as_ptr()).collect();
        let mut program = null_mut();
        // SAFETY: the address is of a live handle, the strings are live, and there are no headers.
        let code = unsafe { create(&raw mut program, text.as_ptr(), name.as_ptr(), 0, null(), null()) };
        if code != 0 {
            return None;
        }
        let count = c_int::try_from(options.len()).ok()?;
        // SAFETY: the program is live, and `options` has `count` strings.
        let code = unsafe { compile(program, count, options.as_ptr()) };
        // SAFETY: the program is live and was compiled.
        let log = unsafe { self.read(program, "nvrtcGetProgramLogSize", "nvrtcGetProgramLog") };
        let mut compiled = Compiled { code, log: log.unwrap_or_else(|| vec![0]), cubin: Vec::new() };
        if code == 0 {
            // SAFETY: as above.
            let cubin = unsafe { self.read(program, "nvrtcGetCUBINSize", "nvrtcGetCUBIN") };
            // SAFETY: as above.
            let ptx = unsafe { self.read(program, "nvrtcGetPTXSize", "nvrtcGetPTX") };
            if let Some((cubin, ptx)) = cubin.zip(ptx) {
                compiled.cubin = with_ptx(&cubin, String::from_utf8_lossy(&ptx).trim_end_matches('\0'));
            }
        }
        // SAFETY: the program is live, and not used after this.
        unsafe { destroy(&raw mut program) };
        Some(compiled)
    }

    /// # Safety
    /// The program is live and was compiled; the names are those of a function that tells a size, and one that writes as
    /// much.
    unsafe fn read(&self, program: Handle, size: &str, content: &str) -> Option<Vec<u8>> {
        // SAFETY: the caller promises such a function.
        let size: unsafe extern "C" fn(Handle, *mut usize) -> c_int = unsafe { self.function(size) }?;
        // SAFETY: as above.
        let content: unsafe extern "C" fn(Handle, *mut c_char) -> c_int = unsafe { self.function(content) }?;
        let mut length = 0;
        // SAFETY: the program is live, and the address is of a live number.
        let sized = unsafe { size(program, &raw mut length) };
        let mut bytes = vec![0_u8; length];
        // SAFETY: there is as much room as was asked for.
        (sized == 0 && unsafe { content(program, bytes.as_mut_ptr().cast()) } == 0).then_some(bytes)
    }
}

/// Writes a file that appears whole or not at all, whoever else writes it.
fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let own = path.with_extension(format!("{}.part", std::process::id()));
    fs::write(&own, bytes)?;
    fs::rename(own, path)
}
