//! How fast a layer's weights are brought to a later state by a difference that lies on the GPU compressed.

use super::markdown::{count, measured, text};
use super::{LAYER, Outcome, Worker, proven, queued};
use crate::cli::answer::Failure;
use crate::executor::{CudaExecutor, Target};
use crate::model::Model;
use crate::update::{Update, resident_layers};
use ecf8_core::container::{self, Base, CompressOptions};
use ecf8_core::synthetic::{self, SyntheticTensor, gaussian, noise, stored_as};
use safetensors::Dtype;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// BF16 numbers of each of the layer's tensors.
const EACH: usize = 16 << 20;

/// The same in a quick report.
const QUICK_EACH: usize = 1 << 10;

/// Where few numbers change, one in every `FEW` does.
const FEW: usize = 100;

/// How the later state differs.
const CHANGES: [&str; 2] = ["all numbers move a little", "one number in 100 changes"];

pub(super) fn run(worker: &mut Worker<'_>) -> Result<Outcome, Failure> {
    let scratch = tempfile::tempdir().map_err(|error| {
        Failure::request(format!(
            "cannot make a model to update: {error}; set TMPDIR to a folder with 2 GiB of room"
        ))
    })?;
    let rows = CHANGES.iter().enumerate().map(|(few, name)| applied(worker, scratch.path(), few == 1, name));
    Ok(Outcome::of_rows(rows.collect::<Result<_, _>>()?))
}

/// A tensor in both states.
fn states(nth: usize, each: usize, is_few: bool) -> Option<[Vec<u8>; 2]> {
    let values = gaussian(nth as u64, each, 0.02);
    let base = stored_as("BF16", &values)?;
    if is_few {
        let (mut later, dice) = (base.clone(), noise(90 + nth as u64, each.div_ceil(FEW)));
        for (number, dice) in later.chunks_exact_mut(2).step_by(FEW).zip(dice) {
            number[0] ^= dice | 1;
        }
        return Some([base, later]);
    }
    let moved: Vec<f32> =
        values.iter().zip(gaussian(90 + nth as u64, each, 2e-5)).map(|(value, by)| value + by).collect();
    Some([base, stored_as("BF16", &moved)?])
}

/// Makes a model of a layer and its later state, and times the update.
fn applied(worker: &mut Worker<'_>, folder: &Path, is_few: bool, name: &str) -> Result<Value, Failure> {
    let each = if worker.bench.quick { QUICK_EACH } else { EACH };
    let [plain, base, delta] =
        ["plain", "base.ecf8", "delta"].map(|name| folder.join(format!("{name}.{}", u8::from(is_few))));
    let mut tensors = [Vec::new(), Vec::new()];
    for nth in 0..LAYER {
        // Tensors that are alike would be stored once.
        let states =
            states(nth, each, is_few).ok_or_else(|| Failure::request("numbers that nobody stores"))?;
        for (tensors, bytes) in tensors.iter_mut().zip(states) {
            let tensor = format!("model.layers.0.matrix{nth}.weight");
            tensors.push(SyntheticTensor::new(&tensor, Dtype::BF16, &[each as u64], bytes));
        }
    }
    let [before, after] = tensors;
    let write = |tensors: &[SyntheticTensor]| {
        let file = synthetic::safetensors_bytes(&[], tensors).map_err(Failure::request)?;
        fs::write(&plain, file).map_err(Failure::request)
    };
    let options = CompressOptions::default();
    write(&before)?;
    container::compress(&plain, &base, &options, &())?;
    write(&after)?;
    container::compress_against(&plain, &delta, Base::open(&[&base])?.as_ref(), &options, &())?;
    let stored_bytes = fs::metadata(&delta).map_err(Failure::request)?.len();

    let device = worker.target.device().clone();
    let target = || CudaExecutor::on(device.clone(), worker.target.cache().clone());
    let mut loaded = Arc::new(Model::open(&base)?).load(target())?;
    let layers = resident_layers(&loaded);
    let mut update = Update::load(&delta, &layers, target()).map_err(Failure::request)?;
    let (mut resident, mut later) = (loaded.scratch()?, loaded.scratch()?);
    let mut scratch = update.scratch().map_err(Failure::request)?;
    loaded.decode_layer(0, &mut resident)?;
    let times = queued(&device, worker.bench.runs, || update.apply(0, &resident, &mut later, &mut scratch));
    let mut found = vec![0; later.len()];
    update.target().download(&later, &mut found)?;
    let is_right = layers[0].iter().all(|tensor| {
        let wanted = after.iter().find(|one| one.name == tensor.name);
        found.get(tensor.start..tensor.start + tensor.bytes) == wanted.map(|wanted| &wanted.bytes[..])
    });
    let bytes: u64 = after.iter().map(|tensor| tensor.bytes.len() as u64).sum();
    let mut row = json!({
        "data": name,
        "tensors": LAYER,
        "output_bytes": bytes,
        "encoded_bytes": stored_bytes,
        "ratio": stored_bytes as f64 / bytes as f64,
    });
    let outcome = proven(times, is_right, "other bytes than the later state's");
    // The base is read, and the later state written beside it.
    worker.about.add_outcome(&mut row, bytes, 2 * bytes + stored_bytes, &outcome);
    Ok(row)
}

pub(super) const HEAD: &[&str] = &["change", "tensors", "bytes", "ratio", "GB/s", "p20-p80", "of copy"];

pub(super) fn lines(found: &Value) -> Vec<Vec<String>> {
    let line = |row: &Value| {
        let mut line = vec![text(&row["data"])];
        line.extend(["tensors", "output_bytes"].map(|key| count(&row[key])));
        line.extend(measured(row));
        line
    };
    found.as_array().into_iter().flatten().map(line).collect()
}
