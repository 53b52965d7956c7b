//! NVRTC under its own names, as far as ecf8 knows them. Programs are this library's: the real one compiles what is not
//! in the [memory of compilations](crate::compiler).

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::null_mut;

use super::{nth, text};
use crate::compiler::{Compiled, FAILED, Real, Source};

type Handle = *mut c_void;

/// A source, and what became of it.
struct Program {
    source: Source,
    compiled: Option<Compiled>,
}

/// Puts a number where the caller wants it.
///
/// # Safety
/// As [`super::put`].
unsafe fn put<T>(to: *mut T, value: T) -> c_int {
    // SAFETY: the caller promises what this asks for.
    unsafe { super::put(to, value) }.map_or(FAILED, |()| 0)
}

/// A program by its handle.
///
/// # Safety
/// The handle is null, or of a program that is there and that no other thread uses.
unsafe fn program<'a>(handle: Handle) -> Option<&'a mut Program> {
    // SAFETY: the caller promises it.
    unsafe { handle.cast::<Program>().as_mut() }
}

/// The version.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvrtcVersion(major: *mut c_int, minor: *mut c_int) -> c_int {
    let Some((known_major, known_minor)) = Real::get().and_then(Real::version) else { return FAILED };
    // SAFETY: the caller gives the address of a number.
    let first = unsafe { put(major, known_major) };
    // SAFETY: as above.
    first | unsafe { put(minor, known_minor) }
}

/// Words for a result code.
#[unsafe(no_mangle)]
extern "C" fn nvrtcGetErrorString(code: c_int) -> *const c_char {
    let words = Real::get().and_then(|real| real.words(code));
    words.unwrap_or(c"ECF8_SIM_NVRTC should name the real libnvrtc.so").as_ptr()
}

/// How many architectures it knows.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvrtcGetNumSupportedArchs(count: *mut c_int) -> c_int {
    let Some(archs) = Real::get().and_then(Real::archs) else { return FAILED };
    // SAFETY: the caller gives the address of a number.
    unsafe { put(count, c_int::try_from(archs.len()).unwrap_or(0)) }
}

/// Which they are.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvrtcGetSupportedArchs(numbers: *mut c_int) -> c_int {
    match Real::get().and_then(Real::archs) {
        Some(archs) if !numbers.is_null() => {
            // SAFETY: the caller gives as much room as there are.
            unsafe { numbers.copy_from_nonoverlapping(archs.as_ptr(), archs.len()) };
            0
        }
        _ => FAILED,
    }
}

/// A program of a source, without headers.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvrtcCreateProgram(
    handle: *mut Handle,
    source: *const c_char,
    name: *const c_char,
    headers: c_int,
    _contents: *const *const c_char,
    _names: *const *const c_char,
) -> c_int {
    // SAFETY: the caller gives a string, or null.
    let source = unsafe { text(source) };
    // SAFETY: as above.
    let name = unsafe { text(name) };
    let (Ok(source), Ok(name), 0) = (source, name, headers) else { return FAILED };
    let source = Source { text: source.to_owned(), name: name.to_owned(), options: Vec::new() };
    let made = Box::into_raw(Box::new(Program { source, compiled: None }));
    // SAFETY: the caller gives the address of a handle.
    unsafe { put(handle, made.cast()) }
}

/// Lets it go.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvrtcDestroyProgram(handle: *mut Handle) -> c_int {
    // SAFETY: the caller gives the address of a handle.
    let Some(place) = (unsafe { handle.as_mut() }) else { return FAILED };
    let program = std::mem::replace(place, null_mut());
    if program.is_null() {
        return FAILED;
    }
    // SAFETY: it was made by `Box::into_raw`, and the caller uses it no longer.
    drop(unsafe { Box::from_raw(program.cast::<Program>()) });
    0
}

/// Compiles it.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvrtcCompileProgram(
    handle: Handle,
    count: c_int,
    options: *const *const c_char,
) -> c_int {
    // SAFETY: the caller gives a live program that is its own.
    let Some(program) = (unsafe { program(handle) }) else { return FAILED };
    for index in 0..usize::try_from(count).unwrap_or(0) {
        // SAFETY: the caller gives `count` options.
        let option = unsafe { nth(options, index) };
        // SAFETY: each is a string.
        program.source.options.push(unsafe { CStr::from_ptr(option) }.to_owned());
    }
    let Some(real) = Real::get() else { return FAILED };
    let compiled = program.compiled.insert(real.compile(&program.source));
    compiled.code
}

/// How long the log is.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvrtcGetProgramLogSize(handle: Handle, size: *mut usize) -> c_int {
    // SAFETY: the caller gives a live program of its own and the address of a number.
    unsafe { tell_size(handle, |compiled| &compiled.log, size) }
}

/// The log.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvrtcGetProgramLog(handle: Handle, log: *mut c_char) -> c_int {
    // SAFETY: the caller gives a live program of its own, and as much room as was asked for.
    unsafe { tell(handle, |compiled| &compiled.log, log) }
}

/// How long the cubin is.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvrtcGetCUBINSize(handle: Handle, size: *mut usize) -> c_int {
    // SAFETY: the caller gives a live program of its own and the address of a number.
    unsafe { tell_size(handle, |compiled| &compiled.cubin, size) }
}

/// The cubin with its PTX.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvrtcGetCUBIN(handle: Handle, cubin: *mut c_char) -> c_int {
    // SAFETY: the caller gives a live program of its own, and as much room as was asked for.
    unsafe { tell(handle, |compiled| &compiled.cubin, cubin) }
}

/// # Safety
/// The handle is of a live program of the caller's, and the address that of a number.
unsafe fn tell_size(handle: Handle, of: fn(&Compiled) -> &Vec<u8>, size: *mut usize) -> c_int {
    // SAFETY: the caller promises it.
    let Some(compiled) = unsafe { program(handle) }.and_then(|program| program.compiled.as_ref()) else {
        return FAILED;
    };
    // SAFETY: as above.
    unsafe { put(size, of(compiled).len()) }
}

/// # Safety
/// The handle is of a live program of the caller's, and there is as much room as [`tell_size`] said.
unsafe fn tell(handle: Handle, of: fn(&Compiled) -> &Vec<u8>, to: *mut c_char) -> c_int {
    // SAFETY: the caller promises it.
    let compiled = unsafe { program(handle) }.and_then(|program| program.compiled.as_ref());
    match compiled.map(of) {
        Some(bytes) if !to.is_null() => {
            // SAFETY: the caller promises the room.
            unsafe { to.copy_from_nonoverlapping(bytes.as_ptr().cast(), bytes.len()) };
            0
        }
        _ => FAILED,
    }
}
