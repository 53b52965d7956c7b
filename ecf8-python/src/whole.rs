//! Files and folders: compressed, restored, verified, inspected; and the command line.

use crate::encoded::{Given, assembled};
use crate::options::Options;
use crate::{progress, threads};
use ecf8_core::container::{self, Base, CompressedModel, FileReport, Report};
use ecf8_core::source::Assembled;
use pyo3::exceptions::PyValueError;
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
        "base",
        "progress",
    ];
    let options = Options::of(options, &known)?;
    let (pool, compress, base) = (options.pool()?, options.compress, options.base);
    progress::work(py, pool, options.progress, |told| {
        let report = match &*base {
            [] => container::compress(&input, &output, &compress, told)?,
            bases => container::compress_against(&input, &output, &*Base::open(bases)?, &compress, told)?,
        };
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
    let options = Options::of(options, &["threads", "overwrite", "partial", "base", "progress"])?;
    let (pool, overwrite, base) = (options.pool()?, options.compress.overwrite, options.base);
    if options.partial && !base.is_empty() {
        return Err(PyValueError::new_err(
            "partial and base exclude each other: verify the base, then leave one out",
        ));
    }
    progress::work(py, pool, options.progress, |told| {
        let report = match (options.partial, &*base) {
            (true, _) => container::decompress_partial(&input, &output, overwrite, told)?,
            (false, []) => container::decompress(&input, &output, overwrite, told)?,
            (false, bases) => {
                container::decompress_beside(&input, &output, &Base::open(bases)?, overwrite, told)?
            }
        };
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
    let options = Options::of(options, &["threads", "base", "progress"])?;
    let (pool, base) = (options.pool()?, options.base);
    progress::work(py, pool, options.progress, |told| {
        let model = container::check(&path, told)?.into_model()?;
        let base = if base.is_empty() { None } else { Some(Base::open(&base)?) };
        match (&base, &against) {
            (Some(base), Some(original)) => {
                container::verify_against_beside(&model, base, original, told)?;
            }
            (Some(base), None) => container::verify_beside(&model, base, told)?,
            (None, Some(original)) => container::verify_against(&model, original, told)?,
            (None, None) => {}
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
        let mut inspection = json!(container::inspect(&model));
        inspection["base"] = json!(model.base_needed().map(|needed| needed.name));
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
