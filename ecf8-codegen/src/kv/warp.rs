//! What the lanes of a warp find out together. All of them must take part.

use crate::lang::{V, WARP, device, lane_idx, shuffle, shuffle_up, shuffle_xor};

/// The sum of the lanes' values.
#[device]
pub(super) fn sum(value: V<u32>) -> V<u32> {
    let mut sum = value;
    for step in 0..5 {
        sum += shuffle_xor(sum, 1u32 << step);
    }
    sum
}

/// The least of the lanes' values.
#[device]
pub(super) fn least(value: V<u32>) -> V<u32> {
    let mut least = value;
    for step in 0..5 {
        least = least.min(shuffle_xor(least, 1u32 << step));
    }
    least
}

/// The sum of the values of the lanes before this one, and that of all.
#[device]
pub(super) fn sum_before(value: V<u32>) -> (V<u32>, V<u32>) {
    let mut sum = value;
    for step in 0..5 {
        let below = shuffle_up(sum, 1u32 << step);
        if lane_idx() >= 1u32 << step {
            sum += below;
        }
    }
    let all = shuffle(sum, WARP - 1);
    (sum - value, all)
}
