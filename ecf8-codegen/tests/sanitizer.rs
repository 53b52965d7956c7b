//! Every class of mistake that the emulator reports, each shown by a small wrong kernel: what, where, and by whom.
//!
//! The wrong line of each kernel ends in `//~` and the kernel's name.

#![allow(clippy::panic, clippy::unwrap_used, reason = "that is how a test fails, also in its helpers")]

use ecf8_codegen::emulator::{self, Checks, EmulatorError, Fault, FaultKind};
use ecf8_codegen::ir::{BuildErrors, Kernel};
use ecf8_codegen::lang::{
    Global, GlobalMut, Shared, V, ballot, barrier, block_idx, device, dynamic_shared, kernel, rolled, shared,
    shuffle, table, thread_idx,
};
use ecf8_codegen::strategy::{Arg, Launch};
use std::borrow::Cow;

/// Launches the kernel on an input of 64 zero words, if it takes one, for an output of 64 words.
fn fault(kernel: Result<Kernel, BuildErrors>, blocks: u32) -> Fault {
    let kernel = kernel.unwrap_or_else(|errors| panic!("{errors}"));
    let input = Arg::Input(Cow::Owned(vec![0; 256]));
    let args = if kernel.params.len() == 2 { vec![input, Arg::Output] } else { vec![Arg::Output] };
    let launch = Launch { grid: blocks, dynamic_shared_bytes: 16, output_bytes: 256, args };
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
    assert!(at.file.ends_with("sanitizer.rs"), "{}", at.file);
    assert_eq!(at.line, marked(name), "{fault}");
    assert_eq!((fault.block, fault.thread), (block, thread), "{fault}");
    let text = fault.to_string();
    assert!(text.contains(name) && text.contains(&format!("sanitizer.rs:{}", at.line)), "{text}");
    assert!(!text.contains('\n'), "{text}");
}

/// The line of this file that ends in `//~` and the mark.
fn marked(mark: &str) -> u32 {
    let mark = format!("//~ {mark}");
    let marked = include_str!("sanitizer.rs").lines().position(|line| line.ends_with(&mark)).unwrap();
    u32::try_from(marked).unwrap() + 1
}

fn out_of_bounds(memory: &str, index: u64, elements: u64) -> FaultKind {
    FaultKind::OutOfBounds { memory: memory.to_owned(), index, elements }
}

fn uninitialised(what: &str, index: Option<u64>) -> FaultKind {
    FaultKind::Uninitialised { what: what.to_owned(), index }
}

#[kernel(threads = 64)]
fn beyond_input(input: Global<u32>, output: GlobalMut<u32>) {
    let i = thread_idx();
    output[i] = input[i + 1]; //~ beyond_input
}

#[test]
fn a_read_beyond_an_input_is_reported() {
    let kind = out_of_bounds("input", 64, 64);
    assert_fault(beyond_input(), 1, &kind, "beyond_input", (Some(0), Some(63)));
}

#[kernel(threads = 32)]
fn beyond_output(output: GlobalMut<u32>) {
    let i = block_idx() * 32 + thread_idx();
    output[i + 3] = i; //~ beyond_output
}

#[test]
fn a_write_beyond_the_output_is_reported() {
    let kind = out_of_bounds("output", 64, 64);
    assert_fault(beyond_output(), 2, &kind, "beyond_output", (Some(1), Some(29)));
}

#[kernel(threads = 64)]
fn before_input(input: Global<u32>, output: GlobalMut<u32>) {
    let i = thread_idx();
    output[i] = input[i - 1]; //~ before_input
}

#[test]
fn a_negative_index_is_reported() {
    let kind = out_of_bounds("input", u64::from(u32::MAX), 64);
    assert_fault(before_input(), 1, &kind, "before_input", (Some(0), Some(0)));
}

#[kernel(threads = 64)]
fn beyond_shared(output: GlobalMut<u32>) {
    let tile = shared::<u32>(60_u32);
    let i = thread_idx();
    tile[i] = i; //~ beyond_shared
    output[i] = i;
}

#[test]
fn a_write_beyond_a_shared_array_is_reported() {
    let kind = out_of_bounds("tile", 60, 60);
    assert_fault(beyond_shared(), 1, &kind, "beyond_shared", (Some(0), Some(60)));
}

#[kernel(threads = 64)]
fn beyond_dynamic_shared(output: GlobalMut<u32>) {
    let staged = dynamic_shared::<u32>();
    let i = thread_idx();
    staged[i] = i; //~ beyond_dynamic_shared
    output[i] = i;
}

