//! Entropies agree with an independent computation by numpy, of real weights and of numbers of every type.

#![allow(clippy::cast_possible_truncation, reason = "tests choose their numbers")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use ecf8_analysis::kinds::Kinds;
use ecf8_analysis::report::{Analysis, BitFieldEntropies};
use ecf8_analysis::{Options, analyze};
use ecf8_core::container::{CompressOptions, compress};
use ecf8_core::synthetic::{SyntheticTensor, alpha_stable, noise, safetensors_bytes, stored_as};
use safetensors::Dtype;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

fn options() -> Options {
    Options { hadamard_block: 0, sample: Some(1), kinds: Kinds::new(&[]).unwrap() }
}

fn analysis(path: &Path) -> Analysis {
    analyze(&[path.to_owned()], &options(), &()).unwrap()
}

/// A tensor of this type with numbers that have something to find: rows differ in scale, and neighbours in a row are alike.
fn tensor(name: &str, dtype: Dtype, shape: &[u64]) -> SyntheticTensor {
    let count = shape.iter().product::<u64>() as usize;
    let row = shape.last().map_or(1, |row| *row as usize).max(1);
    let mut values = alpha_stable(count as u64, count, 1.7, 0.05);
    for i in 0..count {
        values[i] *= 1.0 + (i / row % 7) as f32;
        if i % row > 0 {
            values[i] += values[i - 1] / 2.0;
        }
    }
    let spelled = dtype.to_string();
    let bytes = stored_as(&spelled, &values).unwrap_or_else(|| {
        let bytes = noise(1, count * dtype.bitsize() / 8);
        // Some structure for types that values are not stored in.
        bytes.iter().map(|byte| byte & 0x9f).collect()
    });
    SyntheticTensor::new(name, dtype, shape, bytes)
}

fn every_type() -> Vec<u8> {
    let dtypes = [
        Dtype::F8_E4M3,
        Dtype::F8_E4M3FNUZ,
        Dtype::F8_E5M2,
        Dtype::F8_E5M2FNUZ,
        Dtype::F8_E8M0,
        Dtype::BF16,
        Dtype::F16,
        Dtype::F32,
        Dtype::F64,
        Dtype::I8,
        Dtype::U8,
        Dtype::I16,
        Dtype::U16,
        Dtype::I32,
        Dtype::U32,
        Dtype::I64,
        Dtype::U64,
        Dtype::BOOL,
    ];
    let shapes: [&[u64]; 8] =
        [&[300, 400], &[64, 16, 3, 3], &[5000], &[1], &[], &[0, 4], &[3, 1], &[2, 9, 4]];
    let tensors: Vec<SyntheticTensor> = dtypes
        .iter()
        .flat_map(|dtype| {
            shapes.iter().map(move |shape| tensor(&format!("{dtype} {shape:?}"), *dtype, shape))
        })
        .collect();
    safetensors_bytes(&[], &tensors).unwrap()
}

/// Entropies by numpy; `None`, and a line about it, without one.
fn by_numpy(files: &[PathBuf]) -> Option<Value> {
    let python = std::env::var("ECF8_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let has_numpy = Command::new(&python).args(["-c", "import numpy"]).output();
    if !has_numpy.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no Python that imports numpy; ECF8_PYTHON can name one");
        return None;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/entropies.py");
    let output = Command::new(&python).arg(script).args(files).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

fn field(fields: &BitFieldEntropies, name: &str) -> f64 {
    serde_json::to_value(fields).unwrap()[name].as_f64().unwrap()
}

fn agree(files: &[PathBuf]) {
    let Some(expected) = by_numpy(files) else { return };
    for path in files {
        let expected = expected[path.to_str().unwrap()].as_object().unwrap();
        let analysis = analysis(path);
        assert_eq!(analysis.tensors.len(), expected.len());
        for tensor in &analysis.tensors {
            let expected = &expected[&tensor.name];
            let what = format!("{} of {}", tensor.name, path.display());
            let bytes: Vec<f64> = serde_json::from_value(expected["bytes"].clone()).unwrap();
            assert_eq!(bytes.len(), tensor.byte_entropies.len(), "{what}");
            for (found, expected) in tensor.byte_entropies.iter().zip(bytes) {
                assert!((found - expected).abs() < 1e-9, "a byte in {what}: {found} {expected}");
            }
            assert_eq!(expected["fields"].is_null(), tensor.entropy.is_none(), "{what}");
            let (Some(fields), Some(entropy)) = (expected["fields"].as_object(), &tensor.entropy) else {
                continue;
            };
            assert_eq!(fields.len(), 8);
            for (name, expected) in fields {
                let (found, expected) = (field(entropy, name), expected.as_f64().unwrap());
                assert!((found - expected).abs() < 1e-9, "{name} in {what}: {found} {expected}");
            }
        }
    }
}

#[test]
fn numbers_of_every_type_agree_with_numpy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("every.safetensors");
    std::fs::write(&path, every_type()).unwrap();
    agree(&[path]);
}

#[test]
fn real_weights_agree_with_numpy() {
    let Some(folder) = std::env::var_os("ECF8_TEST_WEIGHTS") else {
        eprintln!("skipped: ECF8_TEST_WEIGHTS names no folder with weights");
        return;
    };
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|ending| ending == "safetensors")).collect();
    assert!(!files.is_empty());
    agree(&files);
}

