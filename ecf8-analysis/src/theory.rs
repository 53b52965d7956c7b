//! What theory says of exponents E = ⌊log2 |X|⌋ of α-stable values: theorem 2.1 of the paper, and what is true.
//!
//! The theorem says that E is two-sided geometric, P(E = k) = (1−q)/(1+q)·q^|k| with q = 2^−α. Its proof uses how α-stable
//! tails fall, P(|X| > x) ~ x^−α, which is right for large k only: towards 0 the density is flat, so P(E = k) halves with every
//! k, whatever α is, and in between it is neither. Nor is the closed form that it gives the entropy of that two-sided
//! geometric law: for α = 2 it is 2.04 bits, the law has 1.80, and exponents of normal values 2.545. Nor are the bounds right:
//! exponents of α-stable values have more than the upper one for α below 1.9, and the two-sided geometric law itself for α
//! below 1.46. What they have rises as α falls, while the theorem says that heavier tails concentrate exponents more.

use crate::numbers::FloatType;
use crate::report::Theory;
use crate::stable::{Law, NORMAL_SCALE, Standardised};
use ecf8_core::element::ELEMENTS;

/// Theorem 2.1's bounds, α / (1 + 2^−α) and α / (1 − 2^−α), in bits.
#[must_use]
pub fn bounds(alpha: f64) -> [f64; 2] {
    let q = (-alpha).exp2();
    [alpha / (1.0 + q), alpha / (1.0 - q)]
}

/// The entropy of a coin, in bits.
fn coin(p: f64) -> f64 {
    -p * p.log2() - (1.0 - p) * (1.0 - p).log2()
}

/// Theorem 2.1's closed form as it is printed, in bits.
#[must_use]
pub fn closed_form(alpha: f64) -> f64 {
    let q = (-alpha).exp2();
    coin((1.0 - q) / (1.0 + q)) + 2.0 * q / (1.0 + q) * alpha / (1.0 - q)
}

/// The entropy of the two-sided geometric law with q = 2^−α, in bits: log2 of (1+q)/(1−q), and α times the mean of |k|, which
/// is 2q/(1−q²).
#[must_use]
pub fn two_sided_geometric(alpha: f64) -> f64 {
    let q = (-alpha).exp2();
    ((1.0 + q) / (1.0 - q)).log2() + alpha * 2.0 * q / (1.0 - q * q)
}

/// The entropy of E for a symmetric α-stable X with this α and γ, in bits.
#[must_use]
pub fn law(alpha: f64, scale: f64) -> f64 {
    let law = Law::new(alpha);
    // |X| has twice what is above.
    exponent_entropy(law.alpha(), scale, |low, high| 2.0 * (law.above(low / scale) - law.above(high / scale)))
}

/// The entropy of exponents whose probabilities `between` gives, of magnitudes from one number to another, of a law of this α
/// and scale: over as many powers of two as matter.
fn exponent_entropy(alpha: f64, scale: f64, between: impl Fn(f64, f64) -> f64) -> f64 {
    let middle = scale.log2().floor();
    // Below, probabilities halve with each exponent, and above they fall by 2^α: to 2⁻⁴⁸ or so.
    let up = (48.0 / alpha).ceil();
    let (mut exponent, mut sum) = (middle - 48.0, 0.0);
    while exponent <= middle + up {
        let probability = between(exponent.exp2(), (exponent + 1.0).exp2()).max(0.0);
        if probability > 0.0 {
            sum -= probability * probability.log2();
        }
        exponent += 1.0;
    }
    sum
}

/// What a law makes of a type's exponents: the probability of each field, of values rounded to the type.
pub(crate) fn field_probabilities(float: &FloatType, law: &Standardised) -> Vec<f64> {
    let mantissa_bits = float.head_mantissa();
    let largest = float.largest >> mantissa_bits;
    let edge = |field: u32| if field == 0 { 0.0 } else { float.cell(field << mantissa_bits)[0] };
    let both = |low: f64, high: f64| law.between(low, high) + law.between(-high, -low);
    (0..=largest)
        .map(|field| both(edge(field), if field == largest { f64::INFINITY } else { edge(field + 1) }))
        .collect()
}

