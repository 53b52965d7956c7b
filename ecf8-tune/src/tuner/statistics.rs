//! Figures of noisy samples that a few outliers do not move.

use serde::Serialize;

/// What samples come to. Times are in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// As many samples.
    pub samples: usize,
    /// Half are below.
    pub median_ns: f64,
    /// A fifth are below.
    pub p20_ns: f64,
    /// A fifth are above.
    pub p80_ns: f64,
}

impl Summary {
    /// Of samples in nanoseconds; `None` of none.
    #[must_use]
    pub fn of(samples_ns: &[u64]) -> Option<Self> {
        let mut sorted: Vec<f64> = samples_ns.iter().map(|&sample| sample as f64).collect();
        sorted.sort_by(f64::total_cmp);
        (!sorted.is_empty()).then(|| Self {
            samples: sorted.len(),
            median_ns: quantile(&sorted, 0.5),
            p20_ns: quantile(&sorted, 0.2),
            p80_ns: quantile(&sorted, 0.8),
        })
    }
}

/// The value with the part `at` (0 to 1) of sorted, not empty values below it, between two of them if need be.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index within the values")]
fn quantile(sorted: &[f64], at: f64) -> f64 {
    let place = at * (sorted.len().saturating_sub(1)) as f64;
    let below = place.floor() as usize;
    let value = |index: usize| sorted.get(index).or(sorted.last()).copied().unwrap_or(0.0);
    value(below) + (value(below + 1) - value(below)) * place.fract()
}

/// An average and how far it may be off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Estimate {
    /// The average.
    pub(super) value: f64,
    /// Its standard error.
    pub(super) error: f64,
}

/// How much slower one is than the other, as the natural logarithm of the ratio, from samples taken in turns: what disturbs
/// both of a pair, such as a changing clock, cancels. Pairs the last samples of both.
pub(super) fn slowdown(one: &[u64], other: &[u64]) -> Option<Estimate> {
    let count = one.len().min(other.len());
    let (one, other) = (&one[one.len() - count..], &other[other.len() - count..]);
    let mut ratios: Vec<f64> =
        one.iter().zip(other).map(|(&one, &other)| (one.max(1) as f64 / other.max(1) as f64).ln()).collect();
    ratios.sort_by(f64::total_cmp);
    (!ratios.is_empty()).then(|| middle(&ratios))
}

/// The average of sorted, not empty values, the outer tenths left out; of few values, their median.
fn middle(sorted: &[f64]) -> Estimate {
    let count = sorted.len();
    let cut = count / 10;
    let kept = &sorted[cut..count - cut];
    let value = if count < 5 { quantile(sorted, 0.5) } else { kept.iter().sum::<f64>() / kept.len() as f64 };
    // Half the values of a normal distribution lie within 0.6745 standard deviations of its middle. Few values show
    // less than their spread.
    let spread = (quantile(sorted, 0.75) - quantile(sorted, 0.25)) / 1.349;
    let few = 1.0 + 2.0 / count as f64;
    Estimate { value, error: few * spread / (count as f64).sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_samples() {
        let summary = Summary::of(&[50, 10, 30, 20, 40, 60]).unwrap();
        assert_eq!((summary.samples, summary.median_ns), (6, 35.0));
        assert_eq!((summary.p20_ns, summary.p80_ns), (20.0, 50.0));
        assert_eq!(Summary::of(&[7]).unwrap().p80_ns, 7.0);
        assert_eq!(Summary::of(&[]), None);
    }

    #[test]
    fn disturbances_of_both_cancel_and_outliers_do_not_count() {
        let other: Vec<u64> = (0..40).map(|i| 1_000_000 + 30_000 * (i % 7)).collect();
        let mut one: Vec<u64> = other.iter().map(|time| time * 11 / 10).collect();
        one[3] = 1_000_000_000;
        let estimate = slowdown(&one, &other).unwrap();
        assert!((estimate.value - 1.1f64.ln()).abs() < 1e-4, "{estimate:?}");
        assert!(estimate.error < 1e-4, "{estimate:?}");
        assert_eq!(slowdown(&[], &other), None);
    }

    #[test]
    fn the_last_samples_are_paired() {
        let estimate = slowdown(&[1, 20, 20, 20], &[10, 10, 10]).unwrap();
        assert!((estimate.value - 2f64.ln()).abs() < 1e-12);
    }
}
