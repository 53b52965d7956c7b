//! Containers as a user meets them: made, read, restored, damaged, refused.

mod changed;
mod contradictions;
mod costs;
mod damage;
mod deltas;
mod dictionaries;
mod drift;
mod folders;
mod guard;
mod into;
mod large;
mod located;
mod outputs;
mod repeats;
mod round_trip;
mod scale;
mod shares;
mod sharing;
mod sources;
mod too_large;
mod verbatim;
mod weights;

use super::*;
use crate::checksum::checksum;
use crate::error::{Error, Result};
use crate::layout::{Scheme, lanes::BYTE_LANES, schemes};
use crate::synthetic::{SyntheticTensor, safetensors_bytes};
use safetensors::Dtype;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A folder that goes when the test ends.
fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn fp8(name: &str, shape: &[u64], bytes: Vec<u8>) -> SyntheticTensor {
    SyntheticTensor::new(name, Dtype::F8_E4M3, shape, bytes)
}

/// A container whose header was edited, with checksums of it.
fn sealed(path: PathBuf) -> PathBuf {
    let mut bytes = fs::read(&path).unwrap();
    let header = 8 + u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    let json: serde_json::Value = serde_json::from_slice(&bytes[8..header]).unwrap();
    let tensors = json.as_object().unwrap().keys().filter(|name| *name != "__metadata__").count();
    let table = bytes.len() - 8 * (tensors + 1);
    let sum = checksum(&bytes[..header]).to_le_bytes();
    bytes[table..table + 8].copy_from_slice(&sum);
    let last = bytes.len() - 8;
    let sum = checksum(&bytes[table..last]).to_le_bytes();
    bytes[last..].copy_from_slice(&sum);
    fs::write(&path, bytes).unwrap();
    path
}

/// Whether a container gives the same bytes as another for all tensors but one.
fn assert_others_are_read(file: &CompressedFile, whole: &CompressedFile, but: &str) {
    let compressed = whole.tensors().map(|tensor| tensor.name());
    let names = compressed.chain(whole.kept().map(|kept| kept.record.name.as_str()));
    let others: Vec<&str> = names.filter(|name| *name != but).collect();
    assert!(!others.is_empty());
    for name in others {
        assert!(file.read_tensor(name).unwrap() == whole.read_tensor(name).unwrap(), "{name}");
    }
}

/// E4M3 bytes that compress well.
fn weights(seed: u64, count: usize) -> Vec<u8> {
    crate::synthetic::cast(&crate::synthetic::gaussian(seed, count, 0.05))
}

/// A file with two tensors that compress, one that does not, and one that is not FP8.
fn sample() -> Vec<u8> {
    let tensors = [
        fp8("a.weight", &[100, 64], weights(1, 6400)),
        fp8("noise", &[500], crate::synthetic::noise(2, 500)),
        SyntheticTensor::new("a.scale", Dtype::F32, &[3], vec![1; 12]),
        fp8("b.weight", &[8191], weights(3, 8191)),
    ];
    safetensors_bytes(&[("format".to_owned(), "pt".to_owned())], &tensors).unwrap()
}

/// Writes `file` and compresses it by the first scheme; gives the container's path.
fn compressed(folder: &Path, file: &[u8]) -> PathBuf {
    compressed_with(folder, file, by(schemes()[0]))
}

fn compressed_with(folder: &Path, file: &[u8], options: CompressOptions) -> PathBuf {
    let (input, output) = (folder.join("in.safetensors"), folder.join("out.safetensors"));
    fs::write(&input, file).unwrap();
    compress(&input, &output, &CompressOptions { overwrite: true, ..options }, &()).unwrap();
    output
}

fn by(scheme: &'static dyn Scheme) -> CompressOptions {
    CompressOptions { scheme: Some(scheme), ..CompressOptions::default() }
}

/// Compresses, checks, compares, restores, by every scheme; the restored bytes must be `file`. Gives what there is to say
/// about the first scheme's container.
fn assert_comes_back(file: &[u8]) -> Inspection {
    let mut inspections: Vec<Inspection> =
        schemes().iter().map(|scheme| assert_comes_back_with(file, by(*scheme))).collect();
    inspections.swap_remove(0)
}

fn assert_comes_back_with(file: &[u8], options: CompressOptions) -> Inspection {
    let folder = folder();
    let container = compressed_with(folder.path(), file, options);
    let model = CompressedModel::open(&container).unwrap();
    model.files[0].verify_integrity(&()).unwrap();
    verify_against(&model, &folder.path().join("in.safetensors"), &()).unwrap();
    let back = folder.path().join("back.safetensors");
    decompress(&container, &back, false, &()).unwrap();
    assert!(fs::read(back).unwrap() == file, "not byte-identical");
    // Any reader of safetensors can open the container.
    let bytes = fs::read(&container).unwrap();
    safetensors::SafeTensors::deserialize(&bytes).unwrap();
    inspect(&model)
}
