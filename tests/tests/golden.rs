//! The emitted CUDA is what was reviewed, and compiles for every architecture without spills.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "that is how a test fails, also in its helpers"
)]

use ecf8_codegen::cuda;
use ecf8_codegen::delta::{ApplyForm, ApplyKernel};
use ecf8_codegen::sink::{Checked, Sink, XorBase};
use ecf8_codegen::strategy::{Coding, Params, Strategy, StrategyError, strategies};
use ecf8_core::corpus::{Tier, corpus};
use ecf8_core::element::{Split, element};
use ecf8_core::transform::{Form, transforms};
use ecf8_core::{Codebook, scheme};
use ecf8_tests::golden::assert_golden;
use ecf8_tune::kernel_cache::{KernelCache, KernelRequest};
use ecf8_tune::nvrtc::{Arch, Nvrtc};
use std::collections::HashSet;
use std::path::Path;

/// The architectures that every kernel must suit: Turing to Blackwell.
const ARCHS: [&str; 4] = ["sm_75", "sm_80", "sm_90", "sm_120"];

/// Bytes that compiled kernels may take between runs of the tests.
const CACHE_LIMIT: u64 = 256 << 20;

/// Tensors of the corpus whose codebooks differ in what tables they need.
const CODEBOOKS: [(&str, &str); 3] = [
    ("one-symbol", "one symbol"),
    ("short", "4-bit codewords, 512 elements"),
    ("deep", "Fibonacci frequencies"),
];

/// The codebook that a strategy's first scheme gives the corpus's tensor of this name.
fn codebook(strategy: &dyn Strategy, tensor: &str) -> Codebook {
    let scheme = scheme(strategy.schemes()[0]).unwrap();
    let case = corpus(Tier::Quick).into_iter().find(|case| case.name == tensor).unwrap();
    scheme.codebook(&scheme.symbol_histogram(case.numbers()))
}

/// Number types that stand for all forms of kernels, and of which strategies the kernels are read.
const TYPES: [(&str, &[&str]); 4] = [
    ("BF16", &["lanes-quad", "lanes-triple", "lanes-pair", "lanes-byte", "lanes-two-bytes", "lanes-ans"]),
    ("F32", &["lanes-pair"]),
    ("F16", &["lanes-byte"]),
    ("F64", &[]),
];

/// Which sources to emit.
#[derive(Clone, Copy, PartialEq)]
enum Which {
    /// Those worth reading: all codebooks in the default variant, the deepest in the first and the last.
    Reviewed,
    /// Every variant, with one codebook each in turn; with `ECF8_TEST_FULL=1` every codebook in every variant.
    All,
}

/// File names and emitted sources.
fn sources(which: Which) -> Vec<(String, String)> {
    let mut sources = Vec::new();
    for strategy in strategies() {
        let default = strategy.params(&[]).unwrap();
        let all = strategy.kernels();
        let codebooks = CODEBOOKS.map(|(label, tensor)| (label, codebook(*strategy, tensor)));
        for (number, params) in all.iter().cloned().enumerate() {
            let is_end = params == all[0] || params == all[all.len() - 1];
            for (turn, (label, codebook)) in codebooks.iter().enumerate() {
                let is_reviewed = params == default || (is_end && *label == "deep");
                let is_its_turn =
                    number % CODEBOOKS.len() == turn || ecf8_tests::is_required("ECF8_TEST_FULL");
                if !is_reviewed && (which == Which::Reviewed || !is_its_turn) {
                    continue;
                }
                let kernel = strategy.kernel(&params, &Coding::e4m3(codebook)).unwrap();
                sources.push((name(*strategy, &params, label), cuda::source(&kernel)));
            }
        }
        if which == Which::All {
            sources.extend(checked(*strategy, &default, &Coding::e4m3(&codebooks[2].1)));
        }
        sources.extend(of_other_types(*strategy, &codebooks[2].1, which));
    }
    sources.extend(updates(which));
    sources
}

/// Kernels that bring resident weights to a later state.
fn updates(which: Which) -> Vec<(String, String)> {
    let forms = |widths: &[usize]| -> Vec<ApplyForm> {
        let each = transforms().iter().flat_map(|transform| {
            widths.iter().flat_map(move |width| {
                [false, true].map(|is_sparse| Form { transform: *transform, is_sparse, width: *width })
            })
        });
        each.filter_map(|form| ApplyForm::of(&form)).collect()
    };
    let mut kernels = vec![("delta-apply.BF16.cu", forms(&[2]))];
    if which == Which::All {
        kernels.push(("delta-apply.all.cu", forms(&[1, 2, 4])));
    }
    let source = |forms| cuda::source(&ApplyKernel::new(forms).kernel().unwrap());
    kernels.into_iter().map(|(name, forms)| (name.to_owned(), source(forms))).collect()
}

