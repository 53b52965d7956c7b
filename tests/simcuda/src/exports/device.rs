//! Starting, GPUs and contexts.

use std::ffi::{c_char, c_int, c_uint};

use super::{Handle, handle, number, put, with_driver};
use crate::driver::{Code, Driver, current, set_current};

/// Starts the driver.
#[unsafe(no_mangle)]
extern "C" fn cuInit(flags: c_uint) -> c_int {
    let mut locked = Driver::lock();
    let Some(driver) = locked.any() else { return Code::NOT_INITIALIZED.0 };
    if flags != 0 {
        return Code::INVALID_VALUE.0;
    }
    if driver.gpus.is_empty() {
        return Code::NO_DEVICE.0;
    }
    driver.is_started = true;
    0
}

/// The newest CUDA that the driver knows.
#[unsafe(no_mangle)]
unsafe extern "C" fn cuDriverGetVersion(version: *mut c_int) -> c_int {
    let cuda = Driver::lock().any().map_or(0, |driver| driver.settings.cuda);
    // SAFETY: the caller gives the address of a number.
    super::code(unsafe { put(version, cuda) })
}

/// Words for a result code.
#[unsafe(no_mangle)]
unsafe extern "C" fn cuGetErrorString(number: c_int, words: *mut *const c_char) -> c_int {
    let known = Code::describe(number).map_or(std::ptr::null(), |(_, words)| words.as_ptr());
    // SAFETY: the caller gives the address of a pointer.
    let put = unsafe { put(words, known) };
    super::code(if known.is_null() { Err(Code::INVALID_VALUE) } else { put })
}

/// The name of a result code.
#[unsafe(no_mangle)]
unsafe extern "C" fn cuGetErrorName(number: c_int, name: *mut *const c_char) -> c_int {
    let known = Code::describe(number).map_or(std::ptr::null(), |(name, _)| name.as_ptr());
    // SAFETY: the caller gives the address of a pointer.
    let put = unsafe { put(name, known) };
    super::code(if known.is_null() { Err(Code::INVALID_VALUE) } else { put })
}

/// How many GPUs there are.
#[unsafe(no_mangle)]
unsafe extern "C" fn cuDeviceGetCount(count: *mut c_int) -> c_int {
    // SAFETY: the caller gives the address of a number.
    with_driver("cuDeviceGetCount", |driver| unsafe {
        put(count, c_int::try_from(driver.gpus.len()).unwrap_or(c_int::MAX))
    })
}

/// A GPU by its number.
#[unsafe(no_mangle)]
unsafe extern "C" fn cuDeviceGet(device: *mut c_int, ordinal: c_int) -> c_int {
    with_driver("cuDeviceGet", |driver| {
        index(driver, ordinal)?;
        // SAFETY: the caller gives the address of a number.
        unsafe { put(device, ordinal) }
    })
}

/// The number of a GPU that is there.
fn index(driver: &Driver, device: c_int) -> Result<usize, Code> {
    usize::try_from(device).ok().filter(|at| *at < driver.gpus.len()).ok_or(Code::INVALID_DEVICE)
}

/// A GPU's name.
#[unsafe(no_mangle)]
unsafe extern "C" fn cuDeviceGetName(name: *mut c_char, room: c_int, device: c_int) -> c_int {
    with_driver("cuDeviceGetName", |driver| {
        index(driver, device)?;
        let text = format!("Simulated sm_{}\0", driver.settings.arch);
        if name.is_null() || usize::try_from(room).map_or(true, |room| room < text.len()) {
            return Err(Code::INVALID_VALUE);
        }
        // SAFETY: the caller promises that there is so much room.
        unsafe { name.copy_from_nonoverlapping(text.as_ptr().cast(), text.len()) };
        Ok(())
    })
}

/// A GPU's memory in bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn cuDeviceTotalMem_v2(bytes: *mut usize, device: c_int) -> c_int {
    with_driver("cuDeviceTotalMem", |driver| {
        index(driver, device)?;
        // SAFETY: the caller gives the address of a number.
        unsafe { put(bytes, usize::try_from(driver.settings.memory).unwrap_or(usize::MAX)) }
    })
}

/// A number that tells something about a GPU.
#[unsafe(no_mangle)]
unsafe extern "C" fn cuDeviceGetAttribute(value: *mut c_int, attribute: c_int, device: c_int) -> c_int {
    with_driver("cuDeviceGetAttribute", |driver| {
        index(driver, device)?;
        let settings = &driver.settings;
        let arch = c_int::try_from(settings.arch).unwrap_or(0);
        let (shared_of_block, shared_of_sm) = settings.shared();
        let known = match attribute {
            1 => 1024,       // threads per block
            8 => 48 << 10,   // shared memory per block, unasked
            10 => 32,        // lanes of a warp
            13 => 1_980_000, // clock in kHz
            16 => 132,       // multiprocessors
            36 => 2_619_000, // the memory's clock in kHz
            38 => 64 << 10,  // L2 cache: a small one, so that it takes little to fill it
            39 => 2048,      // threads per multiprocessor
            75 => arch / 10,
            76 => arch % 10,
            81 => shared_of_sm,
            82 => 64 << 10, // registers per multiprocessor
            97 => shared_of_block,
            106 => 32, // blocks per multiprocessor
            115 => settings.has_pools.into(),
            _ => return Err(Code::INVALID_VALUE),
        };
        // SAFETY: the caller gives the address of a number.
        unsafe { put(value, known) }
    })
}

/// Takes part in a GPU's context.
#[unsafe(no_mangle)]
unsafe extern "C" fn cuDevicePrimaryCtxRetain(context: *mut Handle, device: c_int) -> c_int {
    with_driver("cuDevicePrimaryCtxRetain", |driver| {
        let at = index(driver, device)?;
        let retained = driver.retain(at)?;
        // SAFETY: the caller gives the address of a handle.
        unsafe { put(context, handle(retained)) }
    })
}

/// Takes part in it no longer.
#[unsafe(no_mangle)]
extern "C" fn cuDevicePrimaryCtxRelease_v2(device: c_int) -> c_int {
    with_driver("cuDevicePrimaryCtxRelease", |driver| {
        let at = index(driver, device)?;
        driver.release(at)
    })
}

/// The calling thread's context.
#[unsafe(no_mangle)]
unsafe extern "C" fn cuCtxGetCurrent(context: *mut Handle) -> c_int {
    // SAFETY: the caller gives the address of a handle.
    with_driver("cuCtxGetCurrent", |_| unsafe { put(context, handle(current())) })
}

/// Makes a context the calling thread's.
#[unsafe(no_mangle)]
extern "C" fn cuCtxSetCurrent(context: Handle) -> c_int {
    with_driver("cuCtxSetCurrent", |driver| {
        if !context.is_null() && !driver.has_context(number(context)) {
            return Err(Code::INVALID_CONTEXT);
        }
        set_current(number(context));
        Ok(())
    })
}

/// Waits for all that was asked of the context.
#[unsafe(no_mangle)]
extern "C" fn cuCtxSynchronize() -> c_int {
    super::with_context("cuCtxSynchronize", crate::driver::Context::synchronize)
}
