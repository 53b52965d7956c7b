//! What is stored beside the codewords of a lane's next turns, loaded before it is needed, so that memory is busy while
//! the lane decodes.
//!
//! Memory that is busy answers late: on an H100 a turn that is loaded only when the one before is decoded is waited for, two thirds of the time
//! (`OPTIMIZATION.md`). So where a turn is one vector, and little is held of it, two turns are loaded ahead, and the loop has two turns with
//! registers of their own. Not for quads, and not where a vector has one word beside it: such kernels would spill on some architectures.

use super::held::Held;
use super::jobs::Job;
use super::join::Join;
use super::units::vectors;
use crate::lang::{Global, IntoV, V, WARP, comment, device, select};
use ecf8_core::symbols::SymbolKind;
use std::ops::RangeInclusive;

/// The packed words of a vector, held: the nibbles of 16 bytes, what else there is of them, or one plane of 16 numbers.
type Nibbles = Held<2>;
type Rest = Held<1>;
type Plane = Held<4>;

/// Planes that are held at most, over all vectors of a turn: others would take registers that more warps need.
const MOST_PLANES: u32 = 3;

/// Words of a turn that are held where two turns are loaded ahead.
const OF_TWO: RangeInclusive<u32> = 2..=4;

/// Names in the kernel, by the vector of a turn, or the turn.
const NIBBLES: [[&str; 2]; 3] =
    [["nibbles_0", "nibbles_1"], ["nibbles_2", "nibbles_3"], ["nibbles_4", "nibbles_5"]];

/// Names in the kernel, by the vector of a turn, the plane or the turn.
const PLANES: [[&str; 4]; 3] = [
    ["raw_0", "raw_1", "raw_2", "raw_3"],
    ["raw_4", "raw_5", "raw_6", "raw_7"],
    ["raw_8", "raw_9", "raw_10", "raw_11"],
];

/// Names in the kernel, by the turn.
const RESTS: [&str; 2] = ["rest_0", "rest_1"];

/// The packed words of a turn; none, where fields are whole numbers.
pub(in super::super) struct Raw {
    model: Global<u32>,
    join: Join,
    job: Job,
    nibbles: Vec<Nibbles>,
    /// Of the one vector of a turn.
    rest: Option<Rest>,
    /// Of each vector, its planes; none, where they are too many to be held.
    planes: Vec<Plane>,
}

impl Raw {
    /// Declares what is held of turns with such symbols: of each turn that is loaded ahead, of which there are `most` at most.
    #[track_caller]
    pub(in super::super) fn of_turns(
        most: usize,
        kind: &SymbolKind,
        join: Join,
        model: Global<u32>,
        job: &Job,
    ) -> Vec<Self> {
        let vectors = vectors(kind);
        let nibbles = if join == Join::Nibbles { vectors } else { 0 };
        let planes = vectors * join.planes();
        let planes = if planes > MOST_PLANES { 0 } else { planes };
        let has_rest = join == Join::Rests;
        let words = 2 * nibbles + 4 * planes + u32::from(has_rest);
        let turns =
            if vectors == 1 && kind.elements < 4 && OF_TWO.contains(&words) { 2.min(most) } else { 1 };
        if words > 0 {
            let of = if turns == 2 { "two turns" } else { "turn" };
            comment(&format!(
                "Signs and mantissas of the lane's next {of}, so that memory is busy while it decodes."
            ));
        }
        let held = |turn: usize| {
            let names = |count: u32| turn * count as usize..(turn + 1) * count as usize;
            let nibbles = NIBBLES[names(nibbles)].iter().map(|names| Held::nothing(*names)).collect();
            let planes = PLANES[names(planes)].iter().map(|names| Held::nothing(*names)).collect();
            let rest = has_rest.then(|| Rest::nothing([RESTS[turn]]));
            Self { model, join, job: job.clone(), nibbles, rest, planes }
        };
        (0..turns).map(held).collect()
    }

    /// Loads those of the turn that begins `ahead` vectors after `at`, as far as there are vectors: twice the vectors
    /// that the lane and those after it have from `at` on are `left`, or one less if the last vector is not full.
    #[device]
    pub(in super::super) fn fetch(&self, at: V<u64>, ahead: u32, left: V<i32>) {
        for (j, vector) in (0u32..).zip(&self.nibbles) {
            let ahead = ahead + WARP * j;
            if left > (2 * ahead) as i32 {
                vector.replace(self.model.load2(self.job.packed + at + (ahead as u64)));
            }
        }
        if let Some(rest) = self.rest {
            if left > (2 * ahead) as i32 {
                rest.replace([self.model[self.job.packed * 2 + at + (ahead as u64)]]);
            }
        }
        let each = self.join.planes().max(1) as usize;
        for (j, planes) in (0u32..).zip(self.planes.chunks_exact(each)) {
            let ahead = ahead + WARP * j;
            if left > (2 * ahead) as i32 {
                for (number, plane) in (0u32..).zip(planes) {
                    plane.replace(self.plane(number, at + (ahead as u64)));
                }
            }
        }
    }

    /// Vector `j` of the turn that begins at `at`, or the first one if there is no such vector.
    #[device]
    fn vector(&self, at: V<u64>, j: u32, left: V<i32>) -> V<u64> {
        if j == 0 {
            at
        } else {
            at + (select(left > (2 * WARP * j) as i32, (WARP * j).into_v(), 0u32.into_v()) as u64)
        }
    }

    /// One plane of a vector.
    #[device]
    fn plane(&self, number: u32, vector: V<u64>) -> [V<u32>; 4] {
        self.model.load4(self.job.plane(number, vector))
    }

    /// The packed words of vector `j` of the turn that begins at `at`; anything, if there is no such vector. Of `left`
    /// says [`Raw::fetch`].
    #[track_caller]
    pub(in super::super) fn words(&self, at: V<u64>, j: u32, left: V<i32>) -> Vec<V<u32>> {
        if let Some(nibbles) = self.nibbles.get(j as usize) {
            return nibbles.words().to_vec();
        }
        if let Some(rest) = self.rest {
            return rest.words().to_vec();
        }
        let each = self.join.planes();
        (0..each)
            .flat_map(|number| match self.planes.get((j * each + number) as usize) {
                Some(plane) => plane.words(),
                None => self.plane(number, self.vector(at, j, left)),
            })
            .collect()
    }
}
