//! Files and folders: compressed, restored, verified, inspected; and the command line.

use crate::encoded::{Given, assembled};
use crate::options::Options;
use crate::{progress, threads};
use ecf8_core::container::{self, CompressedModel, FileReport, Report};
use ecf8_core::source::Assembled;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::path::PathBuf;

/// Compresses a file or folder; gives a report as JSON.
#[pyfunction]
#[pyo3(signature = (input, output, **options))]
pub(crate) fn compress(
    py: Python<'_>,
    input: PathBuf,
    output: PathBuf,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<String> {
    let known = [
        "scheme",
        "optimize",
        "codebooks",
        "code_bits",
        "threads",
        "overwrite",
        "allow_missing_shards",
        "progress",
    ];
    let options = Options::of(options, &known)?;
    let (pool, compress) = (options.pool()?, options.compress);
    progress::work(py, pool, options.progress, |told| {
        let report = container::compress(&input, &output, &compress, told)?;
        Ok(described(&report, &told.notes()))
    })
}

/// Compresses tensors in memory into a file; gives a report as JSON.
#[pyfunction]
#[pyo3(signature = (tensors, metadata, output, **options))]
pub(crate) fn save(
    py: Python<'_>,
    tensors: Vec<Given<'_>>,
    metadata: Option<Vec<(String, String)>>,
    output: PathBuf,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<String> {
    let known = ["scheme", "optimize", "codebooks", "code_bits", "threads", "overwrite", "progress"];
    let options = Options::of(options, &known)?;
    let tensors = assembled(&tensors)?;
    let (pool, compress) = (options.pool()?, options.compress);
    progress::work(py, pool, options.progress, |told| {
        let source = Assembled::new(&output, &metadata.unwrap_or_default(), tensors)?;
        let report = container::compress_source(&source, &output, &compress, told)?;
        let name = output.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let report = Report { files: vec![FileReport { name, ..report }], ..Report::default() };
        Ok(described(&report, &told.notes()))
    })
}

/// Restores the file or folder that a container was made from; gives a report as JSON.
#[pyfunction]
#[pyo3(signature = (input, output, **options))]
pub(crate) fn decompress(
    py: Python<'_>,
    input: PathBuf,
    output: PathBuf,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<String> {
    let options = Options::of(options, &["threads", "overwrite", "partial", "progress"])?;
    let (pool, overwrite) = (options.pool()?, options.compress.overwrite);
    let decompress = if options.partial { container::decompress_partial } else { container::decompress };
    progress::work(py, pool, options.progress, |told| {
        let report = decompress(&input, &output, overwrite, told)?;
        Ok(described(&report, &told.notes()))
    })
}

/// Checks that a container or a folder of them is intact and decodes to the bytes that it was made from; gives how many
/// these are.
#[pyfunction]
#[pyo3(signature = (path, against = None, **options))]
pub(crate) fn verify(
    py: Python<'_>,
    path: PathBuf,
    against: Option<PathBuf>,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<u64> {
    let options = Options::of(options, &["threads", "progress"])?;
    progress::work(py, options.pool()?, options.progress, |told| {
        let model = container::check(&path, told)?.into_model()?;
        if let Some(original) = &against {
            container::verify_against(&model, original, told)?;
        }
        model.check_unchanged()?;
        Ok(model.files.iter().fold(0, |sum: u64, file| sum.saturating_add(file.original_bytes())))
    })
}

/// Sizes, entropies and codebooks of a container or a folder of them, as JSON.
#[pyfunction]
pub(crate) fn inspect(py: Python<'_>, path: PathBuf) -> PyResult<String> {
    threads::work(py, || {
        let model = CompressedModel::open(&path)?;
        let inspection = json!(container::inspect(&model));
        model.check_unchanged()?;
        Ok(inspection.to_string())
    })
}

/// Whether a file is a container, or a folder holds one.
#[pyfunction]
pub(crate) fn is_container(py: Python<'_>, path: PathBuf) -> PyResult<bool> {
    threads::work(py, || container::is_container(&path))
}

/// Runs the command line; gives its exit status.
#[pyfunction]
pub(crate) fn run_cli(py: Python<'_>, args: Vec<OsString>) -> u8 {
    py.detach(|| ecf8_tune::cli::run_from(std::iter::once(OsString::from("ecf8")).chain(args)))
}

fn described(report: &Report, notes: &[String]) -> String {
    let mut described = json!(report);
    described["input_bytes"] = Value::from(report.input_bytes());
    described["output_bytes"] = Value::from(report.output_bytes());
    described["notes"] = json!(notes);
    described["lost"] = json!(report.lost_lines());
    described.to_string()
}
