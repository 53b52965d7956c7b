//! Times of a GPU that was idle before, on the fake driver.

use super::fake::{cubin, run};
use super::graph::count;
use super::*;

#[test]
fn timed_work_is_timed_after_the_clocks_are_up_and_so_is_the_copy_to_compare_with() {
    const TEST: &str = "device::tests::clocks::timed_work_is_timed_after_the_clocks_are_up_and_so_is_the_copy_to_compare_with";
    if !is_child() {
        return ["cold,any kernel", "cold,copy"].iter().for_each(|trouble| run(TEST, trouble));
    }
    let device = CudaDevice::open(0).unwrap();
    if trouble().contains("copy") {
        assert_eq!(device.copy_bandwidth(4096, 3).unwrap().samples_ms, [2.0; 3]);
        return;
    }
    let kernel = device.load(&cubin(), "flip").unwrap();
    let times = device.time(5, |_| device.launch(&kernel, 1, 32, 0, &[])).unwrap();
    assert_eq!((times, count("fake_kernels"), count("fake_allocations")), (vec![2.0; 5], 5, 0));
}