fn name(strategy: &dyn Strategy, params: &Params, label: &str) -> String {
    let of_kernel = params.without(strategy.launch_tunables());
    let values: Vec<&str> = of_kernel.iter().map(|(_, value)| value).collect();
    format!("{}.{}.{label}.cu", strategy.name(), values.join("-"))
}

/// The kernel of a variant that tells of damage, if the strategy has such.
fn checked(strategy: &dyn Strategy, params: &Params, coding: &Coding<'_>) -> Option<(String, String)> {
    let kernel = match strategy.kernel_into(params, coding, &Checked) {
        Err(StrategyError::Sink { .. }) => return None,
        kernel => kernel.unwrap(),
    };
    let label = format!("{}.checked", coding.split.element.dtype);
    Some((name(strategy, params, &label), cuda::source(&kernel)))
}

/// Kernels for other number types: the default variants, and all of BF16; and one for each other sink.
fn of_other_types(strategy: &dyn Strategy, codebook: &Codebook, which: Which) -> Vec<(String, String)> {
    let scheme = scheme(strategy.schemes()[0]).unwrap();
    let default = strategy.params(&[]).unwrap();
    let mut sources = Vec::new();
    for (dtype, reviewed) in TYPES {
        let element = element(dtype).unwrap();
        let variants =
            if which == Which::All && dtype == "BF16" { strategy.kernels() } else { vec![default.clone()] };
        let is_wanted = which == Which::All || reviewed.contains(&strategy.name());
        for params in variants.iter().filter(|_| is_wanted && scheme.takes(element)) {
            let split = Split::usual(element);
            let coding = Coding { split: &split, codebook };
            let kernel = strategy.kernel(params, &coding).unwrap();
            sources.push((name(strategy, params, dtype), cuda::source(&kernel)));
            if which == Which::All && *params == default {
                sources.extend(checked(strategy, params, &coding));
            }
            if dtype == "BF16" && *params == default && strategy.name() == "lanes-pair" {
                let others: [&dyn Sink; 2] = [&XorBase::default(), &Checked];
                for sink in others {
                    let kernel = strategy.kernel_into(params, &coding, sink).unwrap();
                    let label = format!("BF16.{}", sink.name());
                    sources.push((name(strategy, params, &label), cuda::source(&kernel)));
                }
            }
        }
    }
    sources
}

#[test]
fn emitted_sources_are_the_reviewed_ones() {
    let sources = sources(Which::Reviewed);
    assert_golden(&Path::new(env!("CARGO_MANIFEST_DIR")).join("golden"), &sources);
    println!("{} sources are as reviewed", sources.len());
}

#[test]
fn emitting_twice_gives_the_same_bytes() {
    assert_eq!(sources(Which::Reviewed), sources(Which::Reviewed));
}

#[test]
fn every_variant_compiles_for_every_architecture_without_spills() {
    let nvrtc = match Nvrtc::find() {
        Ok(nvrtc) => nvrtc,
        Err(error) if ecf8_tests::is_required("ECF8_REQUIRE_NVRTC") => panic!("{error}"),
        Err(error) => return eprintln!("skipped: {error}"),
    };
    let mut sources = sources(Which::All);
    // Variants may differ in how they are launched only.
    let mut known = HashSet::new();
    sources.retain(|(_, source)| known.insert(source.clone()));
    let requests: Vec<KernelRequest<'_>> = sources
        .iter()
        .flat_map(|(name, source)| {
            ARCHS.map(|arch| KernelRequest {
                name,
                source,
                arch: arch.parse::<Arch>().unwrap(),
                options: &[],
            })
        })
        .collect();
    // What is compiled is kept for the next time: only sources that changed, or another NVRTC, cost minutes.
    let kept = KernelCache::at(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("golden"), CACHE_LIMIT)
        .with_driver(None);
    for arch in ARCHS {
        // Who asks for it gets kernels by this version only.
        assert_eq!(kept.compiler_version(arch.parse().unwrap()).unwrap(), nvrtc.version().to_string());
    }
    let failures: Vec<String> = requests
        .iter()
        .zip(kept.get_all(&requests))
        .filter_map(|(KernelRequest { name, arch, .. }, compiled)| {
            let report = match &compiled {
                Ok(compiled) => &compiled.report,
                Err(error) => return Some(format!("{name} for {arch}: {error}")),
            };
            let spills = report.spill_stores + report.spill_loads;
            (spills > 0 || !report.warnings.is_empty()).then(|| {
                format!("{name} for {arch}: {spills} bytes spilled, {:?}\n{}", report.warnings, report.log)
            })
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    println!(
        "{} sources × {} architectures, NVRTC {}, {} of them compiled now",
        sources.len(),
        ARCHS.len(),
        nvrtc.version(),
        kept.compiled()
    );
}
