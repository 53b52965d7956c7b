//! `gap-cascade`: Algorithm 1 of the ECF8 paper (appendix M), its tables compiled in.
//!
//! Every thread decodes the codewords that start in its B bytes of the bitstream, twice: once to count them, so that a
//! prefix sum over the block tells where its output begins, and once to write them.

use super::gap::batch::Batch;
use super::gap::jobs;
use super::{Arg, Coding, DecodeStrategy, Describe, Gather, Launch, StrategyError, Tunables, only_store};
use crate::ir::Kernel;
use crate::lang::{
    Global, GlobalMut, Table, V, Var, barrier, block_idx, device, dynamic_shared, kernel, shared, table,
    thread_idx,
};
use crate::sink::Sink;
use ecf8_core::Encoded;
use ecf8_core::codebook::cascade::{CascadeTables, FIRST_POINTER, ROW};
use ecf8_core::format::E4M3;

/// The paper's B and T.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Tunables)]
pub(super) struct GapCascade {
    /// B: bytes of the bitstream that one thread decodes.
    #[tunable(values = [4, 8, 16], default = 8)]
    bytes_per_thread: u32,
    /// T: threads in a block.
    #[tunable(values = [64, 128, 256, 512], default = 512)]
    threads_per_block: u32,
}

/// Bytes beyond its window in which a thread's last codeword may end.
const LOOKAHEAD: u32 = 2;

/// The next symbol of the bits (lines 7 to 10): looks it up, and drops its codeword.
#[device]
fn next_symbol(tables: &CascadeTables, lut: Table<u8>, bits: &mut Var<u64>, used: &mut Var<u32>) -> V<u32> {
    let mut symbol = lut[(bits >> 56) as u32] as u32;
    if tables.rows > 2 {
        if symbol >= FIRST_POINTER as u32 {
            symbol = lut[(256 - symbol) * 256 + (((bits >> 48) as u32) & 255)] as u32;
        }
    }
    let length = lut[symbol + ((tables.rows - 1) * ROW) as u32] as u32;
    bits <<= length;
    used += length;
    symbol
}

/// Decodes the codewords that start in this thread's window, given its first 64 bits and the bytes after them two by two
/// (lines 4 to 15): 64 bits at a time, 16 more being stitched on whenever 16 are used up.
#[device]
fn each_symbol(
    t: &GapCascade,
    tables: &CascadeTables,
    lut: Table<u8>,
    head: V<u64>,
    tails: &[V<u32>],
    gap: V<u32>,
    each: impl Fn(V<u32>),
) {
    let mut bits: u64 = head << gap;
    let mut used = gap;
    let stitched = 16 * tails.len() as u32;
    for &tail in tails {
        while used < 16 {
            each(next_symbol(tables, lut, &mut bits, &mut used));
        }
        bits |= (tail as u64) << (used - 16);
        used -= 16;
    }
    while used < 8 * t.bytes_per_thread - stitched {
        each(next_symbol(tables, lut, &mut bits, &mut used));
    }
}

