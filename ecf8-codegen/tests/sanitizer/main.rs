//! Every class of mistake that the emulator reports, each shown by a small wrong kernel: what, where, and by whom.
//!
//! The wrong line of each kernel ends in `//~` and the kernel's name.

#![allow(clippy::panic, clippy::unwrap_used, reason = "that is how a test fails, also in its helpers")]

mod bounds;
mod calls;
mod divergence;
mod races;
mod unset;
mod values;

use ecf8_codegen::emulator::{self, Checks, EmulatorError, Fault, FaultKind};
use ecf8_codegen::ir::{BuildErrors, Kernel, Location};
use ecf8_codegen::lang::{GlobalMut, kernel, thread_idx};
use ecf8_codegen::launch::{Arg, Gather, Launch, OutputSlot};

/// The files with marked lines.
const SOURCES: [(&str, &str); 6] = [
    ("bounds.rs", include_str!("bounds.rs")),
    ("calls.rs", include_str!("calls.rs")),
    ("divergence.rs", include_str!("divergence.rs")),
    ("races.rs", include_str!("races.rs")),
    ("unset.rs", include_str!("unset.rs")),
    ("values.rs", include_str!("values.rs")),
];

fn launch(grid: u32, args: Vec<Arg<Gather<'_>>>) -> Launch<Gather<'_>> {
    Launch { grid, dynamic_shared_bytes: 0, args, outputs: vec![OutputSlot::whole(256)] }
}

/// Launches the kernel on an input of 64 zero words, if it takes one, for an output of 64 words.
fn fault(kernel: Result<Kernel, BuildErrors>, blocks: u32) -> Fault {
    let kernel = kernel.unwrap_or_else(|errors| panic!("{errors}"));
    let input = Arg::Input(vec![0; 256].into());
    let args = if kernel.params.len() == 2 { vec![input, Arg::Output(0)] } else { vec![Arg::Output(0)] };
    let launch = Launch { dynamic_shared_bytes: 16, ..launch(blocks, args) };
    match emulator::run(&kernel, &launch, Checks::Full) {
        Err(EmulatorError::Fault(fault)) => *fault,
        other => panic!("no fault, but {other:?}"),
    }
}

/// Launches the kernel and asserts kind, kernel, file, line, block and thread of the fault.
fn assert_fault(
    kernel: Result<Kernel, BuildErrors>,
    blocks: u32,
    kind: &FaultKind,
    name: &str,
    place: (Option<u32>, Option<u32>),
) {
    assert_is(&fault(kernel, blocks), kind, name, place);
}

fn assert_is(fault: &Fault, kind: &FaultKind, name: &str, (block, thread): (Option<u32>, Option<u32>)) {
    assert_eq!(&fault.kind, kind);
    assert_eq!(fault.kernel, name);
    let at = fault.at.unwrap();
    assert_eq!(place_of(at), marked(name), "{fault}");
    assert_eq!((fault.block, fault.thread), (block, thread), "{fault}");
    let text = fault.to_string();
    assert!(text.contains(name) && text.contains(&at.to_string()), "{text}");
    assert!(!text.contains('\n'), "{text}");
}

/// The file and line that end in `//~` and the mark.
fn marked(mark: &str) -> (&'static str, u32) {
    let mark = format!("//~ {mark}");
    let found = SOURCES.iter().find_map(|(file, text)| {
        let line = text.lines().position(|line| line.ends_with(&mark))?;
        Some((*file, u32::try_from(line).unwrap() + 1))
    });
    found.unwrap_or_else(|| panic!("no line ends in {mark}"))
}

/// The file, without its folders, and line of a place.
fn place_of(at: Location) -> (&'static str, u32) {
    (at.file.rsplit(['/', '\\']).next().unwrap(), at.line)
}

fn out_of_bounds(memory: &str, index: u64, elements: u64) -> FaultKind {
    FaultKind::OutOfBounds { memory: memory.to_owned(), index, elements }
}

fn uninitialised(what: &str, index: Option<u64>) -> FaultKind {
    FaultKind::Uninitialised { what: what.to_owned(), index }
}

#[kernel(threads = 32)]
fn two_halves(output: GlobalMut<u32>) {
    let i = thread_idx();
    output[i] = i;
    output[i + 32] = i;
}

#[test]
fn arguments_that_do_not_fit_the_parameters_are_refused() {
    let kernel = two_halves().unwrap();
    let error = emulator::run(&kernel, &launch(1, vec![Arg::U32(5)]), Checks::Full).unwrap_err();
    assert_eq!(
        error.to_string(),
        "kernel `two_halves`: argument 0 is a u32, but its parameter is a writable buffer"
    );
}

#[test]
fn basic_checks_still_catch_what_would_crash() {
    let launch = launch(1, vec![Arg::Output(0)]);
    for kernel in [
        bounds::beyond_table(),
        bounds::beyond_shared(),
        values::wide_shift(),
        divergence::branching_barrier(),
    ] {
        assert!(emulator::run(&kernel.unwrap(), &launch, Checks::Basic).is_err());
    }
}
