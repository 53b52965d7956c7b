//! Numbers of a type as what they are of the real line: each stands for the values that were rounded to it.
//!
//! Laws are fitted to values, and numbers of 8 bits are far apart. So every number counts as values that lie evenly in its
//! cell, exactly and not by adding noise: quantiles go through cells in straight lines, and a characteristic function has the
//! factor sin(th)/(th) of a cell with the half-width h.

use crate::numbers::FloatType;

/// Values that became one number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cell {
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) count: u64,
}

/// The cells of a tensor's numbers, in order, without those that do not occur.
#[derive(Debug)]
pub(crate) struct Cells {
    cells: Vec<Cell>,
    total: u64,
}

impl Cells {
    /// From the counts of heads. Infinities and NaN are left out; −0 and 0 are one number where values are rounded to it.
    pub(crate) fn new(float: &FloatType, heads: &[u64]) -> Self {
        let (mut positive, mut negative, mut zero) = (Vec::new(), Vec::new(), 0);
        for (head, count) in (0u32..).zip(heads.iter().copied()).filter(|(_, count)| *count > 0) {
            if !float.is_finite(head) {
                continue;
            }
            let (magnitude, is_negative) = float.magnitude(head);
            let [low, high] = float.cell(magnitude);
            if magnitude == 0 && float.is_whole() {
                zero += count;
            } else if is_negative {
                negative.push(Cell { low: -high, high: -low, count });
            } else {
                positive.push(Cell { low, high, count });
            }
        }
        // Heads are in the order of their magnitudes.
        negative.reverse();
        let mut cells = negative;
        if zero > 0 {
            let [_, high] = float.cell(0);
            cells.push(Cell { low: -high, high, count: zero });
        }
        cells.extend(positive);
        let total = cells.iter().map(|cell| cell.count).sum();
        Self { cells, total }
    }

    /// How many values there are.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// How many different numbers there are.
    pub(crate) fn len(&self) -> usize {
        self.cells.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Cell> + '_ {
        self.cells.iter().copied()
    }

    /// The values below which these shares of all lie, which are in order.
    #[expect(clippy::cast_precision_loss, reason = "shares")]
    pub(crate) fn quantiles<const N: usize>(&self, shares: [f64; N]) -> [f64; N] {
        let (mut found, mut next, mut before) = ([0.0; N], 0, 0u64);
        for cell in &self.cells {
            while let Some(share) = shares.get(next) {
                let within = share * self.total as f64 - before as f64;
                if within > cell.count as f64 {
                    break;
                }
                found[next] = cell.low + (cell.high - cell.low) * within.max(0.0) / cell.count as f64;
                next += 1;
            }
            before += cell.count;
        }
        found
    }

    /// Real and imaginary part of the mean of exp(it(x − location)).
    #[expect(clippy::cast_precision_loss, reason = "shares")]
    pub(crate) fn characteristic(&self, t: f64, location: f64) -> [f64; 2] {
        let (mut real, mut imaginary) = (0.0, 0.0);
        for cell in &self.cells {
            let (middle, half) = (f64::midpoint(cell.low, cell.high), (cell.high - cell.low) / 2.0);
            let spread = t * half;
            let factor =
                if spread.abs() < 1e-4 { 1.0 - spread * spread / 6.0 } else { spread.sin() / spread };
            let (sin, cos) = (t * (middle - location)).sin_cos();
            let weight = cell.count as f64 * factor;
            real += weight * cos;
            imaginary += weight * sin;
        }
        [real / self.total as f64, imaginary / self.total as f64]
    }
}
