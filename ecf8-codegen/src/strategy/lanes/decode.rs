//! The kernel of the `lanes` layout, for any kind of symbol: a warp decodes a chunk, once, from front to back.

use super::columns::{Columns, open_chunk};
use super::table::{Decoder, Placement, Symbol, place_table};
use crate::lang::{
    Global, GlobalMut, V, Var, WARP, barrier, block_idx, byte_permute, device, dynamic_shared, kernel,
    lane_idx, warp_idx,
};
use crate::strategy::nibbles::unpack;
use ecf8_core::Codebook;

/// Numbers of a vector, which one lane decodes and stores at once.
pub(super) const VECTOR: u32 = 16;

/// What is known when the kernel is built.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Shape {
    pub(in super::super) symbol: Symbol,
    pub(in super::super) warps_per_block: u32,
    pub(in super::super) table: Placement,
    pub(in super::super) table_copies: u32,
}

/// Rows that are staged before the first vector.
pub(super) const FIRST_ROWS: u32 = 4;

/// Bits that may be looked at while a vector is decoded.
pub(super) fn reach(symbol: Symbol, max_len: u32) -> u32 {
    VECTOR / symbol.elements() * max_len + 32
}

/// The entries of the symbols of one vector, and the position after them.
#[device]
fn look_up_vector(
    shape: &Shape,
    decoder: &Decoder,
    columns: &Columns,
    position: &mut Var<u32>,
) -> Vec<V<u32>> {
    let symbols = (VECTOR / shape.symbol.elements()) as usize;
    #[host]
    let mut entries: Vec<V<u32>> = Vec::new();
    while_known(|| {
        let number = decoder.per_window().min(symbols - entries.len());
        let mut window = columns.window(position);
        let found: Vec<V<u32>> = (0..number)
            .map(|i| {
                let entry = decoder.look_up(window);
                if i + 1 < number {
                    // Shifts count modulo 32, so what stands above the length does no harm.
                    window = crate::lang::funnel_left(window, 0, entry);
                }
                entry
            })
            .collect();
        let lengths = found.iter().skip(1).fold(found[0], |sum, &entry| sum + entry) & 255;
        position += lengths;
        entries.extend(found);
        entries.len() < symbols
    });
    entries
}

/// Runs `round` while the kernel is built, until it says that it was the last.
fn while_known(mut round: impl FnMut() -> bool) {
    while round() {}
}

/// The four words of a vector: what the symbols contribute, by the bytes of their entries.
#[device]
fn assemble(symbol: Symbol, entries: &[V<u32>]) -> Vec<V<u32>> {
    match symbol {
        Symbol::Pair => entries.chunks_exact(2).map(|two| byte_permute(two[0], two[1], 0x6521)).collect(),
        Symbol::Byte => entries
            .chunks_exact(4)
            .map(|four| {
                let low = byte_permute(four[0], four[1], 0x0051);
                let high = byte_permute(four[2], four[3], 0x0051);
                byte_permute(low, high, 0x5410)
            })
            .collect(),
    }
}

/// Decodes a tensor of a `lanes` scheme, a chunk per warp.
#[kernel(threads = shape.warps_per_block * WARP)]
pub(in super::super) fn lanes_ring(
    shape: &Shape,
    codebook: &Codebook,
    rows: Global<u32>,
    tails: Global<u32>,
    chunks: Global<u64>,
    packed: Global<u32>,
    decode_words: Global<u32>,
    output: GlobalMut<u8>,
    elements: V<u64>,
    tail_words: V<u32>,
    chunk_count: V<u32>,
    elements_per_lane: V<u32>,
    ring_rows: V<u32>,
) {
    let threads = shape.warps_per_block * WARP;
    let ring = dynamic_shared::<u32>();
    let decoder = place_table(shape.table, shape.table_copies, shape.symbol, codebook, decode_words, threads);
    barrier();

    let lane = lane_idx();
    let chunk = block_idx() * shape.warps_per_block + warp_idx();
    if chunk >= chunk_count {
        return;
    }
    let column = warp_idx() * ring_rows * WARP + lane;
    let columns = open_chunk(rows, tails, chunks, chunk, tail_words, ring, column, ring_rows - 1);

    /// Vectors of the tensor, of this chunk's first one, and of its end.
    let vectors = (elements + ((VECTOR - 1) as u64)) / (VECTOR as u64);
    let per_chunk = elements_per_lane * (WARP / VECTOR);
    let first = (chunk as u64) * (per_chunk as u64);
    let end = (first + (per_chunk as u64)).min(vectors);
    let rounds = ((end - first) as u32 + (WARP - 1)) / WARP;

    let mut position: u32 = 0;
    let mut staged: u32 = FIRST_ROWS;
    let mut waiting = columns.start(FIRST_ROWS);
    for round in 0..rounds {
        let vector = first + ((round * WARP + lane) as u64);
        let goes_on = vector < end;
        let need = reach(shape.symbol, decoder.max_len());
        columns.stage(goes_on, position, need, &mut staged, &mut waiting);
        if goes_on {
            let entries = look_up_vector(shape, &decoder, &columns, &mut position);
            let parts = assemble(shape.symbol, &entries);
            let words: Vec<V<u32>> = if shape.symbol.is_split() {
                let nibbles = packed.load2(vector);
                let rest = [unpack(nibbles[0]), unpack(nibbles[1])].concat();
                parts.iter().zip(rest).map(|(&part, rest)| part | rest).collect()
            } else {
                parts.to_vec()
            };
            let number = vector * (VECTOR as u64);
            if number + (VECTOR as u64) <= elements {
                output.view::<u32>().store4(vector, [words[0], words[1], words[2], words[3]]);
            } else {
                for i in 0..VECTOR as usize {
                    if number + (i as u64) < elements {
                        output[number + (i as u64)] = (words[i / 4] >> (8 * (i % 4) as u32)) as u8;
                    }
                }
            }
        }
    }
}
