//! The thirteen functions of NVRTC that are used, as safe Rust.
//!
//! Foreign code can't be called without `unsafe`; in the NVRTC layer all of it is in this file. What the rest
//! relies on: the function pointers are those of the library held beside them, with the types of NVIDIA's
//! `nvrtc.h` (unchanged from CUDA 11.2 to 13), every handle is destroyed once and not used after, and buffers
//! are as long as NVRTC was told.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, OsStr, c_char, c_int};
use std::ptr;

use libloading::Library;

/// `nvrtcProgram`, an opaque handle.
type Handle = *mut std::ffi::c_void;

/// Tells how many bytes there are of something.
type Size = unsafe extern "C" fn(Handle, *mut usize) -> c_int;

/// Writes them.
type Content = unsafe extern "C" fn(Handle, *mut c_char) -> c_int;

/// A result code other than success. Kept as a number, since later versions may send codes unknown here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Code(c_int);

impl Code {
    /// `NVRTC_ERROR_COMPILATION`: the source is at fault.
    pub(super) const COMPILATION: Code = Code(6);
}

fn check(code: c_int) -> Result<(), Code> {
    if code == 0 { Ok(()) } else { Err(Code(code)) }
}

/// NVRTC, loaded.
pub(super) struct Api {
    version: unsafe extern "C" fn(*mut c_int, *mut c_int) -> c_int,
    error_string: unsafe extern "C" fn(c_int) -> *const c_char,
    supported_arch_count: unsafe extern "C" fn(*mut c_int) -> c_int,
    supported_archs: unsafe extern "C" fn(*mut c_int) -> c_int,
    create: unsafe extern "C" fn(
        *mut Handle,
        *const c_char,
        *const c_char,
        c_int,
        *const *const c_char,
        *const *const c_char,
    ) -> c_int,
    destroy: unsafe extern "C" fn(*mut Handle) -> c_int,
    compile: unsafe extern "C" fn(Handle, c_int, *const *const c_char) -> c_int,
    log_size: Size,
    log: Content,
    cubin_size: Size,
    cubin: Content,
    /// Size and content, which a library that stands in for NVRTC may lack.
    ptx: Option<(Size, Content)>,
    /// Keeps the code behind the pointers above mapped.
    _library: Library,
}

/// Copies one function pointer out of `library`.
fn function<T: Copy>(library: &Library, name: &str) -> Result<T, String> {
    // SAFETY: `T` is the type that nvrtc.h gives the function called `name`; every call is in `Api::load`,
    // where the two stand side by side. The copy is only kept next to the library in `Api`.
    let symbol = unsafe { library.get::<T>(name) };
    symbol.map(|pointer| *pointer).map_err(|_| format!("it is not NVRTC 11.2 or later: it lacks {name}"))
}

impl Api {
    /// Loads the library called `file`, by path or by a name that the dynamic loader resolves.
    ///
    /// The caller has checked the file at a path: the loader itself dies on some broken files.
    pub(super) fn load(file: &OsStr) -> Result<Self, String> {
        // SAFETY: loading runs the library's initialisers. NVRTC's ask nothing of their host; that it is NVRTC
        // is the user's word, as for any library a program is linked with.
        let library = unsafe { Library::new(file) };
        let library = library.map_err(|error| innermost(&error))?;
        Ok(Self {
            version: function(&library, "nvrtcVersion")?,
            error_string: function(&library, "nvrtcGetErrorString")?,
            supported_arch_count: function(&library, "nvrtcGetNumSupportedArchs")?,
            supported_archs: function(&library, "nvrtcGetSupportedArchs")?,
            create: function(&library, "nvrtcCreateProgram")?,
            destroy: function(&library, "nvrtcDestroyProgram")?,
            compile: function(&library, "nvrtcCompileProgram")?,
            log_size: function(&library, "nvrtcGetProgramLogSize")?,
            log: function(&library, "nvrtcGetProgramLog")?,
            cubin_size: function(&library, "nvrtcGetCUBINSize")?,
            cubin: function(&library, "nvrtcGetCUBIN")?,
            ptx: function(&library, "nvrtcGetPTXSize").ok().zip(function(&library, "nvrtcGetPTX").ok()),
            _library: library,
        })
    }

