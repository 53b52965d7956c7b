//! Symmetric α-stable laws: as functions, and fitted to what was counted.
//!
//! - `law`: distribution and density, numerically; `table`: the same, fast, for one α.
//! - `cells`: how numbers of a type share the real line.
//! - `quantiles`: McCulloch's estimate; `regression`: from the characteristic function, with confidence.
//! - `goodness`: where a law does not hold.
//!
//! Samples are made by [`ecf8_core::synthetic::alpha_stable`].

mod cells;
mod goodness;
mod law;
mod quantiles;
mod regression;
mod table;

pub(crate) use cells::Cells;
#[cfg(test)]
mod tests;

pub use law::{LEAST_ALPHA, Law, NORMAL_SCALE};

use crate::report::StableFit;
use table::Table;

/// Values that a law is fitted to at least, and different numbers among them.
const FEWEST: (u64, usize) = (1000, 12);

/// The law that suits these numbers best, and its distribution; `None` if they are few or hardly differ.
pub(crate) fn fit(cells: &Cells) -> Option<(StableFit, Standardised)> {
    if cells.total() < FEWEST.0 || cells.len() < FEWEST.1 {
        return None;
    }
    let start = quantiles::estimate(cells)?;
    let found = regression::estimate(cells, &start)?;
    let law = Standardised::new(found.alpha, found.scale, found.location);
    let goodness = goodness::of(cells, &law);
    let fit = StableFit {
        alpha: found.alpha,
        alpha_interval: found.alpha_interval,
        scale: found.scale,
        scale_interval: found.scale_interval,
        location: found.location,
        samples: cells.total(),
        by_quantiles: start.fit,
        goodness,
    };
    Some((fit, law))
}

/// A law with a scale and a location.
#[derive(Debug)]
pub(crate) struct Standardised {
    table: Table,
    scale: f64,
    location: f64,
}

impl Standardised {
    /// The law with these parameters.
    pub(crate) fn new(alpha: f64, scale: f64, location: f64) -> Self {
        Self { table: Table::new(alpha), scale, location }
    }

    /// Its location.
    pub(crate) fn centre(&self) -> f64 {
        self.location
    }

    /// The probability of values up to `value`.
    pub(crate) fn below(&self, value: f64) -> f64 {
        let x = (value - self.location) / self.scale;
        if x < 0.0 { self.table.above(-x) } else { 1.0 - self.table.above(x) }
    }

    /// The probability of values between two, precise also where it is small.
    pub(crate) fn between(&self, low: f64, high: f64) -> f64 {
        let [low, high] = [low, high].map(|value| (value - self.location) / self.scale);
        let above = |x: f64| self.table.above(x);
        let probability = if low >= 0.0 {
            above(low) - above(high)
        } else if high <= 0.0 {
            above(-high) - above(-low)
        } else {
            1.0 - above(high) - above(-low)
        };
        probability.max(0.0)
    }
}
