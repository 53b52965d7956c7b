//! Distributions by interpolation, for those who ask for them very often: cubic between places of ln x, and cubic between laws
//! of neighbouring α, each of which is made once when it is first needed.

use super::law::{LEAST_ALPHA, Law};
use std::sync::OnceLock;

/// ln x of the first place.
const FIRST: f64 = -12.0;

/// Between places.
const STEP: f64 = 1.0 / 32.0;

/// Places: up to ln x = 6, where the series is fast.
const PLACES: u16 = 577;

/// Laws from α = 2 down to [`LEAST_ALPHA`], at steps of 1/64.
const LAWS: usize = 105;

/// Steps of α in 1.
const PER_ONE: f64 = 64.0;

/// P(X > x) of one law.
#[derive(Debug)]
pub(crate) struct Table {
    law: Law,
    /// Laws with an α near, and the share of each.
    near: [(&'static Grid, f64); 4],
    density_at_0: f64,
}

/// P(X > x) of a law, and how much it changes by a step of ln x, at each place.
type Grid = Vec<[f64; 2]>;

fn grid(index: usize) -> &'static Grid {
    static GRIDS: [OnceLock<Grid>; LAWS] = [const { OnceLock::new() }; LAWS];
    GRIDS[index].get_or_init(|| {
        let law = Law::new(grid_alpha(index));
        let place = |place: u16| {
            let x = (FIRST + f64::from(place) * STEP).exp();
            [law.above(x), -law.density(x) * x * STEP]
        };
        (0..PLACES).map(place).collect()
    })
}

#[expect(clippy::cast_precision_loss, reason = "a small number")]
fn grid_alpha(index: usize) -> f64 {
    2.0 - index as f64 / PER_ONE
}

impl Table {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place, which is positive and small"
    )]
    pub(crate) fn new(alpha: f64) -> Self {
        let law = Law::new(alpha);
        let at = ((2.0 - law.alpha()) * PER_ONE).clamp(0.0, (2.0 - LEAST_ALPHA) * PER_ONE);
        let first = (at as usize).saturating_sub(1).min(LAWS - 4);
        let alphas = [0, 1, 2, 3].map(|next| grid_alpha(first + next));
        // Lagrange's polynomials.
        let share = |own: usize| {
            let others = alphas.iter().enumerate().filter(|(other, _)| *other != own);
            others.map(|(_, other)| (law.alpha() - other) / (alphas[own] - other)).product()
        };
        let near = [0, 1, 2, 3].map(|next| (grid(first + next), share(next)));
        Self { law, near, density_at_0: law.density(0.0) }
    }

    /// P(X > x) for x ≥ 0, to 2·10⁻⁸; to 2·10⁻⁷ for α below 0.5.
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
        if at >= f64::from(PLACES - 1) {
            return self.law.above(x);
        }
        let (index, t) = (at as usize, at - at.floor());
        let (t2, t3) = (t * t, t * t * t);
        let shares = [[2.0 * t3 - 3.0 * t2 + 1.0, t3 - 2.0 * t2 + t], [3.0 * t2 - 2.0 * t3, t3 - t2]];
        let of = |grid: &Grid| {
            let places = grid[index..].iter().zip(shares);
            places
                .map(|([value, slope], [of_value, of_slope])| value * of_value + slope * of_slope)
                .sum::<f64>()
        };
        let sum: f64 = self.near.iter().map(|(grid, share)| of(grid) * share).sum();
        sum.clamp(0.0, 0.5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpolation_is_right_to_eight_digits() {
        for alpha in [0.4, 0.4001, 0.807, 1.0, 1.009, 1.303, 1.8, 1.993, 1.9999, 2.0] {
            let (table, law) = (Table::new(alpha), Law::new(alpha));
            for index in 0..400 {
                let x = (f64::from(index) * 0.0537 - 14.0).exp();
                let [found, expected] = [table.above(x), law.above(x)];
                let most = if alpha < 0.5 { 2e-7 } else { 2e-8 };
                assert!((found - expected).abs() < most, "{alpha} at {x}: {found} {expected}");
            }
            assert_eq!(table.above(0.0), 0.5);
            assert!(table.above(f64::INFINITY) == 0.0);
        }
    }
}
