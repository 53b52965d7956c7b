//! The emulator's instruction counts against machine code, for every strategy.

#[path = "../../../ecf8-codegen/tests/guide/gap_simple.rs"]
mod gap_simple;

use super::{Disassembler, Instruction, Listing, Unmapped, count};
use crate::nvrtc::{CompileRequest, Nvrtc};
use ecf8_codegen::cuda;
use ecf8_codegen::lang::{GlobalMut, V, kernel, thread_idx};
use ecf8_codegen::launch::{Arg, Launch, OutputSlot};
use ecf8_codegen::profile::{Class, profile};
use ecf8_codegen::strategy::{Coding, Strategy, strategies};
use ecf8_core::element::Numbers;
use ecf8_core::synthetic;

/// How far the two may be apart, as a part of the machine code's count.
const TOLERANCE: f64 = 0.25;

/// NVRTC and a disassembler, or `None` after saying aloud that the test is skipped; with `ECF8_REQUIRE_NVRTC=1` that is
/// a failure.
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
fn counts(
    nvrtc: &Nvrtc,
    disassembler: &Disassembler,
    strategy: &dyn Strategy,
) -> (f64, Result<f64, Unmapped>) {
    let scheme = ecf8_core::scheme(strategy.schemes()[0]).unwrap();
    let weights = synthetic::block_scaled(&synthetic::gaussian(1, 512 * 512, 1.0), 512).bytes;
    let codebook = scheme.codebook(&scheme.symbol_histogram(Numbers::e4m3(&weights)));
    let encoded = scheme.encode(Numbers::e4m3(&weights), &codebook).unwrap();
    // Whole chunks, where chunks can be cut: a warp that has two turns only tells nothing of a loop.
    let whole = [("warps_at_once".to_owned(), "1".to_owned())];
    let params = strategy.params(&whole).or_else(|_| strategy.params(&[])).unwrap();
    let kernel = strategy.kernel(&params, &Coding::of(&encoded)).unwrap();
    let profile = profile(&kernel, &strategy.launch(&params, &[&encoded]).unwrap(), None).unwrap();
    let (source, map) = cuda::source_with_map(&kernel);
    let arch = "sm_90".parse().unwrap();
    let request = CompileRequest { name: "k.cu", source: &source, arch, options: &["-lineinfo"] };
    let cubin = nvrtc.compile(&request).unwrap().image;
    let listing = disassembler.list(&cubin, &kernel.name).unwrap();
    let barriers = profile.class_per_byte(Class::Barrier);
    assert!(barriers < 2.0, "{}: {barriers} barriers per byte", strategy.name());
    let counted = count(&kernel, &profile, &map, &listing);
    (profile.instructions_per_byte(), counted.map(|counted| counted.instructions_per_byte))
}

#[test]
fn emulated_instructions_agree_with_machine_code_within_a_quarter_for_every_strategy() {
    let Some((nvrtc, disassembler)) = tools() else { return };
    let mut apart = Vec::new();
    for &strategy in strategies() {
        let (emulated, machine) = counts(&nvrtc, &disassembler, strategy);
        let machine = machine.unwrap_or_else(|error| panic!("{}: {error}", strategy.name()));
        let line = format!("{}: {emulated:.2} emulated, {machine:.2} by machine code", strategy.name());
        eprintln!("{line}");
        if (emulated / machine - 1.0).abs() > TOLERANCE {
            apart.push(line);
        }
    }
    assert!(apart.is_empty(), "more than 25 % apart: {}", apart.join("; "));
}

/// A real case: NVRTC arranges the loops of the guide's strategy otherwise than they are written.
#[test]
fn the_guides_strategy_is_counted_about_right_or_not_at_all() {
    let Some((nvrtc, disassembler)) = tools() else { return };
    match counts(&nvrtc, &disassembler, &gap_simple::GapSimpleStrategy) {
        (emulated, Ok(machine)) => {
            assert!((emulated / machine - 1.0).abs() < 2.0 * TOLERANCE, "{emulated}, {machine}");
        }
        (_, Err(why)) => eprintln!("cannot be mapped: {why}"),
    }
}

#[kernel(threads = 32)]
fn rounds(output: GlobalMut<u32>, number: V<u32>) {
    let thread = thread_idx();
    for round in 0_u32..number {
        let at = round * 32 + thread;
        output[at] = at ^ (at >> 3);
    }
}

/// What is made of machine code for 100 rounds of `rounds` whose instructions are given as an opcode, what the text of
/// its line contains, and where it jumps to.
fn counted(code: &[(&str, &str, Option<u64>)]) -> Result<f64, Unmapped> {
    let kernel = rounds().unwrap();
    let args = vec![Arg::Output(0), Arg::U32(100)];
    let launch = Launch { grid: 1, dynamic_shared_bytes: 0, args, outputs: vec![OutputSlot::whole(12_800)] };
    let profile = profile(&kernel, &launch, None).unwrap();
    let (source, map) = cuda::source_with_map(&kernel);
    let line = |part: &str| source.lines().position(|line| line.contains(part)).unwrap() + 1;
    let instructions = (0..).zip(code).map(|(n, &(opcode, part, target))| Instruction {
        address: n,
        opcode: opcode.to_owned(),
        is_predicated: target.is_some(),
        target,
        line: Some(line(part)),
    });
    let listing = Listing { instructions: instructions.collect() };
    count(&kernel, &profile, &map, &listing).map(|counted| counted.issued)
}

const BODY: [(&str, &str, Option<u64>); 4] = [
    ("IMAD", "const u32 at", None),
    ("SHF", "output[at] =", None),
    ("LOP3", "output[at] =", None),
    ("STG", "output[at] =", None),
];

#[test]
fn instructions_of_a_loop_are_counted_as_often_as_the_emulator_goes_round() {
    let code = [&[("MOV", "const u32 thread", None)], &BODY[..], &[("BRA", "for (", Some(1))]].concat();
    let issued = counted(&code).unwrap();
    assert!((500.0..=510.0).contains(&issued), "{issued}");
}

#[test]
fn machine_code_without_the_loop_is_not_counted() {
    let error = counted(&BODY).unwrap_err();
    assert!(matches!(error, Unmapped::Loop { rounds: 100.0, .. }), "{error}");
    assert!(error.to_string().contains("has 100 rounds each time"), "{error}");
}

#[test]
fn machine_code_whose_accesses_are_other_than_the_emulators_is_not_counted() {
    let arithmetic = [&BODY[..3], &[("BRA", "for (", Some(0))]].concat();
    let error = counted(&arithmetic).unwrap_err();
    assert_eq!(error, Unmapped::Accesses { counted: 0.0, emulated: 100.0 });
}

#[test]
fn machine_code_with_far_fewer_instructions_than_the_emulator_counts_is_not_counted() {
    let error = counted(&[("STG", "output[at] =", Some(0))]).unwrap_err();
    assert!(matches!(error, Unmapped::Instructions { .. } | Unmapped::Loop { .. }), "{error}");
}
