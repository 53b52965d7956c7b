//! Distribution and density of symmetric α-stable laws, numerically.
//!
//! By Nolan's integrals (*Numerical calculation of stable densities and distribution functions*, 1997) for β = 0: with
//! ln g(θ) = α/(α−1)·(ln x + ln cos θ − ln sin αθ) + ln cos (α−1)θ − ln cos θ,
//! P(X > x) is 1/π times the integral of e^−g (α > 1) or 1 − e^−g (α < 1) over θ from 0 to π/2, and the density is
//! α/(π|α−1|x) times that of g·e^−g. g is monotone, and jumps near α = 1, so the integral is cut where ln g has certain
//! values, and each part is integrated by Gauss's rule, in halves where need be. Far out, where θ = π/2 −
//! tiny, the series in x^−α takes over.

use std::f64::consts::{FRAC_PI_2, PI, SQRT_2};
use std::sync::OnceLock;

/// α below which integrals become imprecise.
pub const LEAST_ALPHA: f64 = 0.375;

/// A standard symmetric α-stable law: characteristic function exp(−|t|^α).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Law {
    alpha: f64,
}

/// Values of ln g between which integrands are rather smooth; beyond, e^−g is 0 or 1 but for little.
const CUTS: [f64; 9] = [4.0, 2.5, 1.2, 0.0, -1.5, -3.0, -5.0, -8.0, -12.0];

/// Nodes of Gauss's rule for each part.
const NODES: usize = 12;

/// What halving a part may change.
const TOLERANCE: f64 = 1e-12;

/// How often a part is halved at most. It is where g hardly falls first and steeply then, as for nearly normal laws.
const DEPTH: u32 = 12;

/// A place in the integral: θ and φ = π/2 − θ, each precise where it is small.
#[derive(Debug, Clone, Copy)]
struct Place {
    theta: f64,
    phi: f64,
}

impl Place {
    const FIRST: Self = Self { theta: 0.0, phi: FRAC_PI_2 };
    const LAST: Self = Self { theta: FRAC_PI_2, phi: 0.0 };

    /// The place that is this part of the way to another.
    fn towards(self, other: Self, part: f64) -> Self {
        if self.theta < self.phi {
            let theta = self.theta + (other.theta - self.theta) * part;
            Self { theta, phi: FRAC_PI_2 - theta }
        } else {
            let phi = self.phi + (other.phi - self.phi) * part;
            Self { theta: FRAC_PI_2 - phi, phi }
        }
    }

    /// How far on another place is.
    fn distance(self, other: Self) -> f64 {
        if self.theta < self.phi { other.theta - self.theta } else { self.phi - other.phi }
    }
}

impl Law {
    /// The law with this α, which is brought to between [`LEAST_ALPHA`] and 2.
    #[must_use]
    pub fn new(alpha: f64) -> Self {
        Self { alpha: alpha.clamp(LEAST_ALPHA, 2.0) }
    }

    /// Its α.
    #[must_use]
    pub fn alpha(self) -> f64 {
        self.alpha
    }

    fn is_normal(self) -> bool {
        2.0 - self.alpha < 1e-12
    }

    fn is_cauchy(self) -> bool {
        (self.alpha - 1.0).abs() < 1e-9
    }

    /// P(X > x) for x ≥ 0, to about 10⁻¹⁰; as precise in relation to itself far out.
    #[must_use]
    pub fn above(self, x: f64) -> f64 {
        if x <= 0.0 {
            return 0.5;
        }
        if self.is_normal() {
            return libm::erfc(x / 2.0) / 2.0;
        }
        if self.is_cauchy() {
            return x.recip().atan() / PI;
        }
        if self.is_far(x) {
            return self.series(x, |_| 1.0);
        }
        let integrand = |log_g: f64| {
            let g = log_g.exp();
            if self.alpha > 1.0 { (-g).exp() } else { -(-g).exp_m1() }
        };
        (self.integral(x, integrand) / PI).clamp(0.0, 0.5)
    }

    /// P(X ≤ x).
    #[must_use]
    pub fn below(self, x: f64) -> f64 {
        if x < 0.0 { self.above(-x) } else { 1.0 - self.above(x) }
    }

