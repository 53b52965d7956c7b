//! cuBLASLt, on one that multiplies whole numbers: every argument in its place, and what is told when something is wrong.

use super::*;
use crate::device::{Cublas, CublasError};
use std::path::Path;

/// The name of the library in its folder.
const LIBRARY: &str = "libcublasLt.so.13";

/// The variable that tells a child where it is.
const VARIABLE: &str = "ECF8_TEST_CUBLAS";

/// Runs a test in a child that has a library made with these definitions; whether this is the child.
fn with_library(test: &str, definitions: &str) -> bool {
    if is_child() {
        return true;
    }
    let source = definitions.to_owned() + include_str!("fake_cublaslt.c");
    if let Some(folder) = fake::compile(&source, LIBRARY) {
        fake::run_with(test, "", &[(VARIABLE, folder.path())]);
    }
    false
}

/// The library beside an NVRTC that lies in the child's folder.
fn open(device: &CudaDevice) -> Result<Cublas, CublasError> {
    let folder = std::env::var_os(VARIABLE).unwrap();
    Cublas::open(device, &Path::new(&folder).join("libnvrtc.so.13"))
}

#[test]
fn rows_of_weights_and_of_tokens_are_multiplied() {
    if !with_library("device::tests::cublas::rows_of_weights_and_of_tokens_are_multiplied", "") {
        return;
    }
    let device = CudaDevice::open(0).unwrap();
    let cublas = open(&device).unwrap();
    assert!(cublas.path().ends_with(LIBRARY));
    let (outputs, inputs, batch) = (32, 48, 20);
    let product = cublas.product(outputs, inputs, batch).unwrap();
    // The batch is filled up to 32.
    let bytes = product.bytes();
    assert_eq!(bytes, [32 * 48, 32 * 48, 2 * 32 * 32]);
    let some = |seed: usize, count: usize| -> Vec<u8> {
        (0..count).map(|at| (at * (at + seed) / 7).to_le_bytes()[0]).collect()
    };
    let (weights, tokens) = (some(3, 64 + bytes[0]), some(5, bytes[1]));
    let [on_weights, on_tokens] = [&weights, &tokens].map(|bytes| device.upload(bytes).unwrap());
    let results = device.alloc(bytes[2]).unwrap();
    product.multiply((&on_weights, 64), &on_tokens, &results).unwrap();
    let mut found = vec![0; bytes[2]];
    device.download(&results, &mut found).unwrap();
    for (token, row) in found.chunks_exact(2 * outputs).enumerate() {
        for (output, found) in row.chunks_exact(2).enumerate() {
            let of = |bytes: &[u8], row: usize, k: usize| u16::from(bytes[row * inputs + k]);
            let products =
                (0..inputs).map(|k| of(&weights[64..], output, k).wrapping_mul(of(&tokens, token, k)));
            let sum = products.fold(0, u16::wrapping_add);
            assert_eq!(found, sum.to_le_bytes(), "token {token}, output {output}");
        }
    }
    let short = product.multiply((&on_weights, 80), &on_tokens, &results).unwrap_err();
    assert!(short.to_string().contains("a buffer is too short"), "{short}");
    let odd = cublas.product(outputs, 50, batch).unwrap_err();
    assert!(
        odd.to_string().contains("32 x 50") && odd.to_string().ends_with("take multiples of 16"),
        "{odd}"
    );
}

#[test]
fn a_library_that_lacks_something_or_knows_no_way_says_so() {
    const TEST: &str = "device::tests::cublas::a_library_that_lacks_something_or_knows_no_way_says_so";
    if !is_child() {
        for definitions in ["#define OLD\n", "#define NONE\n"] {
            with_library(TEST, definitions);
        }
        return;
    }
    let device = CudaDevice::open(0).unwrap();
    match open(&device) {
        Err(error) => {
            let text = error.to_string();
            assert!(text.contains("lacks cublasLtMatmul") && text.lines().count() == 1, "{text}");
        }
        Ok(cublas) => {
            let text = cublas.product(16, 16, 1).unwrap_err().to_string();
            assert!(text.contains("cublasLtMatmulAlgoGetHeuristic") && text.contains("8.9"), "{text}");
        }
    }
}