#[test]
fn a_write_beyond_the_shared_memory_of_the_launch_is_reported() {
    let kind = out_of_bounds("staged", 4, 4);
    assert_fault(beyond_dynamic_shared(), 1, &kind, "beyond_dynamic_shared", (Some(0), Some(4)));
}

#[kernel(threads = 64)]
fn beyond_table(output: GlobalMut<u32>) {
    let squares = table(&[0_u32, 1, 4, 9]);
    let i = thread_idx();
    output[i] = squares[i]; //~ beyond_table
}

#[test]
fn a_read_beyond_a_table_is_reported() {
    let kind = out_of_bounds("squares", 4, 4);
    assert_fault(beyond_table(), 1, &kind, "beyond_table", (Some(0), Some(4)));
}

#[kernel(threads = 64)]
fn unset_shared(output: GlobalMut<u32>) {
    let tile = shared::<u32>(64_u32);
    let i = thread_idx();
    if i != 7 {
        tile[i] = i;
    }
    barrier();
    output[i] = tile[i]; //~ unset_shared
}

#[test]
fn a_read_of_shared_memory_that_nobody_wrote_is_reported() {
    let kind = uninitialised("tile", Some(7));
    assert_fault(unset_shared(), 1, &kind, "unset_shared", (Some(0), Some(7)));
}

#[kernel(threads = 64)]
fn leftover_shared(output: GlobalMut<u32>) {
    let tile = shared::<u32>(32_u32);
    let i = thread_idx();
    if block_idx() == 0 {
        if i < 32 {
            tile[i] = i;
        }
    }
    barrier();
    if i < 32 {
        output[block_idx() * 32 + i] = tile[i]; //~ leftover_shared
    }
}

#[test]
fn what_an_earlier_block_left_in_shared_memory_does_not_count_as_written() {
    let kind = uninitialised("tile", Some(0));
    assert_fault(leftover_shared(), 2, &kind, "leftover_shared", (Some(1), Some(0)));
}

#[kernel(threads = 64)]
fn unset_variable(output: GlobalMut<u32>) {
    let i = thread_idx();
    let mut chosen: u32;
    if i < 40 {
        chosen = i;
    }
    output[i] = chosen; //~ unset_variable
}

#[test]
fn a_read_of_a_variable_before_its_first_value_is_reported() {
    let kind = uninitialised("chosen", None);
    assert_fault(unset_variable(), 1, &kind, "unset_variable", (Some(0), Some(40)));
}

#[kernel(threads = 64)]
fn unset_output(output: GlobalMut<u32>) {
    let i = thread_idx();
    let old = output[i]; //~ unset_output
    output[i] = old + 1;
}

#[test]
fn a_read_of_output_that_nobody_wrote_is_reported() {
    let kind = uninitialised("output", Some(0));
    assert_fault(unset_output(), 1, &kind, "unset_output", (Some(0), Some(0)));
}

fn race(index: u64, access: &'static str, other_access: &'static str, other_thread: u32) -> FaultKind {
    FaultKind::Race { memory: "tile".to_owned(), index, access, other_access, other_thread }
}

#[kernel(threads = 64)]
fn both_write(output: GlobalMut<u32>) {
    let tile = shared::<u32>(64_u32);
    let i = thread_idx();
    tile[i / 2] = i; //~ both_write
    output[i] = i;
}

#[test]
fn two_threads_that_write_one_place_are_reported() {
    let kind = race(0, "writes", "wrote", 0);
    assert_fault(both_write(), 1, &kind, "both_write", (Some(0), Some(1)));
}

#[kernel(threads = 64)]
fn missing_barrier(output: GlobalMut<u32>) {
    let tile = shared::<u32>(64_u32);
    let i = thread_idx();
    tile[i] = i;
    output[i] = tile[63 - i]; //~ missing_barrier
}

#[test]
fn a_read_of_what_another_thread_has_just_written_is_reported() {
    let kind = race(63, "reads", "wrote", 63);
    assert_fault(missing_barrier(), 1, &kind, "missing_barrier", (Some(0), Some(0)));
}

#[kernel(threads = 64)]
fn overwritten(output: GlobalMut<u32>) {
    let tile = shared::<u32>(64_u32);
    let i = thread_idx();
    tile[i] = i;
    barrier();
    let left = tile[(i + 1) % 64];
    tile[i] = left; //~ overwritten
    output[i] = left;
}

#[test]
fn a_write_where_another_thread_has_just_read_is_reported() {
    let kind = race(0, "writes", "read", 63);
    assert_fault(overwritten(), 1, &kind, "overwritten", (Some(0), Some(0)));
}

