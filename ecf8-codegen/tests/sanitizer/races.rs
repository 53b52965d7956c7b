//! Two threads at one place of memory without a barrier in between.

use super::{assert_is, fault, marked, place_of};
use ecf8_codegen::emulator::FaultKind;
use ecf8_codegen::ir::{BuildErrors, Kernel};
use ecf8_codegen::lang::{GlobalMut, barrier, kernel, rolled, shared, sync_warp, thread_idx};

/// Asserts a race at an element of `tile`, or of `output` if the name of the mark begins so, of a thread and what it does at
/// the line marked with the name, with another and what it did at the line of the other mark.
fn assert_race(
    kernel: Result<Kernel, BuildErrors>,
    index: u64,
    (name, thread, access): (&str, u32, &'static str),
    (mark, other_thread, other_access): (Option<&str>, u32, &'static str),
) {
    let fault = fault(kernel, 1);
    let FaultKind::Race { other_at, .. } = fault.kind else { panic!("{fault}") };
    assert_eq!(other_at.map(place_of), mark.map(marked), "{fault}");
    let memory = if name.starts_with("output") { "output" } else { "tile" }.to_owned();
    let kind = FaultKind::Race { memory, index, access, other_access, other_thread, other_at };
    assert_is(&fault, &kind, name, (Some(0), Some(thread)));
    let told = other_at.map_or(format!("{other_access} since"), |at| format!("{other_access} at {at} since"));
    assert!(fault.to_string().contains(&told), "{fault}");
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
    assert_race(both_write(), 0, ("both_write", 1, "writes"), (Some("both_write"), 0, "wrote"));
}

#[kernel(threads = 64)]
fn output_by_two(output: GlobalMut<u32>) {
    let i = thread_idx();
    output[i] = i; //~ first write of the output
    output[63 - i] = i; //~ output_by_two
}

#[test]
fn two_threads_that_write_one_place_of_the_output_are_reported() {
    let other = (Some("first write of the output"), 63, "wrote");
    assert_race(output_by_two(), 63, ("output_by_two", 0, "writes"), other);
}

#[kernel(threads = 64)]
fn output_read(output: GlobalMut<u32>) {
    let i = thread_idx();
    output[i] = i;
    barrier();
    output[i] = i + 1; //~ second write of the output
    sync_warp();
    // The first warp's neighbour within the warp is ordered by its barrier, the other warp's is not.
    let mut sum = output[i ^ 1];
    sum += output[i ^ 32]; //~ output_read
    sync_warp();
    output[i] = sum;
}

#[test]
fn a_read_of_output_that_another_warp_has_just_written_is_reported() {
    let other = (Some("second write of the output"), 32, "wrote");
    assert_race(output_read(), 32, ("output_read", 0, "reads"), other);
}

#[kernel(threads = 64)]
fn missing_barrier(output: GlobalMut<u32>) {
    let tile = shared::<u32>(64_u32);
    let i = thread_idx();
    tile[i] = i; //~ write before the missing barrier
    output[i] = tile[63 - i]; //~ missing_barrier
}

#[test]
fn a_read_of_what_another_thread_has_just_written_is_reported() {
    let other = (Some("write before the missing barrier"), 63, "wrote");
    assert_race(missing_barrier(), 63, ("missing_barrier", 0, "reads"), other);
}

#[kernel(threads = 64)]
fn overwritten(output: GlobalMut<u32>) {
    let tile = shared::<u32>(64_u32);
    let i = thread_idx();
    tile[i] = i;
    barrier();
    let left = tile[(i + 1) % 64]; //~ read before it is overwritten
    tile[i] = left; //~ overwritten
    output[i] = left;
}

#[test]
fn a_write_where_another_thread_has_just_read_is_reported() {
    let other = (Some("read before it is overwritten"), 63, "read");
    assert_race(overwritten(), 0, ("overwritten", 0, "writes"), other);
}

#[kernel(threads = 64)]
fn next_round(output: GlobalMut<u32>) {
    let tile = shared::<u32>(64_u32);
    let i = thread_idx();
    let mut sum: u32 = 0;
    for k in rolled(0..3_u32) {
        tile[i] = k; //~ next_round
        barrier();
        sum += tile[63 - i]; //~ read in the round before
    }
    output[i] = sum;
}

#[test]
fn a_barrier_missing_at_the_end_of_a_round_is_reported() {
    let other = (Some("read in the round before"), 63, "read");
    assert_race(next_round(), 0, ("next_round", 0, "writes"), other);
}

#[kernel(threads = 64)]
fn last_reader_writes(output: GlobalMut<u32>) {
    let tile = shared::<u32>(64_u32);
    let i = thread_idx();
    tile[i] = i;
    barrier();
    let first = tile[0_u32];
    if i == 63 {
        tile[0_u32] = i; //~ last_reader_writes
    }
    output[i] = first;
}

/// Of all that have read, the last is remembered, and that is the one which writes.
#[test]
fn where_the_line_of_the_other_thread_is_not_known_none_is_named() {
    assert_race(last_reader_writes(), 0, ("last_reader_writes", 63, "writes"), (None, 62, "read"));
}
