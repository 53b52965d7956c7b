//! The weights that tables are measured on: real ones, or generated ones that have a model's exponent entropy.

use super::paper::{GB, MODELS, Model, model_named};
use super::real::Real;
use crate::cli::answer::{Failure, grouped};
use crate::cli::size::in_words;
use ecf8_core::format::E4M3;
use ecf8_core::{Histogram, synthetic};
use serde_json::{Value, json};
use std::path::Path;

/// How near generated weights come to table 4's entropy, in bits.
const TOLERANCE: f64 = 0.001;

/// Columns of the matrix that weights are taken as.
pub(super) const COLUMNS: usize = synthetic::ROW;

/// E4M3 numbers, and what they stand for.
pub(super) struct Weights {
    pub(super) name: String,
    /// The model of the paper that they are compared with.
    pub(super) paper: Option<&'static Model>,
    pub(super) bytes: Vec<u8>,
    /// Bytes of the FP8 weights of the whole model: what `bytes` are a part of, or stand for.
    pub(super) whole: f64,
    origin: Origin,
}

enum Origin {
    Generated { sigma: f32, row_spread: f32 },
    Real { tensors: usize, cast: usize },
}

impl Weights {
    /// Bits of the exponents' entropy.
    pub(super) fn exponent_entropy(&self) -> f64 {
        exponent_entropy(&self.bytes)
    }

    pub(super) fn json(&self) -> Value {
        let origin = match self.origin {
            Origin::Generated { sigma, row_spread } => {
                json!({ "generated": { "sigma": sigma, "row_spread": row_spread } })
            }
            Origin::Real { tensors, cast } => json!({ "real": { "tensors": tensors, "cast_to_e4m3": cast } }),
        };
        json!({ "bytes": self.bytes.len(), "origin": origin, "exponent_entropy_bits": self.exponent_entropy() })
    }
}

/// Bits of the entropy of the exponents of E4M3 numbers.
pub(super) fn exponent_entropy(bytes: &[u8]) -> f64 {
    Histogram::of_exponents(bytes, &E4M3).entropy_bits()
}

/// For people, how the weights came about.
pub(super) fn described(all: &[Weights], scale: u64) -> String {
    match all {
        [Weights { origin: Origin::Real { tensors, cast }, bytes, .. }] => format!(
            "weights: {} E4M3 numbers, evenly from {tensors} tensors{}",
            grouped(bytes.len() as u64),
            match cast {
                0 => String::new(),
                cast => format!(", of which {cast} were cast from wider types as they are, without scales"),
            }
        ),
        _ => format!(
            "weights: generated, {} for each model, whose exponents have table 4's entropy to {TOLERANCE} bits: normal, in rows of {COLUMNS} with \
             log-normal scales of their own. Below 2.521 bits, the entropy of N(0, 1), the deviation is smaller, so that many flush to subnormal \
             numbers and zero, as in models that were cast without scales, and the scales' spread is .5; above, the spread is larger",
            in_words(scale)
        ),
    }
}

/// Those of each model of the paper, of `scale` bytes; or real ones, of at most as many.
pub(super) fn weights(real: Option<&Path>, scale: u64) -> Result<Vec<Weights>, Failure> {
    match real {
        Some(path) => Ok(vec![read(path, scale)?]),
        None => MODELS.iter().zip(1..).map(|(model, seed)| generated(model, seed, scale)).collect(),
    }
}

/// Weights that have a model's exponent entropy.
pub(super) fn generated(model: &'static Model, seed: u64, scale: u64) -> Result<Weights, Failure> {
    let count = usize::try_from(scale).map_err(Failure::request)?;
    let [bits, _] = model.exponent_entropy_bits;
    let made = synthetic::with_exponent_entropy(seed, count, bits, TOLERANCE).ok_or_else(|| {
        Failure::request(format!(
            "{count} numbers are too few to have an exponent entropy of {bits} bits, as {} has; use a larger --scale, such as 1M",
            model.name
        ))
    })?;
    let origin = Origin::Generated { sigma: made.sigma, row_spread: made.row_spread };
    let whole = model.gb[0] * GB;
    Ok(Weights { name: model.name.to_owned(), paper: Some(model), bytes: made.bytes, whole, origin })
}

/// Real weights of a file or folder.
fn read(path: &Path, scale: u64) -> Result<Weights, Failure> {
    let Real { bytes, elements, tensors, cast } = Real::read(path, scale)?;
    let name = path
        .file_name()
        .map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    let paper = model_named(&path.to_string_lossy());
    Ok(Weights { name, paper, bytes, whole: elements as f64, origin: Origin::Real { tensors, cast } })
}
