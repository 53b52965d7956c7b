//! What a launch decodes: a table of jobs, one per tensor, over one buffer that holds the parts of all of them.
//!
//! Blocks are numbered through the jobs, so one launch decodes a layer. A block finds its job in a list.

use super::columns::BATCH;
use super::vector::VECTOR;
use crate::lang::{Global, V, WARP, device};

/// 64-bit words of a job.
pub(super) const JOB_WORDS: usize = 8;

/// A tensor to decode, as a block sees it.
#[derive(Clone, Copy)]
pub(super) struct Job {
    /// The job's first block.
    pub(super) first_block: V<u32>,
    /// Elements of one lane in a whole chunk.
    pub(super) elements_per_lane: V<u32>,
    /// Elements of the tensor.
    pub(super) elements: V<u64>,
    /// Where the parts start: rows in vectors of 16 bytes, tails in words, chunks in 64-bit words, packed in vectors of 8
    /// bytes.
    pub(super) rows: V<u64>,
    pub(super) tails: V<u64>,
    pub(super) chunks: V<u64>,
    pub(super) packed: V<u64>,
    /// Where the tensor goes, in vectors of 16 bytes.
    pub(super) output: V<u64>,
}

/// Where the decode table of a job starts, in vectors of 16 bytes.
#[device]
pub(super) fn table_of(jobs: Global<u64>, job: V<u32>) -> V<u64> {
    jobs[job * (JOB_WORDS as u32) + 7]
}

/// Reads a block's job.
#[device]
pub(super) fn open_job(jobs: Global<u64>, job: V<u32>) -> Job {
    let first = job * (JOB_WORDS as u32 / 2);
    let geometry = jobs.load2(first);
    let streams = jobs.load2(first + 1);
    let places = jobs.load2(first + 2);
    let output = jobs[job * (JOB_WORDS as u32) + 6];
    let first_block = geometry[0] as u32;
    let elements_per_lane = (geometry[0] >> 32) as u32;
    Job {
        first_block,
        elements_per_lane,
        elements: geometry[1],
        rows: streams[0],
        tails: streams[1],
        chunks: places[0],
        packed: places[1],
        output,
    }
}

/// A job as a launch passes it. Offsets are in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct JobRecord {
    pub(super) first_block: u32,
    pub(super) elements_per_lane: u32,
    pub(super) elements: u64,
    pub(super) rows: u64,
    pub(super) tails: u64,
    pub(super) chunks: u64,
    pub(super) packed: u64,
    pub(super) table: u64,
    pub(super) output: u64,
}

impl JobRecord {
    /// In the units that the kernel counts in.
    pub(super) fn words(&self) -> [u64; JOB_WORDS] {
        [
            u64::from(self.elements_per_lane) << 32 | u64::from(self.first_block),
            self.elements,
            self.rows / (4 * u64::from(BATCH)),
            self.tails / 4,
            self.chunks / 8,
            self.packed / 8,
            self.output / u64::from(VECTOR),
            self.table / 16,
        ]
    }
}

/// Vectors of a lane, and those of a chunk.
#[device]
pub(super) fn vectors_per_chunk(job: &Job) -> V<u32> {
    job.elements_per_lane * (WARP / VECTOR)
}
