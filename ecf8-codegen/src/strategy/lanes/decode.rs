//! The kernel of the `lanes` layout, for any kind of symbol: a warp decodes a chunk, once, from front to back.

use super::columns::{Columns, Rows, open_rows};
use super::held::Held;
use super::jobs::{Job, open_job, table_of, vectors_per_chunk};
use super::nibbles::merge;
use super::patches::put_right;
use super::table::{Decoder, Symbol, copy_table};
use super::tail::{entries_of, open_tail};
use crate::lang::{
    Global, GlobalMut, V, Var, WARP, barrier, block_idx, byte_permute, device, dynamic_shared, funnel_left,
    kernel, lane_idx, warp_idx,
};
use crate::strategy::lanes_ring::LanesRing;
use ecf8_core::Codebook;

/// Numbers of a vector, which one lane decodes and stores at once.
pub(super) const VECTOR: u32 = 16;

/// Where the exponent of each of four numbers is.
const EXPONENTS: u32 = 0x7878_7878;

/// Bits that may be looked at while a vector is decoded.
pub(super) fn reach(symbol: Symbol, max_len: u32) -> u32 {
    VECTOR / symbol.elements() * max_len + 32
}

/// The entries of the symbols of one vector, and the position after them.
#[device]
fn look_up_vector(
    symbol: Symbol,
    decoder: &Decoder,
    columns: &Columns,
    position: &mut Var<u32>,
) -> Vec<V<u32>> {
    let symbols = (VECTOR / symbol.elements()) as usize;
    #[host]
    let mut entries: Vec<V<u32>> = Vec::new();
    for first in (0..symbols).step_by(decoder.per_window()) {
        let number = decoder.per_window().min(symbols - first);
        let window = columns.window(position);
        entries.extend(look_up_window(decoder, window, number));
        let lengths = entries[first + 1..].iter().fold(entries[first], |sum, &entry| sum + entry);
        position += lengths;
    }
    entries
}

/// The entries of the symbols that a window begins with.
#[device]
fn look_up_window(decoder: &Decoder, window: V<u32>, number: usize) -> Vec<V<u32>> {
    let entry = decoder.look_up(window);
    if number == 1 {
        vec![entry]
    } else {
        // Shifts count modulo 32, so what stands above the length does no harm.
        let rest = funnel_left(window, 0, entry);
        [vec![entry], look_up_window(decoder, rest, number - 1)].concat()
    }
}

/// The four words of a vector: what the symbols contribute.
#[device]
fn assemble(symbol: Symbol, entries: &[V<u32>]) -> Vec<V<u32>> {
    match symbol {
        Symbol::Quad => entries
            .chunks_exact(2)
            .flat_map(|two| {
                let nibbles = byte_permute(two[0], two[1], 0x7632);
                let high = (nibbles >> 1) & EXPONENTS;
                let low = (nibbles << 3) & EXPONENTS;
                [byte_permute(high, low, 0x5410), byte_permute(high, low, 0x7632)]
            })
            .collect(),
        Symbol::Pair => entries.chunks_exact(2).map(|two| byte_permute(two[0], two[1], 0x7632)).collect(),
        Symbol::Byte => entries
            .chunks_exact(4)
            .map(|four| {
                let low = byte_permute(four[0], four[1], 0x0062);
                let high = byte_permute(four[2], four[3], 0x0062);
                byte_permute(low, high, 0x5410)
            })
            .collect(),
    }
}

