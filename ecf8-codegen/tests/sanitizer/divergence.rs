//! What all threads must reach together, reached by some; and a loop that nobody leaves.

use super::{assert_fault, assert_is, fault};
use ecf8_codegen::emulator::FaultKind;
use ecf8_codegen::lang::{GlobalMut, ballot, barrier, kernel, shuffle, thread_idx};

#[kernel(threads = 64)]
pub(super) fn branching_barrier(output: GlobalMut<u32>) {
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
