//! Limits of the format: what readers refuse is refused before it is written, or finds room elsewhere.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use ecf8_core::synthetic::{SyntheticTensor, safetensors_bytes};
use ecf8_tests::cli::{Scratch, raw_file, weights};
use safetensors::{Dtype, SafeTensors};
use std::fs::File;

/// The most bytes that a header may have.
const LIMIT: usize = 100_000_000;

fn with_metadata(length: usize, tensors: &[SyntheticTensor]) -> Vec<u8> {
    let file = |log: usize| safetensors_bytes(&[("log".to_owned(), "x".repeat(log))], tensors).unwrap();
    let empty = u64::from_le_bytes(*file(0).first_chunk().unwrap());
    // Headers are padded to multiples of 8.
    file(length - usize::try_from(empty).unwrap())
}

/// Compresses, verifies and restores `bytes`; gives the container.
fn comes_back(bytes: &[u8], options: &str) -> Vec<u8> {
    let scratch = Scratch::new();
    scratch.write("in", bytes);
    let _ = scratch.ecf8(&format!("compress in -o packed {options}")).answer();
    let _ = scratch.ecf8("verify packed").answer();
    let _ = scratch.ecf8("decompress packed -o back").answer();
    assert!(scratch.read("back") == bytes, "not byte-identical");
    scratch.read("packed")
}

#[test]
fn metadata_that_fill_the_header_stay_in_the_original_header_alone() {
    let tensors = [weights("w", 1, 65536)];
    let large = with_metadata(LIMIT - 96, &tensors);
    let packed = comes_back(&large, "");
    assert!(packed.len() < 1_000_000, "{} bytes", packed.len());
    let metadata = SafeTensors::read_metadata(&packed).unwrap().1;
    assert_eq!(metadata.metadata().as_ref().unwrap().keys().collect::<Vec<_>>(), ["ecf8"]);

    let packed = comes_back(&with_metadata(1_000_000, &tensors), "");
    let metadata = SafeTensors::read_metadata(&packed).unwrap().1;
    assert!(metadata.metadata().as_ref().unwrap().contains_key("log"), "there is room for it");
}

#[test]
fn parts_whose_names_fill_the_header_go_into_the_pool() {
    // There is room for about 1000 bytes more; three tensors' parts and the manifest would take twice that.
    let mut tensors = vec![SyntheticTensor::new(&"k".repeat(LIMIT - 1500), Dtype::U8, &[1], vec![1])];
    tensors.extend([("a", 1), ("b", 2), ("c", 3)].map(|(name, seed)| weights(name, seed, 65536)));
    let packed = comes_back(&safetensors_bytes(&[], &tensors).unwrap(), "--scheme exponent-gap");
    let stored = SafeTensors::deserialize(&packed).unwrap();
    // The guard, the pool, the kept tensor, the original header, the checksums.
    assert_eq!(stored.len(), 5);
    assert!(packed.len() < 2 * LIMIT, "{}", packed.len());
}

#[test]
fn a_header_that_finds_no_room_is_refused_before_anything_is_encoded() {
    let kept = SyntheticTensor::new(&"k".repeat(LIMIT - 400), Dtype::U8, &[1], vec![1]);
    let scratch = Scratch::new();
    scratch.write("in", safetensors_bytes(&[], &[weights("w", 1, 65536), kept]).unwrap());
    let words =
        ["in", "header of its container", "more than the 100000000 that readers accept", "as several files"];
    scratch.refuses("compress in -o packed", 2, &words);
}

#[test]
fn a_header_over_the_limit_is_not_called_damaged() {
    let scratch = Scratch::new();
    scratch.write("in", raw_file(format!("{{}}{}", " ".repeat(102_000_000)), b""));
    let said = scratch.ecf8("compress in -o packed");
    assert!(!said.stderr.contains("damaged"), "{said:?}");
    said.refuses(1, &["the header has 102000002 bytes", "over the limit of 100,000,000", "as several files"]);
    let one_more = File::options().write(true).open(scratch.path("in")).unwrap();
    one_more.set_len(8 + 101_000_000).unwrap();
    scratch.refuses("compress in -o packed", 1, &["claims 102000002 bytes", "truncated or damaged"]);
}
