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

/// Real weights add codebooks, and no kernel that generated tensors have not: so each variant but the default decodes a share.
/// `ECF8_TEST_FULL=1` gives all to all.
const SHARES_OF_REAL_WEIGHTS: usize = 6;

/// Decodes the cases with every strategy and variant, and says how much that was. A strategy's default variant decodes all
/// cases, each other one of `shares` of them, the next variant the cases after those, so that neighbouring variants cover them
/// all together.
fn assert_decodes(cases: &[Case], shares: usize) {
    let runs: Vec<_> = cases
        .iter()
        .enumerate()
        .flat_map(|(i, case)| {
            strategies_for(case.encoded.scheme.name()).map(move |strategy| (i, case, strategy))
        })
        .flat_map(|(i, case, strategy)| {
            // What has a codebook compiled in takes only tensors that have one.
            let takes = |params: &Params| strategy.inlined(params).unwrap().takes(&case.encoded.codebooks);
            let default = strategy.params(&[]).unwrap();
            let variants = strategy.telling_variants().into_iter().enumerate();
            let own = variants.filter(|(turn, params)| (i + turn) % shares == 0 || *params == default);
            let own = own.map(|(_, params)| params).filter(takes);
            own.map(move |params| (case, strategy, params)).collect::<Vec<_>>()
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
    assert_decodes(&corpus::cases(), 1);
}

#[test]
fn every_strategy_and_variant_decodes_real_weights_exactly() {
    if let Some(cases) = corpus::weights(64 << 10) {
        let shares = if ecf8_tests::is_required("ECF8_TEST_FULL") { 1 } else { SHARES_OF_REAL_WEIGHTS };
        assert_decodes(&cases, shares);
    }
}
