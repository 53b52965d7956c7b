//! Frequencies for symbols that occur so and so often.

use super::MAX_STATE_BITS;
use super::text::{frequency, level_below};

/// How often the frequencies are gone through for a better one; the first time finds nearly all.
const ROUNDS: usize = 4;

/// The frequencies under which symbols with these counts, none of which is 0, take the fewest bits, nearly: of those that
/// the text form can tell, with a sum of 2^`bits`. `bits` is raised until each symbol can have one; of one symbol alone it is
/// 1. None for more symbols than there may be states.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small"
)]
pub(in super::super) fn fit(counts: &[u64], bits: u8) -> Option<(u8, Vec<u16>)> {
    if counts.len() < 2 {
        return Some((1, vec![2; counts.len()]));
    }
    let bits = (bits.max(1)..=MAX_STATE_BITS).find(|bits| counts.len() <= 1 << bits)?;
    let size = 1i32 << bits;
    let all: f64 = counts.iter().map(|count| *count as f64).sum();
    let top = (0..counts.len()).max_by_key(|place| counts[*place])?;
    // All but the most frequent one scaled, which takes the rest.
    let scaled = |scale: f64| -> (Vec<u16>, i32) {
        let near = |count: u64| {
            let wished = (count as f64 / all * f64::from(size) * scale).clamp(1.0, 8191.0);
            let below = frequency(level_below(wished as u16));
            let above = frequency(level_below(below) + 1);
            // Nearer by ratio.
            if f64::from(below) * f64::from(above) > wished * wished { below } else { above }
        };
        let mut frequencies: Vec<u16> = counts.iter().map(|count| near(*count)).collect();
        frequencies[top] = 0;
        let others: i32 = frequencies.iter().map(|own| i32::from(*own)).sum();
        (frequencies, size - others)
    };
    // The larger the others, the smaller what is left: until it is as much larger or smaller than it should be as they are.
    let (mut low, mut high) = (0.0, 2.0);
    for _ in 0..30 {
        let middle = f64::midpoint(low, high);
        let wished = counts[top] as f64 / all * f64::from(size) * middle;
        let (_, rest) = scaled(middle);
        if rest > 0 && f64::from(rest) >= wished { low = middle } else { high = middle }
    }
    let (mut frequencies, mut rest) = scaled(low);
    let gain = |count: u64, from: i32, to: i32| count as f64 * (f64::from(to) / f64::from(from)).log2();
    for _ in 0..ROUNDS {
        let mut is_better = false;
        for place in (0..counts.len()).filter(|place| *place != top) {
            let own = frequencies[place];
            let level = level_below(own);
            for other in [level - 1, level + 1].map(frequency) {
                let left = rest + i32::from(own) - i32::from(other);
                if other > 0
                    && left > 0
                    && gain(counts[place], own.into(), other.into()) + gain(counts[top], rest, left) > 1e-9
                {
                    (frequencies[place], rest, is_better) = (other, left, true);
                    break;
                }
            }
        }
        if !is_better {
            break;
        }
    }
    frequencies[top] = u16::try_from(rest).ok()?;
    Some((bits, frequencies))
}
