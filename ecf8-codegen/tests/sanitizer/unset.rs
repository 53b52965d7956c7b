//! Reads of what was never written, and output that nobody or more than one block writes.

use super::{assert_fault, assert_is, fault, uninitialised};
use ecf8_codegen::emulator::FaultKind;
use ecf8_codegen::lang::{GlobalMut, barrier, block_idx, kernel, shared, thread_idx};

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
    let kind = FaultKind::NeverWritten { memory: "output".to_owned(), byte: 252 };
    assert_fault(last_word_missing(), 1, &kind, "last_word_missing", (None, None));
}
