//! The emitted text, compiled by the system's C++ compiler and run, gives back every byte: a test of the printer.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "that is how a test fails, also in its helpers"
)]

use ecf8_codegen::cuda;
use ecf8_codegen::ir::Kernel;
use ecf8_codegen::launch::{Gather, Launch};
use ecf8_codegen::strategy::{Coding, Params, Strategy, batch_offsets, strategies, widest_coding};
use ecf8_core::Encoded;
use ecf8_tests::corpus::{self, Case};
use ecf8_tests::cxx::{Compiler, Program};
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap};

/// Variants that share a program: what the compiler takes for the shim is then paid once for all of them.
const VARIANTS_PER_PROGRAM: usize = 8;

/// A variant decodes one of this many cases, the next variant the cases after those, so that neighbouring variants
/// cover the corpus together; a strategy's default variant decodes all. `ECF8_TEST_FULL=1` gives all to all.
const SHARES: usize = 12;

/// A strategy, a variant of it, and the cases that it is tried on.
type Trial<'a> = (&'static dyn Strategy, Params, Vec<&'a Case>);

fn trials(cases: &[Case]) -> Vec<Trial<'_>> {
    let mut trials: Vec<Trial<'_>> = Vec::new();
    for strategy in strategies() {
        let default = strategy.params(&[]).unwrap();
        let takes = |case: &Case| strategy.schemes().contains(&case.encoded.scheme.name());
        for params in strategy.kernels() {
            let gets_all = params == default || ecf8_tests::is_required("ECF8_TEST_FULL");
            let share = trials.len() % SHARES;
            let taken = cases.iter().filter(|case| takes(case)).enumerate();
            let own = taken.filter(|(i, _)| gets_all || i % SHARES == share).map(|(_, case)| case);
            let cases = own.collect();
            trials.push((*strategy, params, cases));
        }
    }
    trials
}

/// What a trial decodes by one launch: each case alone and, if the strategy takes several, those that one kernel
/// serves. All these kernels are those of single cases, so several at once cost no compilation.
fn batches<'a>((strategy, params, cases): &Trial<'a>) -> Vec<Vec<&'a Case>> {
    let inlined = strategy.inlined(params).unwrap();
    let taken = cases.iter().filter(|case| inlined.takes(&case.encoded.codebooks));
    let mut batches: Vec<Vec<&Case>> = taken.map(|case| vec![*case]).collect();
    if !strategy.takes_several() {
        return batches;
    }
    let mut together: BTreeMap<_, Vec<&Case>> = BTreeMap::new();
    for case in cases.iter().filter(|case| inlined.takes(&case.encoded.codebooks)) {
        let key = inlined.in_common(case.encoded.scheme, Coding::of(&case.encoded));
        together.entry(key).or_default().push(case);
    }
    together.retain(|_, cases| cases.len() > 1);
    match cases.first() {
        Some(case) if together.is_empty() => batches.push(vec![case, case]),
        _ => batches.extend(together.into_values()),
    }
    batches
}

/// Compiles the kernels of some trials into one program, runs every case, and returns how many kernels, launches of
/// several tensors and bytes that was.
fn run(compiler: &Compiler, trials: &[Trial<'_>]) -> Result<[usize; 3], String> {
    let mut kernels: Vec<Kernel> = Vec::new();
    let mut known: HashMap<u64, usize> = HashMap::new();
    let mut launches: Vec<(usize, Launch<Gather<'_>>)> = Vec::new();
    let mut wanted: Vec<(String, Vec<(usize, &Case)>)> = Vec::new();
    for trial in trials {
        let (strategy, params, _) = trial;
        for cases in batches(trial) {
            let names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
            let what = format!("{} {params} on {}", strategy.name(), names.join(" and "));
            let failed = |error| format!("{what}: {error}");
            let batch: Vec<&Encoded<'_>> = cases.iter().map(|case| &case.encoded).collect();
            let kernel = strategy.kernel(params, &widest_coding(&batch).unwrap()).map_err(failed)?;
            let number = *known.entry(cuda::source_hash(&kernel)).or_insert_with(|| {
                kernels.push(kernel);
                kernels.len() - 1
            });
            launches.push((number, strategy.launch(params, &batch).map_err(failed)?));
            let starts = batch_offsets(&batch).into_iter().map(|start| usize::try_from(start).unwrap());
            wanted.push((what, starts.zip(cases).collect()));
        }
    }
    let first = wanted.first().map_or("", |(what, _)| what);
    let program =
        Program::new(compiler, &kernels).map_err(|error| format!("{first} and following: {error}"))?;
    let borrowed: Vec<_> = launches.iter().map(|(number, launch)| (*number, launch)).collect();
    let outputs = program.run(&borrowed).map_err(|error| format!("{first} and following: {error}"))?;
    for ((what, cases), output) in wanted.iter().zip(outputs) {
        let end = cases.last().map_or(0, |(start, case)| start + case.data.len());
        if output.len() != end {
            return Err(format!("{what}: {} bytes instead of {end}", output.len()));
        }
        for (start, case) in cases {
            let found = &output[*start..start + case.data.len()];
            if let Some(place) = found.iter().zip(&case.data).position(|(a, b)| a != b) {
                return Err(format!("{what}: differs at byte {place} of {}", case.name));
            }
        }
    }
    let several = wanted.iter().filter(|(_, cases)| cases.len() > 1).count();
    let bytes = wanted.iter().flat_map(|(_, cases)| cases).map(|(_, case)| case.data.len()).sum();
    Ok([kernels.len(), several, bytes])
}

fn assert_decodes(cases: &[Case]) {
    let Some(compiler) = Compiler::find() else { return };
    let trials = trials(cases);
    let programs: Vec<&[Trial<'_>]> = trials.chunks(VARIANTS_PER_PROGRAM).collect();
    let results: Vec<_> = programs.par_iter().map(|trials| run(&compiler, trials)).collect();
    let failures: Vec<&str> =
        results.iter().filter_map(|result| result.as_ref().err().map(String::as_str)).collect();
    assert!(
        failures.is_empty(),
        "{} of {} programs failed:\n{}",
        failures.len(),
        results.len(),
        failures.join("\n")
    );
    let decodings: usize = trials.iter().map(|(_, _, cases)| cases.len()).sum();
    let [kernels, several, bytes] =
        results.iter().flatten().fold([0; 3], |sum, more| [0, 1, 2].map(|i| sum[i] + more[i]));
    println!(
        "{} variants, {decodings} decodings of {} tensors and {several} of several, {kernels} sources compiled, {bytes} bytes",
        trials.len(),
        cases.len()
    );
}

/// Generated tensors and real ones are decoded by the same programs, since many of their kernels are the same and compiling
/// them is what takes the time.
#[test]
fn the_emitted_text_of_every_variant_decodes_the_generated_corpus_and_real_weights_exactly() {
    let mut cases = corpus::cases();
    cases.extend(corpus::weights(32 << 10).unwrap_or_default());
    assert_decodes(&cases);
}
