//! Decoding on the device is safe on any bytes: streams with damage that no checksum tells go through the emulator, which
//! notices every access out of bounds or of what was never written, every race, and every loop without an end.
//!
//! Every launch checks its tensors first (`Scheme::check`), and there is no way around that. What passes it may still hold
//! codewords without meaning: those decode to other numbers, and to nothing worse; what lies beside them is right, and the status
//! that kernels give (sink [`Checked`]) says which tensor it was.
//!
//! `ECF8_STREAMS=10000` tries as many per strategy.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use ecf8_codegen::emulator::{self, Checks};
use ecf8_codegen::sink::{Checked, Sink, Store};
use ecf8_codegen::strategy::{Coding, Inlined, Params, Strategy, batch_offsets, strategy, widest_coding};
use ecf8_core::layout::DecodeError;
use ecf8_core::{Encoded, scheme};
use ecf8_tests::fuzz::{Bytes, changed, suited};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use std::collections::BTreeSet;

/// Streams of each strategy.
const STREAMS: u32 = 120;

/// The largest tensors, in bytes: several chunks of most schemes.
const LARGEST: usize = 13_000;

/// What became of damaged streams.
#[derive(Debug, Default)]
struct Tally {
    /// Refused when the launch was made.
    refused: u32,
    /// Decoded to the bytes that decoders for CPUs give.
    right: u32,
    /// Decoded to something, where decoders for CPUs find damage.
    meaningless: u32,
    /// Of which the status said so.
    told: u32,
    /// What was wrong with those refused.
    reasons: BTreeSet<String>,
}

fn damaged_streams_are_safe(name: &str) {
    let strategy = strategy(name).unwrap();
    let streams = std::env::var("ECF8_STREAMS").map_or(STREAMS, |streams| streams.parse().unwrap());
    let mut rng = StdRng::seed_from_u64(15);
    let mut tally = Tally::default();
    while tally.right + tally.meaningless < streams {
        let scheme = scheme(strategy.schemes()[rng.random_range(0..strategy.schemes().len())]).unwrap();
        let mut edits = vec![0; rng.random_range(6..20)];
        rng.fill_bytes(&mut edits);
        let encoded = changed(scheme, &mut Bytes(&edits));
        let bytes = encoded.elements.saturating_mul(encoded.split.element.bytes as u64);
        if bytes <= LARGEST as u64 {
            try_one(strategy, &encoded, &mut rng, &mut tally);
        }
    }
    println!("{name}: {tally:?}");
    // Launches of `exponent-gap` follow all codewords, to find out where threads begin.
    let least = if strategy.schemes() == ["exponent-gap"] { 0 } else { streams / 8 };
    assert!(tally.meaningless >= least && tally.refused > 0, "{tally:?}");
    assert!(strategy.schemes() == ["exponent-gap"] || tally.told >= streams / 16, "{tally:?}");
}

