//! How long a layer's multiplications in FP8 take.

use super::paper::Matrix;
use super::table::Source;
use crate::cli::answer::Failure;
use crate::cli::device::Device;
use crate::device::{Cublas, CublasError, CudaDevice};
use crate::nvrtc::Nvrtc;
use ecf8_core::synthetic::{cast, gaussian, repeated};
use std::path::Path;

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

/// What tells the times of multiplications: cuBLASLt on a device that is a GPU, or on the first GPU if none is named. If that cannot be, why
/// not, and a prediction.
pub(super) fn times(device: Option<Device>) -> (Box<dyn MatmulTimes>, Option<String>) {
    let ordinal = match device {
        None => 0,
        Some(Device::Cuda(ordinal)) => ordinal,
        Some(Device::Cpu | Device::Emulator) => return (Box::new(Roofline::H100), None),
    };
    match Measured::open(ordinal) {
        Ok(measured) => (Box::new(measured), None),
        Err(error) => {
            let warning = device.map(|_| format!("multiplications are predicted: {error}"));
            (Box::new(Roofline::H100), warning)
        }
    }
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

/// The most copies of a matrix, so that none is in the L2 when its turn comes.
const MOST_COPIES: usize = 8;

/// Different weights that are made; a matrix has them again and again.
const MADE: usize = 16 << 20;

/// Runs that are timed, and those before them.
const RUNS: usize = 20;
const WARM_UP: usize = 3;

/// Times of cuBLASLt on a GPU.
struct Measured {
    cublas: Cublas,
    device: CudaDevice,
}

impl Measured {
    fn open(ordinal: u32) -> Result<Self, String> {
        let device = CudaDevice::open(ordinal).map_err(|error| error.to_string())?;
        let nvrtc = Nvrtc::find_for(&device.info().machine()).map_err(|error| error.to_string())?;
        let cublas = Cublas::open(&device, Path::new(nvrtc.origin())).map_err(|error| error.to_string())?;
        Ok(Self { cublas, device })
    }

    /// Times products that take copies of the weights in turns.
    fn time(&self, batch: u32, matrix: &Matrix) -> Result<Vec<f32>, CublasError> {
        let [batch, inputs, outputs] = [batch, matrix.inputs, matrix.outputs]
            .map(|number| usize::try_from(number).unwrap_or(usize::MAX));
        let product = self.cublas.product(outputs, inputs, batch)?;
        let [weights, tokens, results] = product.bytes();
        let l2 = usize::try_from(self.device.info().l2_bytes).unwrap_or(0);
        let copies = (2 * l2).div_ceil(weights.max(1)).clamp(1, MOST_COPIES);
        // Numbers near 1, as zeros take less power and so less time.
        let numbers = cast(&gaussian(1, weights.max(tokens).min(MADE), 1.0));
        let filled = |bytes: usize| self.device.upload(&repeated(numbers.clone(), bytes));
        let weights = (0..copies).map(|_| filled(weights)).collect::<Result<Vec<_>, _>>()?;
        let (tokens, results) = (filled(tokens)?, self.device.alloc(results)?);
        let mut turn = weights.iter().cycle();
        let mut multiply =
            |_| turn.next().map_or(Ok(()), |weights| product.multiply((weights, 0), &tokens, &results));
        (0..WARM_UP).try_for_each(&mut multiply)?;
        self.device.time(RUNS, multiply)
    }
}

impl MatmulTimes for Measured {
    fn source(&self) -> Source {
        Source::Measured
    }

    fn about(&self) -> String {
        format!(
            "cuBLASLt ({}) on {}, median of {RUNS}, weights not in the L2, batches rounded up to 16 as FP8 needs it",
            self.cublas.path().display(),
            self.device.info().name
        )
    }

    fn nanoseconds(&mut self, batch: u32, matrix: &Matrix) -> Result<f64, Failure> {
        let mut times = self.time(batch, matrix).map_err(Failure::request)?;
        times.sort_by(f32::total_cmp);
        let median = times.get(times.len() / 2).ok_or_else(|| Failure::request("nothing was timed"))?;
        Ok(1e6 * f64::from(*median))
    }
}
