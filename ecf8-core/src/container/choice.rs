//! Which scheme a tensor is compressed with.

use crate::layout::{Scheme, lanes};

/// What decides between schemes.
#[derive(Debug, Clone, Copy, Default)]
pub enum SchemeChoice {
    /// One scheme for all tensors of its float format.
    Only(&'static dyn Scheme),
    /// For each tensor, the smallest result.
    Size,
    /// For each tensor, the smaller result of the schemes that decode faster than others can be: those of exponents only.
    Speed,
    /// For all tensors of a file, so that one launch decodes a layer, the scheme with the smallest result, unless one that
    /// decodes faster takes at most a quarter of a percent of their size more.
    #[default]
    Balanced,
}

/// The schemes to choose from, the one that decodes fastest first: that takes the fewest instructions per byte
/// (`ecf8-codegen/OPTIMIZATION.md`).
static FASTEST_FIRST: [&dyn Scheme; 4] =
    [&lanes::QUAD_LANES, &lanes::TRIPLE_LANES, &lanes::PAIR_LANES, &lanes::BYTE_LANES];

/// Those whose kernels wait for memory alone, on the largest GPUs. What is smaller is then faster.
const BOUND_BY_MEMORY: usize = 3;

/// One part in so many of a tensor may be given for speed.
const BALANCE: u64 = 400;

impl SchemeChoice {
    /// The schemes that come into question, the one that decodes fastest first.
    pub(super) fn schemes(self) -> Vec<&'static dyn Scheme> {
        match self {
            Self::Only(scheme) => vec![scheme],
            Self::Speed => FASTEST_FIRST[..BOUND_BY_MEMORY].to_vec(),
            Self::Size | Self::Balanced => FASTEST_FIRST.to_vec(),
        }
    }

    /// Whether all tensors of a file have one scheme.
    pub(super) fn is_for_all(self) -> bool {
        matches!(self, Self::Balanced)
    }

    /// How many bytes a result may have, where the smallest has `least`, for `original` bytes.
    pub(super) fn accepted(self, original: u64, least: u64) -> u64 {
        match self {
            Self::Only(_) | Self::Speed | Self::Size => least,
            Self::Balanced => least.saturating_add(original / BALANCE),
        }
    }

    /// Which of several results to take, by their bytes, the one that decodes fastest first, for `original` bytes.
    pub(super) fn pick(self, original: u64, bytes: &[u64]) -> usize {
        let accepted = self.accepted(original, bytes.iter().copied().min().unwrap_or(0));
        bytes.iter().position(|bytes| *bytes <= accepted).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_a_percent_is_given_for_speed_unless_size_is_asked_for() {
        let pick = |choice: SchemeChoice, bytes: [u64; 2]| choice.pick(2000, &bytes);
        assert_eq!([SchemeChoice::Size, SchemeChoice::Balanced].map(|c| pick(c, [805, 800])), [1, 0]);
        assert_eq!([SchemeChoice::Size, SchemeChoice::Balanced].map(|c| pick(c, [806, 800])), [1, 1]);
        assert_eq!([SchemeChoice::Size, SchemeChoice::Balanced].map(|c| pick(c, [800, 801])), [0, 0]);
        let names: Vec<&str> = SchemeChoice::Speed.schemes().iter().map(|scheme| scheme.name()).collect();
        assert_eq!(names, ["quad-lanes", "triple-lanes", "pair-lanes"]);
    }
}