#[test]
fn what_is_compressed_is_analysed_as_what_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let [plain, packed] = ["plain", "packed"].map(|name| folder.path().join(name));
    // One tensor is larger than what is read at once.
    let large = tensor("large", Dtype::F8_E4M3, &[97, 100_000]);
    let small = tensor("small", Dtype::BF16, &[100, 100]);
    std::fs::write(&plain, safetensors_bytes(&[], &[large, small]).unwrap()).unwrap();
    let _ = compress(&plain, &packed, &CompressOptions::default(), &()).unwrap();
    let options = Options { hadamard_block: 128, sample: Some(50_000), ..options() };
    let [plain, packed] = [plain, packed].map(|path| analyze(&[path], &options, &()).unwrap());
    for (before, after) in plain.tensors.iter().zip(&packed.tensors) {
        assert_eq!((&before.name, before.entropy), (&after.name, after.entropy));
        assert_eq!((&before.hadamard, &before.exponents), (&after.hadamard, &after.exponents));
        assert_eq!((&before.law, &before.shape), (&after.law, &after.shape));
        let actual = after.sizes.iter().find(|size| size.is_actual).unwrap();
        let predicted = before.sizes.iter().find(|size| size.scheme == actual.scheme).unwrap();
        // Prediction knows of one codebook, and rows that differ in scale have several.
        assert!((predicted.ratio - actual.ratio).abs() < 0.02, "{predicted:?} {actual:?}");
        assert_eq!((before.stored_bytes, after.stored_bytes), (before.bytes, actual.bytes));
    }
    assert!(packed.total.stored_bytes < plain.total.stored_bytes);
}

#[test]
fn groups_are_means_and_sums_of_their_tensors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in");
    let names = ["layers.0.q_proj.weight", "layers.0.up_proj.weight", "layers.1.q_proj.weight", "ids"];
    let tensors = [
        tensor(names[0], Dtype::BF16, &[40, 50]),
        tensor(names[1], Dtype::BF16, &[90, 50]),
        tensor(names[2], Dtype::F8_E4M3, &[70, 80]),
        tensor(names[3], Dtype::I32, &[100]),
    ];
    std::fs::write(&path, safetensors_bytes(&[], &tensors).unwrap()).unwrap();
    let options = Options { hadamard_block: 16, sample: None, ..options() };
    let analysis = analyze(&[path], &options, &()).unwrap();
    let of = |name: &str| analysis.tensors.iter().find(|tensor| tensor.name == name).unwrap();
    let kinds: Vec<&str> = analysis.kinds.iter().map(|kind| kind.name.as_str()).collect();
    assert_eq!(kinds, ["q", "up"]);
    let layers: Vec<&str> = analysis.layers.iter().map(|layer| layer.name.as_str()).collect();
    assert_eq!(layers, ["0", "1"]);
    let q = &analysis.kinds[0];
    let [first, third] = [of(names[0]), of(names[2])];
    let exponent = |tensor: &ecf8_analysis::report::TensorAnalysis| tensor.entropy.unwrap().exponent;
    let mean = (2000.0 * exponent(first) + 5600.0 * exponent(third)) / 7600.0;
    assert!((q.entropy.exponent - mean).abs() < 1e-12);
    assert_eq!((q.tensors, q.elements, q.bytes), (2, 7600, 9600));
    assert_eq!(q.exponents.iter().map(|bin| bin.count).sum::<u64>(), 7600);
    assert!(q.pooled_exponent_entropy > 0.0);
    // All elements were transformed, and they are the same as those that were counted.
    let effect = first.hadamard.unwrap();
    assert_eq!((effect.elements, effect.before), (2000, first.entropy.unwrap()));
    assert_ne!(effect.before, effect.after);
    assert!(of(names[3]).entropy.is_none() && of(names[3]).byte_entropies.len() == 4);
    assert_eq!(analysis.total.tensors, 3);
    let text = serde_json::to_string(&analysis).unwrap();
    assert_eq!(serde_json::from_str::<Analysis>(&text).unwrap(), analysis);
}
