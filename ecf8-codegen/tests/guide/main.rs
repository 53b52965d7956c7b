//! The guide, `README.md`, tells the truth: its code is a strategy that decodes the corpus, and what it shows as output is
//! what comes out.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is how a test fails")]

mod gap_simple;
mod mistakes;

use ecf8_codegen::cuda;
use ecf8_codegen::emulator::{EmulatorError, FaultKind};
use ecf8_codegen::profile::{Profile, profile};
use ecf8_codegen::strategy::{Coding, Params, Strategy, StrategyError};
use ecf8_core::element::Numbers;
use ecf8_core::{Codebook, Scheme, scheme, synthetic};

const GUIDE: &str = include_str!("../../README.md");
const CODE: &str = include_str!("gap_simple.rs");

fn strategy() -> &'static dyn Strategy {
    &gap_simple::GapSimpleStrategy
}

fn default_variant() -> Params {
    strategy().params(&[]).unwrap()
}

/// The guide's code blocks of a language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    GUIDE.split(&fence).skip(1).map(|rest| rest.split("\n```").next().unwrap()).collect()
}

fn assert_shown(text: &str) {
    assert!(GUIDE.contains(text), "README.md does not show this:\n{text}");
}

#[test]
fn the_code_of_the_guide_is_the_strategy_that_is_tested() {
    let shown = blocks("rust").join("\n\n") + "\n";
    for (number, (shown, tested)) in shown.lines().zip(CODE.lines()).enumerate() {
        assert_eq!(shown, tested, "README.md (left) and tests/guide/gap_simple.rs line {}", number + 1);
    }
    assert_eq!(shown.lines().count(), CODE.lines().count());
}

#[test]
fn the_cuda_of_the_guide_is_what_is_emitted() {
    let codebook = Codebook::from_lengths(&[5, 5, 0, 4, 3, 2, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap();
    let source = cuda::source(&strategy().kernel(&default_variant(), &Coding::e4m3(&codebook)).unwrap());
    let excerpts = blocks("cuda");
    assert_eq!(excerpts.len(), 2);
    for excerpt in excerpts {
        assert!(source.contains(excerpt), "README.md shows:\n{excerpt}\nemitted:\n{source}");
    }
}

#[test]
fn the_strategy_of_the_guide_is_never_given_several_tensors() {
    let scheme: &dyn Scheme = scheme("exponent-gap").unwrap();
    let encoded = scheme
        .encode(
            Numbers::e4m3(&[56; 100]),
            &scheme.codebook(&scheme.symbol_histogram(Numbers::e4m3(&[56; 100]))),
        )
        .unwrap();
    let error = strategy().launch(&default_variant(), &[&encoded, &encoded]).unwrap_err();
    assert_eq!(error, StrategyError::OneByOne { tensors: 2 });
    assert!(strategy().launch(&default_variant(), &[&encoded]).is_ok());
}

#[test]
fn the_guide_quotes_what_is_said_of_wrong_parameters() {
    let said = |set: &[(&str, &str)]| {
        let set: Vec<_> = set.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        strategy().params(&set).unwrap_err().to_string()
    };
    assert_shown(&said(&[("bytes_per_thread", "7")]));
    assert_shown(&said(&[("bytes_per_thread", "16"), ("threads_per_block", "512")]));
}

#[test]
fn the_guide_quotes_what_the_emulator_says_of_a_forgotten_barrier() {
    let EmulatorError::Fault(mut fault) = mistakes::forgotten_barrier() else { panic!("no fault") };
    let FaultKind::Race { other_at, .. } = &mut fault.kind else { panic!("{fault}") };
    // The lines that are named, found again in the strategy.
    for place in fault.at.iter_mut().chain(&mut fault.callers).chain(other_at) {
        let named = include_str!("mistakes.rs").lines().nth(place.line as usize - 1).unwrap();
        let places: Vec<usize> =
            (1..).zip(CODE.lines()).filter(|(_, line)| *line == named).map(|(n, _)| n).collect();
        assert_eq!(places.len(), 1, "{named}");
        place.file = "src/strategy/gap_simple.rs";
        place.line = u32::try_from(places[0]).unwrap();
    }
    assert_shown(&fault.to_string());
}

#[test]
fn the_guide_quotes_the_compiler_as_the_compile_fail_tests_pin_it() {
    let pinned = include_str!("../compile_fail/store_of_another_width.stderr");
    for start in ["error[E0277]: ", "= note: convert"] {
        assert_shown(pinned.lines().map(str::trim).find(|line| line.starts_with(start)).unwrap());
    }
}

/// What `ecf8 kernel profile` profiles on: 1 MiB of block-scaled Gaussian weights.
fn profiled() -> Profile {
    let weights = synthetic::block_scaled(&synthetic::gaussian(1, 1 << 20, 1.0), 1 << 10).bytes;
    let scheme: &dyn Scheme = scheme("exponent-gap").unwrap();
    let codebook = scheme.codebook(&scheme.symbol_histogram(Numbers::e4m3(&weights)));
    let encoded = scheme.encode(Numbers::e4m3(&weights), &codebook).unwrap();
    let kernel = strategy().kernel(&default_variant(), &Coding::e4m3(&codebook)).unwrap();
    profile(&kernel, &strategy().launch(&default_variant(), &[&encoded]).unwrap(), Some(64)).unwrap()
}

#[test]
fn the_counts_that_the_guide_speaks_of_are_those_of_the_emulator() {
    let profile = profiled();
    let (stores, shared) = (profile.global_stores, profile.shared);
    let over = |count: u64, fewest: u64| format!("{:.2}", count as f64 / fewest as f64);
    assert_shown(&format!("active lanes {:.1} %", 100.0 * profile.active_lanes));
    assert_shown(&format!("touch {} times as many", over(stores.sectors, stores.fewest_sectors)));
    assert_shown(&format!("passed {} times as often", over(shared.wavefronts, shared.fewest_wavefronts)));
}
