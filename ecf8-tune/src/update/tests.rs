//! Layers on the emulator, brought to a later state.

use super::*;
use crate::executor::EmulatorExecutor;
use ecf8_codegen::emulator::Checks;
use ecf8_core::container::{self, Base, CompressOptions};
use ecf8_core::header::Header;
use ecf8_core::synthetic::{SyntheticTensor, gaussian, noise, safetensors_bytes, stored_as};
use safetensors::Dtype;
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

fn emulator() -> EmulatorExecutor {
    EmulatorExecutor { checks: Checks::Full }
}

/// Two layers in one state: weights that all move a little, of which few change, that are others, and that stay.
fn state(step: u64) -> Vec<SyntheticTensor> {
    let moved = |seed: u64, count: usize| -> Vec<f32> {
        let by = gaussian(90 + seed, count, 2e-5 * step as f32);
        gaussian(seed, count, 0.02).iter().zip(by).map(|(value, by)| value + by).collect()
    };
    let mut tensors = Vec::new();
    for layer in 0..2 {
        let name = |name: &str| format!("layers.{layer}.{name}.weight");
        let mut tensor = |own: &str, dtype, bytes: Vec<u8>, count: u64| {
            tensors.push(SyntheticTensor::new(&name(own), dtype, &[count], bytes));
        };
        tensor("all", Dtype::BF16, stored_as("BF16", &moved(layer, 30_000)).unwrap(), 30_000);
        let mut few = stored_as("BF16", &gaussian(layer + 5, 20_000, 0.02)).unwrap();
        let dice = noise(step, few.len());
        (0..few.len()).step_by(700).for_each(|at| few[at] ^= if step == 0 { 0 } else { dice[at] });
        tensor("few", Dtype::BF16, few, 20_000);
        tensor("wide", Dtype::F32, stored_as("F32", &moved(layer + 7, 9000)).unwrap(), 9000);
        tensor(
            "other",
            Dtype::BF16,
            stored_as("BF16", &gaussian(layer + 50 * step, 9000, 0.02)).unwrap(),
            9000,
        );
        tensor("same", Dtype::BF16, stored_as("BF16", &gaussian(layer + 11, 9000, 0.02)).unwrap(), 9000);
    }
    tensors
}

/// A model compressed, and its later state, plain and as the difference from it.
fn made(later: &[SyntheticTensor]) -> (TempDir, [PathBuf; 3]) {
    let folder = tempfile::tempdir().unwrap();
    let [plain, base, next, delta] =
        ["base", "base.ecf8", "next", "delta"].map(|name| folder.path().join(name));
    fs::write(&plain, safetensors_bytes(&[], &state(0)).unwrap()).unwrap();
    fs::write(&next, safetensors_bytes(&[], later).unwrap()).unwrap();
    let options = CompressOptions::default();
    container::compress(&plain, &base, &options, &()).unwrap();
    container::compress_against(&next, &delta, &Base::open(&[&base]).unwrap(), &options, &()).unwrap();
    (folder, [base, next, delta])
}

#[test]
fn every_layer_becomes_what_the_later_checkpoint_has() {
    let (_folder, [base, next, delta]) = made(&state(1));
    let model = Arc::new(Model::open(&base).unwrap());
    let mut loaded = model.load(emulator()).unwrap();
    let layers = resident_layers(&loaded);
    let mut update = Update::load(&delta, &layers, emulator()).unwrap();
    let bytes = fs::read(next).unwrap();
    let header = Header::of_file(&bytes).unwrap();
    let (mut before, mut scratch) = (loaded.scratch().unwrap(), update.scratch().unwrap());
    let mut compared = 0;
    for (layer, tensors) in layers.iter().enumerate() {
        loaded.decode_layer(layer, &mut before).unwrap();
        let mut later = loaded.scratch().unwrap();
        update.apply(layer, &before, &mut later, &mut scratch).unwrap();
        for tensor in tensors {
            let record = header.tensors.iter().find(|record| record.name == tensor.name).unwrap();
            let start = usize::try_from(header.data_start() + record.begin).unwrap();
            let found = &later.borrow()[tensor.start..tensor.start + tensor.bytes];
            assert!(found == &bytes[start..start + tensor.bytes], "{}", tensor.name);
            compared += 1;
        }
    }
    assert_eq!(compared, 10);
    let no_layer = update.apply(2, &before, &mut loaded.scratch().unwrap(), &mut scratch).unwrap_err();
    assert!(no_layer.to_string().contains("no layer 2"), "{no_layer}");
    let mut small = update.target().alloc(64).unwrap();
    assert!(update.apply(0, &before, &mut small, &mut scratch).is_err());
}

#[test]
fn what_cannot_be_applied_is_refused_by_name() {
    let (_folder, [base, _, delta]) = made(&state(1));
    let model = Arc::new(Model::open(&base).unwrap());
    let loaded = model.load(emulator()).unwrap();
    let mut layers = resident_layers(&loaded);
    let no_delta = Update::load(&base, &layers, emulator()).err().unwrap();
    assert!(no_delta.to_string().contains("no difference"), "{no_delta}");
    layers[0].iter_mut().for_each(|tensor| tensor.bytes -= 2);
    let shorter = Update::load(&delta, &layers, emulator()).err().unwrap();
    assert!(shorter.to_string().contains("layers.0."), "{shorter}");

    let mut later = state(1);
    let twice = later[0].bytes.clone();
    later[5].bytes = twice;
    let (_folder, [_, _, delta]) = made(&later);
    let twice = Update::load(&delta, &resident_layers(&loaded), emulator()).err().unwrap();
    assert!(twice.to_string().contains("repeats another tensor"), "{twice}");
}
