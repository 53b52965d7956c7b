//! Which chunks a thread block decodes, and into how many sections they are cut.
//!
//! A GPU runs thousands of warps at once. A small tensor has too few chunks for them, and the last chunks of a large one
//! leave most of them idle. So chunks are cut there, and a warp decodes a section of one. Where lanes stand at the
//! beginning of a section is worked out when a launch is made: see [`section_positions`].
//!
//! [`section_positions`]: ecf8_core::layout::lanes::section_positions

use super::jobs::{Job, POSITIONS, vectors_per_chunk};
use super::table::LanesTable;
use super::units::{BATCH, WORD};
use crate::lang::{Global, V, Var, WARP, block_idx, device, lane_idx, shuffle_xor, warp_idx};

/// The most sections of a chunk.
const MOST_SECTIONS: u32 = 32;

/// The fewest turns of a section.
const LEAST_TURNS: u64 = 2;

/// Blocks that a launch has at least, if there is as much to do: one for each multiprocessor of the largest GPUs.
const LEAST_BLOCKS: u64 = 160;

/// Bits of a block's record that tell its job; those above, up to [`UNIT_SHIFT`], tell the logarithm of the sections of a chunk.
/// Units have as many bits.
const JOB_BITS: u32 = 28;

/// More units than a tensor may have.
pub(super) const UNITS: u64 = 1 << JOB_BITS;

/// The lowest bit of the block's first unit in its record. A unit is a section of a chunk, or a whole chunk.
const UNIT_SHIFT: u32 = 32;

/// What a block decodes: units from the first on, one for each warp.
pub(in super::super) struct Unit {
    /// The tensor's number among the jobs.
    pub(in super::super) job: V<u32>,
    first: V<u32>,
    /// The logarithm of how many sections a chunk has.
    sections_log2: V<u32>,
}

/// What a warp decodes: a section of a chunk, or all of it.
pub(in super::super) struct Section {
    /// The chunk.
    pub(in super::super) chunk: V<u32>,
    /// The vectors of a whole chunk.
    pub(in super::super) per_chunk: V<u32>,
    /// Where the section begins, in vectors from the chunk's beginning.
    pub(in super::super) first: V<u32>,
    /// Its vectors, as if the chunk were whole.
    pub(in super::super) vectors: V<u32>,
    /// Which section of the chunk it is.
    number: V<u32>,
    sections_log2: V<u32>,
    /// What all this follows from, with the vectors of a chunk: the unit, and above it the logarithm.
    pub(super) word: V<u32>,
}

/// Reads what this block is to do.
#[device]
pub(in super::super) fn open_block(blocks: Global<u64>) -> Unit {
    let block = blocks[block_idx()];
    let what = block as u32;
    let first = (block >> UNIT_SHIFT) as u32;
    Unit { job: what & ((1u32 << JOB_BITS) - 1), first, sections_log2: what >> JOB_BITS }
}

impl Unit {
    /// This warp's section.
    #[device]
    pub(in super::super) fn of_warp(&self, job: &Job) -> Section {
        Section::of((self.sections_log2 << JOB_BITS) | (self.first + warp_idx()), vectors_per_chunk(job))
    }
}

impl Section {
    /// The section that a word tells of. There are no more sections than turns, and both are powers of two.
    #[device]
    pub(super) fn of(word: V<u32>, per_chunk: V<u32>) -> Self {
        let sections_log2 = word >> JOB_BITS;
        let unit = word & ((1u32 << JOB_BITS) - 1);
        let chunk = unit >> sections_log2;
        let number = unit & ((1u32 << sections_log2) - 1);
        let vectors = per_chunk >> sections_log2;
        let first = number * vectors;
        Self { chunk, per_chunk, first, vectors, number, sections_log2, word }
    }

    /// Where it is told where the lane stands at the beginning of a section of the chunk that is not the first.
    #[device]
    fn beginning(&self, section: V<u32>, job: &Job, has_states: bool) -> V<u64> {
        let before = self.chunk * ((1u32 << self.sections_log2) - 1) + section - 1;
        let first = job.positions + before * (WARP * 2 / POSITIONS * numbers(has_states));
        (first as u64) * ((POSITIONS / 2) as u64) + (lane_idx() as u64)
    }

