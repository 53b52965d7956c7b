//! Launches recorded and replayed, on the fake driver.

use std::ffi::c_int;

use libloading::Library;

use super::fake::{LIBRARY, cubin, run, run_without_graphs};
use super::*;

/// What the fake driver of this child counts under this name.
pub(crate) fn count(name: &str) -> c_int {
    // SAFETY: it is the address of an integer of the fake driver, and no other thread of this child calls that.
    unsafe { *number(name) }
}

/// Sets what the fake driver of this child looks at under this name.
pub(crate) fn set(name: &str, value: c_int) {
    // SAFETY: as above.
    unsafe { *number(name) = value };
}

fn number(name: &str) -> *mut c_int {
    // SAFETY: the library was loaded when a device was opened, so that this only finds it again.
    let library = unsafe { Library::new(LIBRARY) }.unwrap();
    // SAFETY: it is the address of an integer of the fake driver, which stays loaded.
    *unsafe { library.get::<*mut c_int>(name) }.unwrap()
}

/// Two launches: `b = a ^ 5`, then `a = b ^ 6`, so that each replay makes `a ^= 3`, and in the other order would not.
struct Pair {
    device: CudaDevice,
    kernel: Function,
    a: DeviceBuffer,
    b: DeviceBuffer,
}

impl Pair {
    fn new() -> Self {
        let device = CudaDevice::open(0).unwrap();
        let kernel = device.load(&cubin(), "flip").unwrap();
        let (a, b) = (device.upload(&[8; 4]).unwrap(), device.upload(&[0; 4]).unwrap());
        Self { device, kernel, a, b }
    }

    fn args(&self) -> [[DeviceArg<'_>; 4]; 2] {
        let (a, b, n) = (DeviceArg::Buffer(&self.a), DeviceArg::Buffer(&self.b), DeviceArg::U64(4));
        [[a, b, n, DeviceArg::U32(5)], [b, a, n, DeviceArg::U32(6)]]
    }

    fn launch<'a>(&'a self, args: &'a [DeviceArg<'a>]) -> DeviceLaunch<'a> {
        DeviceLaunch { function: &self.kernel, grid: 1, threads: 32, dynamic_shared: 0, args }
    }

    fn bytes(&self) -> (u8, u8) {
        let (mut a, mut b) = ([0; 4], [0; 4]);
        self.device.download(&self.a, &mut a).unwrap();
        self.device.download(&self.b, &mut b).unwrap();
        (a[0], b[3])
    }
}

#[test]
fn a_recording_runs_its_launches_in_order_as_often_as_asked_and_goes() {
    const TEST: &str =
        "device::tests::graph::a_recording_runs_its_launches_in_order_as_often_as_asked_and_goes";
    if !is_child() {
        return run(TEST, "");
    }
    let pair = Pair::new();
    let args = pair.args();
    let recording = pair.device.record(args.iter().map(|args| pair.launch(args)).collect()).unwrap();
    assert_eq!((recording.one_by_one(), recording.len(), recording.is_empty()), (None, 2, false));
    assert_eq!((pair.bytes(), count("fake_kernels")), ((8, 0), 0), "recording runs nothing");
    for (times, expected) in [(1, (8 ^ 3, 8 ^ 5)), (2, (8, 8 ^ 3 ^ 5)), (3, (8 ^ 3, 8 ^ 5))] {
        recording.replay().unwrap();
        assert_eq!((pair.bytes(), count("fake_replays")), (expected, times));
    }
    assert_eq!(count("fake_kernels"), 6);
    assert_eq!((count("fake_graphs"), count("fake_streams")), (2, 0), "what was captured, and its instance");
    drop(recording);
    assert_eq!((count("fake_graphs"), count("fake_streams")), (0, 0));
    let nothing = pair.device.record(Vec::new()).unwrap();
    assert!(nothing.is_empty());
    nothing.replay().unwrap();
}

