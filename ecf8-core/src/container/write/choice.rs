//! Which scheme a tensor is compressed with.

use super::candidates::Variant;
use super::sharing::{Code, Rules, TOLERANCE};
use crate::container::CompressOptions;
use crate::element::{Shape, Split};
use crate::layout::{Aim, Scheme, lanes, schemes};

/// What decides between schemes: the only one there may be; or an aim.
///
/// - For size, each tensor has the smallest result.
/// - For speed, each tensor has the smallest result of the schemes that decode fastest: those with several numbers to a
///   look-up, whose kernels wait for memory alone on the largest GPUs, so that what is smaller is faster. Numbers without
///   exponents of their own have codewords for bytes.
/// - Else all tensors of a file that are of one number type have one scheme, so that one launch decodes a layer: the
///   one with the smallest result, unless one that decodes faster takes at most a tenth of a percent of their size more, or a
///   fifth where a number has several bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct SchemeChoice {
    only: Option<&'static dyn Scheme>,
    aim: Aim,
}

/// A tensor may become larger for speed by one part in this many, if its numbers have one byte: others compress those nearly as well, so
/// that a fifth of a percent matters, and on an H100 the smallest scheme was decoded as fast as those for speed, on an H200 .87
/// times as fast.
const BALANCE: u64 = 1000;

/// The same for numbers of several bytes, of which others leave more. Gaussian BF16 so gets codewords for pairs of exponents, which
/// take .1 % more than states: a processor decodes them twice as fast and encodes them more than twice as fast, and kernels need
/// fewer instructions.
const BALANCE_OF_WIDE: u64 = 500;

impl SchemeChoice {
    pub(super) fn new(options: &CompressOptions) -> Self {
        Self { only: options.scheme, aim: options.aim }
    }

    /// The schemes that come into question, the one that decodes fastest first.
    pub(super) fn schemes(self) -> Vec<&'static dyn Scheme> {
        if let Some(only) = self.only {
            return vec![only];
        }
        let mut ranked: Vec<_> = schemes().iter().copied().filter(|scheme| scheme.rank().is_some()).collect();
        ranked.sort_by_key(|scheme| std::cmp::Reverse(scheme.rank()));
        ranked
    }

    /// Whether a scheme comes into question for numbers that are split like this.
    pub(super) fn has(self, scheme: &dyn Scheme, split: &Split) -> bool {
        let is_fast = || {
            let of_bytes = split.shape() == Shape::Bytes && scheme.name() == lanes::BYTE_LANES.name();
            self.aim != Aim::Speed || scheme.symbols().elements > 1 || of_bytes
        };
        let is_open = match self.only {
            Some(only) => only.name() == scheme.name(),
            None => scheme.rank().is_some() && is_fast(),
        };
        is_open && scheme.takes_split(split)
    }

    /// Whether all tensors of a file have one scheme.
    pub(super) fn is_for_all(self) -> bool {
        self.only.is_none() && self.aim == Aim::Balanced
    }

    /// How many bytes a result may have, where the smallest has `least`, for `original` bytes of numbers of `width` bytes.
    pub(super) fn accepted(self, width: usize, original: u64, least: u64) -> u64 {
        let balance = if width == 1 { BALANCE } else { BALANCE_OF_WIDE };
        if self.is_for_all() { least.saturating_add(original / balance) } else { least }
    }

    /// Which of several results to take, by their bytes, the one that decodes fastest first, for `original` bytes of
    /// numbers of `width` bytes.
    pub(super) fn pick(self, width: usize, original: u64, bytes: &[u64]) -> usize {
        let accepted = self.accepted(width, original, bytes.iter().copied().min().unwrap_or(0));
        bytes.iter().position(|bytes| *bytes <= accepted).unwrap_or(0)
    }
}

/// The ways to decide that the options leave open, of which the smallest result is taken.
///
/// For size these are, with what else the options say: the smallest for each tensor; one scheme for all; and what would
/// be decided without an aim, with each limit of codewords. So no result is larger than what other options give.
pub(super) fn variants(options: &CompressOptions) -> Vec<Variant> {
    let choice = SchemeChoice::new(options);
    let code = Code::new(options);
    let rules = |code, tolerance| Rules { code, tolerance, most: options.codebooks };
    if options.aim != Aim::Size {
        return vec![Variant { choice, rules: rules(code, TOLERANCE), aim: options.aim }];
    }
    let codes: Vec<Code> = match code {
        Code::Within(_) => vec![code],
        _ => [Code::Judged].into_iter().chain((10..=13).rev().map(Code::Within)).collect(),
    };
    let closest = if code == Code::Judged { Code::Smallest } else { code };
    let one = |only: &'static dyn Scheme| SchemeChoice { only: Some(only), aim: Aim::Size };
    let balanced = SchemeChoice { aim: Aim::Balanced, ..choice };
    let mut variants = vec![Variant { choice, rules: rules(closest, 0.0), aim: Aim::Size }];
    if options.scheme.is_none() {
        // As it would be if the scheme had been named, too: a tolerance may happen to save bytes.
        for choice in choice.schemes().into_iter().map(one) {
            variants.push(Variant { choice, rules: rules(closest, 0.0), aim: Aim::Size });
            variants.push(Variant { choice, rules: rules(code, TOLERANCE), aim: Aim::Balanced });
        }
    }
    for aim in [Aim::Size, Aim::Balanced] {
        let each = codes.iter().map(|code| Variant { choice: balanced, rules: rules(*code, TOLERANCE), aim });
        variants.extend(each);
    }
    variants
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_or_a_fifth_of_a_percent_is_given_for_speed_unless_size_is_asked_for() {
        let choice = |aim| SchemeChoice { only: None, aim };
        let pick = |aim: Aim, bytes: [u64; 2]| [1, 2].map(|width| choice(aim).pick(width, 5000, &bytes));
        assert_eq!([Aim::Size, Aim::Balanced].map(|c| pick(c, [805, 800])), [[1, 1], [0, 0]]);
        assert_eq!([Aim::Size, Aim::Balanced].map(|c| pick(c, [810, 800])), [[1, 1], [1, 0]]);
        assert_eq!([Aim::Size, Aim::Balanced].map(|c| pick(c, [800, 801])), [[0, 0], [0, 0]]);
        let names = |aim: Aim, dtype| -> Vec<&str> {
            let split = Split::usual(crate::element::element(dtype).unwrap());
            let schemes = choice(aim).schemes().into_iter().filter(|scheme| choice(aim).has(*scheme, &split));
            schemes.map(|scheme| scheme.name()).collect()
        };
        assert_eq!(names(Aim::Speed, "F8_E4M3"), ["quad-lanes", "triple-lanes", "pair-lanes", "pair6-lanes"]);
        let all = ["quad-lanes", "triple-lanes", "pair-lanes", "byte-lanes", "ans-lanes"];
        assert_eq!(names(Aim::Size, "BF16"), all);
        assert_eq!(names(Aim::Speed, "I8"), ["byte-lanes"]);
    }
}
