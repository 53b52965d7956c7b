//! Every strategy, in every variant, gives back every byte: on the emulator, with all its checks.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "that is how a test fails, also in its helpers"
)]

use ecf8_codegen::emulator::{self, Checks};
use ecf8_codegen::strategy::{Coding, Params, strategies};
use ecf8_tests::corpus::{self, Case};
use rayon::prelude::*;

/// Every variant decodes all generated tensors. Real weights add codebooks, which no variant is more likely to get wrong than
/// another: each but the default decodes a share of them. `ECF8_TEST_FULL=1` gives all to all.
const SHARES_OF_REAL_WEIGHTS: usize = 5;

/// Decodes the cases with every strategy and variant, and says how much that was. A strategy's default variant decodes all
/// cases, each other one of `shares` of them, the next variant the cases after those, so that neighbouring variants cover them
/// all together.
fn assert_decodes(cases: &[Case], shares: usize) {
    let mut runs = Vec::new();
    for strategy in strategies() {
        let default = strategy.params(&[]).unwrap();
        let variants = strategy.telling_variants();
        let suited = cases.iter().filter(|case| strategy.schemes().contains(&case.encoded.scheme.name()));
        for (i, case) in suited.enumerate() {
            // What has a codebook compiled in takes only tensors that have one.
            let takes = |params: &Params| strategy.inlined(params).unwrap().takes(&case.encoded.codebooks);
            let own = variants.iter().enumerate().filter(|(turn, params)| {
                ((i + turn).is_multiple_of(shares) || **params == default) && takes(params)
            });
            runs.extend(own.map(|(_, params)| (case, *strategy, params.clone())));
        }
    }
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