/// What theory says of a law, and of its values in a type.
pub(crate) fn of(alpha: f64, scale: f64, float: &FloatType, fitted: &Standardised) -> Theory {
    let between = |low: f64, high: f64| fitted.between(low, high) + fitted.between(-high, -low);
    // A law whose centre lies far from 0 has exponents around that.
    let reach = scale.max(fitted.centre().abs());
    let rounded = field_probabilities(float, fitted);
    let [lower_bound, upper_bound] = bounds(alpha);
    Theory {
        alpha,
        scale,
        lower_bound,
        upper_bound,
        closed_form: closed_form(alpha),
        two_sided_geometric: two_sided_geometric(alpha),
        law: exponent_entropy(alpha, reach, between),
        law_rounded: -rounded.iter().filter(|p| **p > 0.0).map(|p| p * p.log2()).sum::<f64>(),
    }
}

/// What theory says of the standard normal law, in E4M3.
#[must_use]
pub fn gaussian() -> Theory {
    let normal = Standardised::new(2.0, NORMAL_SCALE, 0.0);
    let float = FloatType::of(&ELEMENTS[0]);
    let [lower_bound, upper_bound] = bounds(2.0);
    let none = Theory {
        alpha: 2.0,
        scale: NORMAL_SCALE,
        lower_bound,
        upper_bound,
        closed_form: closed_form(2.0),
        two_sided_geometric: two_sided_geometric(2.0),
        law: law(2.0, NORMAL_SCALE),
        law_rounded: 0.0,
    };
    float.map_or(none, |float| of(2.0, NORMAL_SCALE, float, &normal))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_near(a: f64, b: f64, by: f64) -> bool {
        (a - b).abs() <= by
    }

    #[test]
    fn the_figures_of_the_paper_and_what_is_right() {
        let [lower, upper] = bounds(2.0);
        assert!(is_near(lower, 1.6, 1e-12) && is_near(upper, 2.67, 0.005));
        assert!(is_near(closed_form(2.0), 2.04, 0.005), "{}", closed_form(2.0));
        assert!(is_near(two_sided_geometric(2.0), 1.80, 0.005), "{}", two_sided_geometric(2.0));
        let gaussian = gaussian();
        assert!(is_near(gaussian.law, 2.545, 0.001), "{gaussian:?}");
        assert!(is_near(gaussian.law_rounded, 2.521, 0.001), "{gaussian:?}");
        assert!(is_near(gaussian.law, law(2.0, NORMAL_SCALE), 1e-7));
    }

    #[test]
    fn the_upper_bound_is_exceeded_below_an_alpha_of_1_9_and_entropy_rises_as_alpha_falls() {
        let is_above = |alpha: f64| law(alpha, 1.0) > bounds(alpha)[1];
        assert!(is_above(1.0) && is_above(1.5) && is_above(1.9) && !is_above(1.92) && !is_above(2.0));
        assert!(two_sided_geometric(1.45) > bounds(1.45)[1] && two_sided_geometric(1.48) < bounds(1.48)[1]);
        let falling = [0.5, 0.8, 1.2, 1.6, 1.9, 2.0].map(|alpha| law(alpha, 1.0));
        assert!(falling.is_sorted_by(|a, b| a > b), "{falling:?}");
    }

    #[test]
    fn the_two_sided_geometric_entropy_is_the_sum_that_it_stands_for() {
        for alpha in [0.5, 1.0, 1.5, 2.0] {
            let q = f64::exp2(-alpha);
            let terms = (-400..=400i32).map(|k| {
                let p = (1.0 - q) / (1.0 + q) * q.powi(k.abs());
                if p > 0.0 { -p * p.log2() } else { 0.0 }
            });
            assert!(is_near(two_sided_geometric(alpha), terms.sum(), 1e-9), "{alpha}");
        }
    }

    #[test]
    fn entropies_of_the_law_are_those_that_scipy_finds() {
        #[derive(serde::Deserialize)]
        struct Reference {
            alpha: f64,
            scale: f64,
            entropy: f64,
            above: Vec<[f64; 2]>,
        }
        let references: Vec<Reference> =
            serde_json::from_str(include_str!("../tests/law_references.json")).unwrap();
        assert!(references.len() >= 16);
        for Reference { alpha, scale, entropy, above } in references {
            let found = law(alpha, scale);
            assert!(is_near(found, entropy, 2e-6), "α {alpha}, γ {scale}: {found} {entropy}");
            for [x, expected] in above {
                let found = Law::new(alpha).above(x);
                assert!(is_near(found, expected, 1e-8), "α {alpha} at {x}: {found} {expected}");
            }
        }
    }
}