#[test]
fn where_there_are_no_graphs_the_launches_run_one_by_one_and_it_is_told_why() {
    const TEST: &str =
        "device::tests::graph::where_there_are_no_graphs_the_launches_run_one_by_one_and_it_is_told_why";
    const TROUBLES: [(&str, &str); 5] = [
        ("no capture", "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"),
        ("lost capture", "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"),
        ("no instance", "CUDA_ERROR_NOT_SUPPORTED"),
        ("no upload", "CUDA_ERROR_NOT_SUPPORTED"),
        ("null graph", "the driver gave none"),
    ];
    if !is_child() {
        TROUBLES.iter().for_each(|(trouble, _)| run(TEST, trouble));
        return run_without_graphs(TEST);
    }
    let pair = Pair::new();
    let args = pair.args();
    let recording = pair.device.record(args.iter().map(|args| pair.launch(args)).collect()).unwrap();
    let why = recording.one_by_one().unwrap();
    let expected = TROUBLES.iter().find(|(name, _)| *name == trouble()).map(|(_, words)| *words);
    match expected {
        Some(words) => {
            assert!(matches!(why, DeviceError::Driver { ordinal: 0, .. }), "{why}");
            assert!(
                why.to_string().contains(words) && why.to_string().contains("recording a graph"),
                "{why}"
            );
            assert_eq!((count("fake_graphs"), count("fake_streams"), count("fake_replays")), (0, 0, 0));
        }
        None => assert_eq!(*why, DeviceError::DriverTooOld { function: "cuGraphDestroy" }),
    }
    assert!(format!("{recording:?}").contains("one_by_one: Some"));
    recording.replay().unwrap();
    recording.replay().unwrap();
    assert_eq!((pair.bytes(), count("fake_kernels")), ((8, 8 ^ 3 ^ 5), 4));
}

#[test]
fn a_wrong_launch_is_an_error_and_leaves_nothing_behind() {
    const TEST: &str = "device::tests::graph::a_wrong_launch_is_an_error_and_leaves_nothing_behind";
    if !is_child() {
        return run(TEST, "");
    }
    let pair = Pair::new();
    let args = pair.args();
    let too_many = DeviceLaunch { threads: 513, ..pair.launch(&args[1]) };
    let error = pair.device.record(vec![pair.launch(&args[0]), too_many]).unwrap_err();
    assert!(matches!(error, DeviceError::LaunchLimit { asked: 513, .. }), "{error}");
    let beyond =
        [DeviceArg::At(&pair.a, 5), DeviceArg::Buffer(&pair.b), DeviceArg::U64(1), DeviceArg::U32(1)];
    let error = pair.device.record(vec![pair.launch(&beyond)]).unwrap_err();
    assert!(matches!(error, DeviceError::SizeMismatch { given: 5, room: 4, .. }), "{error}");
    assert_eq!((count("fake_graphs"), count("fake_streams"), count("fake_kernels")), (0, 0, 0));
    pair.device.record(vec![pair.launch(&args[0])]).unwrap().replay().unwrap();
    assert_eq!(pair.bytes().1, 8 ^ 5, "the device can still be recorded");
}

#[test]
fn a_gpu_that_fails_meanwhile_is_a_typed_error() {
    const TEST: &str = "device::tests::graph::a_gpu_that_fails_meanwhile_is_a_typed_error";
    if !is_child() {
        return ["gone", "bad replay", "fault"].iter().for_each(|trouble| run(TEST, trouble));
    }
    let pair = Pair::new();
    let args = pair.args();
    let recorded = pair.device.record(vec![pair.launch(&args[0])]);
    match trouble().as_str() {
        "gone" => {
            let error = recorded.unwrap_err();
            assert!(
                matches!(&error, DeviceError::Lost { doing, .. } if doing == "recording a graph"),
                "{error}"
            );
        }
        "bad replay" => {
            let error = recorded.unwrap().replay().unwrap_err();
            let doing = |doing: &str| doing == "replaying a graph";
            assert!(matches!(&error, DeviceError::KernelFault { doing: at, .. } if doing(at)), "{error}");
        }
        _ => {
            recorded.unwrap().replay().unwrap();
            let error = pair.device.synchronize().unwrap_err();
            assert!(matches!(error, DeviceError::KernelFault { .. }), "{error}");
        }
    }
}

#[test]
fn a_recording_is_replayed_on_the_stream_of_the_caller() {
    const TEST: &str = "device::tests::graph::a_recording_is_replayed_on_the_stream_of_the_caller";
    if !is_child() {
        return run(TEST, "own stream");
    }
    let device = CudaDevice::open(0).unwrap();
    // SAFETY: the fake driver knows this handle.
    let device = unsafe { device.on_stream(std::ptr::without_provenance_mut(64)) };
    let kernel = device.load(&cubin(), "flip").unwrap();
    let buffer = device.upload(&[1, 2]).unwrap();
    let args = [DeviceArg::Buffer(&buffer), DeviceArg::Buffer(&buffer), DeviceArg::U64(2), DeviceArg::U32(4)];
    let launch = DeviceLaunch { function: &kernel, grid: 1, threads: 32, dynamic_shared: 0, args: &args };
    let recording = device.record(vec![launch; 3]).unwrap();
    assert_eq!(recording.one_by_one(), None);
    recording.replay().unwrap();
    let mut bytes = [0; 2];
    device.download(&buffer, &mut bytes).unwrap();
    assert_eq!(bytes, [5, 6]);
}
