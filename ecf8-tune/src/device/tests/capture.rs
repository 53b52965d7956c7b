//! Work on a stream that somebody captures, as `torch.cuda.graph` does, on the fake driver.

use super::fake::{cubin, run};
use super::graph::{count, set};
use super::*;

/// A GPU whose stream is one that the fake driver can be told somebody captures.
fn on_the_callers_stream() -> CudaDevice {
    // SAFETY: the fake driver knows this handle.
    unsafe { CudaDevice::open(0).unwrap().on_stream(std::ptr::without_provenance_mut(64)) }
}

#[test]
fn launches_fills_and_copies_are_recorded_and_what_can_not_be_is_refused_before_it_breaks_the_capture() {
    const TEST: &str = "device::tests::capture::launches_fills_and_copies_are_recorded_and_what_can_not_be_is_refused_before_it_breaks_the_capture";
    if !is_child() {
        return ["own stream", "own stream,no pools"].iter().for_each(|trouble| run(TEST, trouble));
    }
    let device = on_the_callers_stream();
    let kernel = device.load(&cubin(), "flip").unwrap();
    let [a, mut b] = [8, 0].map(|byte| device.upload(&[byte; 4]).unwrap());
    let dropped = device.alloc(4).unwrap();
    let mark = device.mark().unwrap();
    device.settle().unwrap();
    let args = [DeviceArg::Buffer(&a), DeviceArg::Buffer(&b), DeviceArg::U64(4), DeviceArg::U32(1)];
    let launch = DeviceLaunch { function: &kernel, grid: 1, threads: 32, dynamic_shared: 0, args: &args };
    let recording = device.record(vec![launch; 2]).unwrap();
    let (allocations, graphs) = (count("fake_allocations"), count("fake_graphs"));

    set("fake_captured", 1);
    device.run(&launch).unwrap();
    device.launch(&kernel, 1, 32, 100 << 10, &args).unwrap();
    assert_eq!(count("fake_recorded"), 2);
    let refused = [
        device.alloc(1).map(drop),
        device.upload(&[1]).map(drop),
        device.download(&a, &mut [0; 4]),
        device.synchronize(),
        device.settle(),
        device.mark().map(drop),
        device.wait(&mark),
        device.time(1, |_| device.run(&launch)).map(drop),
        device.copy_bandwidth(4, 1).map(drop),
        device.load(&cubin(), "flip").map(drop),
        device.record(vec![launch]).map(drop),
    ];
    for (nth, refused) in refused.into_iter().enumerate() {
        let error = refused.unwrap_err();
        assert!(matches!(error, DeviceError::Captured { ordinal: 0, .. }), "{nth}: {error}");
        assert!(error.to_string().contains("once before the capture begins"), "{error}");
    }
    recording.replay().unwrap();
    assert_eq!(count("fake_recorded"), 4, "one by one");
    drop((dropped, recording));
    device.fill(&mut b, 3).unwrap();
    device.copy(&a, &mut b).unwrap();
    assert_eq!((count("fake_recorded"), count("fake_broken"), count("fake_kernels")), (6, 0, 0));
    assert_eq!((count("fake_allocations"), count("fake_graphs")), (allocations, graphs), "dropped and there");

    set("fake_captured", 0);
    device.synchronize().unwrap();
    assert_eq!((count("fake_allocations"), count("fake_graphs")), (allocations - 1, 0));
    let mut bytes = [0; 4];
    device.download(&b, &mut bytes).unwrap();
    assert_eq!(bytes, [0; 4], "nothing was done yet");
}

#[test]
fn repeated_work_is_recorded_launch_by_launch_and_replayed_as_before_afterwards() {
    const TEST: &str = "device::tests::capture::repeated_work_is_recorded_launch_by_launch_and_replayed_as_before_afterwards";
    if !is_child() {
        return run(TEST, "own stream");
    }
    let device = on_the_callers_stream();
    let kernel = device.load(&cubin(), "flip").unwrap();
    let buffer = device.upload(&[8; 4]).unwrap();
    let args = [DeviceArg::Buffer(&buffer), DeviceArg::Buffer(&buffer), DeviceArg::U64(4), DeviceArg::U32(1)];
    let other = [args[0], args[1], args[2], DeviceArg::U32(2)];
    let work = |args| [DeviceLaunch { function: &kernel, grid: 1, threads: 32, dynamic_shared: 0, args }; 2];
    let mut replay = Replay::default();
    for _ in 0..2 {
        device.repeat(&work(&args[..]), &mut replay).unwrap();
    }
    let counts = || ["fake_kernels", "fake_replays", "fake_recorded", "fake_broken"].map(count);
    assert_eq!(counts(), [4, 1, 0, 0]);
    set("fake_captured", 1);
    for args in [&args, &args, &other] {
        device.repeat(&work(&args[..]), &mut replay).unwrap();
    }
    assert_eq!(counts(), [4, 1, 6, 0]);
    let mut first = Replay::default();
    device.repeat(&work(&args[..]), &mut first).unwrap();
    device.repeat(&work(&args[..]), &mut first).unwrap();
    assert_eq!(counts(), [4, 1, 10, 0]);
    set("fake_captured", 0);
    device.repeat(&work(&args[..]), &mut replay).unwrap();
    assert_eq!(counts(), [6, 2, 10, 0]);
    // One that goes while the stream is captured waits for its end.
    set("fake_captured", 1);
    drop(replay);
    assert_eq!((count("fake_graphs"), count("fake_broken")), (2, 0));
    set("fake_captured", 0);
    device.synchronize().unwrap();
    assert_eq!(count("fake_graphs"), 0);
}