    /// The density at x.
    #[must_use]
    pub fn density(self, x: f64) -> f64 {
        let (x, alpha) = (x.abs(), self.alpha);
        if self.is_normal() {
            return (-x * x / 4.0).exp() / (2.0 * PI.sqrt());
        }
        if self.is_cauchy() {
            return 1.0 / (PI * (1.0 + x * x));
        }
        if x < 1e-9 {
            return libm::tgamma(1.0 + 1.0 / alpha) / PI;
        }
        if self.is_far(x) {
            return self.series(x, |n| n * alpha) / x;
        }
        let integrand = |log_g: f64| (log_g - log_g.exp()).exp();
        (alpha / (alpha - 1.0)).abs() / (PI * x) * self.integral(x, integrand)
    }

    /// Where the series is as good as the integral: for α < 1 it converges; else its best term is far below 10⁻¹⁶ there.
    fn is_far(self, x: f64) -> bool {
        if self.alpha < 1.0 { x.powf(self.alpha) >= 8.0 } else { x >= 15.0 }
    }

    /// 1/π · Σ (−1)^(n+1) Γ(nα)/n! · sin(nπα/2) · x^(−nα) · factor(n), up to its smallest term.
    fn series(self, x: f64, factor: impl Fn(f64) -> f64) -> f64 {
        let alpha = self.alpha;
        let (mut sum, mut last) = (0.0, f64::INFINITY);
        for n in (1..400).map(f64::from) {
            let size =
                (libm::lgamma(n * alpha) - libm::lgamma(n + 1.0) - n * alpha * x.ln()).exp() * factor(n);
            if size > last || size < 1e-18 * f64::abs(sum) {
                break;
            }
            last = size;
            // With sines of n·(2−α)·π/2 nothing cancels where α is nearly 2: sin(nπα/2) = −(−1)^n · sin(nπ(2−α)/2).
            sum += size * (n * (2.0 - alpha) * FRAC_PI_2).sin();
        }
        (sum / PI).max(0.0)
    }

    /// ln g at a place.
    fn log_g(self, log_x: f64, place: Place) -> f64 {
        let (alpha, Place { theta, phi }) = (self.alpha, place);
        let log_cos = phi.sin().ln();
        let (sin_alpha, cos_rest) = if theta < phi {
            ((alpha * theta).sin(), ((alpha - 1.0) * theta).cos())
        } else {
            // The same, where sin αθ or cos (α−1)θ vanishes with φ and 2 − α.
            let off = (2.0 - alpha) * FRAC_PI_2;
            ((off + alpha * phi).sin(), (off + (alpha - 1.0) * phi).sin())
        };
        alpha / (alpha - 1.0) * (log_x + log_cos - sin_alpha.ln()) + cos_rest.ln() - log_cos
    }

    /// The integral over θ of a function of ln g.
    fn integral(self, x: f64, integrand: impl Fn(f64) -> f64) -> f64 {
        let log_x = x.ln();
        // g falls with θ for α > 1, and rises for α < 1.
        let falls = self.alpha > 1.0;
        let cut = |index: usize| if falls { CUTS[index] } else { CUTS[CUTS.len() - 1 - index] };
        let (mut begin, mut sum) = (Place::FIRST, 0.0);
        for index in 0..=CUTS.len() {
            let end = if index < CUTS.len() { self.find(log_x, cut(index), begin) } else { Place::LAST };
            let at = |place| integrand(self.log_g(log_x, place));
            sum += halved(&at, begin, end, gauss(&at, begin, end), DEPTH);
            begin = end;
        }
        sum
    }

    /// About where ln g has a value, not before a place.
    fn find(self, log_x: f64, value: f64, after: Place) -> Place {
        /// How far from the value is near enough to cut there.
        const NEAR: f64 = 0.2;
        let (mut low, mut high) = (after, Place::LAST);
        for _ in 0..80 {
            let middle = low.towards(high, 0.5);
            let off = self.log_g(log_x, middle) - value;
            if off.abs() < NEAR {
                return middle;
            }
            if (off > 0.0) == (self.alpha > 1.0) { low = middle } else { high = middle }
        }
        low
    }
}

