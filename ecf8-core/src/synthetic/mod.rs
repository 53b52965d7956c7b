//! Weights made from a seed, for demonstrations, tests and benchmarks. The same seed gives the same bytes on every
//! machine, as far as their mathematical functions round alike.

mod attention;
mod e4m3;
mod entropy;
mod model;
mod types;

pub use attention::{Attention, Cached};
pub use e4m3::{from_f32, to_f32};
pub use entropy::{ROW, WithEntropy, with_exponent_entropy};
pub use model::{SyntheticTensor, demo_model, safetensors_bytes};
pub use types::stored_as;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Exp1, StandardNormal};
use rayon::prelude::*;
use std::f64::consts::PI;

/// Values that one stream of random numbers makes; part of what a seed means.
const CHUNK: usize = 1 << 16;

/// Side of the square blocks that share a scale, as in DeepSeek's and Qwen's checkpoints.
pub const BLOCK: usize = 128;

/// The largest finite value of E4M3.
const LARGEST: f32 = 448.0;

/// A generator for chunk `chunk` of what `seed` stands for.
fn generator(seed: u64, chunk: usize) -> ChaCha8Rng {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    generator.set_stream(chunk as u64);
    generator
}

fn generate(seed: u64, count: usize, value: impl Fn(&mut ChaCha8Rng) -> f32 + Sync) -> Vec<f32> {
    let mut values = vec![0.0; count];
    values.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, values)| {
        let mut generator = generator(seed, chunk);
        values.fill_with(|| value(&mut generator));
    });
    values
}

/// `count` values from a normal distribution with standard deviation `sigma`.
#[must_use]
pub fn gaussian(seed: u64, count: usize, sigma: f32) -> Vec<f32> {
    generate(seed, count, |generator| sigma * generator.sample::<f32, _>(StandardNormal))
}

/// `count` values from a symmetric α-stable distribution, 0 < `alpha` ≤ 2 (the paper's model of trained weights), by the
/// method of Chambers, Mallows and Stuck. With `alpha` 2 it is normal with variance 2·`scale`².
#[must_use]
pub fn alpha_stable(seed: u64, count: usize, alpha: f64, scale: f64) -> Vec<f32> {
    generate(seed, count, |generator| {
        let angle: f64 = (generator.random::<f64>() - 0.5) * PI;
        let exponential: f64 = generator.sample(Exp1);
        let tail = ((1.0 - alpha) * angle).cos() / exponential;
        let value = (alpha * angle).sin() / angle.cos().powf(1.0 / alpha) * tail.powf((1.0 - alpha) / alpha);
        narrow(scale * value)
    })
}

#[expect(clippy::cast_possible_truncation, reason = "rounding is what is wanted")]
fn narrow(value: f64) -> f32 {
    value as f32
}

/// The first `count` of these bytes, begun again where they end; none of none. Making numbers may take longer than all else that is done
/// with them, and no cache or code finds out where they are the same again.
#[must_use]
pub fn repeated(mut bytes: Vec<u8>, count: usize) -> Vec<u8> {
    let made = bytes.len();
    bytes.truncate(count);
    while made > 0 && bytes.len() < count {
        bytes.extend_from_within(..made.min(count - bytes.len()));
    }
    bytes
}

/// `count` bytes of uniform noise.
#[must_use]
pub fn noise(seed: u64, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    bytes.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, bytes)| generator(seed, chunk).fill(bytes));
    bytes
}

/// E4M3 bytes of `values`, each rounded to the nearest (see [`from_f32`]).
#[must_use]
pub fn cast(values: &[f32]) -> Vec<u8> {
    values.par_iter().map(|value| from_f32(*value)).collect()
}

/// A matrix in E4M3 with one scale per block.
#[derive(Debug, Clone, PartialEq)]
pub struct BlockScaled {
    /// One byte per value, row by row.
    pub bytes: Vec<u8>,
    /// One scale per block, row by row; a value is its E4M3 number times its block's scale.
    pub scales: Vec<f32>,
    /// Rows and columns of `scales`.
    pub scales_shape: [usize; 2],
}

