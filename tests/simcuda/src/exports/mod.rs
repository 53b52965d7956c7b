//! The functions that programs find in the library: each takes what C gives it, looks at it, and asks safe code.
//!
//! Names and types are those of NVIDIA's `cuda.h` and `nvrtc.h`.
#![allow(unsafe_code, reason = "C calls these functions, and gives them addresses")]
#![allow(non_snake_case, reason = "the names are NVIDIA's")]
#![allow(clippy::missing_safety_doc, reason = "what is asked of callers is in NVIDIA's manuals")]

mod device;
mod execution;
mod memory;
mod nvrtc;

use std::ffi::{CStr, c_char, c_int, c_void};

use crate::driver::{Code, Context, Driver};

/// A handle as C has it.
type Handle = *mut c_void;

/// Where a call puts a number that it was asked for.
///
/// # Safety
/// The address is null, or a number of this type may be written to it.
unsafe fn put<T>(to: *mut T, value: T) -> Result<(), Code> {
    if to.is_null() {
        return Err(Code::INVALID_VALUE);
    }
    // SAFETY: it is not null, and so the caller promises that it may be written to.
    unsafe { to.write(value) };
    Ok(())
}

/// One of the elements of a list that C gives.
///
/// # Safety
/// The list has more than `index` elements.
unsafe fn nth<T: Copy>(list: *const T, index: usize) -> T {
    // SAFETY: the element is in the list.
    let place = unsafe { list.add(index) };
    // SAFETY: as above.
    unsafe { place.read() }
}

/// A text that C gives.
///
/// # Safety
/// The address is null or that of a string with a zero at its end, which stays as long as the result is used.
unsafe fn text<'a>(from: *const c_char) -> Result<&'a str, Code> {
    if from.is_null() {
        return Err(Code::INVALID_VALUE);
    }
    // SAFETY: it is not null, and so the caller promises that a string is there.
    unsafe { CStr::from_ptr(from) }.to_str().map_err(|_| Code::INVALID_VALUE)
}

fn handle(number: u64) -> Handle {
    std::ptr::without_provenance_mut(usize::try_from(number).unwrap_or(0))
}

fn number(handle: Handle) -> u64 {
    handle.addr() as u64
}

fn code(result: Result<(), Code>) -> c_int {
    result.map_or_else(|code| code.0, |()| 0)
}

/// A call that needs the driver to be started.
fn with_driver(name: &str, call: impl FnOnce(&mut Driver) -> Result<(), Code>) -> c_int {
    let mut driver = Driver::lock();
    let result = driver.started().and_then(|driver| {
        let is_logged = driver.settings.is_logged;
        let result = call(driver);
        if is_logged {
            Driver::complain(&format!("{name}: {result:?}"));
        }
        result
    });
    code(result)
}

/// A call that concerns the calling thread's context.
fn with_context(name: &str, call: impl FnOnce(&mut Context) -> Result<(), Code>) -> c_int {
    with_driver(name, |driver| {
        let context = driver.current();
        if let Err(Code::INVALID_CONTEXT) = context {
            Driver::complain(&format!("{name} without a current context"));
        }
        call(context?)
    })
}
