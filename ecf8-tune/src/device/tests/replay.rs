//! Work asked for again and again, on the fake driver.

use super::fake::{cubin, run, run_without_graphs};
use super::graph::count;
use super::*;

/// `b = a ^ 5`, then `c = b`.
struct Made {
    device: CudaDevice,
    kernel: Function,
    a: DeviceBuffer,
    b: DeviceBuffer,
    c: DeviceBuffer,
}

impl Made {
    fn new() -> Self {
        let device = CudaDevice::open(0).unwrap();
        let kernel = device.load(&cubin(), "flip").unwrap();
        let [a, b, c] = [8, 0, 0].map(|byte| device.upload(&[byte; 4]).unwrap());
        Self { device, kernel, a, b, c }
    }

    /// Does it once, the second launch writing to `into` or else to `c`.
    fn repeat(&self, key: u32, into: Option<&DeviceBuffer>, replay: &mut Replay) -> Result<(), Undone> {
        self.repeat_with(key, into.unwrap_or(&self.c), 32, replay)
    }

    /// The same, with `threads` threads in the second launch.
    fn repeat_with(
        &self,
        key: u32,
        into: &DeviceBuffer,
        threads: u32,
        replay: &mut Replay,
    ) -> Result<(), Undone> {
        let first =
            [DeviceArg::Buffer(&self.a), DeviceArg::Buffer(&self.b), DeviceArg::U64(4), DeviceArg::U32(key)];
        let second =
            [DeviceArg::Buffer(&self.b), DeviceArg::Buffer(into), DeviceArg::U64(4), DeviceArg::U32(0)];
        let launch =
            DeviceLaunch { function: &self.kernel, grid: 1, threads: 32, dynamic_shared: 0, args: &first };
        self.device.repeat(&[launch, DeviceLaunch { args: &second, threads, ..launch }], replay)
    }

    fn bytes(&self, buffer: &DeviceBuffer) -> [u8; 4] {
        let mut bytes = [0; 4];
        self.device.download(buffer, &mut bytes).unwrap();
        bytes
    }
}

/// Kernels that ran, replays, and calls outside of graphs.
fn counts() -> [i32; 3] {
    ["fake_kernels", "fake_replays", "fake_calls"].map(count)
}

#[test]
fn what_is_asked_for_again_is_replayed_and_what_is_different_is_not() {
    const TEST: &str =
        "device::tests::replay::what_is_asked_for_again_is_replayed_and_what_is_different_is_not";
    if !is_child() {
        return run(TEST, "");
    }
    let made = Made::new();
    let mut replay = Replay::default();
    made.repeat(5, None, &mut replay).unwrap();
    assert_eq!((made.bytes(&made.c), counts()), ([13; 4], [2, 0, 2]), "once is not again");
    for times in 1..=3 {
        made.repeat(5, None, &mut replay).unwrap();
        assert_eq!(counts(), [2 + 2 * times, times, 2]);
    }
    assert_eq!((count("fake_graphs"), count("fake_streams")), (2, 0));

    // Other arguments, then another place: each is done for what it is, and only then replayed.
    made.repeat(6, None, &mut replay).unwrap();
    assert_eq!((made.bytes(&made.c), counts(), count("fake_graphs")), ([14; 4], [10, 3, 4], 0));
    let other = made.device.upload(&[1; 6]).unwrap();
    made.repeat(6, Some(&other), &mut replay).unwrap();
    assert_eq!((made.bytes(&other), counts()), ([14; 4], [12, 3, 6]));
    made.repeat(6, Some(&other), &mut replay).unwrap();
    assert_eq!(counts(), [14, 4, 6]);

    // A single launch is never a graph.
    let args = [DeviceArg::Buffer(&made.a), DeviceArg::Buffer(&made.c), DeviceArg::U64(4), DeviceArg::U32(0)];
    let launch =
        DeviceLaunch { function: &made.kernel, grid: 1, threads: 32, dynamic_shared: 0, args: &args };
    for _ in 0..3 {
        made.device.repeat(&[launch], &mut replay).unwrap();
    }
    assert_eq!((made.bytes(&made.c), count("fake_replays")), ([8; 4], 4));
    assert_eq!((count("fake_graphs"), count("fake_streams")), (0, 0));
    made.repeat(6, None, &mut replay).unwrap();
    made.repeat(6, None, &mut replay).unwrap();
    let sent = std::thread::scope(|scope| scope.spawn(move || drop(replay)).join());
    assert!(sent.is_ok());
    assert_eq!((count("fake_graphs"), count("fake_streams")), (0, 0), "also when dropped by another thread");
}

#[test]
fn where_there_are_no_graphs_launches_are_made_one_by_one_and_it_is_told_why() {
    const TEST: &str =
        "device::tests::replay::where_there_are_no_graphs_launches_are_made_one_by_one_and_it_is_told_why";
    if !is_child() {
        ["no capture", "lost capture", "no instance"].iter().for_each(|trouble| run(TEST, trouble));
        return run_without_graphs(TEST);
    }
    let made = Made::new();
    let mut replay = Replay::default();
    for times in 1..=3 {
        made.repeat(5, None, &mut replay).unwrap();
        assert_eq!((made.bytes(&made.c), counts()), ([13; 4], [2 * times, 0, 2 * times]));
        assert_eq!(replay.one_by_one().is_some(), times > 1);
    }
}

#[test]
fn what_is_wrong_is_found_at_its_place_and_after_a_fault_it_is_not_known_where() {
    const TEST: &str =
        "device::tests::replay::what_is_wrong_is_found_at_its_place_and_after_a_fault_it_is_not_known_where";
    if !is_child() {
        return ["", "gone", "bad replay"].iter().for_each(|trouble| run(TEST, trouble));
    }
    let made = Made::new();
    let mut replay = Replay::default();
    if trouble().is_empty() {
        for _ in 0..2 {
            // The first time it is found when it is launched.
            let undone = made.repeat_with(5, &made.c, 513, &mut replay).unwrap_err();
            let is_limit = matches!(undone.source, DeviceError::LaunchLimit { asked: 513, .. });
            assert!(is_limit && undone.at.is_none_or(|at| at == 1), "{undone:?}");
        }
        return;
    }
    made.repeat(5, None, &mut replay).unwrap();
    let undone = made.repeat(5, None, &mut replay).unwrap_err();
    let is_lost = matches!(undone.source, DeviceError::Lost { .. } | DeviceError::KernelFault { .. });
    assert!(is_lost && undone.at.is_none(), "{undone:?}");
}