    /// Major and minor version.
    pub(super) fn version(&self) -> Result<(c_int, c_int), Code> {
        let (mut major, mut minor) = (0, 0);
        // SAFETY: both pointers are to live integers that NVRTC fills.
        check(unsafe { (self.version)(&raw mut major, &raw mut minor) })?;
        Ok((major, minor))
    }

    /// NVRTC's words for `code`.
    pub(super) fn describe(&self, code: Code) -> String {
        // SAFETY: the function takes any number and returns null or a string.
        let text = unsafe { (self.error_string)(code.0) };
        if text.is_null() {
            return format!("NVRTC error {}", code.0);
        }
        // SAFETY: NVRTC's error strings are static, terminated constants.
        let text = unsafe { CStr::from_ptr(text) };
        text.to_string_lossy().into_owned()
    }

    /// The architectures offered, as numbers: 90 for sm_90.
    pub(super) fn supported_archs(&self) -> Result<Vec<c_int>, Code> {
        let mut count = 0;
        // SAFETY: the pointer is to a live integer that NVRTC fills.
        check(unsafe { (self.supported_arch_count)(&raw mut count) })?;
        let mut archs = vec![0; usize::try_from(count).unwrap_or(0)];
        // SAFETY: the array has as many elements as NVRTC said that it will write.
        check(unsafe { (self.supported_archs)(archs.as_mut_ptr()) })?;
        Ok(archs)
    }

    /// Starts a program from `source`; diagnostics will call it `name`. No headers are given.
    pub(super) fn program(&self, source: &CStr, name: &CStr) -> Result<Program<'_>, Code> {
        let mut handle = ptr::null_mut();
        let (source, name) = (source.as_ptr(), name.as_ptr());
        // SAFETY: both strings are terminated and outlive the call, in which NVRTC copies them; with zero
        // headers the header arrays may be null.
        check(unsafe { (self.create)(&raw mut handle, source, name, 0, ptr::null(), ptr::null()) })?;
        Ok(Program { api: self, handle })
    }
}

/// The loader's own message without libloading's wrapping, on one line.
fn innermost(error: &libloading::Error) -> String {
    let inner = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    inner.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// One program: source, then log and cubin. It is neither `Send` nor `Sync`, which is what NVRTC asks for.
pub(super) struct Program<'a> {
    api: &'a Api,
    handle: Handle,
}

impl Program<'_> {
    /// Compiles it with `options`; the log is there afterwards, come what may.
    pub(super) fn compile(&mut self, options: &[CString]) -> Result<(), Code> {
        let options: Vec<*const c_char> = options.iter().map(|option| option.as_ptr()).collect();
        let count = c_int::try_from(options.len()).unwrap_or(c_int::MAX);
        // SAFETY: the handle is live, and the array has at least `count` pointers to terminated strings.
        check(unsafe { (self.api.compile)(self.handle, count, options.as_ptr()) })
    }

    /// What the compiler and ptxas said; empty if nothing.
    pub(super) fn log(&self) -> Result<String, Code> {
        let mut bytes = self.read(self.api.log_size, self.api.log)?;
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        bytes.truncate(end);
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The machine code, after a compilation for a real architecture (`sm_`).
    pub(super) fn cubin(&self) -> Result<Vec<u8>, Code> {
        self.read(self.api.cubin_size, self.api.cubin)
    }

    /// The PTX with the zero byte that ends it, after a compilation for a virtual architecture (`compute_`); `None` if this
    /// NVRTC gives none.
    pub(super) fn ptx(&self) -> Option<Result<Vec<u8>, Code>> {
        self.api.ptx.map(|(size, content)| self.read(size, content))
    }

    fn read(&self, size: Size, content: Content) -> Result<Vec<u8>, Code> {
        let mut length = 0;
        // SAFETY: the handle is live and the pointer is to a live integer that NVRTC fills.
        check(unsafe { size(self.handle, &raw mut length) })?;
        let mut bytes = vec![0u8; length];
        // SAFETY: `content` belongs to `size`, and the buffer is as long as that said.
        check(unsafe { content(self.handle, bytes.as_mut_ptr().cast()) })?;
        Ok(bytes)
    }
}

impl Drop for Program<'_> {
    fn drop(&mut self) {
        // SAFETY: the handle is live, and nothing uses it after this; a refusal leaves only a leak.
        let _ = unsafe { (self.api.destroy)(&raw mut self.handle) };
    }
}
