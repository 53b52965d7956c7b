//! Hours of what users do, one seed after the other: compress with some options, verify, restore, and read in random order.
//!
//! `ECF8_SOAK_MINUTES=60 cargo test --release -p ecf8-tests --test soak -- --ignored --nocapture`; `ECF8_SOAK_SEED` is where it
//! begins, and a failure says the seed with which it comes again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use ecf8_core::container::{self, CompressOptions, CompressedFile, CompressedModel};
use ecf8_core::element::{ELEMENTS, Element};
use ecf8_core::synthetic::{self, SyntheticTensor};
use ecf8_core::{Aim, schemes};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use safetensors::Dtype;
use std::fs;
use std::time::{Duration, Instant};

/// The largest tensor, in numbers.
const LARGEST: usize = 1 << 20;

fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).map_or(usual, |value| value.parse().unwrap())
}

/// A tensor of some type, with some distribution.
fn tensor(rng: &mut StdRng, name: &str) -> SyntheticTensor {
    let element: &Element = &ELEMENTS[rng.random_range(0..ELEMENTS.len())];
    let count = match rng.random_range(0..4) {
        0 => rng.random_range(0..40),
        1 | 2 => rng.random_range(0..20_000),
        _ => rng.random_range(0..LARGEST),
    };
    let scale = 10f32.powi(rng.random_range(-4..2));
    let seed = rng.random();
    let values = match rng.random_range(0..3) {
        0 => synthetic::alpha_stable(seed, count, 1.5, scale.into()),
        _ => synthetic::gaussian(seed, count, scale),
    };
    let bytes =
        synthetic::stored_as(element.dtype, &values).unwrap_or_else(|| synthetic::noise(seed, 24 * count));
    let dtype: Dtype = serde_json::from_value(element.dtype.into()).unwrap();
    let count = 8 * bytes.len() as u64 / u64::from(element.bits);
    SyntheticTensor::new(name, dtype, &[count], bytes)
}

fn options(rng: &mut StdRng) -> CompressOptions {
    CompressOptions {
        scheme: rng.random_bool(0.3).then(|| schemes()[rng.random_range(0..schemes().len())]),
        aim: [Aim::Balanced, Aim::Balanced, Aim::Size, Aim::Speed][rng.random_range(0..4)],
        codebooks: rng.random_bool(0.2).then(|| rng.random_range(1..5)),
        ..CompressOptions::default()
    }
}

fn once(seed: u64) -> u64 {
    let mut rng = StdRng::seed_from_u64(seed);
    let folder = tempfile::tempdir().unwrap();
    let [input, packed, back] = ["in", "packed", "back"].map(|name| folder.path().join(name));
    let tensors: Vec<_> =
        (0..rng.random_range(1..9)).map(|i| tensor(&mut rng, &format!("layers.{i}.w"))).collect();
    let original = synthetic::safetensors_bytes(&[], &tensors).unwrap();
    fs::write(&input, &original).unwrap();
    let _ = container::compress(&input, &packed, &options(&mut rng), &()).unwrap();
    let model = CompressedModel::open(&packed).unwrap();
    model.files[0].verify_integrity(&()).unwrap();
    container::verify_against(&model, &input, &()).unwrap();
    let _ = container::decompress(&packed, &back, false, &()).unwrap();
    assert!(fs::read(&back).unwrap() == original, "not byte-identical");
    let file = CompressedFile::open(&packed).unwrap();
    let mut order: Vec<&SyntheticTensor> = tensors.iter().chain(&tensors).collect();
    order.shuffle(&mut rng);
    for tensor in order {
        assert!(file.read_tensor(&tensor.name).unwrap() == tensor.bytes, "{}", tensor.name);
        let unit = file.tensor(&tensor.name).map_or(1, |tensor| tensor.split().element.bytes);
        let units = tensor.bytes.len() / unit;
        let first = rng.random_range(0..=units);
        let mut some = vec![0; unit * rng.random_range(0..=units - first)];
        file.read_range(&tensor.name, (first * unit) as u64, &mut some).unwrap();
        assert!(some == tensor.bytes[first * unit..][..some.len()], "{}", tensor.name);
    }
    original.len() as u64
}

#[test]
fn a_few_seeds_come_back() {
    let bytes: u64 = (0..3).map(once).sum();
    assert!(bytes > 0);
}

#[test]
#[ignore = "runs for as long as ECF8_SOAK_MINUTES says"]
fn seeds_come_back_for_minutes() {
    let time = Duration::from_secs(60 * number("ECF8_SOAK_MINUTES", 10));
    let (start, mut seed, mut bytes) = (Instant::now(), number("ECF8_SOAK_SEED", 1000), 0);
    while start.elapsed() < time {
        eprintln!("seed {seed}");
        bytes += once(seed);
        seed += 1;
    }
    println!("{bytes} bytes there and back, up to seed {seed}, in {:?}", start.elapsed());
}
