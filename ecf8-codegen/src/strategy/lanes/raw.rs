//! Signs and mantissas of a lane's next turn, loaded before they are needed, so that memory is busy while it decodes.

use super::held::Held;
use super::jobs::Job;
use super::nibbles::merge;
use super::table::Symbol;
use crate::lang::{Global, V, WARP, comment, device};

/// The nibbles of a vector, held.
type Nibbles = Held<2>;

/// Names in the kernel, by the vector of a turn.
const NAMES: [[&str; 2]; 3] =
    [["nibbles_0", "nibbles_1"], ["nibbles_2", "nibbles_3"], ["nibbles_4", "nibbles_5"]];

/// The raw bits of a turn; none, where symbols are whole bytes.
pub(super) struct Raw {
    model: Global<u32>,
    packed: V<u64>,
    vectors: Vec<Nibbles>,
}

impl Raw {
    /// Declares what is held.
    #[track_caller]
    pub(super) fn nothing(symbol: Symbol, model: Global<u32>, job: &Job) -> Self {
        let vectors = if symbol.is_split() { symbol.vectors() as usize } else { 0 };
        if vectors > 0 {
            comment("Signs and mantissas of the lane's next turn, so that memory is busy while it decodes.");
        }
        let vectors = NAMES[..vectors].iter().map(|names| Held::nothing(*names)).collect();
        Self { model, packed: job.packed, vectors }
    }

    /// Loads those of the turn that begins `ahead` vectors after `at`, as far as there are vectors: from `at` on there are left,
    /// times two, `left`, or half a vector less.
    #[device]
    pub(super) fn fetch(&self, at: V<u64>, ahead: u32, left: V<i32>) {
        for (j, vector) in (0u32..).zip(&self.vectors) {
            let ahead = ahead + WARP * j;
            if left > (2 * ahead) as i32 {
                vector.replace(self.model.load2(self.packed + at + (ahead as u64)));
            }
        }
    }

    /// The words of vector `j`, with what was loaded put to their exponents.
    #[track_caller]
    pub(super) fn put_to(&self, exponents: Vec<V<u32>>, j: u32) -> Vec<V<u32>> {
        match self.vectors.get(j as usize) {
            Some(nibbles) => merge(&exponents, nibbles.words()),
            None => exponents,
        }
    }
}
