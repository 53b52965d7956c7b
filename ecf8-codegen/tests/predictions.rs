//! Predictions beside cycles that simulators counted.

#![allow(missing_docs)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use ecf8_codegen::profile::gpus::{GPUS, Gpu};
use ecf8_codegen::profile::predict::predict;
use ecf8_codegen::profile::{Profile, profile};
use ecf8_codegen::strategy::{Coding, strategy};
use ecf8_core::element::Numbers;
use ecf8_core::{Aim, scheme, synthetic};

/// The Volta of the public simulator, by its configuration.
static QV100: Gpu = Gpu {
    name: "QV100",
    key: "qv100",
    arch: 70,
    multiprocessors: 80,
    clock_ghz: 1.447,
    integer_lanes: 64,
    peak_gb_per_s: 870.0,
    measured_gb_per_s: Some(870.0),
    l2_mb: 6.0,
    threads: 2048,
    blocks: 32,
    shared_kib: 96,
    // It fetches code line by line. That a line takes as long as Volta's L2, 193 cycles (Jia et al. 2018), is assumed.
    code_line_cycles: 193.0,
    source: "the configuration SM7_QV100 of the public simulator",
};

/// Eight of an H200's multiprocessors, with an eighth of its memory's bandwidth.
static PART_OF_H200: Gpu =
    Gpu { name: "part of an H200", multiprocessors: 8, measured_gb_per_s: Some(4300.0 / 8.0), ..GPUS[0] };

/// A strategy's default variant on `copies` tensors of this many MiB of Gaussian weights scaled in 128×128 blocks, in
/// chunks as long as who aims at this gets them.
fn profiled(name: &str, mib: usize, copies: usize, aim: Aim) -> Profile {
    let strategy = strategy(name).unwrap();
    let scheme = scheme(strategy.schemes()[0]).unwrap();
    let weights = synthetic::block_scaled(&synthetic::gaussian(1, mib << 20, 1.0), 1 << 10).bytes;
    let codebook = scheme.codebook(&scheme.symbol_histogram(Numbers::e4m3(&weights)));
    let encoded = scheme.encode_for(Numbers::e4m3(&weights), &codebook.into(), aim).unwrap();
    // The simulated launches were of whole chunks.
    let whole = [("warps_at_once".to_owned(), "1".to_owned())];
    let params = strategy.params(&whole).or_else(|_| strategy.params(&[])).unwrap();
    let kernel = strategy.kernel(&params, &Coding::of(&encoded)).unwrap();
    let launch = strategy.launch(&params, &vec![&encoded; copies]).unwrap();
    profile(&kernel, &launch, Some(8)).unwrap()
}

fn assert_near(profile: &Profile, gpu: &'static Gpu, cycles: f64) {
    let prediction = predict(profile, gpu, profile.registers).unwrap();
    let over = prediction.cycles / cycles;
    assert!((0.5..2.0).contains(&over), "{}: {over:.2} times {cycles}, {prediction:?}", gpu.name);
}

#[test]
fn predictions_are_within_twice_of_the_cycles_that_simulators_counted() {
    // The simulated launches of 1 MiB had chunks of S = 512.
    for (name, cycles) in [("lanes-pair", 51_536.0), ("gap-wide", 49_823.0), ("gap-cascade", 33_383.0)] {
        assert_near(&profiled(name, 1, 1, Aim::Speed), &QV100, cycles);
    }
    // Of a launch that fills every warp of its blocks as many blocks as these multiprocessors hold: 256 chunks.
    let mut profile = profiled("lanes-pair", 8, 11, Aim::Balanced);
    profile.trace.grid = 16;
    profile.launch_bytes = 8 << 20;
    assert_near(&profile, &PART_OF_H200, 155_699.0);
}
