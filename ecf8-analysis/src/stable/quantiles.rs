//! McCulloch's estimate of α-stable parameters by five quantiles (*Simple consistent estimators of stable distribution
//! parameters*, 1986), with the tables of his paper.

use super::cells::Cells;
use crate::report::QuantileFit;

/// What quantiles tell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start {
    pub(crate) fit: QuantileFit,
    /// The median, which is the location of a symmetric law.
    pub(crate) median: f64,
}

/// (q95 − q5) / (q75 − q25), the places of tables III and IV.
const WIDTHS: [f64; 15] = [2.439, 2.5, 2.6, 2.7, 2.8, 3.0, 3.2, 3.5, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 25.0];

/// |q95 + q5 − 2 q50| / (q95 − q5), the other places.
const SKEWS: [f64; 7] = [0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0];

/// Table III: α.
const ALPHAS: [[f64; 7]; 15] = [
    [2.000, 2.000, 2.000, 2.000, 2.000, 2.000, 2.000],
    [1.916, 1.924, 1.924, 1.924, 1.924, 1.924, 1.924],
    [1.808, 1.813, 1.829, 1.829, 1.829, 1.829, 1.829],
    [1.729, 1.730, 1.737, 1.745, 1.745, 1.745, 1.745],
    [1.664, 1.663, 1.663, 1.668, 1.676, 1.676, 1.676],
    [1.563, 1.560, 1.553, 1.548, 1.547, 1.547, 1.547],
    [1.484, 1.480, 1.471, 1.460, 1.448, 1.438, 1.438],
    [1.391, 1.386, 1.378, 1.364, 1.337, 1.318, 1.318],
    [1.279, 1.273, 1.266, 1.250, 1.210, 1.184, 1.150],
    [1.128, 1.121, 1.114, 1.101, 1.067, 1.027, 0.973],
    [1.029, 1.021, 1.014, 1.004, 0.974, 0.935, 0.874],
    [0.896, 0.892, 0.884, 0.883, 0.855, 0.823, 0.769],
    [0.818, 0.812, 0.806, 0.801, 0.780, 0.756, 0.691],
    [0.698, 0.695, 0.692, 0.689, 0.676, 0.656, 0.597],
    [0.593, 0.590, 0.588, 0.586, 0.579, 0.563, 0.513],
];

/// Table IV: β, which may come out above 1.
const BETAS: [[f64; 7]; 15] = [
    [0.0, 2.160, 1.000, 1.000, 1.000, 1.000, 1.000],
    [0.0, 1.592, 3.390, 1.000, 1.000, 1.000, 1.000],
    [0.0, 0.759, 1.800, 1.000, 1.000, 1.000, 1.000],
    [0.0, 0.482, 1.048, 1.694, 1.000, 1.000, 1.000],
    [0.0, 0.360, 0.760, 1.232, 2.229, 1.000, 1.000],
    [0.0, 0.253, 0.518, 0.823, 1.575, 1.000, 1.000],
    [0.0, 0.203, 0.410, 0.632, 1.244, 1.906, 1.000],
    [0.0, 0.165, 0.332, 0.499, 0.943, 1.560, 1.000],
    [0.0, 0.136, 0.271, 0.404, 0.689, 1.230, 2.195],
    [0.0, 0.109, 0.216, 0.323, 0.539, 0.827, 1.917],
    [0.0, 0.096, 0.190, 0.284, 0.472, 0.693, 1.759],
    [0.0, 0.082, 0.163, 0.243, 0.412, 0.601, 1.596],
    [0.0, 0.074, 0.147, 0.220, 0.377, 0.546, 1.482],
    [0.0, 0.064, 0.128, 0.191, 0.330, 0.478, 1.362],
    [0.0, 0.056, 0.112, 0.167, 0.285, 0.428, 1.274],
];

/// Places of table V.
const TABLE_V_ALPHAS: [f64; 16] =
    [0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9, 2.0];

/// Its other places.
const TABLE_V_BETAS: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];

/// Table V: (q75 − q25) / γ.
const RANGES: [[f64; 5]; 16] = [
    [2.588, 3.073, 4.534, 6.636, 9.144],
    [2.337, 2.634, 3.542, 4.808, 6.247],
    [2.189, 2.392, 3.004, 3.844, 4.775],
    [2.098, 2.244, 2.676, 3.265, 3.912],
    [2.040, 2.149, 2.461, 2.886, 3.356],
    [2.000, 2.085, 2.311, 2.624, 2.973],
    [1.980, 2.040, 2.205, 2.435, 2.696],
    [1.965, 2.007, 2.125, 2.294, 2.491],
    [1.955, 1.984, 2.067, 2.188, 2.333],
    [1.946, 1.967, 2.022, 2.106, 2.211],
    [1.939, 1.952, 1.988, 2.045, 2.116],
    [1.933, 1.940, 1.962, 1.997, 2.043],
    [1.927, 1.930, 1.943, 1.961, 1.987],
    [1.921, 1.922, 1.927, 1.936, 1.947],
    [1.914, 1.915, 1.916, 1.918, 1.921],
    [1.908, 1.908, 1.908, 1.908, 1.908],
];

/// The estimate; `None` if half of the values are in one place.
pub(crate) fn estimate(cells: &Cells) -> Option<Start> {
    let [q5, q25, q50, q75, q95] = cells.quantiles([0.05, 0.25, 0.5, 0.75, 0.95]);
    let (range, width) = (q75 - q25, q95 - q5);
    if range <= 0.0 || !width.is_finite() {
        return None;
    }
    let (width_ratio, skew) = (width / range, (q95 + q5 - 2.0 * q50) / width);
    let (alpha, beta) = if width_ratio < WIDTHS[0] {
        (2.0, 0.0)
    } else {
        let of = |table| interpolated(&WIDTHS, &SKEWS, table, width_ratio, skew.abs());
        (of(&ALPHAS), of(&BETAS).min(1.0).copysign(skew))
    };
    let scale = range / interpolated(&TABLE_V_ALPHAS, &TABLE_V_BETAS, &RANGES, alpha, beta.abs());
    Some(Start { fit: QuantileFit { alpha, beta: beta + 0.0, scale }, median: q50 })
}

/// A table at a place between its own, bilinearly; beyond its ends, as at them.
fn interpolated<const R: usize, const C: usize>(
    rows: &[f64; R],
    columns: &[f64; C],
    table: &[[f64; C]; R],
    row: f64,
    column: f64,
) -> f64 {
    let ([r, next_r], down) = between(rows, row);
    let ([c, next_c], right) = between(columns, column);
    let across = |row: &[f64; C]| row[c] + (row[next_c] - row[c]) * right;
    across(&table[r]) + (across(&table[next_r]) - across(&table[r])) * down
}

/// Between which two places something is, and how far towards the second.
fn between(places: &[f64], at: f64) -> ([usize; 2], f64) {
    let next = places.iter().position(|place| *place > at).unwrap_or(places.len());
    match next {
        0 => ([0, 0], 0.0),
        next if next == places.len() => ([next - 1, next - 1], 0.0),
        next => ([next - 1, next], (at - places[next - 1]) / (places[next] - places[next - 1])),
    }
}