fn try_one(strategy: &dyn Strategy, encoded: &Encoded<'_>, rng: &mut StdRng, tally: &mut Tally) {
    let variants = strategy.telling_variants();
    let takes = |variant: &&Params| inlined(strategy, variant).takes(&encoded.codebooks);
    let variants: Vec<&Params> = variants.iter().filter(takes).collect();
    let variant = variants[rng.random_range(0..variants.len())];
    let decoded = encoded.decode();
    let beside = neighbour(strategy, variant, encoded, rng);
    let batch: Vec<&Encoded<'_>> = beside.into_iter().chain([encoded]).collect();
    // Kernels of `exponent-gap` do not tell: their launches follow all codewords.
    let tells = strategy.schemes() != ["exponent-gap"];
    let sink: &dyn Sink = if tells { &Checked } else { &Store };
    let launch = match strategy.launch_into(variant, &batch, sink) {
        Ok(launch) => launch,
        Err(error) => {
            assert!(decoded.is_err(), "refused, but it decodes: {error}");
            tally.refused += 1;
            let _ = tally
                .reasons
                .insert(format!("{error:?}").chars().take_while(char::is_ascii_alphabetic).collect());
            return;
        }
    };
    assert_eq!(encoded.scheme.check(encoded), Ok(()), "launched without a check");
    let kernel = strategy.kernel_into(variant, &widest_coding(&batch).unwrap(), sink).unwrap();
    let mut outputs = match emulator::run(&kernel, &launch, Checks::Full) {
        Ok(outputs) => outputs,
        Err(fault) => panic!("{variant}, {:?} {:?}: {fault}", encoded.params, encoded.elements),
    };
    let output = outputs.remove(0);
    let told = Checked::damaged(&batch, outputs.first().map_or(&[], |status| status));
    let starts = batch_offsets(&batch);
    let found = |index: usize, length: usize| &output[usize::try_from(starts[index]).unwrap()..][..length];
    if let Some(beside) = beside {
        let bytes = beside.decode().unwrap();
        assert!(found(0, bytes.len()) == bytes, "{variant}: the tensor beside the damaged one");
    }
    match decoded {
        Ok(bytes) => {
            assert!(found(batch.len() - 1, bytes.len()) == bytes, "{variant}: the device decodes otherwise");
            assert!(told.is_empty(), "{variant}: told that {told:?} is damaged");
            tally.right += 1;
        }
        Err(error) => {
            use DecodeError::{Gap, LaneEnd, Lead, NoCodeword, Position, TooManyElements};
            // There may be too many elements for the bits, which is found before codewords are read.
            let is_of_codewords = matches!(
                error,
                LaneEnd { .. }
                    | Lead { .. }
                    | NoCodeword { .. }
                    | Gap { .. }
                    | Position { .. }
                    | TooManyElements { .. }
            );
            assert!(
                is_of_codewords,
                "not only codewords, and what launches work out anew, are wrong: {error:?}"
            );
            assert!(
                told.iter().all(|number| *number == batch.len() - 1),
                "{variant}: the tensor beside the damaged one"
            );
            // Of a codebook with one symbol, every bit stands for that, whatever it is. And lanes that are further apart than they
            // should be may end where they should all the same.
            let need_not_be_told = matches!(error, Lead { .. })
                || encoded.codebooks.list().iter().any(|one| one.only_symbol().is_some());
            assert!(
                !tells || need_not_be_told || !told.is_empty(),
                "{variant}: nothing was told of {error:?}"
            );
            tally.told += u32::from(!told.is_empty());
            tally.meaningless += 1;
        }
    }
}

fn inlined(strategy: &dyn Strategy, variant: &Params) -> Inlined {
    strategy.inlined(variant).unwrap_or(Inlined::Codebook)
}

/// A whole tensor that one launch may decode together with another, now and then.
fn neighbour(
    strategy: &dyn Strategy,
    variant: &Params,
    encoded: &Encoded<'_>,
    rng: &mut StdRng,
) -> Option<&'static Encoded<'static>> {
    let all = suited(encoded.scheme);
    let other = &all[rng.random_range(0..all.len())];
    let inlined = inlined(strategy, variant);
    let key = |one: &'static Encoded<'static>| inlined.in_common(one.scheme, Coding::of(one));
    let is_alike = inlined.takes(&other.codebooks)
        && key(other) == inlined.in_common(encoded.scheme, Coding::of(encoded))
        && other.elements * other.split.element.bytes as u64 <= LARGEST as u64;
    (is_alike && strategy.takes_several()).then_some(other)
}

macro_rules! tests {
    ($($test:ident: $strategy:literal),*) => {
        $(#[test]
        fn $test() {
            damaged_streams_are_safe($strategy);
        })*

        #[test]
        fn every_strategy_is_tried() {
            let tried = BTreeSet::from([$($strategy),*]);
            let all: BTreeSet<_> = ecf8_codegen::strategy::strategies().iter().map(|one| one.name()).collect();
            assert_eq!(tried, all);
        }
    };
}

tests!(
    gap_wide: "gap-wide", gap_cascade: "gap-cascade", lanes_quad: "lanes-quad", lanes_triple: "lanes-triple",
    lanes_pair: "lanes-pair", lanes_pair6: "lanes-pair6", lanes_byte: "lanes-byte",
    lanes_two_bytes: "lanes-two-bytes", lanes_ans: "lanes-ans"
);
