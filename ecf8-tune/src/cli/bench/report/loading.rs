//! How long loading a model of many tensors takes, with no kernel compiled yet and with all of them.

use super::markdown::count;
use super::{LAYER, Outcome, Worker};
use crate::cli::answer::Failure;
use crate::executor::CudaExecutor;
use crate::kernel_cache::{DEFAULT_LIMIT, KernelCache};
use crate::model::{CudaModel, Model};
use ecf8_core::container::{self, CompressOptions};
use ecf8_core::synthetic::{self, SyntheticTensor};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

const TENSORS: usize = 500;

/// Bytes of each tensor.
const EACH: usize = 1 << 20;

/// The same in a quick report.
const QUICK_EACH: usize = 1 << 10;

/// Layers that a quick report decodes.
const QUICK_LAYERS: usize = 1;

pub(super) fn run(worker: &mut Worker<'_>) -> Result<Outcome, Failure> {
    let cannot = |error: &dyn std::fmt::Display| {
        Failure::request(format!(
            "cannot make a model to load: {error}; set TMPDIR to a folder with 1 GiB of room"
        ))
    };
    let scratch = tempfile::tempdir().map_err(|error| cannot(&error))?;
    let path = scratch.path().join("model.ecf8.safetensors");
    make(worker, scratch.path(), &path).map_err(|error| cannot(&error.message()))?;
    let kernels = scratch.path().join("kernels");
    let (_, mut without) = load(worker, &path, &kernels)?;
    let (mut model, with) = load(worker, &path, &kernels)?;
    let model_of = model.model().clone();
    without["kernel_cache"] = json!("empty");
    let bytes: u64 = model_of.tensors().iter().map(|tensor| tensor.bytes).sum();
    let mut found = json!({
        "tensors": model_of.tensors().len(),
        "layers": model_of.layers().len(),
        "bytes": bytes,
        "stored_bytes": fs::metadata(&path).map(|file| file.len()).ok(),
        "loads": [without, with],
        "notes": model.notes(),
    });
    let layers = if worker.bench.quick { QUICK_LAYERS } else { model_of.layers().len() };
    Ok(match exact(&mut model, layers) {
        Ok(()) => {
            found["layers_exact"] = json!(layers);
            Outcome::done(found)
        }
        Err(error) => Outcome::wrong(found, error.to_string()),
    })
}

/// A model of layers with seven matrices each, compressed as `ecf8 compress` does it.
fn make(worker: &mut Worker<'_>, folder: &Path, path: &Path) -> Result<(), Failure> {
    let each = if worker.bench.quick { QUICK_EACH } else { EACH };
    // Of weights that are as long as a few layers, each tensor has a piece, of which some have the same, turned.
    let weights = worker.weights_of_a_model((4 * LAYER * each) as u64)?;
    let mut pieces = weights.bytes.chunks_exact(each).cycle();
    let tensors: Vec<_> = (0..TENSORS)
        .filter_map(|nth| {
            let name = format!("model.layers.{}.matrix{}.weight", nth / LAYER, nth % LAYER);
            // Those that are equal would be stored once.
            let mut bytes = pieces.next()?.to_vec();
            bytes.rotate_left(nth % each);
            Some(SyntheticTensor::e4m3(&name, &bytes))
        })
        .collect();
    let original = folder.join("model.safetensors");
    let file = synthetic::safetensors_bytes(&[], &tensors).map_err(Failure::request)?;
    fs::write(&original, file).map_err(Failure::request)?;
    container::compress(&original, path, &CompressOptions::default(), &())?;
    fs::remove_file(&original).map_err(Failure::request)
}

/// Loads the model with the kernels that are in a folder by then.
fn load(worker: &Worker<'_>, path: &Path, kernels: &Path) -> Result<(CudaModel, Value), Failure> {
    let compiler = worker.compiler.clone();
    let cache = Arc::new(KernelCache::at(kernels, DEFAULT_LIMIT).with_compiler(move || Ok(compiler.clone())));
    let target = CudaExecutor::on(worker.target.device().clone(), cache.clone());
    let begun = Instant::now();
    let model = Arc::new(Model::open(path)?).load(target)?;
    let seconds = begun.elapsed().as_secs_f64();
    let launches: usize = (0..model.model().layers().len()).map(|layer| model.launches(layer)).sum();
    let told = json!({
        "kernel_cache": "full",
        "kernels_compiled": cache.compiled(),
        "seconds": seconds,
        "launches": launches,
    });
    Ok((model, told))
}

/// Decodes the first layers, and compares them with the checksums of the originals.
fn exact(model: &mut CudaModel, layers: usize) -> Result<(), crate::model::ModelError> {
    let mut scratch = model.scratch()?;
    for layer in 0..layers {
        model.decode_layer(layer, &mut scratch)?;
        model.check_layer(layer, &scratch)?;
    }
    Ok(())
}

pub(super) const HEAD: &[&str] =
    &["kernel cache", "tensors", "bytes", "stored", "kernels compiled", "launches", "seconds"];

pub(super) fn lines(found: &Value) -> Vec<Vec<String>> {
    let line = |load: &Value| {
        vec![
            load["kernel_cache"].as_str().unwrap_or_default().to_owned(),
            count(&found["tensors"]),
            count(&found["bytes"]),
            count(&found["stored_bytes"]),
            count(&load["kernels_compiled"]),
            count(&load["launches"]),
            load["seconds"].as_f64().map_or_else(String::new, |seconds| format!("{seconds:.3}")),
        ]
    };
    found["loads"].as_array().into_iter().flatten().map(line).collect()
}
