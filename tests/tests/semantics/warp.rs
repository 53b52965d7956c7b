//! What the threads of a warp tell each other, and the instructions on words.

use crate::case::Case;
use ecf8_codegen::lang::{
    GlobalMut, ballot, byte_permute, funnel_left, funnel_right, kernel, lane_idx, shared, shuffle,
    shuffle_down, shuffle_up, shuffle_xor, sync_warp, thread_idx, warp_idx,
};

fn of_64(f: impl Fn(u32) -> u32) -> Vec<u32> {
    (0..64).map(f).collect()
}

crate::cases! {
    a_ballot_has_a_bit_per_lane: Case::new(voted(), &of_64(|i| if i < 32 { 0x4924_9249 } else { 0x9249_2492 }));
    a_shuffle_reads_any_lane: Case::new(by_index(), &of_64(|i| i / 32 * 32 + 31 - i % 32));
    shuffles_up_keep_the_first_lanes: Case::new(up(), &of_64(|i| if i % 32 < 3 { i } else { i - 3 }));
    shuffles_down_keep_the_last_lanes: Case::new(down(), &of_64(|i| if i % 32 > 28 { i } else { i + 3 }));
    shuffles_by_xor_swap_lanes: Case::new(swapped(), &of_64(|i| i ^ 5));
    a_warp_adds_up_without_shared_memory:
        Case::new(scanned(), &of_64(|i| (i / 32 * 32..=i).map(|k| k + 1).sum()));
    a_warp_barrier_orders_shared_memory_within_the_warp: Case::new(neighbours(), &of_64(|i| i ^ 1));
    funnel_shifts_join_two_words: Case::new(funnels(), &of_64(|i| {
        let wide = 0x1234_5678_9abc_def0_u64;
        let (left, right) = ((wide << (i % 32) >> 32) as u32, (wide >> (i % 32)) as u32);
        left ^ right.rotate_left(7)
    }));
    bytes_are_permuted: Case::new(permuted(), &of_64(|i| {
        let bytes = [i, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70];
        bytes[7] | bytes[0] << 8 | bytes[5] << 16 | bytes[2] << 24
    }));
}

#[kernel(threads = 64)]
fn voted(output: GlobalMut<u32>) {
    let i = thread_idx();
    let votes = ballot(i % 3 == 0);
    output[i] = votes;
}

#[kernel(threads = 64)]
fn by_index(output: GlobalMut<u32>) {
    let i = thread_idx();
    output[i] = shuffle(i, 31 - lane_idx());
}

#[kernel(threads = 64)]
fn up(output: GlobalMut<u32>) {
    let i = thread_idx();
    output[i] = shuffle_up(i, 3);
}

#[kernel(threads = 64)]
fn down(output: GlobalMut<u32>) {
    let i = thread_idx();
    output[i] = shuffle_down(i, 3);
}

#[kernel(threads = 64)]
fn swapped(output: GlobalMut<u32>) {
    let i = thread_idx();
    let pair = shuffle_xor(i as u64, 5);
    output[i] = pair as u32;
}

#[kernel(threads = 64)]
fn scanned(output: GlobalMut<u32>) {
    let i = thread_idx();
    let lane = lane_idx();
    let mut sum = i + 1;
    for k in 0..5_u32 {
        let left = shuffle_up(sum, 1 << k);
        if lane >= 1 << k {
            sum += left;
        }
    }
    output[i] = sum;
}

#[kernel(threads = 64)]
fn neighbours(output: GlobalMut<u32>) {
    let tile = shared::<u32>(64_u32);
    let i = thread_idx();
    tile[warp_idx() * 32 + lane_idx()] = i;
    sync_warp();
    output[i] = tile[i ^ 1];
}

#[kernel(threads = 64)]
fn funnels(output: GlobalMut<u32>) {
    let i = thread_idx();
    let left = funnel_left(0x1234_5678_u32, 0x9abc_def0_u32, i);
    let right = funnel_right(0x1234_5678_u32, 0x9abc_def0_u32, i);
    output[i] = left ^ funnel_left(right, right, 7);
}

#[kernel(threads = 64)]
fn permuted(output: GlobalMut<u32>) {
    let i = thread_idx();
    let low = i | 0x3020_1000;
    output[i] = byte_permute(low, 0x7060_5040_u32, 0x2507_u32);
}