/// The standard normal law has this scale as an α-stable one.
pub const NORMAL_SCALE: f64 = 1.0 / SQRT_2;

/// The integral of a function between two places by Gauss's rule.
fn gauss(f: &impl Fn(Place) -> f64, begin: Place, end: Place) -> f64 {
    let terms = nodes().iter().map(|[part, weight]| {
        let value = f(begin.towards(end, *part));
        weight * if value.is_finite() { value } else { 0.0 }
    });
    begin.distance(end) * terms.sum::<f64>()
}

/// The same, where `whole` is what the rule gives for all of it, by halves until that changes nothing.
fn halved(f: &impl Fn(Place) -> f64, begin: Place, end: Place, whole: f64, depth: u32) -> f64 {
    let middle = begin.towards(end, 0.5);
    let [left, right] = [gauss(f, begin, middle), gauss(f, middle, end)];
    if depth == 0 || (left + right - whole).abs() < TOLERANCE {
        return left + right;
    }
    halved(f, begin, middle, left, depth - 1) + halved(f, middle, end, right, depth - 1)
}

/// Places from 0 to 1 and weights of Gauss's rule.
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn nodes() -> &'static [[f64; 2]] {
    static RULE: OnceLock<Vec<[f64; 2]>> = OnceLock::new();
    RULE.get_or_init(|| {
        // The roots of Legendre's polynomial by Newton's method.
        let count = NODES as f64;
        let node = |index: usize| {
            let mut x = (PI * (index as f64 + 0.75) / (count + 0.5)).cos();
            let mut slope = 1.0;
            for _ in 0..50 {
                let (mut before, mut value) = (1.0, x);
                for n in 2..=NODES {
                    let n = n as f64;
                    (before, value) = (value, ((2.0 * n - 1.0) * x * value - (n - 1.0) * before) / n);
                }
                slope = count * (x * value - before) / (x * x - 1.0);
                x -= value / slope;
            }
            [(1.0 - x) / 2.0, 1.0 / ((1.0 - x * x) * slope * slope)]
        };
        (0..NODES).map(node).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normal_and_the_cauchy_law_are_approached() {
        for x in [0.01f64, 0.3, 1.0, 2.5, 7.0, 14.0, 40.0] {
            let [near, normal] = [2.0 - 1e-9, 2.0].map(|alpha| Law::new(alpha).above(x));
            assert!((near - normal).abs() < 1e-9, "{x}: {near} {normal}");
            for alpha in [1.0 - 1e-6, 1.0 + 1e-6] {
                let [near, cauchy] = [alpha, 1.0].map(|alpha| Law::new(alpha).above(x));
                assert!((near - cauchy).abs() < 1e-6, "{x}: {near} {cauchy}");
            }
        }
    }

    #[test]
    fn the_density_is_what_the_distribution_changes_by() {
        for alpha in [0.4, 0.7, 0.98, 1.02, 1.3, 1.7, 1.95, 1.999] {
            let law = Law::new(alpha);
            for x in [0.02, 0.5, 1.0, 3.0, 10.0, 14.9, 15.1, 60.0] {
                let step = 1e-4 * x;
                let slope = (law.above(x - step) - law.above(x + step)) / (2.0 * step);
                let density = law.density(x);
                assert!((slope - density).abs() < 1e-6 * density + 1e-9, "{alpha} at {x}: {slope} {density}");
            }
        }
    }

    #[test]
    fn integral_and_series_meet() {
        for alpha in [0.4f64, 0.6, 0.9, 1.1, 1.5, 1.9, 1.99] {
            let law = Law::new(alpha);
            let x: f64 = if alpha < 1.0 { 8f64.powf(1.0 / alpha) } else { 15.0 };
            let [inside, outside] = [x * (1.0 - 1e-12), x * (1.0 + 1e-12)].map(|x| law.above(x));
            assert!((inside - outside).abs() < 1e-10, "{alpha}: {inside} {outside}");
        }
    }
}
