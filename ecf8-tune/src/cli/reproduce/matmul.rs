//! How long a layer's multiplications in FP8 take.

use super::paper::Matrix;
use super::table::Source;
use crate::cli::answer::Failure;

/// Tells how long multiplying by matrices in FP8 takes.
pub(super) trait MatmulTimes {
    /// Whether it measures.
    fn source(&self) -> Source;

    /// What it is, for people.
    fn about(&self) -> String;

    /// Nanoseconds of multiplying `batch` rows of FP8 by a matrix of FP8, the results being BF16.
    ///
    /// # Errors
    /// If it cannot be measured.
    fn nanoseconds(&mut self, batch: u32, matrix: &Matrix) -> Result<f64, Failure>;
}

/// What tells the times of multiplications.
pub(super) fn times() -> Box<dyn MatmulTimes> {
    Box::new(Roofline::H100)
}

/// The least that a GPU's data sheet allows: a multiplication waits for memory or for its units, whichever takes longer.
pub(super) struct Roofline {
    name: &'static str,
    gb_per_s: f64,
    teraflops: f64,
}

impl Roofline {
    /// H100 SXM: 3.35 TB/s, and 1,979 TFLOP/s of dense FP8.
    pub(super) const H100: Self = Self { name: "H100 SXM", gb_per_s: 3350.0, teraflops: 1979.0 };
}

impl MatmulTimes for Roofline {
    fn source(&self) -> Source {
        Source::Predicted
    }

    fn about(&self) -> String {
        format!(
            "the roofline of an {}: {} GB/s and {} TFLOP/s of dense FP8 by its data sheet, which no real multiplication reaches",
            self.name, self.gb_per_s, self.teraflops
        )
    }

    fn nanoseconds(&mut self, batch: u32, matrix: &Matrix) -> Result<f64, Failure> {
        let [rows, inputs, outputs] = [batch, matrix.inputs, matrix.outputs].map(f64::from);
        let bytes = inputs * outputs + rows * inputs + 2.0 * rows * outputs;
        let operations = 2.0 * rows * inputs * outputs;
        Ok((bytes / self.gb_per_s).max(operations / (self.teraflops * 1e3)))
    }
}
