//! Table 1: memory by model.

use super::table::{Source, Table, figure};
use super::weights::{Weights, described};
use super::{Request, consistency};
use crate::cli::answer::Failure;
use crate::cli::interrupt;
use ecf8_core::container::{self, CompressOptions, CompressedFile};
use ecf8_core::synthetic::{SyntheticTensor, safetensors_bytes};
use ecf8_core::{Scheme, scheme};
use serde_json::json;
use std::fs;
use std::path::Path;

/// The paper's scheme.
pub(super) const PAPERS: &str = "exponent-gap";

/// What compressing gave.
pub(super) struct Compressed {
    pub(super) bytes: u64,
    pub(super) saved_percent: f64,
    /// The scheme that it was compressed by.
    pub(super) scheme: &'static str,
}

/// Compresses weights as one tensor of a file, in a folder of their own: every byte is decoded again and compared.
pub(super) fn compressed(
    folder: &Path,
    bytes: &[u8],
    with: Option<&'static dyn Scheme>,
) -> Result<Compressed, Failure> {
    let refused = |error: &dyn std::fmt::Display| {
        Failure::request(format!("cannot write to {}: {error}; make room, or set TMPDIR", folder.display()))
    };
    let (input, output) = (folder.join("weights.safetensors"), folder.join("weights.ecf8.safetensors"));
    let file =
        safetensors_bytes(&[], &[SyntheticTensor::e4m3("weights", bytes)]).map_err(Failure::request)?;
    fs::write(&input, &file).map_err(|error| refused(&error))?;
    let options = CompressOptions { scheme: with, overwrite: true, ..CompressOptions::default() };
    let report = container::compress(&input, &output, &options, &())?;
    let scheme =
        CompressedFile::open(&output)?.tensors().next().map_or("none", |tensor| tensor.scheme().name());
    let saved = 1.0 - report.output_bytes() as f64 / report.input_bytes() as f64;
    Ok(Compressed { bytes: report.output_bytes(), saved_percent: 100.0 * saved, scheme })
}

/// A folder that goes when the program ends, also by an interrupt.
pub(super) fn scratch() -> Result<tempfile::TempDir, Failure> {
    let scratch = tempfile::tempdir()
        .map_err(|error| Failure::request(format!("cannot make a temporary folder: {error}; set TMPDIR")))?;
    interrupt::clean_up(Some(scratch.path()));
    Ok(scratch)
}

pub(super) fn table(request: &Request<'_>) -> Result<Table, Failure> {
    let (mut lines, mut rows, mut furthest) = (Vec::new(), Vec::new(), 0.0f64);
    for weights in request.weights {
        let gap = compressed(request.scratch, &weights.bytes, scheme(PAPERS))?;
        let chosen = compressed(request.scratch, &weights.bytes, None)?;
        let of_sizes = weights.paper.map(|model| model.saved_by_sizes());
        let share = weights.paper.map(|model| model.share_of_checkpoint());
        let of_all = |one: &Compressed| share.map(|share| one.saved_percent * share);
        furthest = of_sizes.map_or(furthest, |papers| furthest.max((papers - gap.saved_percent).abs()));
        lines.push(vec![
            weights.name.clone(),
            weights
                .paper
                .map_or_else(String::new, |model| format!("{:.2} -> {:.2}", model.gb[0], model.gb[1])),
            figure(of_sizes, 1),
            figure(weights.paper.map(|model| model.saved_percent), 1),
            format!("{:.3}", weights.exponent_entropy()),
            format!("{:.1}", gap.saved_percent),
            format!("{:.1}", chosen.saved_percent),
            chosen.scheme.to_owned(),
            figure(of_all(&gap), 1),
            figure(of_all(&chosen), 1),
        ]);
        let of = |one: &Compressed| {
            json!({
                "scheme": one.scheme, "bytes": one.bytes, "saved_percent": one.saved_percent, "source": Source::Measured,
                "saved_percent_of_checkpoint": { "value": of_all(one), "source": Source::Predicted },
            })
        };
        rows.push(json!({
            "model": weights.name,
            "paper": weights.paper,
            "paper_saved_percent_by_sizes": of_sizes,
            "weights": weights.json(),
            "exponent_gap": of(&gap),
            "default": of(&chosen),
        }));
    }
    let mut notes = vec![
        described(request.weights, request.scale),
        "paper: GB as listed; `of sizes` is what these two save, `listed` the percentage beside them. Here: what a compressed file takes less, \
         all metadata included and every byte decoded and compared, of FP8 weights alone, and, predicted, of the whole checkpoint, in which all \
         else is taken to stay BF16 as it is"
            .to_owned(),
    ];
    if request.weights.iter().any(|weights: &Weights| weights.paper.is_some()) {
        notes.push(format!(
            "exponent-gap is within {furthest:.1} points of what the paper's sizes save, in every row"
        ));
    }
    notes.extend(consistency::of_memory());
    let head = [
        "model",
        "paper: GB",
        "of sizes, %",
        "listed, %",
        "H(exponent)",
        "exponent-gap, %, measured here",
        "default, %, measured here",
        "by",
        "exponent-gap, of all, %, predicted",
        "default, of all, %, predicted",
    ];
    Ok(Table {
        number: 1,
        title: "memory saved, by model".to_owned(),
        head: head.map(str::to_owned).to_vec(),
        lines,
        rows,
        notes,
    })
}