/// Scales each 128×128 block of a matrix with `columns` columns so that its largest magnitude becomes 448, and casts.
/// Values after the last whole row are a row of their own.
#[must_use]
pub fn block_scaled(values: &[f32], columns: usize) -> BlockScaled {
    let columns = columns.max(1);
    let scales_shape = [values.len().div_ceil(columns).div_ceil(BLOCK), columns.div_ceil(BLOCK)];
    let mut largest = vec![0.0f32; scales_shape[0] * scales_shape[1]];
    let block_of = |index: usize| index / columns / BLOCK * scales_shape[1] + index % columns / BLOCK;
    for (index, value) in values.iter().enumerate() {
        let largest = &mut largest[block_of(index)];
        *largest = largest.max(value.abs());
    }
    let scales: Vec<f32> = largest.iter().map(|l| if *l > 0.0 { l / LARGEST } else { 1.0 }).collect();
    let scaled =
        values.par_iter().enumerate().map(|(index, value)| from_f32(value / scales[block_of(index)]));
    BlockScaled { bytes: scaled.collect(), scales, scales_shape }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::E4M3;
    use crate::histogram::Histogram;

    #[test]
    fn bytes_begin_again_where_they_end() {
        assert_eq!(repeated(vec![1, 2, 3], 8), [1, 2, 3, 1, 2, 3, 1, 2]);
        assert_eq!((repeated(vec![1, 2, 3], 2), repeated(vec![], 5)), (vec![1, 2], vec![]));
    }

    #[test]
    fn a_seed_always_means_the_same_values() {
        let long = gaussian(7, 2 * CHUNK + 3, 0.5);
        assert_eq!(gaussian(7, CHUNK + 9, 0.5), long[..CHUNK + 9]);
        assert_ne!(gaussian(8, 9, 0.5), long[..9]);
        assert_ne!(long[..CHUNK], long[CHUNK..2 * CHUNK]);
        // Pinned, because recorded sizes and measurements depend on it.
        assert_eq!(noise(1, 8), [177, 13, 164, 140, 234, 76, 9, 103]);
    }

    #[test]
    fn moments_and_quantiles_are_those_of_the_distributions() {
        let spread = |values: &[f32]| {
            (values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
        };
        assert!((spread(&gaussian(1, 1 << 20, 0.02)) - 0.02).abs() < 1e-4);
        assert!((spread(&alpha_stable(1, 1 << 20, 2.0, 0.02)) - 0.02 * 2f64.sqrt()).abs() < 2e-4);
        // The Cauchy distribution (alpha 1) has its quartiles at plus and minus its scale.
        let beyond = alpha_stable(1, 1 << 20, 1.0, 3.0).iter().filter(|v| v.abs() > 3.0).count();
        assert!((beyond as f64 / f64::from(1 << 20) - 0.5).abs() < 2e-3);
    }

    #[test]
    fn each_block_reaches_the_largest_value_and_scales_undo_the_division() {
        let values = gaussian(3, 200 * 300, 1.0);
        let scaled = block_scaled(&values, 300);
        assert_eq!(scaled.scales_shape, [2, 3]);
        for block in 0..6 {
            let inside = |index: &usize| index / 300 / BLOCK * 3 + index % 300 / BLOCK == block;
            let bytes: Vec<u8> =
                (0..values.len()).filter(inside).map(|index| scaled.bytes[index] & 0x7f).collect();
            assert_eq!(bytes.iter().max(), Some(&0x7e));
        }
        for (index, value) in values.iter().enumerate() {
            let scale = scaled.scales[index / 300 / BLOCK * 3 + index % 300 / BLOCK];
            assert!(
                (to_f32(scaled.bytes[index]) * scale - value).abs() <= value.abs() / 16.0 + scale / 512.0
            );
        }
        assert_eq!(
            block_scaled(&[0.0; 4], 2),
            BlockScaled { bytes: vec![0; 4], scales: vec![1.0], scales_shape: [1, 1] }
        );
    }

    #[test]
    fn exponent_entropy_is_in_the_range_of_trained_weights() {
        let entropy = |bytes: &[u8]| Histogram::of_exponents(bytes, &E4M3).entropy_bits();
        let block128 = entropy(&block_scaled(&gaussian(1, 1 << 20, 1.0), 1024).bytes);
        assert!((2.5..2.6).contains(&block128), "{block128}");
        let plain = entropy(&cast(&gaussian(1, 1 << 20, 0.02)));
        assert!((1.35..1.45).contains(&plain), "{plain}");
    }
}
