//! E4M3 weights whose exponents have a given entropy.
//!
//! Two ways lead from the entropy of N(0, 1), 2.521 bits, and both occur in models:
//! - down: a smaller deviation, so that more and more weights fall among the subnormal numbers and zero, which share one exponent. So
//!   are models that were cast to FP8 as they are, without scales. Rows have scales of their own, log-normal with [`NARROW_SPREAD`].
//! - up: rows whose scales differ more and more, log-normally. So are matrices whose channels differ, under one scale for a block or a
//!   tensor.
//!
//! Deviation and spread are found by bisection on the very numbers that are then cast, so what is reached is what these bytes have.

use super::{cast, generate, generator};
use crate::format::E4M3;
use crate::histogram::Histogram;
use rand::RngExt;
use rand_distr::StandardNormal;
use rayon::prelude::*;

/// Numbers of a row of [`with_exponent_entropy`], which have a scale in common.
pub const ROW: usize = 1024;

/// The stream of random numbers of the rows' scales: further than any chunk's.
const ROWS_STREAM: usize = usize::MAX;

/// The largest spread tried: with it, the exponents have some 3.5 bits.
const WIDEST: f32 = 4.0;

/// Spread of the rows' scales below the entropy of N(0, 1). What Huffman codes take beyond an entropy depends on the law: with .5
/// they save what the paper reports of its diffusion models to a point, with 0 to 1.8.
const NARROW_SPREAD: f32 = 0.5;

/// Halvings of the interval at most; an interval of single precision has no more.
const HALVINGS: usize = 40;

/// Weights of a given exponent entropy.
#[derive(Debug, Clone, PartialEq)]
pub struct WithEntropy {
    /// E4M3 numbers.
    pub bytes: Vec<u8>,
    /// Standard deviation of a row with scale 1.
    pub sigma: f32,
    /// Standard deviation of the natural logarithm of the rows' scales; 0 if all are 1.
    pub row_spread: f32,
    /// Entropy of the exponents, in bits.
    pub exponent_entropy_bits: f64,
}

/// `count` E4M3 numbers, in rows of 1,024, whose exponents have an entropy within `tolerance` of `bits`; `None` where that is
/// not reached: where there are too few numbers, or `bits` is below 0 or above some 3.5.
#[must_use]
pub fn with_exponent_entropy(seed: u64, count: usize, bits: f64, tolerance: f64) -> Option<WithEntropy> {
    let normal = generate(seed, count, |generator| generator.sample::<f32, _>(StandardNormal));
    let mut random = generator(seed, ROWS_STREAM);
    let rows: Vec<f32> = (0..count.div_ceil(ROW)).map(|_| random.sample::<f32, _>(StandardNormal)).collect();
    let made = |sigma: f32, row_spread: f32| {
        let scaled = normal.par_chunks(ROW).zip(&rows).flat_map_iter(|(numbers, row)| {
            let scale = sigma * (row_spread * row).exp();
            numbers.iter().map(move |number| scale * number)
        });
        let bytes = cast(&scaled.collect::<Vec<f32>>());
        let exponent_entropy_bits = Histogram::of_exponents(&bytes, &E4M3).entropy_bits();
        WithEntropy { bytes, sigma, row_spread, exponent_entropy_bits }
    };
    let plain = made(1.0, 0.0);
    let is_wider = bits > plain.exponent_entropy_bits;
    let (mut low, mut high) = (0.0, if is_wider { WIDEST } else { 1.0 });
    let mut found = plain;
    for _ in 0..HALVINGS {
        if (found.exponent_entropy_bits - bits).abs() <= tolerance {
            return Some(found);
        }
        let middle = f32::midpoint(low, high);
        found = if is_wider { made(1.0, middle) } else { made(middle, NARROW_SPREAD) };
        if found.exponent_entropy_bits < bits {
            low = middle;
        } else {
            high = middle;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::{gaussian, to_f32};

    /// Exponents counted by value: what E4M3 calls exponent is where a magnitude lies between powers of two, and one for all below 2^-6.
    fn entropy(bytes: &[u8]) -> f64 {
        let mut counts = [0u32; 16];
        for byte in bytes {
            let magnitude = to_f32(byte & 0x7f);
            let exponent = (0..15).filter(|power| magnitude >= 2f32.powi(power - 6)).count();
            counts[exponent] += 1;
        }
        let all = bytes.len() as f64;
        let share = counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) / all);
        share.map(|share| -share * share.log2()).sum()
    }

    #[test]
    fn entropies_of_all_models_of_the_paper_are_reached() {
        for (bits, is_narrow) in
            [(1.5199, true), (2.0850, true), (2.5, true), (2.5986, false), (2.7295, false)]
        {
            let made = with_exponent_entropy(1, 1 << 18, bits, 0.002).unwrap();
            assert_eq!(made.bytes.len(), 1 << 18);
            assert!((entropy(&made.bytes) - bits).abs() <= 0.002, "{bits}: {}", entropy(&made.bytes));
            assert!((made.exponent_entropy_bits - entropy(&made.bytes)).abs() < 1e-9);
            assert_eq!(made.sigma < 1.0, is_narrow, "{} {}", made.sigma, made.row_spread);
            assert_eq!(made, with_exponent_entropy(1, 1 << 18, bits, 0.002).unwrap());
        }
    }

    #[test]
    fn a_normal_distribution_is_between_the_two_ways() {
        let plain = entropy(&cast(&gaussian(3, 1 << 20, 1.0)));
        assert!((plain - 2.521).abs() < 0.003, "{plain}");
        let made = with_exponent_entropy(3, 1 << 20, plain, 0.002).unwrap();
        assert_eq!((made.sigma, made.row_spread), (1.0, 0.0));
    }

    #[test]
    fn what_cannot_be_reached_is_not_made_up() {
        for bits in [-0.1, 3.9, 5.0, f64::NAN] {
            assert_eq!(with_exponent_entropy(1, 1 << 14, bits, 0.002), None, "{bits}");
        }
        assert_eq!(with_exponent_entropy(1, 0, 2.0, 0.002), None);
        // Two numbers have an entropy of 0 bits or of 1.
        assert_eq!(with_exponent_entropy(1, 2, 0.5, 0.002), None);
    }
}
