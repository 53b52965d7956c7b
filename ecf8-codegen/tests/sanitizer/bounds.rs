//! Accesses beyond the end of memory.

use super::{assert_fault, out_of_bounds};
use ecf8_codegen::lang::{Global, GlobalMut, block_idx, dynamic_shared, kernel, shared, table, thread_idx};

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
pub(super) fn beyond_shared(output: GlobalMut<u32>) {
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
pub(super) fn beyond_table(output: GlobalMut<u32>) {
    let squares = table(&[0_u32, 1, 4, 9]);
    let i = thread_idx();
    output[i] = squares[i]; //~ beyond_table
}

#[test]
fn a_read_beyond_a_table_is_reported() {
    let kind = out_of_bounds("squares", 4, 4);
    assert_fault(beyond_table(), 1, &kind, "beyond_table", (Some(0), Some(4)));
}
