//! What is said about codes that could have been chosen, against what choosing them gives.

use super::*;
use crate::codebook::Codebook;
use crate::element::Numbers;
use crate::layout::scheme;
use crate::synthetic::{block_scaled, gaussian};

/// Tensors with many exponents, and with few.
fn two() -> Vec<u8> {
    let scaled = block_scaled(&gaussian(1, 1 << 20, 1.0), 1024).bytes;
    let few = fp8("few", &[1 << 18], weights(2, 1 << 18));
    safetensors_bytes(&[], &[fp8("scaled", &[1 << 20], scaled), few]).unwrap()
}

#[test]
fn costs_are_those_of_the_codes_when_chosen() {
    let folder = folder();
    let file = two();
    // Two codebooks, so that each tensor has its own.
    let model = CompressedModel::open(&compressed_with(folder.path(), &file, by(schemes()[0]))).unwrap();
    let costs = code_costs(&model, &()).unwrap();
    assert_eq!(costs.len(), 1 + 6 * 4);
    let mut compared = 0;
    for cost in &costs {
        let scheme = scheme(cost.scheme).unwrap();
        let options = CompressOptions { code_bits: Some(cost.code_bits), ..by(scheme) };
        let chosen = CompressedModel::open(&compressed_with(folder.path(), &file, options)).unwrap();
        let codebooks = chosen.files[0].codebooks();
        assert!(codebooks.iter().all(|codebook| codebook.max_len() <= cost.code_bits));
        // Quads of many exponents are not worth it with short codewords.
        if chosen.files[0].tensors().len() < 2 {
            continue;
        }
        compared += 1;
        let stored: u64 = chosen.files[0].tensors().map(|tensor| tensor.stored_bytes()).sum();
        let share = stored as f64 / cost.bytes as f64;
        // Chunks are not counted, and patches for elements of two symbols twice.
        assert!((0.999..1.006).contains(&share), "{cost:?}: {stored}");
        let missing = |tensor: CompressedTensor<'_>| {
            tensor
                .codebooks()
                .first()
                .uncovered(&scheme.symbol_histogram(Numbers::e4m3(&tensor.decode().unwrap())))
        };
        assert_eq!(chosen.files[0].tensors().map(missing).sum::<u64>(), cost.escaped, "{cost:?}");
    }
    assert!(compared >= 15, "{compared}");
    let of = |scheme, bits| costs.iter().find(|c| (c.scheme, c.code_bits) == (scheme, bits)).unwrap();
    assert!(of("byte-lanes", 10).escaped > 0 && of("byte-lanes", 10).bytes > of("byte-lanes", 13).bytes);
    assert!(of("exponent-gap", 16).escaped == 0 && of("pair-lanes", 13).bytes < of("exponent-gap", 16).bytes);
}

#[test]
fn patched_tensors_come_back_from_files() {
    for code_bits in [10, 13] {
        let inspection = assert_comes_back_with(
            &two(),
            CompressOptions { code_bits: Some(code_bits), ..by(scheme("quad-lanes").unwrap()) },
        );
        let codebook = Codebook::from_text(&inspection.tensors[0].codebook).unwrap();
        assert_eq!(codebook.symbols(), 65_536);
    }
}
