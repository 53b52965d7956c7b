//! Every strategy, in every variant, gives back every byte: on the emulator, with all its checks.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "that is how a test fails, also in its helpers"
)]

use ecf8_codegen::emulator::{self, Checks};
use ecf8_codegen::strategy::{Coding, Params, strategies_for};
use ecf8_tests::corpus::{self, Case};
use rayon::prelude::*;

/// Decodes the cases with every strategy and variant, and says how much that was.
fn assert_decodes(cases: &[Case]) {
    let runs: Vec<_> = cases
        .iter()
        .flat_map(|case| strategies_for(case.encoded.scheme.name()).map(move |strategy| (case, strategy)))
        .flat_map(|(case, strategy)| {
            // What has a codebook compiled in takes only tensors that have one.
            let takes = |params: &Params| strategy.inlined(params).unwrap().takes(&case.encoded.codebooks);
            let variants = strategy.telling_variants().into_iter().filter(takes);
            variants.map(move |params| (case, strategy, params)).collect::<Vec<_>>()
        })
        .collect();
    let failures: Vec<String> = runs
        .par_iter()
        .filter_map(|(case, strategy, params)| {
            let what = || format!("{} {params} on {}", strategy.name(), case.name);
            let kernel = strategy.kernel(params, &Coding::of(&case.encoded)).unwrap();
            let launch = strategy.launch(params, &[&case.encoded]).unwrap();
            match emulator::run(&kernel, &launch, Checks::Full) {
                Ok(outputs) if outputs == [case.data.clone()] => None,
                Ok(outputs) => {
                    let decoded = &outputs[0];
                    let place = decoded.iter().zip(&case.data).position(|(a, b)| a != b);
                    Some(format!("{}: differs at {place:?}, {} bytes", what(), decoded.len()))
                }
                Err(error) => Some(format!("{}: {error}", what())),
            }
        })
        .collect();
    assert!(
        failures.is_empty(),
        "{} of {} runs failed:\n{}",
        failures.len(),
        runs.len(),
        failures.join("\n")
    );
    let bytes: usize = runs.iter().map(|(case, ..)| case.data.len()).sum();
    println!("{} tensors, {} emulated decodings, {bytes} bytes in all", cases.len(), runs.len());
}

#[test]
fn every_strategy_and_variant_decodes_the_generated_corpus_exactly() {
    assert_decodes(&corpus::cases());
}

#[test]
fn every_strategy_and_variant_decodes_real_weights_exactly() {
    if let Some(cases) = corpus::weights(64 << 10) {
        assert_decodes(&cases);
    }
}
