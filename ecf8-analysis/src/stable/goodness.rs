//! How well a law fits what was counted, and where it does not.

use super::Standardised;
use super::cells::Cells;
use crate::report::{Goodness, NEARLY, Region, Verdict};

/// Bounds of the centre and of the shoulders, in γ.
const BOUNDS: [f64; 2] = [1.0, 4.0];

/// From where on, in γ, the weight of tails is compared.
const FAR: f64 = 6.0;

/// The 95 % point of Kolmogorov's law.
const CRITICAL: f64 = 1.358_099;

/// Compares the distributions at the boundaries of cells, between which nothing is known of values.
#[expect(clippy::cast_precision_loss, reason = "shares")]
pub(crate) fn of(cells: &Cells, law: &Standardised) -> Goodness {
    let total = cells.total() as f64;
    let (mut before, mut far) = (0u64, 0.0);
    let (mut largest, mut at) = ([0.0f64; 3], [0.0; 3]);
    for cell in cells.iter() {
        let after = before + cell.count;
        for (edge, share) in [(cell.low, before), (cell.high, after)] {
            let distance = (share as f64 / total - law.below(edge)).abs();
            let part = region_of(((edge - law.location) / law.scale).abs());
            if distance > largest[part] {
                (largest[part], at[part]) = (distance, edge);
            }
        }
        if [cell.low, cell.high].iter().all(|edge| (edge - law.location).abs() > FAR * law.scale) {
            far += cell.count as f64;
        }
        before = after;
    }
    let [centre, shoulder, tail] = largest;
    let worst = (0..3).max_by(|a, b| largest[*a].total_cmp(&largest[*b])).unwrap_or(0);
    let distance = largest[worst];
    let root = total.sqrt();
    // Stephens' correction for finite samples.
    let corrected = root + 0.12 + 0.11 / root;
    let critical = CRITICAL / corrected;
    let expected = 2.0 * law.table.above(FAR) * total;
    Goodness {
        distance,
        critical,
        p: kolmogorov(distance * corrected),
        verdict: match distance {
            distance if distance <= critical => Verdict::Holds,
            distance if distance <= NEARLY => Verdict::Nearly,
            _ => Verdict::DoesNotHold,
        },
        at: at[worst],
        region: [Region::Centre, Region::Shoulder, Region::Tail][worst],
        centre,
        shoulder,
        tail,
        tail_ratio: (expected >= 1.0).then_some(far / expected),
    }
}

fn region_of(from_centre: f64) -> usize {
    BOUNDS.iter().take_while(|bound| from_centre > **bound).count()
}

/// The probability that Kolmogorov's law exceeds λ.
fn kolmogorov(lambda: f64) -> f64 {
    if lambda < 0.2 {
        return 1.0;
    }
    let term = |k: i32| {
        let sign = if k % 2 == 1 { 2.0 } else { -2.0 };
        sign * (-2.0 * f64::from(k * k) * lambda * lambda).exp()
    };
    (1..=40).map(term).sum::<f64>().clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kolmogorovs_law_has_its_known_points() {
        for (lambda, p) in [(1.358_099, 0.05), (1.627_624, 0.01), (0.827_574, 0.5)] {
            assert!((kolmogorov(lambda) - p).abs() < 1e-6, "{lambda}: {}", kolmogorov(lambda));
        }
        assert_eq!((kolmogorov(0.0), kolmogorov(30.0)), (1.0, 0.0));
    }
}
