//! The kernel of the `lanes` layout, for any kind of symbol: a warp decodes a chunk, once, from front to back.

use super::columns::{Columns, Waiting, open_rows};
use super::jobs::{Job, open_job, table_of, vectors_per_chunk};
use super::patches::put_right;
use super::raw::Raw;
use super::table::{Decoder, Symbol, copy_table};
use super::tail::{entries_of, open_tail};
use super::vector::{VECTOR, assemble, look_up_turn, reach};
use crate::lang::{
    Global, GlobalMut, Shared, V, WARP, barrier, block_idx, device, dynamic_shared, kernel, lane_idx,
    warp_idx,
};
use crate::strategy::lanes_ring::LanesRing;
use ecf8_core::Codebook;

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
    let warp = Warp { t, symbol, decoder, model, job, output, memory, ring_rows };
    let first_chunk = (block_idx() - job.first_block) * chunks_per_block;
    warp.decode(first_chunk + warp_idx());
}

/// What a warp needs to decode chunks.
struct Warp<'a> {
    t: &'a LanesRing,
    symbol: Symbol,
    decoder: Decoder,
    model: Global<u32>,
    job: Job,
    output: GlobalMut<u8>,
    /// Shared memory: the table, then the rings.
    memory: Shared<u32>,
    ring_rows: V<u32>,
}

impl Warp<'_> {
    /// Decodes a chunk, if the tensor has so many.
    #[device]
    fn decode(&self, chunk: V<u32>) {
        /// Vectors of the tensor, this chunk's first one, and those of the chunk.
        let vectors = (self.job.elements + ((VECTOR - 1) as u64)) / (VECTOR as u64);
        let first = (chunk as u64) * (vectors_per_chunk(&self.job) as u64);
        if first < vectors {
            let number = (vectors - first).min(vectors_per_chunk(&self.job) as u64) as u32;
            let is_last = first + (number as u64) == vectors;
            let last_is_part = is_last && (self.job.elements & ((VECTOR - 1) as u64)) != 0;
            let entries = entries_of(self.model, &self.job, chunk);
            let tail = open_tail(self.model, &self.job, entries);
            let columns = open_rows(
                self.model,
                &self.job,
                entries,
                tail,
                self.memory,
                self.decoder.words(),
                self.t.warps_per_block,
                self.ring_rows,
            );
            self.vectors(&columns, first, number, last_is_part);
            put_right(self.model, &tail, &self.job, chunk, self.output);
        }
    }

    /// Decodes the vectors of a chunk, so many from the `first` one on.
    #[device]
    fn vectors(&self, columns: &Columns, first: V<u64>, number: V<u32>, last_is_part: V<bool>) {
        let waiting = Waiting::nothing(self.t.batches_ahead);
        waiting.fetch(columns);
        let mut position: u32 = 0;
        let mut staged: u32 = 0;
        let mut taken: u32 = 0;
        let mut at = first + (lane_idx() as u64);
        /// Twice the vectors that the lane and those after it have left; one less if the last is only part of one.
        let left_in_chunk = 2 * number - (if last_is_part { 1u32 } else { 0u32 });
        let mut left = (left_in_chunk - 2 * lane_idx()) as i32;
        let raw = Raw::nothing(self.symbol, self.model, &self.job);
        raw.fetch(at, 0, left);
        let round = WARP * self.symbol.vectors();
        while ((left as u32) + 2 * lane_idx()) as i32 > 0 {
            let goes_on = left > 0;
            columns.stage(
                goes_on,
                position,
                reach(self.symbol, self.decoder.max_len()),
                &mut staged,
                &mut taken,
                &waiting,
            );
            if goes_on {
                let outputs = look_up_turn(self.symbol, &self.decoder, columns, &mut position);
                let words: Vec<_> = (0..self.symbol.vectors())
                    .map(|j| raw.put_to(assemble(self.symbol, &outputs, j), j))
                    .collect();
                raw.fetch(at, round, left);
                if left > (1 + 2 * (round - WARP)) as i32 {
                    for (j, words) in (0u32..).zip(&words) {
                        let place = self.job.output + at + ((WARP * j) as u64);
                        self.output.view::<u32>().store4(place, [words[0], words[1], words[2], words[3]]);
                    }
                } else {
                    for (j, words) in (0u32..).zip(&words) {
                        self.part_of_vector(words, at + ((WARP * j) as u64));
                    }
                }
            }
            at += round as u64;
            left -= (2 * round) as i32;
        }
    }

    /// Stores those bytes of vector `at` that the tensor has.
    #[device]
    fn part_of_vector(&self, words: &[V<u32>], at: V<u64>) {
        for i in 0..VECTOR as usize {
            if at * (VECTOR as u64) + (i as u64) < self.job.elements {
                self.output[(self.job.output + at) * (VECTOR as u64) + (i as u64)] =
                    (words[i / 4] >> (8 * (i % 4) as u32)) as u8;
            }
        }
    }
}
