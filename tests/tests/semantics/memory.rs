//! Global, shared and constant memory.

use crate::case::Case;
use ecf8_codegen::lang::{
    Global, GlobalMut, Scalar, barrier, block_idx, constant_table, dynamic_shared, grid_dim, kernel, shared,
    table, thread_idx,
};

crate::cases! {
    tables_of_u8_hold_their_entries: tabled(&[0_u8, 1, 200, 255]);
    tables_of_u16_hold_their_entries: tabled(&[0_u16, 1, 9999, 65535]);
    tables_of_u32_hold_their_entries: tabled(&[0_u32, 1, 0x8000_0000, u32::MAX]);
    tables_of_u64_hold_their_entries: tabled(&[0_u64, 1, 1 << 63, u64::MAX]);
    tables_of_i32_hold_their_entries: tabled(&[0_i32, -1, i32::MIN, i32::MAX]);
    tables_of_truth_values_hold_their_entries: tabled(&[true, false, false, true]);
    tables_in_constant_memory_hold_their_entries: Case::new(constant(&[5, 6, 7, 8]), &[8_u32, 7, 6, 5]);
    a_barrier_makes_shared_memory_visible: Case::new(reversed(), &reverse_of(256)).input(&up_to(256)).blocks(4);
    a_prefix_sum_in_shared_memory_adds_up: Case::new(prefix_sum(), &sums_of(64)).input(&up_to(64));
    dynamic_shared_memory_is_as_long_as_the_launch_says:
        Case::new(rotated(), &[1_u16, 2, 3, 4, 5, 6, 7, 0]).input(&[0_u16, 1, 2, 3, 4, 5, 6, 7]).dynamic_shared(16);
    every_block_knows_its_place: Case::new(placed(), &[3000_u32, 3001, 3100, 3101, 3200, 3201]).blocks(3);
    elements_are_updated_in_place: Case::new(updated(), &[0_u32, 13, 26, 39]);
    indices_may_be_64_bits_wide: Case::new(wide_index(), &[4_u8, 3, 2, 1]).input(&[1_u8, 2, 3, 4]);
    a_load_is_not_moved_past_a_store: Case::new(exchanged(), &[1_u32, 0, 3, 2]).input(&[0_u32, 1, 2, 3]);
    four_words_are_loaded_and_stored_at_once:
        Case::new(quads(), &[3_u32, 2, 1, 0, 7, 6, 5, 4]).input(&[0_u32, 1, 2, 3, 4, 5, 6, 7]);
    vectors_come_from_tables_and_arrays_of_the_block: Case::new(aligned(), &[8_u32, 10, 12, 14, 16, 18, 20, 22]);
    memory_can_be_viewed_as_another_type:
        Case::new(viewed(), &[0x0403_0201_u32, 0x0807_0605]).input(&[1_u8, 2, 3, 4, 5, 6, 7, 8]);
}

fn up_to(n: u32) -> Vec<u32> {
    (0..n).collect()
}

fn reverse_of(n: u32) -> Vec<u32> {
    (0..n).map(|i| i / 64 * 64 + 63 - i % 64).collect()
}

fn sums_of(n: u32) -> Vec<u32> {
    (0..n).map(|i| (0..=i).sum()).collect()
}

#[kernel(threads = 4)]
fn look_up<T: Scalar>(entries: &[T], output: GlobalMut<T>) {
    let known = table(entries);
    let i = thread_idx();
    output[i] = known[i];
}

fn tabled<T: Scalar>(entries: &[T; 4]) -> Case {
    Case::new(look_up(entries), entries)
}

#[kernel(threads = 4)]
fn constant(entries: &[u32], output: GlobalMut<u32>) {
    let known = constant_table(entries);
    let i = thread_idx();
    output[i] = known[3 - i];
}

#[kernel(threads = 64)]
fn reversed(input: Global<u32>, output: GlobalMut<u32>) {
    let tile = shared::<u32>(64_u32);
    let i = thread_idx();
    let first = block_idx() * 64;
    tile[i] = input[first + i];
    barrier();
    output[first + i] = tile[63 - i];
}

#[kernel(threads = 64)]
fn prefix_sum(input: Global<u32>, output: GlobalMut<u32>) {
    let sums = shared::<u32>(64_u32);
    let i = thread_idx();
    sums[i] = input[i];
    let mut stride: u32 = 1;
    while stride < 64 {
        barrier();
        let mut left: u32 = 0;
        if i >= stride {
            left = sums[i - stride];
        }
        barrier();
        sums[i] += left;
        stride *= 2;
    }
    output[i] = sums[i];
}

#[kernel(threads = 8)]
fn rotated(input: Global<u16>, output: GlobalMut<u16>) {
    let ring = dynamic_shared::<u16>();
    let i = thread_idx();
    ring[i] = input[i];
    barrier();
    output[i] = ring[(i + 1) % 8];
}

#[kernel(threads = 2)]
fn placed(output: GlobalMut<u32>) {
    let i = thread_idx();
    output[block_idx() * 2 + i] = grid_dim() * 1000 + block_idx() * 100 + i;
}

#[kernel(threads = 4)]
fn updated(output: GlobalMut<u32>) {
    let i = thread_idx();
    output[i] = i;
    output[i] *= 3;
    output[i] += i * 10;
}

#[kernel(threads = 4)]
fn wide_index(input: Global<u8>, output: GlobalMut<u8>) {
    let i = thread_idx() as u64;
    output[i] = input[3 - i];
}

#[kernel(threads = 2)]
fn exchanged(input: Global<u32>, output: GlobalMut<u32>) {
    let first = thread_idx() * 2;
    output[first] = input[first];
    output[first + 1] = input[first + 1];
    let pair = [output[first], output[first + 1]];
    output[first] = pair[1];
    output[first + 1] = pair[0];
}

#[kernel(threads = 2)]
fn quads(input: Global<u32>, output: GlobalMut<u32>) {
    let i = thread_idx();
    let quad = input.load4(i);
    output.store4(i, [quad[3], quad[2], quad[1], quad[0]]);
}

#[kernel(threads = 2)]
fn viewed(input: Global<u8>, output: GlobalMut<u32>) {
    let words = input.view::<u32>();
    let i = thread_idx();
    output[i] = words[i];
}

#[kernel(threads = 2)]
fn aligned(output: GlobalMut<u32>) {
    let odd = shared::<u32>(3);
    let quads = shared::<u32>(8);
    let first = table(&[0_u32, 1, 2, 3, 4, 5, 6, 7]);
    let second = constant_table(&[8_u32, 9, 10, 11, 12, 13, 14, 15]);
    let i = thread_idx();
    odd[i] = 0;
    quads.store4(i, first.load4(i));
    let sum = quads.load4(i);
    let more = second.load4(i);
    let none = odd[i];
    output.store4(i, [sum[0] + more[0] + none, sum[1] + more[1], sum[2] + more[2], sum[3] + more[3]]);
}

#[test]
fn what_vectors_are_loaded_from_or_stored_to_is_aligned() {
    let text = ecf8_codegen::cuda::source(&aligned().unwrap());
    for line in [
        "    __shared__ u32 odd[3];",
        "    __shared__ __align__(16) u32 quads[8];",
        "__device__ const __align__(16) u32 first[8] = {",
        "__constant__ __align__(16) u32 second[8] = {",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}