    /// Where the lane's codewords must end: where the next section begins, or, in the last one with elements, where its stream ends.
    #[device]
    pub(in super::super) fn end(
        &self,
        model: Global<u32>,
        job: &Job,
        is_last: V<bool>,
        end_of_stream: V<u32>,
        has_states: bool,
    ) -> V<u32> {
        let mut end = end_of_stream;
        if !is_last && self.number + 1 < (1u32 << self.sections_log2) {
            end = model.view::<u16>()[self.beginning(self.number + 1, job, has_states)] as u32;
        }
        end
    }

    /// Finds where the lane stands, and the row from which words are to be staged. And the `state` of its last symbol before the section,
    /// where there are states.
    #[device]
    pub(in super::super) fn find(
        &self,
        model: Global<u32>,
        job: &Job,
        decoder: &LanesTable,
        position: &mut Var<u32>,
        row: &mut Var<u32>,
        state: Option<Var<u32>>,
    ) {
        if self.number > 0 {
            let place = self.beginning(self.number, job, state.is_some());
            let own = model.view::<u16>()[place] as u32;
            if let Some(state) = state {
                let number = model.view::<u16>()[place + (WARP as u64)] as u32;
                state.set(decoder.state(number));
            }
            position = own;
            row = own / WORD;
            for step in 0..5 {
                row = row.min(shuffle_xor(row, 1 << step));
            }
            // Whole batches of rows are staged.
            row = row & !(BATCH - 1);
        }
    }
}

/// Numbers that tell of a lane where a section begins: its position, and its state where there are states.
pub(super) fn numbers(has_states: bool) -> u32 {
    if has_states { 2 } else { 1 }
}

/// How the chunks of one tensor are shared among warps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shares {
    /// The chunks that one warp decodes each. Those after them are cut.
    pub(super) whole: u64,
    /// The chunks that are cut.
    pub(super) cut: u64,
    /// The sections that these have, a power of two.
    pub(super) sections: u32,
}

/// A tensor's chunks, and the turns of a whole one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunks {
    pub(super) count: u64,
    pub(super) turns: u64,
}

/// Decides which chunks of a launch are cut, for a GPU that runs `at_once` warps at once; none for 1.
///
/// The chunks of the last round are cut into as many sections as that round has room for. More sections, which would be a
/// round and a part of one, are slower: on an H100 8 sections of 1024 chunks take 1.13 times as long as 4 (`OPTIMIZATION.md`).
pub(super) fn share(tensors: &[Chunks], at_once: u32) -> Vec<Shares> {
    let all = tensors.iter().fold(0, |sum: u64, tensor| sum.saturating_add(tensor.count));
    let at_once = u64::from(at_once.max(1));
    let last = all % at_once;
    let fit = u32::try_from(at_once / last.max(1)).unwrap_or(u32::MAX).clamp(1, MOST_SECTIONS);
    let sections = if last == 0 { 1 } else { 1 << fit.ilog2() };
    let mut left = all;
    let shares = tensors.iter().map(|tensor| {
        let own = own_sections(sections, tensor.turns);
        left = left.saturating_sub(tensor.count);
        // The chunks of a launch are taken in order, so those of the last round are the last.
        let cut = if own == 1 { 0 } else { last.saturating_sub(left).min(tensor.count) };
        Shares { whole: tensor.count - cut, cut, sections: own }
    });
    shares.collect()
}

/// No more sections than leave each some turns.
fn own_sections(sections: u32, turns: u64) -> u32 {
    let most = u32::try_from(turns / LEAST_TURNS).unwrap_or(u32::MAX).max(1);
    sections.min(1 << most.ilog2())
}

/// How many units a block decodes: one for each of its warps, unless that leaves multiprocessors without a block.
pub(super) fn units_per_block(warps: u32, shares: &[Shares]) -> u32 {
    let all =
        shares.iter().map(|share| share.cut_units().saturating_add(share.whole)).fold(0, u64::saturating_add);
    u32::try_from(all.div_ceil(LEAST_BLOCKS)).unwrap_or(u32::MAX).clamp(1, warps)
}

impl Shares {
    /// Sections of the chunks that are cut.
    fn cut_units(&self) -> u64 {
        self.cut.saturating_mul(self.sections.into())
    }

