//! Numbers that are the same for all lanes of a warp and are needed again after a loop that has no registers to spare.
//! Each lane keeps one of them, so together they take one register.

use crate::lang::{IntoV, V, device, lane_idx, select, shuffle};

/// Up to 32 numbers that all lanes agree on.
#[derive(Clone, Copy)]
pub(super) struct Uniform(V<u32>);

impl Uniform {
    /// Lane `i` keeps `numbers[i]`.
    #[device]
    pub(super) fn keep(numbers: &[V<u32>]) -> Self {
        let lane = lane_idx();
        let each = (0u32..).zip(numbers);
        Self(each.fold(0u32.into_v(), |kept, (i, &number)| select(lane == i, number, kept)))
    }

    /// Number `i`. All lanes must ask at once.
    #[device]
    pub(super) fn get(self, i: u32) -> V<u32> {
        shuffle(self.0, i)
    }

    /// The number whose halves are numbers `i` and `i + 1`, the lower one first.
    #[device]
    pub(super) fn get_long(self, i: u32) -> V<u64> {
        let low = self.get(i);
        let high = self.get(i + 1);
        (low as u64) | ((high as u64) << 32)
    }
}
