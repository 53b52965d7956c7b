//! The distribution of one law by cubic interpolation, for those who ask for it very often.

use super::law::Law;

/// ln x of the first place.
const FIRST: f64 = -12.0;

/// Between places. Interpolation is right to 10⁻⁸ then.
const STEP: f64 = 1.0 / 32.0;

/// Places: up to ln x = 6, where the series is fast.
const PLACES: u16 = 577;

/// P(X > x) of one law.
#[derive(Debug)]
pub(crate) struct Table {
    law: Law,
    density_at_0: f64,
    /// P(X > x), and how much it changes by a step of ln x.
    places: Vec<[f64; 2]>,
}

impl Table {
    pub(crate) fn new(alpha: f64) -> Self {
        let law = Law::new(alpha);
        let place = |index: u16| {
            let x = (FIRST + f64::from(index) * STEP).exp();
            [law.above(x), -law.density(x) * x * STEP]
        };
        Self { law, density_at_0: law.density(0.0), places: (0..PLACES).map(place).collect() }
    }

    /// P(X > x) for x ≥ 0, to 10⁻⁸.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place, which is positive and small"
    )]
    pub(crate) fn above(&self, x: f64) -> f64 {
        let at = (x.ln() - FIRST) / STEP;
        if x.is_nan() || at < 0.0 {
            return 0.5 - self.density_at_0 * x.max(0.0);
        }
        let index = at.min(f64::from(PLACES)) as usize;
        let Some([[a, slope_a], [b, slope_b]]) = self.places.get(index..).and_then(<[_]>::first_chunk) else {
            return self.law.above(x);
        };
        let t = at - at.floor();
        let (t2, t3) = (t * t, t * t * t);
        (2.0 * t3 - 3.0 * t2 + 1.0) * a
            + (t3 - 2.0 * t2 + t) * slope_a
            + (3.0 * t2 - 2.0 * t3) * b
            + (t3 - t2) * slope_b
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpolation_is_right_to_eight_digits() {
        for alpha in [0.4, 0.8, 1.0, 1.3, 1.8, 2.0] {
            let (table, law) = (Table::new(alpha), Law::new(alpha));
            for index in 0..400 {
                let x = (f64::from(index) * 0.0537 - 14.0).exp();
                let [found, expected] = [table.above(x), law.above(x)];
                assert!((found - expected).abs() < 1e-8, "{alpha} at {x}: {found} {expected}");
            }
            assert_eq!(table.above(0.0), 0.5);
            assert!(table.above(f64::INFINITY) == 0.0);
        }
    }
}
