//! Very many tensors, very small ones, and what is promised of sizes.

use super::*;
use crate::codebook::cluster::MOST;
use crate::header::Header;
use crate::layout::Aim;
use crate::map::MappedFile;
use crate::source::MappedSource;
use crate::synthetic::{block_scaled, cast, gaussian, noise};

/// A number of tensors of equal length, each of a distribution of its own.
fn varied(count: u64, elements: usize) -> Vec<u8> {
    let tensor = |i: u64| {
        let sigma = (-6.0 + 6.0 * (i * 37 % 101) as f32 / 101.0).exp();
        fp8(&format!("model.layers.{i}.weight"), &[elements as u64], cast(&gaussian(i, elements, sigma)))
    };
    safetensors_bytes(&[], &(0..count).map(tensor).collect::<Vec<_>>()).unwrap()
}

/// What a plan of these bytes predicts, and how many pairs of histograms were compared for it.
fn planned(file: &[u8], options: &CompressOptions) -> (u64, usize) {
    let folder = folder();
    let path = folder.path().join("in.safetensors");
    fs::write(&path, file).unwrap();
    let input = MappedFile::open(&path).unwrap();
    let source = MappedSource::new(&input).unwrap();
    let plan = super::super::write::plan::plan(&source, options, &()).unwrap();
    (plan.predicted_bytes(), plan.comparisons)
}

fn size(file: &[u8], options: CompressOptions) -> u64 {
    let folder = folder();
    fs::metadata(compressed_with(folder.path(), file, options)).unwrap().len()
}

#[test]
fn what_is_compared_has_a_bound_however_many_tensors_there_are() {
    for (count, elements) in [(20_000, 64), (2500, 1024)] {
        let (_, comparisons) = planned(&varied(count, elements), &CompressOptions::default());
        // Each scheme for a sample, one for all, and once more if some tensors do not gain.
        assert!((1..=6 * MOST * MOST).contains(&comparisons), "{comparisons}");
    }
}

#[test]
fn many_tiny_tensors_come_back_and_take_no_more_than_before() {
    for (count, elements) in [(3000, 64), (600, 300), (400, 1024)] {
        let file = varied(count, elements);
        let inspection = assert_comes_back_with(&file, CompressOptions::default());
        assert!(inspection.file_bytes <= file.len() as u64 * 101 / 100 + 4096, "{}", inspection.file_bytes);
    }
}

#[test]
fn the_predicted_size_is_within_a_few_hundred_bytes_where_all_is_in_the_pool() {
    for (count, elements) in [(3, 5000), (300, 700), (40, 20_000)] {
        let file = varied(count, elements);
        let (predicted, _) = planned(&file, &CompressOptions::default());
        let is = size(&file, CompressOptions::default());
        assert!(predicted.abs_diff(is) < 300, "{count} {elements}: {predicted} {is}");
    }
}

#[test]
fn who_asks_for_size_gets_the_smallest_that_any_options_give() {
    let large = |seed, sigma| {
        let count = SMALL_BYTES as usize + 4096;
        fp8(&format!("large.{seed}"), &[count as u64], cast(&gaussian(seed, count, sigma)))
    };
    let halves = |seed: u64| {
        let narrow = gaussian(seed, 1 << 18, 0.01 * seed as f32);
        let bytes = cast(&[narrow, gaussian(seed + 9, 1 << 18, 0.3)].concat());
        fp8(&format!("halves.{seed}"), &[1 << 19], bytes)
    };
    let mixed = [
        large(1, 0.02),
        fp8("scaled", &[1 << 16], block_scaled(&gaussian(5, 1 << 16, 1.0), 256).bytes),
        fp8("noise", &[5000], noise(2, 5000)),
        fp8("even", &[40_000], (0..40_000u32).map(|i| 0x30 + (i % 8) as u8).collect()),
    ];
    let models = [
        varied(1, 300),
        varied(6, 2000),
        varied(40, 16_384),
        varied(250, 900),
        safetensors_bytes(&[], &mixed).unwrap(),
        safetensors_bytes(&[], &[large(1, 0.02), large(2, 0.3)]).unwrap(),
        // Half of each is unlike the other half, and the halves differ from tensor to tensor.
        safetensors_bytes(&[], &(1..4).map(halves).collect::<Vec<_>>()).unwrap(),
    ];
    for (number, file) in models.iter().enumerate() {
        let least = size(file, CompressOptions { aim: Aim::Size, ..CompressOptions::default() });
        let mut others = vec![
            CompressOptions::default(),
            CompressOptions { aim: Aim::Speed, ..CompressOptions::default() },
            CompressOptions { codebooks: Some(1), ..CompressOptions::default() },
        ];
        others.extend(
            (10..=13).map(|bits| CompressOptions { code_bits: Some(bits), ..CompressOptions::default() }),
        );
        others.extend(schemes().iter().map(|scheme| by(*scheme)));
        for options in others {
            let other = size(file, options);
            assert!(least <= other, "model {number}: {least} > {other} of {options:?}");
        }
    }
}

#[test]
fn an_estimate_is_about_right_and_needs_samples_only() {
    let files = [
        varied(3, 3_000_000),
        varied(60, 16_384),
        varied(600, 500),
        safetensors_bytes(&[], &[fp8("noise", &[2_000_000], noise(1, 2_000_000))]).unwrap(),
        sample(),
    ];
    for (number, file) in files.iter().enumerate() {
        let folder = folder();
        let output = compressed_with(folder.path(), file, CompressOptions::default());
        let told = estimate(&folder.path().join("in.safetensors"), &CompressOptions::default()).unwrap();
        let is = fs::metadata(output).unwrap().len();
        let off = told.predicted_bytes as f64 / is as f64 - 1.0;
        assert!(off.abs() < 0.03 || told.predicted_bytes.abs_diff(is) < 1000, "{number}: {told:?} {is}");
        assert!(told.sampled_bytes <= 3 * (256 << 10) || number > 0);
        let tensors: usize = told.dtypes.iter().map(|one| one.tensors).sum();
        assert_eq!(tensors, Header::of_file(file).unwrap().tensors.len());
    }
}
