//! Memory and copies.

use std::ffi::{c_int, c_uint, c_void};
use std::slice;

use super::{Handle, number, put, with_context};
use crate::driver::{Code, Host};

/// Takes memory of the GPU's.
#[unsafe(no_mangle)]
unsafe extern "C" fn cuMemAlloc_v2(address: *mut u64, bytes: usize) -> c_int {
    with_context("cuMemAlloc", |context| {
        let taken = context.allocate(bytes)?;
        // SAFETY: the caller gives the address of a number.
        unsafe { put(address, taken) }
    })
}

/// Takes memory of the GPU's in the order of a stream.
#[unsafe(no_mangle)]
unsafe extern "C" fn cuMemAllocAsync(address: *mut u64, bytes: usize, stream: Handle) -> c_int {
    with_context("cuMemAllocAsync", |context| {
        let stream = context.stream(number(stream))?;
        let taken = context.allocate_on(stream, bytes)?;
        // SAFETY: the caller gives the address of a number.
        unsafe { put(address, taken) }
    })
}

/// Gives memory back.
#[unsafe(no_mangle)]
extern "C" fn cuMemFree_v2(address: u64) -> c_int {
    with_context("cuMemFree", |context| context.free(address))
}

/// Gives memory back in the order of a stream.
#[unsafe(no_mangle)]
extern "C" fn cuMemFreeAsync(address: u64, stream: Handle) -> c_int {
    with_context("cuMemFreeAsync", |context| {
        let stream = context.stream(number(stream))?;
        context.free_on(stream, address)
    })
}

/// How much memory is free, and how much there is.
#[unsafe(no_mangle)]
unsafe extern "C" fn cuMemGetInfo_v2(free: *mut usize, total: *mut usize) -> c_int {
    with_context("cuMemGetInfo", |context| {
        let (room, all) = context.room();
        // SAFETY: the caller gives the address of a number.
        unsafe { put(free, room) }?;
        // SAFETY: as above.
        unsafe { put(total, all) }
    })
}

/// Takes memory of the host's that the GPU reads by itself.
#[unsafe(no_mangle)]
unsafe extern "C" fn cuMemHostAlloc(address: *mut *mut c_void, bytes: usize, flags: c_uint) -> c_int {
    with_context("cuMemHostAlloc", |context| {
        if flags > 7 {
            return Err(Code::INVALID_VALUE);
        }
        let taken = context.pin(bytes)?;
        // SAFETY: the caller gives the address of a pointer.
        unsafe { put(address, taken.cast()) }
    })
}

/// Gives that back.
#[unsafe(no_mangle)]
extern "C" fn cuMemFreeHost(address: *mut c_void) -> c_int {
    with_context("cuMemFreeHost", |context| context.unpin(number(address)))
}

/// Copies from the host.
#[unsafe(no_mangle)]
unsafe extern "C" fn cuMemcpyHtoDAsync_v2(
    to: u64,
    from: *const c_void,
    bytes: usize,
    stream: Handle,
) -> c_int {
    with_context("cuMemcpyHtoDAsync", |context| {
        let stream = context.stream(number(stream))?;
        let place = from.addr() as u64;
        if bytes == 0 {
            return Ok(());
        }
        if context.is_pinned(place, bytes) {
            return context.copy_in(stream, to, Host::Pinned(place, bytes));
        }
        if from.is_null() {
            return Err(Code::INVALID_VALUE);
        }
        // SAFETY: the caller promises that `bytes` bytes are there, and that nobody writes to them meanwhile.
        let bytes = unsafe { slice::from_raw_parts(from.cast(), bytes) };
        context.copy_in(stream, to, Host::Bytes(bytes))
    })
}

/// Copies to the host.
#[unsafe(no_mangle)]
unsafe extern "C" fn cuMemcpyDtoHAsync_v2(to: *mut c_void, from: u64, bytes: usize, stream: Handle) -> c_int {
    with_context("cuMemcpyDtoHAsync", |context| {
        let stream = context.stream(number(stream))?;
        if bytes == 0 {
            return Ok(());
        }
        if context.is_pinned(number(to), bytes) {
            return context.copy_out_pinned(stream, number(to), from, bytes);
        }
        if to.is_null() {
            return Err(Code::INVALID_VALUE);
        }
        let mut copied = vec![0; bytes];
        context.copy_out(stream, &mut copied, from)?;
        // SAFETY: the caller promises that there is so much room, and that nobody uses it meanwhile.
        unsafe { to.cast::<u8>().copy_from_nonoverlapping(copied.as_ptr(), bytes) };
        Ok(())
    })
}

/// Copies within the GPU.
#[unsafe(no_mangle)]
extern "C" fn cuMemcpyDtoDAsync_v2(to: u64, from: u64, bytes: usize, stream: Handle) -> c_int {
    with_context("cuMemcpyDtoDAsync", |context| {
        let stream = context.stream(number(stream))?;
        if bytes == 0 { Ok(()) } else { context.copy(stream, to, from, bytes) }
    })
}

/// Sets bytes.
#[unsafe(no_mangle)]
extern "C" fn cuMemsetD8Async(to: u64, value: u8, bytes: usize, stream: Handle) -> c_int {
    with_context("cuMemsetD8Async", |context| {
        let stream = context.stream(number(stream))?;
        if bytes == 0 { Ok(()) } else { context.fill(stream, to, value, bytes) }
    })
}