#[kernel(threads = 64)]
fn next_round(output: GlobalMut<u32>) {
    let tile = shared::<u32>(64_u32);
    let i = thread_idx();
    let mut sum: u32 = 0;
    for k in rolled(0..3_u32) {
        tile[i] = k; //~ next_round
        barrier();
        sum += tile[63 - i];
    }
    output[i] = sum;
}

#[test]
fn a_barrier_missing_at_the_end_of_a_round_is_reported() {
    let kind = race(0, "writes", "read", 63);
    assert_fault(next_round(), 1, &kind, "next_round", (Some(0), Some(0)));
}

#[kernel(threads = 64)]
fn branching_barrier(output: GlobalMut<u32>) {
    let i = thread_idx();
    if i < 48 {
        barrier(); //~ branching_barrier
    }
    output[i] = i;
}

#[test]
fn a_barrier_in_a_branch_that_only_some_take_is_reported() {
    let kind = FaultKind::DivergentBarrier { present: 48, expected: 64 };
    assert_fault(branching_barrier(), 1, &kind, "branching_barrier", (Some(0), Some(48)));
}

#[kernel(threads = 64)]
fn looping_barrier(output: GlobalMut<u32>) {
    let i = thread_idx();
    for _k in 0..i + 1 {
        barrier(); //~ looping_barrier
    }
    output[i] = i;
}

#[test]
fn a_barrier_in_a_loop_that_some_leave_earlier_is_reported() {
    let kind = FaultKind::DivergentBarrier { present: 63, expected: 64 };
    assert_fault(looping_barrier(), 1, &kind, "looping_barrier", (Some(0), Some(0)));
}

#[kernel(threads = 64)]
fn partial_ballot(output: GlobalMut<u32>) {
    let i = thread_idx();
    let mut votes: u32 = 0;
    if i % 4 != 1 {
        votes = ballot(i > 20); //~ partial_ballot
    }
    output[i] = votes;
}

#[test]
fn a_ballot_that_some_lanes_miss_is_reported() {
    let fault = fault(partial_ballot(), 1);
    assert!(matches!(fault.kind, FaultKind::DivergentWarp { present: 24, expected: 32, .. }), "{fault}");
    assert_is(&fault, &fault.kind, "partial_ballot", (Some(0), Some(1)));
}

#[kernel(threads = 64)]
fn partial_shuffle(output: GlobalMut<u32>) {
    let i = thread_idx();
    let mut other = i;
    if i >= 40 {
        other = shuffle(i, 3); //~ partial_shuffle
    }
    output[i] = other;
}

#[test]
fn a_shuffle_that_some_lanes_miss_is_reported() {
    let fault = fault(partial_shuffle(), 1);
    assert!(matches!(fault.kind, FaultKind::DivergentWarp { present: 24, expected: 32, .. }), "{fault}");
    assert_is(&fault, &fault.kind, "partial_shuffle", (Some(0), Some(32)));
}

#[kernel(threads = 64)]
fn wide_shift(output: GlobalMut<u32>) {
    let i = thread_idx();
    output[i] = i << i; //~ wide_shift
}

#[test]
fn a_shift_by_the_width_is_reported() {
    let kind = FaultKind::Shift { amount: 32, bits: 32 };
    assert_fault(wide_shift(), 1, &kind, "wide_shift", (Some(0), Some(32)));
}

#[kernel(threads = 64)]
fn zero_divisor(input: Global<u32>, output: GlobalMut<u32>) {
    let i = thread_idx();
    output[i] = i / (input[i] + 5 - i.min(5)); //~ zero_divisor
}

#[test]
fn a_division_by_zero_is_reported() {
    assert_fault(zero_divisor(), 1, &FaultKind::DivisionByZero, "zero_divisor", (Some(0), Some(5)));
}

#[kernel(threads = 64)]
fn least_quotient(output: GlobalMut<i32>) {
    let i = thread_idx();
    let least = (i as i32) - i32::MAX - 1;
    output[i] = least / ((i as i32) - 1); //~ least_quotient
}

#[test]
fn a_quotient_that_does_not_fit_is_not_called_a_division_by_zero() {
    assert_fault(least_quotient(), 1, &FaultKind::DivisionOverflow, "least_quotient", (Some(0), Some(0)));
}

#[kernel(threads = 32)]
fn shared_ground(output: GlobalMut<u32>) {
    let i = block_idx() * 32 + thread_idx();
    output[i] = i;
    if i == 32 {
        output[31] = 5; //~ shared_ground
    }
}

