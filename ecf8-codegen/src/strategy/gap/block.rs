//! Prefix sum over a block, by exchange within warps.

use crate::lang::{Shared, V, WARP, barrier, device, lane_idx, shuffle, shuffle_up, shuffle_xor, warp_idx};

/// The sum of the `count`s of the threads before this one. `sums` has a word per warp; a barrier is passed.
#[device]
pub(in super::super) fn exclusive_sum(threads: u32, count: V<u32>, sums: Shared<u32>) -> V<u32> {
    let lane = lane_idx();
    let warp = warp_idx();
    let warps = threads / WARP;
    let mut sum = count;
    for step in 0..5 {
        let below = shuffle_up(sum, 1 << step);
        if lane >= 1 << step {
            sum += below;
        }
    }
    if lane == WARP - 1 {
        sums[warp] = sum;
    }
    barrier();
    let mut before = if lane < warp { sums[lane] } else { 0 };
    for step in 0..warps.next_power_of_two().ilog2() {
        before += shuffle_xor(before, 1 << step);
    }
    shuffle(before, 0) + sum - count
}
