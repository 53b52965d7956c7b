//! Models loaded on the emulator and on the fake driver.

mod bad;
mod batch;
mod damaged;
mod fake_gpu;
mod held;
mod large;
mod limits;
mod logged;
mod mixed;
mod records;
mod small;

use super::*;
use crate::executor::EmulatorExecutor;
use ecf8_codegen::emulator::Checks;
use ecf8_core::Encoded;
use ecf8_core::container::{self, CompressOptions};
use ecf8_core::element::Numbers;
use ecf8_core::synthetic::{self, SyntheticTensor};
use safetensors::Dtype;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

fn emulator() -> EmulatorExecutor {
    EmulatorExecutor { checks: Checks::Full }
}

/// Gaussian weights in E4M3, distributed differently for each seed.
fn weights(seed: u64, count: usize) -> Vec<u8> {
    let sigma = 0.004 * (1.0 + (seed % 7) as f32);
    synthetic::cast(&synthetic::gaussian(seed, count, sigma))
}

/// Such weights, encoded in memory.
fn in_memory(name: &str, seed: u64, elements: usize, scheme: &str) -> NamedTensor {
    let bytes = weights(seed, elements);
    let scheme = ecf8_core::scheme(scheme).unwrap();
    let codebook = scheme.codebook(&scheme.symbol_histogram(Numbers::e4m3(&bytes)));
    let encoded: Encoded<'static> = scheme.encode(Numbers::e4m3(&bytes), &codebook).unwrap();
    let held = HeldTensor::Memory(Arc::new(encoded));
    NamedTensor { name: name.to_owned(), dtype: "F8_E4M3".to_owned(), shape: vec![elements as u64], held }
}

fn e4m3(name: &str, seed: u64, count: usize) -> SyntheticTensor {
    SyntheticTensor::new(name, Dtype::F8_E4M3, &[count as u64], weights(seed, count))
}

fn f32s(name: &str, count: u64) -> SyntheticTensor {
    let bytes = synthetic::noise(count, usize::try_from(4 * count).unwrap());
    SyntheticTensor::new(name, Dtype::F32, &[count], bytes)
}

/// A compressed model in a folder of its own.
struct Made {
    folder: TempDir,
}

impl Made {
    fn new(tensors: &[SyntheticTensor], scheme: &str) -> Self {
        let made = Self { folder: tempfile::tempdir().unwrap() };
        let input = made.folder.path().join("m.safetensors");
        fs::write(&input, synthetic::safetensors_bytes(&[], tensors).unwrap()).unwrap();
        let options =
            CompressOptions { scheme: Some(ecf8_core::scheme(scheme).unwrap()), ..Default::default() };
        container::compress(&input, &made.path(), &options, &()).unwrap();
        fs::remove_file(input).unwrap();
        made
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("m.ecf8.safetensors")
    }

    fn open(&self) -> Arc<Model> {
        Arc::new(Model::open(&self.path()).unwrap())
    }
}

/// A model of small layers with `each` compressed tensors and a norm, and an embedding that is a layer of its own.
fn model_of_layers(layers: usize, each: usize, elements: usize, scheme: &str) -> Made {
    let mut tensors = vec![f32s("model.embed_tokens.weight", 100)];
    for layer in 0..layers {
        for index in 0..each {
            let seed = (layer * each + index) as u64;
            tensors.push(e4m3(&format!("model.layers.{layer}.w{index}.weight"), seed, elements));
        }
        tensors.push(f32s(&format!("model.layers.{layer}.norm.weight"), 3));
    }
    Made::new(&tensors, scheme)
}
