//! Fits of generated laws.

use super::*;
use crate::numbers::FloatType;
use crate::report::Verdict;
use ecf8_core::element::element;
use ecf8_core::synthetic::{alpha_stable, gaussian, stored_as};

/// The counts of heads of values in a type.
fn cells(dtype: &str, values: &[f32]) -> Cells {
    let float = FloatType::of(element(dtype).unwrap()).unwrap();
    let bytes = stored_as(dtype, values).unwrap();
    let width = float.format.bytes_per_element();
    let mut heads = vec![0u64; 1 << float.head_bits()];
    for number in bytes.chunks_exact(width) {
        let high = usize::from(number[width - 1]);
        heads[if width == 1 { high } else { high << 8 | usize::from(number[width - 2]) }] += 1;
    }
    Cells::new(float, &heads)
}

#[test]
fn parameters_of_a_million_samples_are_found_again() {
    for (seed, alpha) in [(1, 1.2), (2, 1.5), (3, 1.8), (4, 1.95), (5, 2.0)] {
        let values = alpha_stable(seed, 1_000_000, alpha, 0.02);
        for dtype in ["F32", "BF16"] {
            let (fit, _) = fit(&cells(dtype, &values)).unwrap();
            assert!((fit.alpha - alpha).abs() < 0.01 && (fit.scale / 0.02 - 1.0).abs() < 0.01, "{fit:?}");
            assert!((fit.by_quantiles.alpha - alpha).abs() < 0.06, "{fit:?}");
            assert!(fit.goodness.verdict == Verdict::Holds && fit.location.abs() < 2e-4, "{fit:?}");
            let [low, high] = fit.alpha_interval;
            assert!(high - low < 0.01 && low < fit.alpha + 1e-9 && fit.alpha < high + 1e-9, "{fit:?}");
        }
    }
}

#[test]
fn parameters_are_found_through_the_rounding_to_eight_bits() {
    for (seed, alpha) in [(1, 1.2), (2, 1.5), (3, 1.8), (4, 1.95), (5, 2.0)] {
        for scale in [0.3, 5.0] {
            let values = alpha_stable(seed, 1_000_000, alpha, scale);
            let (fit, _) = fit(&cells("F8_E4M3", &values)).unwrap();
            assert!((fit.alpha - alpha).abs() < 0.03, "{fit:?}");
            assert!((fit.scale / scale - 1.0).abs() < 0.02, "{fit:?}");
            assert!(fit.goodness.verdict != Verdict::DoesNotHold, "{fit:?}");
        }
    }
}

#[test]
fn intervals_hold_the_truth_about_as_often_as_they_say() {
    let (alpha, mut misses) = (1.7, [0; 2]);
    for seed in 0..200 {
        let cells = cells("F32", &alpha_stable(seed, 20_000, alpha, 1.0));
        let fit = regression::estimate(&cells, &quantiles::estimate(&cells).unwrap()).unwrap();
        let is_in = |[low, high]: [f64; 2], truth: f64| low <= truth && truth <= high;
        misses[0] += i32::from(!is_in(fit.alpha_interval, alpha));
        misses[1] += i32::from(!is_in(fit.scale_interval, 1.0));
    }
    assert!(misses.iter().all(|misses| (2..=20).contains(misses)), "{misses:?} of 200 are outside");
}

#[test]
fn what_is_no_stable_law_is_said_to_be_none_and_where() {
    // Uniform values have no tails, a mixture has a peak.
    let uniform: Vec<f32> = (0..100_000).map(|i| (i as f32 / 50_000.0) - 1.0).collect();
    let (fit_of_uniform, _) = fit(&cells("F32", &uniform)).unwrap();
    assert_eq!(fit_of_uniform.goodness.verdict, Verdict::DoesNotHold, "{fit_of_uniform:?}");
    assert!(fit_of_uniform.goodness.tail_ratio.unwrap_or(0.0) < 0.5, "{fit_of_uniform:?}");
    let mixed: Vec<f32> = gaussian(1, 50_000, 0.01).into_iter().chain(gaussian(2, 50_000, 1.0)).collect();
    let (fit_of_mixture, _) = fit(&cells("F32", &mixed)).unwrap();
    assert_eq!(fit_of_mixture.goodness.verdict, Verdict::DoesNotHold, "{fit_of_mixture:?}");
    assert!(fit_of_mixture.goodness.p < 1e-6);
}

#[test]
fn a_centre_beside_zero_is_found() {
    let values: Vec<f32> = alpha_stable(6, 200_000, 1.6, 0.1).into_iter().map(|value| 3.0 + value).collect();
    let (fit, law) = fit(&cells("F32", &values)).unwrap();
    assert!((fit.location - 3.0).abs() < 2e-3 && (fit.alpha - 1.6).abs() < 0.03, "{fit:?}");
    assert!((law.below(3.0) - 0.5).abs() < 0.01 && (law.between(2.9, 3.1) - 0.5).abs() < 0.1);
}

#[test]
fn nothing_is_fitted_to_few_or_equal_values() {
    assert!(fit(&cells("F32", &[1.0; 5000])).is_none());
    assert!(fit(&cells("F32", &gaussian(1, 500, 1.0))).is_none());
    assert!(fit(&cells("F32", &[])).is_none());
    let mostly_zero: Vec<f32> =
        gaussian(1, 5000, 1.0).into_iter().map(|v| if v.abs() < 2.0 { 0.0 } else { v }).collect();
    if let Some((fit, _)) = fit(&cells("F32", &mostly_zero)) {
        assert!(fit.scale.is_finite() && fit.goodness.verdict == Verdict::DoesNotHold, "{fit:?}");
    }
}

#[test]
fn normal_values_are_not_taken_for_wider_ones() {
    let logs: Vec<f64> = (0..40)
        .map(|seed| fit(&cells("F32", &gaussian(seed, 100_000, 1.0))).unwrap().0)
        .map(|fit| {
            let [low, _] = fit.alpha_interval;
            assert!(fit.alpha > 1.98 && low > 1.98, "{fit:?}");
            (fit.scale / NORMAL_SCALE).ln()
        })
        .collect();
    let mean = logs.iter().sum::<f64>() / 40.0;
    // One fit is as far off as 1/√(2n) or a little more, the mean by 1/√40 of that.
    assert!(mean.abs() < 0.0015, "{mean}");
}
