//! Two threads at one place of shared memory without a barrier in between.

use super::assert_fault;
use ecf8_codegen::emulator::FaultKind;
use ecf8_codegen::lang::{GlobalMut, barrier, kernel, rolled, shared, thread_idx};

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
