//! What is said about codes that could have been chosen, against what choosing them gives.

use super::drift::{drifting, rows_of};
use super::*;
use crate::codebook::Codebook;
use crate::element::Numbers;
use crate::layout::scheme;
use crate::synthetic::{block_scaled, cast, gaussian};

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
    let costs = code_costs(&model, &()).unwrap().codes;
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

#[test]
fn what_several_codebooks_gain_is_what_a_tensor_with_one_takes_more() {
    let values = drifting(4096);
    let drifts = fp8("drifts", &rows_of(&values), cast(&values));
    let alike = fp8("alike", &[1 << 20], cast(&gaussian(6, 1 << 20, 0.02)));
    let both = [drifts, alike];
    let mut wrong = Vec::new();
    for name in ["byte-lanes", "pair-lanes", "quad-lanes", "ans-lanes"] {
        let told = |codebooks: Option<usize>, tensors: &[SyntheticTensor]| {
            let folder = folder();
            let file = safetensors_bytes(&[], tensors).unwrap();
            let options = CompressOptions { codebooks, ..by(scheme(name).unwrap()) };
            let model = CompressedModel::open(&compressed_with(folder.path(), &file, options)).unwrap();
            let stored = model.files[0].tensor("drifts").unwrap().stored_bytes();
            (code_costs(&model, &()).unwrap().following, stored, model.files[0].bytes())
        };
        let (following, ..) = told(None, &both);
        assert_eq!(following.iter().map(|one| &*one.name).collect::<Vec<_>>(), ["drifts"]);
        let (following, stored, file) = told(None, &both[..1]);
        let (none, stored_of_one, file_of_one) = told(Some(1), &both[..1]);
        assert_eq!(none, []);
        let [one] = &following[..] else { panic!("{following:?}") };
        assert!(one.codebooks > 1 && one.runs >= one.codebooks, "{one:?}");
        assert_eq!(one.gain_percent, one.gain_bytes as f64 * 100.0 / values.len() as f64);
        let (gained, gained_of_file) = (stored_of_one - stored, file_of_one - file);
        let share = (one.one_bytes - one.bytes) as f64 / gained as f64;
        let share_of_file = one.gain_bytes as f64 / gained_of_file as f64;
        // What codebooks take in a deflated list of them is an estimate.
        if !((0.99..1.01).contains(&share) && (0.98..1.02).contains(&share_of_file)) {
            wrong.push(format!("{one:?}: {gained}, of the file {gained_of_file}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn tensors_that_share_codebooks_share_what_those_take() {
    let values = drifting(512);
    let tensors = ["v", "w"].map(|name| fp8(name, &rows_of(&values), cast(&values)));
    let folder = folder();
    let file = safetensors_bytes(&[], &tensors).unwrap();
    let model =
        CompressedModel::open(&compressed_with(folder.path(), &file, by(scheme("byte-lanes").unwrap())))
            .unwrap();
    let following = code_costs(&model, &()).unwrap().following;
    let [v, w] = &following[..] else { panic!("{following:?}") };
    assert_eq!((v.codebook_bytes, v.gain_bytes), (w.codebook_bytes, w.gain_bytes));
    let codebooks = model.files[0].codebooks();
    let all: u64 = codebooks.iter().map(|codebook| write::codebook_bytes(codebook)).sum();
    let told = following.iter().map(|one| one.codebook_bytes - one.runs as u64).sum::<u64>();
    assert!(told <= all && told + codebooks.len() as u64 >= all, "{told} of {all}");
}
