//! Keys and values as attention layers cache them.
//!
//! What a codec of K/V caches sees of a real model, by the literature on quantising them (KIVI, KVQuant): channels of keys have scales of
//! their own, some are far larger than the others and have a mean of their own, and rotary position embeddings then mix pairs of them by
//! angles that depend on the token; channels of values differ less, and are not rotated. So here, for each channel of each head:
//! - a scale, log-normal with σ = 0.8 for keys and 0.35 for values;
//! - of keys, every 16th channel or so is an outlier: its scale is 6 times as large, and its mean is 4 of these scales.
//!
//! A token's number in a channel is the mean plus the scale times a normal number times the token's own log-normal factor (σ = 0.25).
//! Keys are then rotated: channels `i` and `i + head_size / 2` of a head by the angle `token · 10000^(−2i / head_size)`, as in Llama.

use super::generator;
use rand::RngExt;
use rand_distr::StandardNormal;
use rayon::prelude::*;

/// Which half of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cached {
    /// Keys, after rotary position embedding.
    Keys,
    /// Values.
    Values,
}

/// An attention layer's cache; the seed decides about its channels and all of its tokens.
#[derive(Debug, Clone, Copy)]
pub struct Attention {
    /// What the layer is made from.
    pub seed: u64,
    /// Keys or values.
    pub cached: Cached,
    /// Heads whose keys and values are cached.
    pub heads: usize,
    /// Channels of a head.
    pub head_size: usize,
}

impl Attention {
    /// Numbers of tokens `first ..`, `tokens` of them: tokens × heads × head size.
    #[must_use]
    pub fn tokens(&self, first: usize, tokens: usize) -> Vec<f32> {
        let width = self.heads * self.head_size;
        let channels = self.channels();
        let mut numbers = vec![0.0; tokens * width];
        if width > 0 {
            numbers
                .par_chunks_mut(width)
                .enumerate()
                .for_each(|(number, numbers)| self.token(first + number, &channels, numbers));
        }
        numbers
    }

    /// Mean and scale of each channel of each head.
    fn channels(&self) -> Vec<(f32, f32)> {
        let mut random = generator(self.seed, 0);
        let keys = self.cached == Cached::Keys;
        let channel = |_| {
            let [scale, sign] = [(); 2].map(|()| random.sample::<f32, _>(StandardNormal));
            let is_outlier = random.random_range(0..16) == 0;
            let scale = (scale * if keys { 0.8 } else { 0.35 }).exp();
            if keys && is_outlier {
                let scale = scale * 6.0;
                (4.0 * scale.copysign(sign), scale)
            } else {
                (0.0, scale)
            }
        };
        (0..self.heads * self.head_size).map(channel).collect()
    }

    fn token(&self, token: usize, channels: &[(f32, f32)], numbers: &mut [f32]) {
        // Stream 0 is of the channels.
        let mut random = generator(self.seed, token + 1);
        let factor = (0.25 * random.sample::<f32, _>(StandardNormal)).exp();
        for (number, (mean, scale)) in numbers.iter_mut().zip(channels) {
            *number = mean + scale * factor * random.sample::<f32, _>(StandardNormal);
        }
        if self.cached == Cached::Keys {
            numbers.chunks_mut(self.head_size).for_each(|head| rotate(head, token));
        }
    }
}

/// Rotary position embedding of a head.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "angles need not be exact")]
fn rotate(head: &mut [f32], token: usize) {
    let half = head.len() / 2;
    for i in 0..half {
        let angle = token as f64 * 10_000f64.powf(-(i as f64) / half as f64);
        let (sin, cos) = (angle.sin() as f32, angle.cos() as f32);
        let (a, b) = (head[i], head[i + half]);
        (head[i], head[i + half]) = (a * cos - b * sin, a * sin + b * cos);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_do_not_depend_on_the_page_that_they_are_made_for() {
        let keys = Attention { seed: 3, cached: Cached::Keys, heads: 2, head_size: 64 };
        assert_eq!(keys.tokens(0, 9)[5 * 128..], keys.tokens(5, 4));
        assert_ne!(keys.tokens(0, 1), Attention { seed: 4, ..keys }.tokens(0, 1));
    }

    #[test]
    fn rotation_keeps_lengths_and_leaves_token_0_alone() {
        let mut head = [3.0, 1.0, 4.0, 2.0];
        rotate(&mut head, 0);
        assert_eq!(head, [3.0, 1.0, 4.0, 2.0]);
        rotate(&mut head, 7);
        assert!((head[0].hypot(head[2]) - 5.0).abs() < 1e-5 && (head[0] - 3.0).abs() > 0.1);
    }

    #[test]
    fn channels_of_keys_differ_more_than_those_of_values() {
        let spread = |cached| {
            let numbers = Attention { seed: 1, cached, heads: 4, head_size: 64 }.tokens(0, 200);
            let square = |channel: usize| (0..200).map(|t| numbers[t * 256 + channel].powi(2)).sum::<f32>();
            let squares: Vec<f32> = (0..256).map(square).collect();
            squares.iter().copied().fold(0.0, f32::max) / squares.iter().copied().fold(f32::MAX, f32::min)
        };
        assert!(spread(Cached::Keys) > 10.0 * spread(Cached::Values));
    }
}
