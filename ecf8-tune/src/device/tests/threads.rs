//! What is dropped and called on threads that have another context, or none.

use std::ffi::{c_int, c_void};

use libloading::Library;

use super::fake::{LIBRARY, cubin, run};
use super::graph::count;
use super::*;

#[test]
fn what_is_dropped_on_a_thread_without_the_context_is_released_and_breaks_nothing() {
    const TEST: &str = "device::tests::threads::what_is_dropped_on_a_thread_without_the_context_is_released_and_breaks_nothing";
    if !is_child() {
        return ["", "no pools"].iter().for_each(|trouble| run(TEST, trouble));
    }
    let device = CudaDevice::open(0).unwrap();
    let buffer = device.upload(&[1, 2, 3]).unwrap();
    let (kernel, mark) = (device.load(&cubin(), "flip").unwrap(), device.mark().unwrap());
    let counts = || ["fake_allocations", "fake_modules", "fake_events"].map(count);
    assert_eq!(counts(), [1, 1, 1]);
    std::thread::scope(|scope| scope.spawn(|| drop((buffer, kernel, mark))).join()).unwrap();
    assert_eq!(counts(), [0, 0, 0]);
    device.synchronize().unwrap();
    device.alloc(1).unwrap();
    std::thread::scope(|scope| scope.spawn(|| device.upload(&[1]).map(drop)).join()).unwrap().unwrap();
    assert_eq!(counts(), [0, 0, 0]);
}

#[test]
fn the_context_that_a_thread_works_in_stays_its_own() {
    const TEST: &str = "device::tests::threads::the_context_that_a_thread_works_in_stays_its_own";
    if !is_child() {
        return run(TEST, "");
    }
    let device = CudaDevice::open(0).unwrap();
    // SAFETY: the library was loaded when the device was opened, and the types are those of cuda.h.
    let library = unsafe { Library::new(LIBRARY) }.unwrap();
    // SAFETY: as above.
    let set =
        unsafe { library.get::<unsafe extern "C" fn(*mut c_void) -> c_int>("cuCtxSetCurrent") }.unwrap();
    // SAFETY: as above.
    let get =
        unsafe { library.get::<unsafe extern "C" fn(*mut *mut c_void) -> c_int>("cuCtxGetCurrent") }.unwrap();
    let other: *mut c_void = std::ptr::without_provenance_mut(4096);
    // SAFETY: the fake driver only compares contexts.
    assert_eq!(unsafe { set(other) }, 0);
    let buffer = device.upload(&[1, 2, 3]).unwrap();
    let mut bytes = [0; 3];
    device.download(&buffer, &mut bytes).unwrap();
    drop(buffer);
    let mut found = std::ptr::null_mut();
    // SAFETY: as above.
    assert_eq!((bytes, unsafe { get(&raw mut found) }, found), ([1, 2, 3], 0, other));
}
