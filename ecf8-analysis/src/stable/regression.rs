//! α-stable parameters from the characteristic function (Koutrouvelis, *Regression-type estimation of the parameters of
//! stable laws*, 1980), with weights and confidence from its covariance (1981).
//!
//! For a symmetric law, ln(−ln |φ(t)|) = α ln γ + α ln t: a line. It is fitted at a few t, with values brought to γ = 1 and
//! δ = 0 by what is known so far, and again until nothing changes. The empirical φ's at different t depend on each other,
//! cov(φ̂(s), φ̂(t)) = ((φ(s+t) + φ(s−t))/2 − φ(s)φ(t))/n, so the fit is by generalised least squares, whose covariance also
//! gives the intervals.

use super::cells::Cells;
use super::law::LEAST_ALPHA;
use super::quantiles::Start;

/// Where the characteristic function is looked at, for γ = 1: not so near 0 that all laws are alike, nor so far out that
/// there is only noise.
const PLACES: [f64; 6] = [0.2, 0.4, 0.6, 0.9, 1.2, 1.6];

/// Half of a 95 % interval in standard deviations.
const CONFIDENCE: f64 = 1.959_963_984_540_054;

/// The largest α whose covariance weighs the places: towards 2 that becomes singular, as if α were known to many digits, and
/// the fit would follow noise. So intervals near 2 are rather too wide.
const WEIGHING_ALPHA: f64 = 1.95;

/// Rounds, at most; a few are enough.
const ROUNDS: usize = 20;

/// What was found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    pub(crate) alpha: f64,
    pub(crate) alpha_interval: [f64; 2],
    pub(crate) scale: f64,
    pub(crate) scale_interval: [f64; 2],
    pub(crate) location: f64,
}

/// The estimate; `None` if the characteristic function is not one that a law with a scale can have.
#[expect(clippy::cast_precision_loss, reason = "a number of samples")]
pub(crate) fn estimate(cells: &Cells, start: &Start) -> Option<Found> {
    let (mut alpha, mut scale, mut location) =
        (start.fit.alpha.clamp(LEAST_ALPHA, 2.0), start.fit.scale, start.median);
    let mut deviations = [0.0; 2];
    for _ in 0..ROUNDS {
        let (mut lines, mut shift, mut weight) = ([0.0; PLACES.len()], 0.0, 0.0);
        for (line, t) in lines.iter_mut().zip(PLACES) {
            let [real, imaginary] = cells.characteristic(t / scale, location);
            let size = real.hypot(imaginary);
            if !(size > 0.0 && size < 1.0) {
                return None;
            }
            *line = (-size.ln()).ln();
            // The angle is t·δ; small t have the least noise.
            if t < 1.0 {
                shift += t * imaginary.atan2(real);
                weight += t * t;
            }
        }
        let fitted = line(&lines, alpha, cells.total() as f64)?;
        let next = fitted.slope.clamp(LEAST_ALPHA, 2.0);
        // ln γ that suits the α which is possible.
        let log_scale = (fitted.offset + (fitted.slope - next) * fitted.slope_per_offset) / next;
        let moved = shift / weight;
        let step = (next - alpha).abs() + log_scale.abs() + moved.abs();
        location += scale * moved;
        scale *= log_scale.exp();
        alpha = next;
        deviations = [fitted.slope_deviation, fitted.offset_deviation / alpha];
        if !(scale.is_finite() && scale > 0.0) {
            return None;
        }
        if step < 1e-9 {
            break;
        }
    }
    let [of_alpha, of_log_scale] = deviations.map(|deviation| CONFIDENCE * deviation);
    let scale_interval = [-of_log_scale, of_log_scale].map(|log| scale * log.exp());
    let is_sound = location.is_finite() && of_alpha.is_finite() && scale_interval[1].is_finite();
    is_sound.then_some(Found {
        alpha,
        alpha_interval: [(alpha - of_alpha).max(0.0), (alpha + of_alpha).min(2.0)],
        scale,
        scale_interval,
        location,
    })
}

/// A line through y at ln t.
struct Line {
    slope: f64,
    /// At ln t = 0.
    offset: f64,
    slope_deviation: f64,
    offset_deviation: f64,
    /// How much the best offset rises where the slope is less by one than the best one.
    slope_per_offset: f64,
}

/// The line by generalised least squares, if values follow the law with this α and are `samples` many.
fn line(y: &[f64; PLACES.len()], alpha: f64, samples: f64) -> Option<Line> {
    let alpha = alpha.min(WEIGHING_ALPHA);
    let phi = |t: f64| (-t.abs().powf(alpha)).exp();
    let covariance = |j: usize, k: usize| {
        let (s, t) = (PLACES[j], PLACES[k]);
        let own = f64::midpoint(phi(s + t), phi(s - t)) - phi(s) * phi(t);
        // dy/dφ = 1/(φ ln φ), and ln φ = −t^α.
        own / (samples * phi(s) * s.powf(alpha) * phi(t) * t.powf(alpha))
    };
    let whiten = Cholesky::of(covariance)?;
    let [ones, places, y] = [[1.0; PLACES.len()], PLACES.map(f64::ln), *y].map(|column| whiten.solve(column));
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let (oo, op, pp) = (dot(&ones, &ones), dot(&ones, &places), dot(&places, &places));
    let (oy, py) = (dot(&ones, &y), dot(&places, &y));
    let determinant = oo * pp - op * op;
    if determinant.is_nan() || determinant <= 0.0 {
        return None;
    }
    Some(Line {
        slope: (oo * py - op * oy) / determinant,
        offset: (pp * oy - op * py) / determinant,
        slope_deviation: (oo / determinant).sqrt(),
        offset_deviation: (pp / determinant).sqrt(),
        slope_per_offset: op / oo,
    })
}

/// The lower triangle whose product with its transpose is a covariance.
struct Cholesky([[f64; PLACES.len()]; PLACES.len()]);

impl Cholesky {
    fn of(covariance: impl Fn(usize, usize) -> f64) -> Option<Self> {
        let mut lower = [[0.0f64; PLACES.len()]; PLACES.len()];
        for j in 0..PLACES.len() {
            for k in 0..=j {
                let done: f64 = (0..k).map(|i| lower[j][i] * lower[k][i]).sum();
                let rest = covariance(j, k) - done;
                if j == k && (rest.is_nan() || rest <= 0.0) {
                    return None;
                }
                lower[j][k] = if j == k { rest.sqrt() } else { rest / lower[k][k] };
            }
        }
        Some(Self(lower))
    }

    /// What times the triangle is `column`.
    fn solve(&self, column: [f64; PLACES.len()]) -> [f64; PLACES.len()] {
        let mut solved = [0.0; PLACES.len()];
        for j in 0..PLACES.len() {
            let done: f64 = (0..j).map(|i| self.0[j][i] * solved[i]).sum();
            solved[j] = (column[j] - done) / self.0[j][j];
        }
        solved
    }
}
