//! Entropies from counts.

use crate::counts::{Counts, Numbers, Pairs};
use crate::numbers::FloatType;
use crate::report::BitFieldEntropies;

/// Shannon entropy of counts, in bits; 0 of none.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "probabilities")]
pub fn entropy(counts: impl IntoIterator<Item = u64>) -> f64 {
    // Counts of 2³² and more lose nothing that shows: all in one pass, log2 n − Σ c·log2 c / n.
    let (mut total, mut sum) = (0u64, 0.0);
    for count in counts.into_iter().filter(|count| *count > 0) {
        total += count;
        sum += count as f64 * (count as f64).log2();
    }
    let total = total as f64;
    if total > 0.0 { (total.log2() - sum / total).max(0.0) } else { 0.0 }
}

/// Heads that occur and how often: of small tensors few do, and looking at all again and again would take most of the time.
fn present(heads: &[u64]) -> Vec<(usize, u64)> {
    heads.iter().copied().enumerate().filter(|(_, count)| *count > 0).collect()
}

/// Sums of counts by what `key`, below `keys`, makes of each place.
fn by(present: &[(usize, u64)], keys: usize, key: impl Fn(usize) -> usize) -> Vec<u64> {
    let mut sums = vec![0; keys];
    for (place, count) in present {
        sums[key(*place)] += count;
    }
    sums
}

/// How often each exponent's field occurs.
pub(crate) fn exponent_counts(float: &FloatType, heads: &[u64]) -> Vec<u64> {
    exponents(float, &present(heads))
}

fn exponents(float: &FloatType, heads: &[(usize, u64)]) -> Vec<u64> {
    let (shift, mask) = (float.head_mantissa(), float.format.exponents() - 1);
    by(heads, mask + 1, |head| head >> shift & mask)
}

/// Entropies of each byte of numbers, the most significant first.
pub(crate) fn of_bytes(numbers: Numbers, counts: &Counts) -> Vec<f64> {
    let heads = &present(&counts.heads);
    let of_heads = match numbers.float.map(FloatType::head_bits) {
        Some(16) => {
            vec![entropy(by(heads, 256, |head| head >> 8)), entropy(by(heads, 256, |head| head & 255))]
        }
        Some(_) => vec![entropy(counts.heads.iter().copied())],
        None => Vec::new(),
    };
    of_heads.into_iter().chain(counts.lower.iter().map(|counts| entropy(*counts))).collect()
}

/// Entropies of the fields of floats.
pub(crate) fn of_fields(float: &FloatType, counts: &Counts) -> BitFieldEntropies {
    let heads = &present(&counts.heads);
    let (mantissa_bits, sign_at) = (float.head_mantissa(), float.head_bits() - float.format.sign_bits);
    let mantissas = 1usize << mantissa_bits;
    let of_sign = |head: usize| head >> sign_at;
    let signs = 1usize << float.format.sign_bits;
    let exponent = entropy(exponents(float, heads));
    let head_mantissa = entropy(by(heads, mantissas, |head| head & (mantissas - 1)));
    let sign_mantissa =
        entropy(by(heads, mantissas * signs, |head| head & (mantissas - 1) | of_sign(head) << mantissa_bits));
    // Heads without their sign are exponent and mantissa as one.
    let joint = entropy(by(heads, 1 << sign_at, |head| head & ((1 << sign_at) - 1)));
    let lower: f64 = counts.lower.iter().map(|counts| entropy(*counts)).sum();
    BitFieldEntropies {
        sign: entropy(by(heads, signs, of_sign)),
        exponent,
        mantissa: head_mantissa + lower,
        sign_mantissa: sign_mantissa + lower,
        element: entropy(heads.iter().map(|(_, count)| *count)) + lower,
        exponent_given_previous: conditional(float, &counts.previous).unwrap_or(exponent),
        exponent_given_above: conditional(float, &counts.above).unwrap_or(exponent),
        mutual_information_exponent_mantissa: (exponent + head_mantissa - joint).max(0.0),
    }
}

/// Entropy of the second of pairs of exponents if the first is known; `None` if there are none.
fn conditional(float: &FloatType, pairs: &Pairs<u64>) -> Option<f64> {
    let present = pairs.present();
    let mut firsts = vec![0; float.format.exponents()];
    for (pair, count) in &present {
        firsts[(pair >> float.format.exponent_bits) as usize] += count;
    }
    let both = entropy(present.iter().map(|(_, count)| *count));
    (!present.is_empty()).then(|| (both - entropy(firsts)).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropies_of_known_counts() {
        assert_eq!((entropy([]), entropy([0, 7]), entropy([5; 16])), (0.0, 0.0, 4.0));
        assert!((entropy([2, 1, 1]) - 1.5).abs() < 1e-15);
        assert!((entropy([1 << 40, 1 << 40]) - 1.0).abs() < 1e-15);
    }
}
