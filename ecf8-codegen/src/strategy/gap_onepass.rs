//! `gap-onepass`: decodes every window once.
//!
//! The paper decodes twice because a thread learns where its output goes only when all threads before it have counted.
//! Here each thread keeps what it has decoded: eight symbols to a word, in shared memory of its own. After the prefix sum
//! it copies them to their places.

use super::gap::table::{Placement, place_table};
use super::gap::window::{each_group, load_window};
use super::gap::{arguments, block, jobs, output as write};
use super::{Coding, DecodeStrategy, Gather, Inlined, Launch, StrategyError, Tunables, only_store};
use crate::ir::Kernel;
use crate::lang::{
    Global, GlobalMut, V, WARP, barrier, block_idx, dynamic_shared, kernel, shared, thread_idx,
};
use crate::sink::Sink;
use ecf8_core::{Codebook, Encoded};

/// Symbols that a word keeps.
const KEPT: u32 = 8;

/// What a GPU may like differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Tunables)]
pub(super) struct GapOnepass {
    /// B: bytes of the bitstream that one thread decodes.
    #[tunable(values = [4, 8, 16], default = 8)]
    bytes_per_thread: u32,
    /// T: threads in a block.
    #[tunable(values = [64, 128, 256], default = 256)]
    threads_per_block: u32,
    /// K: bits of the stream that one look-up sees.
    #[tunable(values = [8, 10, 12], default = 10)]
    index_bits: u32,
    /// Where the decode table lies.
    #[tunable(values = [Placement::Inlined, Placement::Shared, Placement::Argument], default = Placement::Shared)]
    table: Placement,
}

/// Decodes tensors of scheme `exponent-gap`, every window once.
#[kernel(threads = t.threads_per_block)]
fn gap_onepass(
    t: &GapOnepass,
    codebook: &Codebook,
    encoded: Global<u32>,
    packed: Global<u32>,
    gaps: Global<u8>,
    output_positions: Global<u64>,
    decode_words: Global<u32>,
    jobs: Global<u64>,
    block_jobs: Global<u32>,
    output: GlobalMut<u8>,
    encoded_words: V<u32>,
) {
    let threads = t.threads_per_block;
    // A thread keeps at most a symbol per bit.
    let kept = shared::<u32>(threads * kept_words(t.bytes_per_thread));
    let sums = shared::<u32>(threads / WARP);
    let staged = dynamic_shared::<u8>();
    let thread = thread_idx();
    let block = block_idx();
    /// The tensor of which this block decodes a part.
    let job = block_jobs[block];
    let table_at = jobs::table_of(jobs, job);
    let decoder = place_table(t.table, t.index_bits, codebook, decode_words, table_at, threads);

    let global_thread = block * threads + thread;
    let own_window = global_thread + (jobs::to_window(jobs, job) as u32);
    let window = load_window(t.bytes_per_thread, encoded, encoded_words, own_window);
    let gap = ((gaps[global_thread / 2] as u32) >> (4 - ((thread & 1) * 4))) & 15;
    barrier();

    /// Decode, keeping eight symbols to a word.
    let mut count: u32 = 0;
    let mut symbols: u64 = 0;
    let mut slot = thread;
    each_group(&decoder, &window, gap, |taken, number| {
        let filled = (count & (KEPT - 1)) + number;
        symbols |= (taken as u64) << ((count & (KEPT - 1)) * 4);
        count += number;
        if filled >= KEPT {
            kept[slot] = symbols as u32;
            symbols >>= 32;
            slot += threads;
        }
    });
    kept[slot] = symbols as u32;
    let start = block::exclusive_sum(threads, count, sums);

    /// Copy what was kept to its place. Windows beyond the end of the stream have nothing to copy.
    let (base, total) = jobs::elements_of(output_positions, block, job);
    let to = start + write::lead(base);
    let number = if start < total { count.min(total - start) } else { 0 };
    for first in (0..number).step_by(KEPT) {
        let word = kept[first / KEPT * threads + thread];
        for i in 0..KEPT {
            if first + i < number {
                staged[to + first + i] = (word >> (4 * i)) as u8;
            }
        }
    }

    /// Write back.
    barrier();
    write::write_back(threads, staged, packed, output, base, total);
}

/// Words in which a thread keeps its symbols: one per bit of its window, and those that do not fill a word.
fn kept_words(bytes_per_thread: u32) -> u32 {
    8 * bytes_per_thread / KEPT + 1
}

/// The strategy.
#[derive(Debug)]
pub(super) struct GapOnepassStrategy;

impl DecodeStrategy for GapOnepassStrategy {
    type Tunables = GapOnepass;

    fn name(&self) -> &'static str {
        "gap-onepass"
    }

    fn about(&self) -> &'static str {
        "as gap-wide, but every window is decoded once and its symbols kept until their place is known"
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["exponent-gap"]
    }

    fn kernel(
        &self,
        tunables: &GapOnepass,
        coding: &Coding<'_>,
        sink: &dyn Sink,
    ) -> Result<Kernel, StrategyError> {
        only_store(self.name(), sink)?;
        Ok(gap_onepass(tunables, coding.codebook)?)
    }

    fn inlined(&self, tunables: &GapOnepass) -> Inlined {
        tunables.table.inlined()
    }

    fn takes_several(&self) -> bool {
        true
    }

    fn launch<'a>(
        &self,
        t: &GapOnepass,
        batch: &[&'a Encoded<'a>],
    ) -> Result<Launch<Gather<'a>>, StrategyError> {
        let table_bits = (t.table == Placement::Argument).then_some(t.index_bits);
        arguments::launch(batch, t.bytes_per_thread, t.threads_per_block, table_bits)
    }
}
