//! `gap-wide`: the paper's algorithm with everything wide.
//!
//! As in `gap-cascade` each thread decodes its window twice, to count and to write. But a look-up yields up to four symbols,
//! windows are loaded and numbers stored by vectors, and the prefix sum goes through warp shuffles. Exponents are staged in
//! shared memory alone; sign and mantissa join them eight at a time.

use super::gap::table::{Placement, SYMBOLS, check, place_table};
use super::gap::window::{each_group, load_window};
use super::gap::{arguments, block, jobs, output as write};
use super::{Coding, DecodeStrategy, Describe, Gather, Inlined, Launch, StrategyError, Tunables, only_store};
use crate::ir::Kernel;
use crate::lang::{
    Global, GlobalMut, V, WARP, barrier, block_idx, dynamic_shared, kernel, shared, thread_idx,
};
use crate::sink::Sink;
use ecf8_core::{Codebook, Encoded};

/// What a GPU may like differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Tunables)]
pub(super) struct GapWide {
    /// B: bytes of the bitstream that one thread decodes.
    #[tunable(values = [4, 8, 16], default = 16)]
    bytes_per_thread: u32,
    /// T: threads in a block.
    #[tunable(values = [64, 128, 256, 512], default = 256)]
    threads_per_block: u32,
    /// K: bits of the stream that one look-up sees.
    #[tunable(values = [8, 10, 12], default = 12)]
    index_bits: u32,
    /// Where the decode table lies.
    #[tunable(values = [Placement::Inlined, Placement::Shared, Placement::Argument], default = Placement::Shared)]
    table: Placement,
}

/// Decodes tensors of scheme `exponent-gap`, several symbols at a time.
#[kernel(threads = t.threads_per_block)]
fn gap_wide(
    t: &GapWide,
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

    /// Count the symbols of this window, and from that where they go.
    let mut count: u32 = 0;
    each_group(&decoder, &window, gap, |_, number| count += number);
    let start = block::exclusive_sum(threads, count, sums);

    /// Decode again, and stage the exponents. Windows beyond the end of the stream have none.
    let (base, total) = jobs::elements_of(output_positions, block, job);
    if start < total {
        let mut position = start + write::lead(base);
        each_group(&decoder, &window, gap, |symbols, number| {
            for i in 0..SYMBOLS {
                if i == 0 || number > i {
                    staged[position + i] = (symbols >> (4 * i)) as u8;
                }
            }
            position += number;
        });
    }

    /// Write back.
    barrier();
    write::write_back(threads, staged, packed, output, base, total);
}

/// The strategy.
#[derive(Debug)]
pub(super) struct GapWideStrategy;

impl Describe for GapWideStrategy {
    fn name(&self) -> &'static str {
        "gap-wide"
    }

    fn about(&self) -> &'static str {
        "up to four symbols per look-up, vector loads and stores, prefix sum by shuffles"
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["exponent-gap"]
    }

    fn takes_several(&self) -> bool {
        true
    }
}

impl DecodeStrategy for GapWideStrategy {
    type Tunables = GapWide;

    fn kernel(
        &self,
        tunables: &GapWide,
        coding: &Coding<'_>,
        sink: &dyn Sink,
    ) -> Result<Kernel, StrategyError> {
        only_store(self.name(), sink)?;
        check(coding.codebook, tunables.index_bits)?;
        Ok(gap_wide(tunables, coding.codebook)?)
    }

    fn inlined(&self, tunables: &GapWide) -> Inlined {
        tunables.table.inlined()
    }

    fn launch<'a>(
        &self,
        t: &GapWide,
        batch: &[&'a Encoded<'a>],
    ) -> Result<Launch<Gather<'a>>, StrategyError> {
        batch.iter().try_for_each(|encoded| check(encoded.codebooks.first(), t.index_bits))?;
        let table_bits = (t.table == Placement::Argument).then_some(t.index_bits);
        arguments::launch(batch, t.bytes_per_thread, t.threads_per_block, table_bits)
    }
}
