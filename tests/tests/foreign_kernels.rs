//! Files that ECF8's authors wrote, decoded where they lie: by the processor, on the emulator, and by the emitted text that the
//! system's C++ compiler compiles.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "that is how a test fails")]

use ecf8_codegen::emulator::{self, Checks};
use ecf8_codegen::strategy::{Coding, Strategy, strategies_for};
use ecf8_core::Encoded;
use ecf8_core::foreign::Foreign;
use ecf8_core::map::MappedFile;
use ecf8_core::source::Source;
use ecf8_tests::corpus::official;
use ecf8_tests::cxx::{Compiler, Program};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::fs;

/// Does something with each official file: its bytes, and the one block that holds them.
fn with_each(each: impl Fn(&str, &[u8], &Encoded<'_>)) {
    for (path, raw) in official().unwrap_or_default() {
        let map = MappedFile::open(&path).unwrap();
        let file = Foreign::open(&map, None).unwrap().expect("its format should be known");
        assert_eq!(file.format(), "ecf8-paper");
        let (block, first) = file.encoded(&file.header().tensors[0]).unwrap();
        assert_eq!(first, 0);
        each(&path.display().to_string(), &fs::read(raw).unwrap(), block);
    }
}

#[test]
fn the_processor_decodes_official_files_whole_and_tensor_by_tensor() {
    with_each(|name, raw, block| {
        assert_eq!(block.decode().unwrap(), raw, "{name}");
        assert_eq!(block.decode_reference().unwrap(), raw, "{name}");
    });
    for (path, raw) in official().unwrap_or_default() {
        let map = MappedFile::open(&path).unwrap();
        let file = Foreign::open(&map, None).unwrap().unwrap();
        let raw = fs::read(raw).unwrap();
        let mut decoded = 0;
        for tensor in &file.header().tensors {
            let (_, first) = file.encoded(tensor).unwrap();
            let first = usize::try_from(first).unwrap();
            let bytes = file.bytes(tensor).unwrap();
            assert_eq!(bytes[..], raw[first..first + bytes.len()], "{}", tensor.name);
            decoded += bytes.len();
        }
        assert_eq!(decoded, raw.len());
    }
}

#[test]
fn changed_official_files_are_refused_or_stand_for_other_numbers() {
    let mut rng = StdRng::seed_from_u64(16);
    for (path, _) in official().unwrap_or_default() {
        let good = fs::read(&path).unwrap();
        for turn in 0..6 {
            let mut changed = good.clone();
            for _ in 0..1 << rng.random_range(0..4) {
                // Headers and tables are short beside the rest, and most can go wrong there.
                let within = [1000, 200_000, good.len()][turn % 3].min(changed.len());
                let at = rng.random_range(0..within);
                match rng.random_range(0..8) {
                    0 => changed.truncate(at.max(8)),
                    1 => drop(changed.remove(at)),
                    _ => changed[at] ^= 1 << rng.random_range(0..8),
                }
            }
            ecf8_tests::fuzz::run("foreign", &changed);
        }
    }
}

/// The variants that decode a block's own code: gap-wide has tables of single look-ups for codewords that are not canonical,
/// which must then be as short as an index.
fn variants(block: &Encoded<'_>) -> Vec<(&'static dyn Strategy, ecf8_codegen::strategy::Params)> {
    let all = strategies_for(block.scheme.name())
        .flat_map(|strategy| strategy.telling_variants().into_iter().map(move |params| (strategy, params)));
    let (fit, unfit): (Vec<_>, Vec<_>) =
        all.partition(|(strategy, params)| strategy.kernel(params, &Coding::of(block)).is_ok());
    assert!(unfit.iter().all(|(strategy, _)| strategy.name() == "gap-wide"));
    fit
}

#[test]
fn kernels_decode_official_files_on_the_emulator() {
    with_each(|name, raw, block| {
        for strategy in strategies_for(block.scheme.name()) {
            let variants = variants(block).into_iter().filter(|(own, _)| own.name() == strategy.name());
            // The paper's own B and T, and whatever else differs most.
            let mut variants: Vec<_> = variants.map(|(_, params)| params).collect();
            let default = strategy.params(&[]).unwrap();
            variants.sort_by_key(|params| *params != default);
            for params in variants.iter().take(2) {
                let kernel = strategy.kernel(params, &Coding::of(block)).unwrap();
                let launch = strategy.launch(params, &[block]).unwrap();
                let outputs = emulator::run(&kernel, &launch, Checks::Full).unwrap();
                assert!(outputs == [raw], "{name} by {} {params}", strategy.name());
            }
        }
    });
}

#[test]
fn the_emitted_text_decodes_official_files() {
    let Some(compiler) = Compiler::find() else { return };
    with_each(|name, raw, block| {
        // What the compiler takes for one variant of 980,000 numbers is half a second.
        let variants: Vec<_> = variants(block).into_iter().step_by(11).collect();
        let kernel = |(strategy, params): &(&'static dyn Strategy, _)| {
            strategy.kernel(params, &Coding::of(block)).unwrap()
        };
        let kernels: Vec<_> = variants.iter().map(kernel).collect();
        let launch =
            |(strategy, params): &(&'static dyn Strategy, _)| strategy.launch(params, &[block]).unwrap();
        let launches: Vec<_> = variants.iter().map(launch).collect();
        let outputs = Program::new(&compiler, &kernels)
            .unwrap()
            .run(&launches.iter().enumerate().collect::<Vec<_>>())
            .unwrap();
        for ((strategy, params), output) in variants.iter().zip(&outputs) {
            assert!(output == raw, "{name} by {} {params}", strategy.name());
        }
        println!("{name}: {} variants", variants.len());
    });
}
