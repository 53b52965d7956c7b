//! Kernels for pages of K/V caches as CUDA: the text is what was reviewed, compiles for every architecture without spills, and, compiled
//! for the CPU, gives the bytes of the plain encoder and decoder.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "that is how a test fails, also in its helpers"
)]

#[path = "kv/transformer.rs"]
mod transformer;

use ecf8_codegen::cuda;
use ecf8_codegen::ir::Kernel;
use ecf8_codegen::kv::batch::Batch;
use ecf8_codegen::kv::{PageKernels, status};
use ecf8_codegen::launch::{Gather, Launch};
use ecf8_core::kv::corpus::{Case, cases};
use ecf8_tests::cxx::{Compiler, Program};
use ecf8_tests::golden::assert_golden;
use ecf8_tune::kernel_cache::{KernelCache, KernelRequest};
use ecf8_tune::nvrtc::{Arch, Nvrtc};
use rayon::prelude::*;
use std::path::Path;

/// The architectures that every kernel must suit: Turing to Blackwell.
const ARCHS: [&str; 4] = ["sm_75", "sm_80", "sm_90", "sm_120"];

fn kernels(of: &PageKernels) -> [Kernel; 3] {
    [of.measure().unwrap(), of.encode().unwrap(), of.decode().unwrap()]
}

/// The sources for all kinds of codebooks that the corpus has, with names.
fn sources() -> Vec<(String, String)> {
    let mut sources = Vec::new();
    for case in cases() {
        let Some(name) = case.name.strip_suffix(" codebooks").filter(|name| name.contains(": keys")) else {
            continue;
        };
        let (numbers, groups) = (case.codebooks.numbers().dtype(), name.chars().last().unwrap());
        for kernel in kernels(&PageKernels::new(&case.codebooks)) {
            sources.push((format!("{}.{numbers}.{groups}.cu", kernel.name), cuda::source(&kernel)));
        }
    }
    sources
}

#[test]
fn emitted_sources_are_the_reviewed_ones() {
    let mut sources = sources();
    // Types of 8 bits differ in a number of the header only.
    sources.retain(|(name, _)| name.ends_with(".BF16.3.cu") || name.ends_with(".F8_E4M3.1.cu"));
    assert_eq!(sources.len(), 6);
    assert_golden(&Path::new(env!("CARGO_MANIFEST_DIR")).join("golden_kv"), &sources);
}

#[test]
fn every_kernel_compiles_for_every_architecture_without_spills() {
    match Nvrtc::find() {
        Ok(_) => {}
        Err(error) if ecf8_tests::is_required("ECF8_REQUIRE_NVRTC") => panic!("{error}"),
        Err(error) => return eprintln!("skipped: {error}"),
    }
    let sources = sources();
    let request = |name, source, arch: &str| KernelRequest {
        name,
        source,
        arch: arch.parse::<Arch>().unwrap(),
        options: &[],
    };
    let requests: Vec<KernelRequest<'_>> =
        sources.iter().flat_map(|(name, source)| ARCHS.map(|arch| request(name, source, arch))).collect();
    let kept = KernelCache::at(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("golden-kv"), 64 << 20)
        .with_driver(None);
    for (KernelRequest { name, arch, .. }, compiled) in requests.iter().zip(kept.get_all(&requests)) {
        let compiled = compiled.unwrap_or_else(|error| panic!("{name} for {arch}: {error}"));
        let report = &compiled.report;
        assert_eq!((report.spill_stores, report.spill_loads), (0, 0), "{name} for {arch}");
        assert!(report.warnings.is_empty(), "{name} for {arch}: {:?}", report.warnings);
        if *arch == "sm_90".parse::<Arch>().unwrap() {
            println!(
                "{name}: {} registers, {} bytes of shared memory",
                report.registers, report.shared_bytes
            );
        }
    }
}

/// The launch's outputs, one by one.
fn run(program: &Program, number: usize, launch: &Launch<Gather<'_>>) -> Result<Vec<Vec<u8>>, String> {
    let all = program.run(&[(number, launch)])?.remove(0);
    let mut rest = &all[..];
    let outputs = launch.outputs.iter().map(|output| {
        let (own, after) = rest.split_at(output.bytes as usize);
        rest = after;
        own.to_vec()
    });
    Ok(outputs.collect())
}

/// Encodes and decodes the pages of some cases that have the same codebooks.
fn check(compiler: &Compiler, cases: &[&Case]) -> Result<(), String> {
    let codebooks = &cases[0].codebooks;
    let pages: Vec<&[u8]> = cases.iter().map(|case| &case.page[..]).collect();
    let batch = Batch::new(codebooks, &pages);
    let program = Program::new(compiler, &kernels(batch.kernels()))?;
    let sizes = run(&program, 0, &batch.measure().unwrap())?.remove(0);
    let outputs = run(&program, 1, &batch.encode(sizes).unwrap())?;
    let encoded = batch.encoded(&outputs[0], &outputs[1]);
    for (case, encoded) in cases.iter().zip(&encoded) {
        if *encoded != codebooks.encode(&case.page).unwrap() {
            return Err(format!("{} is encoded otherwise", case.name));
        }
    }
    let borrowed: Vec<&[u8]> = encoded.iter().map(Vec::as_slice).collect();
    let outputs = run(&program, 2, &batch.decode(&borrowed).unwrap())?;
    for (case, place) in cases.iter().zip(batch.places()) {
        if outputs[0][place.clone()] != case.page {
            return Err(format!("{} is decoded otherwise", case.name));
        }
    }
    let is_decoded = |word: &[u8; 4]| u32::from_le_bytes(*word) == status::DECODED;
    if outputs[1].as_chunks::<4>().0.iter().all(is_decoded) {
        Ok(())
    } else {
        Err("a status is not 0".to_owned())
    }
}

#[test]
fn the_emitted_text_encodes_and_decodes_the_corpus_exactly() {
    let Some(compiler) = Compiler::find() else { return };
    let cases = cases();
    let mut groups: Vec<Vec<&Case>> = Vec::new();
    for case in &cases {
        match groups.iter_mut().find(|group| group[0].codebooks == case.codebooks) {
            Some(group) => group.push(case),
            None => groups.push(vec![case]),
        }
    }
    let failures: Vec<String> = groups.par_iter().filter_map(|cases| check(&compiler, cases).err()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    println!("{} pages in {} launches", cases.len(), groups.len());
}
