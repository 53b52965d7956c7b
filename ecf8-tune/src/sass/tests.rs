//! The emulator's instruction counts against machine code, for every strategy.

use super::{Disassembler, count};
use crate::nvrtc::{CompileRequest, Nvrtc};
use ecf8_codegen::cuda;
use ecf8_codegen::profile::{Class, profile};
use ecf8_codegen::strategy::{Strategy, strategies};
use ecf8_core::synthetic;

/// How far the two may be apart, as a part of the machine code's count.
const TOLERANCE: f64 = 0.25;

/// NVRTC and a disassembler, or `None` after saying aloud that the test is skipped; with `ECF8_REQUIRE_NVRTC=1` that is a
/// failure.
fn tools() -> Option<(Nvrtc, Disassembler)> {
    let nvrtc = Nvrtc::find().map_err(|error| error.to_string());
    let disassembler = Disassembler::find().map_err(|error| error.to_string());
    match nvrtc.and_then(|nvrtc| Ok((nvrtc, disassembler?))) {
        Ok(tools) => Some(tools),
        Err(error) if std::env::var_os("ECF8_REQUIRE_NVRTC").is_some_and(|value| value == "1") => {
            panic!("{error}")
        }
        Err(error) => {
            eprintln!("skipped: {error}");
            None
        }
    }
}

/// Lane-instructions per output byte of a strategy at its defaults on Gaussian weights: emulated, and by machine code.
fn counts(nvrtc: &Nvrtc, disassembler: &Disassembler, strategy: &dyn Strategy) -> (f64, f64) {
    let scheme = ecf8_core::scheme(strategy.schemes()[0]).unwrap();
    let weights = synthetic::block_scaled(&synthetic::gaussian(1, 512 * 512, 1.0), 512).bytes;
    let codebook = scheme.codebook(&scheme.symbol_histogram(&weights));
    let encoded = scheme.encode(&weights, &codebook).unwrap();
    let params = strategy.params(&[]).unwrap();
    let kernel = strategy.kernel(&params, &encoded.codebook).unwrap();
    let profile = profile(&kernel, &strategy.launch(&params, &[&encoded]).unwrap(), None).unwrap();
    let (source, map) = cuda::source_with_map(&kernel);
    let arch = "sm_90".parse().unwrap();
    let request = CompileRequest { name: "k.cu", source: &source, arch, options: &["-lineinfo"] };
    let cubin = nvrtc.compile(&request).unwrap().cubin;
    let listing = disassembler.list(&cubin, &kernel.name).unwrap();
    let counted = count(&kernel, &profile.trace, &map, &listing);
    // Accesses that are issued are those that the emulator sees, and those of predicated branches that no lane takes.
    let (issued, seen) = counted.accesses;
    assert!(
        issued > 0.8 * seen && issued < 2.0 * seen,
        "{}: {issued} accesses, emulated {seen}",
        strategy.name()
    );
    let barriers = profile.class_per_byte(Class::Barrier);
    assert!(barriers < 2.0, "{}: {barriers} barriers per byte", strategy.name());
    (profile.instructions_per_byte(), counted.instructions_per_byte)
}

#[test]
fn emulated_instructions_agree_with_machine_code_within_a_quarter_for_every_strategy() {
    let Some((nvrtc, disassembler)) = tools() else { return };
    let mut apart = Vec::new();
    for &strategy in strategies() {
        let (emulated, machine) = counts(&nvrtc, &disassembler, strategy);
        let line = format!("{}: {emulated:.2} emulated, {machine:.2} by machine code", strategy.name());
        eprintln!("{line}");
        if (emulated / machine - 1.0).abs() > TOLERANCE {
            apart.push(line);
        }
    }
    assert!(apart.is_empty(), "more than 25 % apart: {}", apart.join("; "));
}
