//! What fuzzers call, without a fuzzer: on the seeds, on every finding so far, and on seeded changes of both.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use ecf8_tests::fuzz::{TARGETS, Target, seeds};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long changes of a target's seeds are tried. `ECF8_FUZZ_SECONDS` says otherwise.
const USUAL: Duration = Duration::from_millis(700);

/// Inputs with which something went wrong once, in `fuzz/findings`.
fn findings(target: &Target) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/findings").join(target.name);
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// A seed with some of its bytes changed, left out, or taken from another seed.
fn change(rng: &mut StdRng, all: &[Vec<u8>]) -> Vec<u8> {
    let mut data = all[rng.random_range(0..all.len())].clone();
    for _ in 0..1 << rng.random_range(0..4) {
        let at = rng.random_range(0..=data.len());
        match rng.random_range(0..6) {
            0 if at < data.len() => data[at] ^= 1 << rng.random_range(0..8),
            1 if at < data.len() => data[at] = rng.random(),
            2 => data.insert(at, rng.random()),
            3 => data.truncate(at),
            4 => {
                let end = data.len().min(at + rng.random_range(0..20));
                let _ = data.drain(at..end);
            }
            _ => {
                let other = &all[rng.random_range(0..all.len())];
                let from = rng.random_range(0..=other.len());
                let part = &other[from..other.len().min(from + rng.random_range(1..40))];
                let _ = data.splice(at..at, part.iter().copied()).count();
            }
        }
    }
    data
}

fn tried(target: &Target) {
    let known = [seeds(target.name), findings(target)].concat();
    assert!(!known.is_empty());
    known.iter().for_each(|data| (target.run)(data));
    let seconds = std::env::var("ECF8_FUZZ_SECONDS").ok();
    let time = seconds.map_or(USUAL, |seconds| Duration::from_secs(seconds.parse().unwrap()));
    let (mut rng, start, mut count) = (StdRng::seed_from_u64(15), Instant::now(), 0u64);
    while start.elapsed() < time {
        let data = change(&mut rng, &known);
        if let Err(panic) = std::panic::catch_unwind(|| (target.run)(&data)) {
            let found = std::env::temp_dir().join(format!("ecf8-finding-{}-{count}", target.name));
            fs::write(&found, &data).unwrap();
            eprintln!("change {count} of target {} is in {}", target.name, found.display());
            std::panic::resume_unwind(panic);
        }
        count += 1;
    }
    println!("{}: {} seeds and findings, {count} changes", target.name, known.len());
}

macro_rules! tests {
    ($($name:ident),*) => {
        $(#[test]
        fn $name() {
            tried(TARGETS.iter().find(|target| target.name == stringify!($name)).unwrap());
        })*

        #[test]
        fn every_target_is_tried_here_and_by_cargo_fuzz() {
            let tried = [$(stringify!($name)),*];
            let all: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(tried[..], all[..]);
            let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
            let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
            for name in all {
                assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
                let source = fs::read_to_string(fuzz.join(format!("fuzz_targets/{name}.rs"))).unwrap();
                assert!(source.contains(&format!("run(\"{name}\", data)")), "{name}");
            }
            assert_eq!(fs::read_dir(fuzz.join("fuzz_targets")).unwrap().count(), tried.len());
        }
    };
}

tests!(
    header,
    container,
    sealed,
    manifest,
    folder_list,
    index,
    codebook,
    exponent_gap,
    quad_triple_lanes,
    pair_lanes,
    byte_ans_lanes,
    round_trip,
    delta,
    foreign,
    tuning_cache,
    kernel_cache,
    front_end
);