    /// One more than the highest number of a unit.
    pub(super) fn units(&self) -> u64 {
        self.whole.saturating_add(self.cut).saturating_mul(self.sections.into())
    }

    /// The same, where blocks have this many units each: whole chunks fill whole blocks, so that none of their warps comes
    /// to a chunk that is cut.
    pub(super) fn in_blocks(self, per_block: u32) -> Self {
        if self.cut == 0 {
            return self;
        }
        let beyond = self.whole % u64::from(per_block.max(1));
        Self { whole: self.whole - beyond, cut: self.cut + beyond, ..self }
    }

    /// The records of the blocks that decode a tensor, `job` among the jobs.
    pub(super) fn blocks(&self, job: u32, per_block: u32) -> impl Iterator<Item = u64> {
        let log2 = self.sections.ilog2();
        let step = per_block as usize;
        let of_whole = (0..self.whole).step_by(step).map(move |unit| (unit, 0));
        let (first, end) = (self.whole << log2, (self.whole + self.cut) << log2);
        let of_cut = (first..end).step_by(step).map(move |unit| (unit, log2));
        of_whole
            .chain(of_cut)
            .map(move |(unit, log2)| (unit << UNIT_SHIFT) | (u64::from(log2) << JOB_BITS) | u64::from(job))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(counts: &[u64]) -> Vec<Chunks> {
        counts.iter().map(|&count| Chunks { count, turns: 64 }).collect()
    }

    #[test]
    fn every_section_of_every_chunk_is_decoded_once() {
        for counts in
            [vec![1], vec![0, 7, 0], vec![256], vec![300, 5000, 1], vec![6976], vec![40, 4096, 4095]]
        {
            for (at_once, warps) in [(1, 16), (5, 4), (100, 16), (4096, 8), (4096, 16)] {
                let shares = share(&chunks(&counts), at_once);
                let per_block = units_per_block(warps, &shares);
                for (job, (share, &count)) in (0u32..).zip(shares.iter().zip(&counts)) {
                    let share = share.in_blocks(per_block);
                    assert_eq!(share.whole + share.cut, count);
                    let mut parts = vec![0; usize::try_from(count).unwrap()];
                    for block in share.blocks(job, per_block) {
                        assert_eq!(block & ((1 << JOB_BITS) - 1), u64::from(job));
                        let log2 = (block >> JOB_BITS) & 0xf;
                        for unit in (block >> UNIT_SHIFT)..(block >> UNIT_SHIFT) + u64::from(per_block) {
                            // Warps that come to no chunk return.
                            if let Some(part) = parts.get_mut(usize::try_from(unit >> log2).unwrap()) {
                                *part += MOST_SECTIONS >> log2;
                            }
                        }
                    }
                    assert!(
                        parts.iter().all(|part| *part == MOST_SECTIONS),
                        "{counts:?} {at_once} {share:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn chunks_are_cut_where_a_round_of_warps_would_not_be_full() {
        let of = |counts: &[u64], at_once| {
            share(&chunks(counts), at_once).iter().map(|s| (s.whole, s.cut, s.sections)).collect::<Vec<_>>()
        };
        assert_eq!(of(&[256], 4096), [(0, 256, 16)]);
        assert_eq!(of(&[128], 4096), [(0, 128, 32)]);
        assert_eq!(of(&[1366], 4096), [(0, 1366, 2)]);
        assert_eq!(of(&[2048], 4096), [(0, 2048, 2)]);
        assert_eq!(of(&[6976], 4096), [(6976, 0, 1)]);
        assert_eq!(of(&[5000], 4096), [(4096, 904, 4)]);
        assert_eq!(of(&[4000, 1000], 4096), [(4000, 0, 4), (96, 904, 4)]);
        assert_eq!(of(&[6976], 16384), [(0, 6976, 2)]);
        assert_eq!(of(&[8192], 4096), [(8192, 0, 1)]);
        assert_eq!(of(&[256], 1), [(256, 0, 1)]);
        let short = [Chunks { count: 3, turns: 7 }, Chunks { count: 3, turns: 9 }];
        let sections: Vec<u32> = share(&short, 4096).iter().map(|share| share.sections).collect();
        assert_eq!(sections, [2, 4]);
    }
}
