//! Tensors whose statistics drift have a codebook for each run of elements.

use super::*;
use crate::histogram::Histogram;
use crate::layout::lanes::{PAIR_LANES, QUAD_LANES, TRIPLE_LANES};
use crate::layout::{Aim, Codebooks, DecodeError, Encoded, Scheme};
use crate::synthetic::{cast, gaussian, stored_as};

pub(super) const COLUMNS: usize = 2048;

/// Rows of Gaussian weights whose scale rises by a factor of 8 from the first to the last.
pub(super) fn drifting(rows: usize) -> Vec<f32> {
    let mut values = gaussian(5, rows * COLUMNS, 0.02);
    for (row, values) in values.chunks_mut(COLUMNS).enumerate() {
        let scale = 8f32.powf(row as f32 / rows as f32);
        values.iter_mut().for_each(|value| *value *= scale);
    }
    values
}

pub(super) fn rows_of(values: &[f32]) -> [u64; 2] {
    [(values.len() / COLUMNS) as u64, COLUMNS as u64]
}

fn open(folder: &Path, file: &[u8], options: CompressOptions) -> CompressedFile {
    CompressedFile::open(&compressed_with(folder, file, options)).unwrap()
}

#[test]
fn a_tensor_that_drifts_takes_hardly_more_than_its_runs_entropies() {
    let values = drifting(8192);
    let bytes = cast(&values);
    let runs: f64 = bytes
        .chunks(512 << 10)
        .map(|run| Histogram::of_bytes(run).entropy_bits() * run.len() as f64 / 8.0)
        .sum();
    let file = safetensors_bytes(&[], &[fp8("w", &rows_of(&values), bytes.clone())]).unwrap();
    let takes = |aim| {
        let folder = folder();
        let container = open(folder.path(), &file, CompressOptions { aim, ..CompressOptions::default() });
        let tensor = container.tensor("w").unwrap();
        assert!(tensor.codebooks().list().len() > 1);
        assert!(tensor.decode().unwrap() == bytes);
        container.bytes() as f64
    };
    let (size, balanced, speed) = (takes(Aim::Size), takes(Aim::Balanced), takes(Aim::Speed));
    // Huffman codewords of these bytes take .55 % more than their entropy, whatever the runs.
    assert!(size / runs < 1.002, "{}", size / runs);
    assert!(balanced / size < 1.0035, "{}", balanced / size);
    assert!(speed > balanced);
}

#[test]
fn a_tensor_of_one_distribution_has_one_codebook() {
    let values = gaussian(6, 4 << 20, 0.02);
    let file = safetensors_bytes(&[], &[fp8("w", &rows_of(&values), cast(&values))]).unwrap();
    for aim in [Aim::Size, Aim::Balanced, Aim::Speed] {
        let folder = folder();
        let container = open(folder.path(), &file, CompressOptions { aim, ..CompressOptions::default() });
        assert_eq!(container.tensor("w").unwrap().codebooks().run(), None);
        assert_eq!(container.codebooks().len(), 1);
        let header = String::from_utf8_lossy(&fs::read(container.path()).unwrap()[..4096]).into_owned();
        assert!(!header.contains("runs"));
    }
}

#[test]
fn every_scheme_and_number_type_that_drifts_comes_back() {
    let values = drifting(512);
    for dtype in ["F8_E4M3", "BF16", "F32", "F8_E5M2", "F16"] {
        let bytes = stored_as(dtype, &values).unwrap();
        let width = bytes.len() / values.len();
        let tensors = [
            SyntheticTensor::new(
                "w",
                serde_json::from_value(dtype.into()).unwrap(),
                &rows_of(&values),
                bytes,
            ),
            // Another one shares its codebooks.
            SyntheticTensor::new(
                "v",
                serde_json::from_value(dtype.into()).unwrap(),
                &[300_001],
                stored_as(dtype, &values[200_000..500_001]).unwrap(),
            ),
        ];
        let file = safetensors_bytes(&[], &tensors).unwrap();
        let mut several = 0;
        for scheme in [&QUAD_LANES as &dyn Scheme, &TRIPLE_LANES, &PAIR_LANES, &BYTE_LANES] {
            let scheme = crate::scheme(scheme.name()).unwrap();
            if !scheme.takes(crate::element::element(dtype).unwrap()) {
                continue;
            }
            let inspection = assert_comes_back_with(&file, by(scheme));
            several += usize::from(inspection.tensors.iter().any(|tensor| tensor.codebooks > 1));
            // Any part of it, by the same codebooks.
            let folder = folder();
            let container = open(folder.path(), &file, by(scheme));
            let Some(tensor) = container.tensor("w") else { continue };
            let whole = tensor.decode().unwrap();
            assert!(whole == tensor.encoded().decode_reference().unwrap());
            for first in [0, 98_303, 98_304, 400_000] {
                let mut out = vec![0; 100_000 * width];
                tensor.decode_range(first as u64, &mut out).unwrap();
                assert!(out == whole[first * width..][..out.len()], "{dtype} {} {first}", scheme.name());
            }
        }
        assert!(several > 0, "{dtype}");
    }
}

#[test]
fn runs_that_cannot_be_are_refused() {
    let values = drifting(200);
    let folder = folder();
    let file = safetensors_bytes(&[], &[fp8("w", &rows_of(&values), cast(&values))]).unwrap();
    let path = compressed_with(folder.path(), &file, by(&PAIR_LANES));
    let tensor = CompressedFile::open(&path).unwrap();
    let tensor = tensor.tensor("w").unwrap();
    let encoded = tensor.encoded();
    let books = encoded.codebooks.clone();
    let with = |run: u64, of: Vec<usize>| {
        let codebooks = Codebooks::of_runs(books.list().to_vec(), run, of).unwrap();
        Encoded { codebooks, ..encoded.clone() }.decode()
    };
    let (run, count) = (books.run().unwrap(), books.runs());
    let of: Vec<usize> = (0..count as u64).map(|number| books.index_at(number * run)).collect();
    assert!(with(run, of.clone()).unwrap() == cast(&values));
    let is_refused = |run, of: &[usize]| matches!(with(run, of.to_vec()), Err(DecodeError::Runs { .. }));
    assert!(is_refused(run, &of[1..]) && is_refused(run + 1, &of));
    assert!(is_refused(run - 512, &of), "within a chunk");
    // Each run decoded by another's codebook is damage, or other bytes.
    let others: Vec<usize> = of.iter().map(|of| (of + 1) % books.list().len()).collect();
    assert!(with(run, others).is_err());
}