/// Decodes tensors of a `lanes` scheme, a chunk per warp.
#[kernel(threads = t.warps_per_block * WARP)]
pub(in super::super) fn lanes_ring(
    t: &LanesRing,
    symbol: Symbol,
    codebook: &Codebook,
    model: Global<u32>,
    jobs: Global<u64>,
    block_jobs: Global<u32>,
    output: GlobalMut<u8>,
    ring_rows: V<u32>,
    chunks_per_block: V<u32>,
) {
    let job_number = block_jobs[block_idx()];
    let memory = dynamic_shared::<u32>();
    let decoder = copy_table(t, symbol, codebook, model, table_of(jobs, job_number), memory);
    barrier();
    if warp_idx() >= chunks_per_block {
        return;
    }

    let job = open_job(jobs, job_number);
    /// Vectors of the tensor.
    let vectors = (job.elements + ((VECTOR - 1) as u64)) / (VECTOR as u64);
    let first_chunk = (block_idx() - job.first_block) * chunks_per_block;
    for chunk in (first_chunk + warp_idx()..first_chunk + chunks_per_block).step_by(t.warps_per_block) {
        /// This chunk's first vector, and how many it has.
        let first = (chunk as u64) * (vectors_per_chunk(&job) as u64);
        if first < vectors {
            let number = (vectors - first).min(vectors_per_chunk(&job) as u64) as u32;
            let is_last = first + (number as u64) == vectors;
            let last_is_part = is_last && (job.elements & ((VECTOR - 1) as u64)) != 0;
            let entries = entries_of(model, &job, chunk);
            let tail = open_tail(model, &job, entries);
            let columns =
                open_rows(model, &job, entries, tail, memory, decoder.words(), t.warps_per_block, ring_rows);
            decode_chunk(t, symbol, &decoder, &columns, model, &job, output, first, number, last_is_part);
            put_right(model, &tail, &job, chunk, output);
        }
    }
}

/// Decodes the vectors of a chunk, so many from the `first` one on.
#[device]
fn decode_chunk(
    t: &LanesRing,
    symbol: Symbol,
    decoder: &Decoder,
    columns: &Columns,
    model: Global<u32>,
    job: &Job,
    output: GlobalMut<u8>,
    first: V<u64>,
    number: V<u32>,
    last_is_part: V<bool>,
) {
    let waiting: Vec<Rows> = (0..t.prefetch)
        .map(|_| Held::nothing(["waiting_0", "waiting_1", "waiting_2", "waiting_3"]))
        .collect();
    columns.fetch_first(&waiting);
    let mut position: u32 = 0;
    let mut staged: u32 = 0;
    let mut taken: u32 = 0;
    let mut at = first + (lane_idx() as u64);
    /// Twice the vectors that the lane and those after it have left; one less if the last is only part of one.
    let left_in_chunk = 2 * number - (if last_is_part { 1u32 } else { 0u32 });
    let mut left = (left_in_chunk - 2 * lane_idx()) as i32;
    let ahead = if symbol.is_split() {
        /// Signs and mantissas of the lane's next vector, so that memory is busy while it decodes.
        let ahead = Held::nothing(["nibbles_0", "nibbles_1"]);
        if left > 0 {
            ahead.replace(model.load2(job.packed + at));
        }
        Some(ahead)
    } else {
        None
    };
    while ((left as u32) + 2 * lane_idx()) as i32 > 0 {
        let goes_on = left > 0;
        columns.stage(goes_on, position, reach(symbol, decoder.max_len()), &mut staged, &mut taken, &waiting);
        if goes_on {
            let entries = look_up_vector(symbol, decoder, columns, &mut position);
            let parts = assemble(symbol, &entries);
            let words = if let Some(ahead) = ahead {
                let words = merge(&parts, ahead.words());
                if left > (2 * WARP) as i32 {
                    ahead.replace(model.load2(job.packed + at + (WARP as u64)));
                }
                words
            } else {
                parts
            };
            if left > 1 {
                output.view::<u32>().store4(job.output + at, [words[0], words[1], words[2], words[3]]);
            } else {
                for i in 0..VECTOR as usize {
                    if at * (VECTOR as u64) + (i as u64) < job.elements {
                        output[(job.output + at) * (VECTOR as u64) + (i as u64)] =
                            (words[i / 4] >> (8 * (i % 4) as u32)) as u8;
                    }
                }
            }
        }
        at += WARP as u64;
        left -= (2 * WARP) as i32;
    }
}
