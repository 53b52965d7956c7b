//! Mistakes that the guide speaks of.

use ecf8_codegen::emulator::{self, Checks, EmulatorError};
use ecf8_codegen::lang::{
    GlobalMut, Shared, V, WARP, device, kernel, lane_idx, shared, thread_idx, warp_idx,
};
use ecf8_codegen::launch::{Arg, Launch, OutputSlot};

/// As in the guide, but without the barrier; only the sums of the warps matter.
#[device]
fn sum_before(count: V<u32>, sums: Shared<u32>) -> V<u32> {
    let warp = warp_idx();
    let sum = count;
    if lane_idx() == WARP - 1 {
        sums[warp] = sum;
    }
    let mut before: u32 = 0;
    for w in 0_u32..warp {
        before += sums[w];
    }
    before
}

/// What the guide's kernel needs to have that function's mistake.
#[kernel(threads = 64)]
fn gap_simple(output: GlobalMut<u32>) {
    let sums = shared::<u32>(2_u32);
    let thread = thread_idx();
    let count = thread;
    let start = sum_before(count, sums);
    output[thread] = start;
}

/// What the emulator says to that.
pub(super) fn forgotten_barrier() -> EmulatorError {
    let launch = Launch {
        grid: 1,
        dynamic_shared_bytes: 0,
        args: vec![Arg::Output(0)],
        outputs: vec![OutputSlot::whole(4 * 64)],
    };
    emulator::run(&gap_simple().unwrap(), &launch, Checks::Full).unwrap_err()
}