/// Blocks run in no particular order, so either may be the one that comes second.
#[test]
fn a_write_where_another_block_has_written_is_reported() {
    let fault = fault(shared_ground(), 2);
    let FaultKind::Overlap { memory, index, other_block } = &fault.kind else { panic!("{fault}") };
    assert_eq!((memory.as_str(), *index), ("output", 31));
    assert_eq!(*other_block + fault.block.unwrap(), 1, "{fault}");
    assert!(fault.thread == Some(0) || fault.thread == Some(31), "{fault}");
    if fault.block == Some(1) {
        assert_is(&fault, &fault.kind, "shared_ground", (Some(1), Some(0)));
    }
}

#[kernel(threads = 63)]
fn last_word_missing(output: GlobalMut<u32>) {
    let i = thread_idx();
    output[i] = i; //~ last_word_missing
}

#[test]
fn output_that_nobody_wrote_is_reported() {
    let kind = FaultKind::NeverWritten { byte: 252 };
    assert_fault(last_word_missing(), 1, &kind, "last_word_missing", (None, None));
}

#[kernel(threads = 64)]
fn endless(output: GlobalMut<u32>) {
    let i = thread_idx();
    let mut x = i;
    while x != 70 || i == 9 {} //~ endless
    output[i] = x;
    x = 0;
}

#[test]
fn a_loop_without_end_is_given_up_and_reported() {
    let fault = fault(endless(), 1);
    assert!(matches!(fault.kind, FaultKind::Endless { .. }), "{fault}");
    assert_is(&fault, &fault.kind, "endless", (Some(0), Some(0)));
}

#[device]
fn neighbour(tile: Shared<u32>, i: V<u32>) -> V<u32> {
    tile[i + 1] //~ called_twice
}

#[device]
fn sum_of_neighbours(tile: Shared<u32>, i: V<u32>) -> V<u32> {
    let right = neighbour(tile, i - 1);
    right + neighbour(tile, i) //~ inner call
}

#[kernel(threads = 64)]
fn called_twice(output: GlobalMut<u32>) {
    let tile = shared::<u32>(64_u32);
    let i = thread_idx();
    tile[i] = i;
    barrier();
    output[i] = sum_of_neighbours(tile, i); //~ outer call
}

#[test]
fn a_fault_in_a_device_function_names_its_line_and_the_calls_that_led_there() {
    let fault = fault(called_twice(), 1);
    assert_is(&fault, &out_of_bounds("tile", 64, 64), "called_twice", (Some(0), Some(63)));
    let callers: Vec<u32> = fault.callers.iter().map(|at| at.line).collect();
    assert_eq!(callers, [marked("inner call"), marked("outer call")], "{fault}");
    let text = fault.to_string();
    let places: Vec<usize> = [fault.at.unwrap(), fault.callers[0], fault.callers[1]]
        .iter()
        .map(|at| text.find(&at.to_string()).unwrap())
        .collect();
    assert!(places.is_sorted(), "{text}");
}

#[device]
fn twice_if(condition: V<bool>, x: V<u32>) -> V<u32> {
    let mut doubled = x;
    if condition {
        barrier(); //~ statement_of_a_call
        doubled *= 2;
    }
    doubled
}

#[kernel(threads = 64)]
fn statement_of_a_call(output: GlobalMut<u32>) {
    let i = thread_idx();
    output[i] = if i < 64 { twice_if(i < 50, i) } else { i }; //~ lazy call
}

#[test]
fn a_fault_in_a_function_called_in_an_arm_or_a_branch_is_found_as_well() {
    let fault = fault(statement_of_a_call(), 1);
    let kind = FaultKind::DivergentBarrier { present: 50, expected: 64 };
    assert_is(&fault, &kind, "statement_of_a_call", (Some(0), Some(50)));
    assert_eq!(fault.callers.len(), 1, "{fault}");
    assert_eq!(fault.callers[0].line, marked("lazy call"), "{fault}");
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
    let launch = Launch { grid: 1, dynamic_shared_bytes: 0, output_bytes: 256, args: vec![Arg::U32(5)] };
    let error = emulator::run(&kernel, &launch, Checks::Full).unwrap_err();
    assert_eq!(
        error.to_string(),
        "kernel `two_halves`: argument 0 is a u32, but its parameter is a writable buffer"
    );
}

#[test]
fn basic_checks_still_catch_what_would_crash() {
    let launch = Launch { grid: 1, dynamic_shared_bytes: 0, output_bytes: 256, args: vec![Arg::Output] };
    for kernel in [beyond_table(), beyond_shared(), wide_shift(), branching_barrier()] {
        assert!(emulator::run(&kernel.unwrap(), &launch, Checks::Basic).is_err());
    }
}