/// Decodes tensors of scheme `exponent-gap`: Algorithm 1 of the ECF8 paper.
#[kernel(threads = t.threads_per_block)]
fn gap_cascade(
    t: &GapCascade,
    tables: &CascadeTables,
    encoded: Global<u8>,
    packed: Global<u8>,
    gaps: Global<u8>,
    output_positions: Global<u64>,
    jobs: Global<u64>,
    block_jobs: Global<u32>,
    output: GlobalMut<u8>,
    encoded_bytes: V<u64>,
) {
    let threads = t.threads_per_block;
    let lut = table(&tables.lut);
    let starts = shared::<u32>(threads);
    let staged = dynamic_shared::<u8>();

    let thread = thread_idx();
    let block = block_idx();
    /// The tensor of which this block decodes a part.
    let job = block_jobs[block];
    let global_thread = (block as u64) * (threads as u64) + (thread as u64);

    /// The bytes of this thread's window and of the two after it.
    let first_byte = (global_thread + jobs::to_window(jobs, job)) * (t.bytes_per_thread as u64);
    let window: Vec<V<u32>> = (0..t.bytes_per_thread + LOOKAHEAD)
        .map(|i| {
            let at = first_byte + (i as u64);
            if at < encoded_bytes { encoded[at] as u32 } else { 0 }
        })
        .collect();
    let (first, rest) = window.split_at(window.len().min(8));
    let head = (1..8)
        .zip(&first[1..])
        .fold((first[0] as u64) << 56, |head, (i, &byte)| head | ((byte as u64) << (56 - 8 * i)));
    let tails: Vec<V<u32>> = rest.chunks_exact(2).map(|pair| (pair[0] << 8) | pair[1]).collect();
    let gap = ((gaps[global_thread / 2] as u32) >> (4 - ((thread & 1) * 4))) & 15;

    /// Phase 1: count.
    let mut count: u32 = 0;
    each_symbol(t, tables, lut, head, &tails, gap, |_| count += 1);

    /// Exclusive prefix sum of the counts over the block: up-sweep, then down-sweep.
    starts[thread] = count;
    let mut stride: u32 = 1;
    while stride < threads {
        barrier();
        let right = (thread + 1) * stride * 2 - 1;
        if right < threads {
            starts[right] += starts[right - stride];
        }
        stride *= 2;
    }
    // Thread 0 made the last sum itself.
    if thread == 0 {
        starts[threads - 1] = 0;
    }
    stride = threads / 2;
    while stride > 0 {
        barrier();
        let right = (thread + 1) * stride * 2 - 1;
        if right < threads {
            let left = starts[right - stride];
            starts[right - stride] = starts[right];
            starts[right] += left;
        }
        stride /= 2;
    }
    barrier();

    /// Phase 2: decode again, and assemble. What the bits after the last codeword decode to lies beyond the block's end.
    let (base, total) = jobs::elements_of(output_positions, block, job);
    let mut position: u32 = starts[thread];
    each_symbol(t, tables, lut, head, &tails, gap, |symbol| {
        if position < total {
            let element = base + (position as u64);
            let nibble = (packed[element / 2] as u32) << (((element & 1) as u32) * 4);
            let sign = nibble & 128;
            let mantissa = (nibble >> 4) & 7;
            staged[position] = (sign | (symbol << E4M3.mantissa_bits) | mantissa) as u8;
            position += 1;
        }
    });

    /// Write back, neighbouring threads to neighbouring bytes.
    barrier();
    for i in (thread..total).step_by(threads) {
        output[base + (i as u64)] = staged[i];
    }
}

/// The paper's strategy.
#[derive(Debug)]
pub(super) struct GapCascadeStrategy;

impl Describe for GapCascadeStrategy {
    fn name(&self) -> &'static str {
        "gap-cascade"
    }

    fn about(&self) -> &'static str {
        "the paper's Algorithm 1: cascaded byte tables, every window decoded twice"
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["exponent-gap"]
    }

    fn takes_several(&self) -> bool {
        true
    }
}

impl DecodeStrategy for GapCascadeStrategy {
    type Tunables = GapCascade;

    fn kernel(
        &self,
        tunables: &GapCascade,
        coding: &Coding<'_>,
        sink: &dyn Sink,
    ) -> Result<Kernel, StrategyError> {
        only_store(self.name(), sink)?;
        Ok(gap_cascade(tunables, &CascadeTables::new(coding.codebook)?)?)
    }

    fn launch<'a>(
        &self,
        t: &GapCascade,
        batch: &[&'a Encoded<'a>],
    ) -> Result<Launch<Gather<'a>>, StrategyError> {
        let batch = Batch::new(batch, t.bytes_per_thread, t.threads_per_block, None)?;
        let (staged, encoded_bytes) = (batch.most_in_block, batch.encoded_bytes());
        batch.launch(false, staged, Arg::U64(encoded_bytes))
    }
}
