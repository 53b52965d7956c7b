//! A warp's work: a chunk of a page, and which vectors of it a lane has.

use super::units::{CHUNK, CHUNK_VECTORS, ROUNDS, VECTOR};
use crate::lang::{Global, IntoV, Shared, V, WARP, device, lane_idx, thread_idx};

/// A chunk of a page.
#[derive(Clone, Copy)]
pub(super) struct Job {
    pub(super) page: V<u32>,
    pub(super) chunk: V<u32>,
}

/// The job with this number, if pages have `chunks` chunks at most.
#[device]
pub(super) fn job_of(number: V<u32>, chunks: V<u32>) -> Job {
    let page = number / chunks;
    let chunk = number - page * chunks;
    Job { page, chunk }
}

/// The number of chunks that `elements` numbers are cut into.
#[device]
pub(super) fn chunks_of(elements: V<u32>) -> V<u32> {
    (elements + (CHUNK - 1)) / CHUNK
}

/// The number of vectors in chunk `chunk` of a page with `elements` numbers. The chunk holds at least one number.
#[device]
pub(super) fn vectors_in(chunk: V<u32>, elements: V<u32>) -> V<u32> {
    ((elements - chunk * CHUNK).min(CHUNK) + (VECTOR - 1)) / VECTOR
}

/// The number of rounds in which a warp goes through `vectors` vectors, one for each lane at a time.
#[device]
pub(super) fn rounds_of(vectors: V<u32>) -> V<u32> {
    (vectors + (WARP - 1)) / WARP
}

/// The vector of the chunk that this lane has in a round, if the chunk has it: in each round one more to the right.
#[device]
pub(super) fn vector_in(round: V<u32>) -> V<u32> {
    ((lane_idx() + round) & (WARP - 1)) | (round * (CHUNK_VECTORS / ROUNDS))
}

/// Which codebook vectors have: a byte for each, from byte 16 of `tables` on, as far as they do not repeat.
#[derive(Clone, Copy)]
pub(super) struct Groups {
    pub(super) tables: Global<u32>,
    pub(super) period: u32,
    pub(super) count: u32,
}

/// Bytes before the groups: the codebooks' number, and the symbols that stand in.
pub(super) const GROUPS_AT: u32 = 16;

impl Groups {
    /// The codebook of a page's vector.
    #[device]
    pub(super) fn of(&self, vector: V<u32>) -> V<u32> {
        if self.count == 1 {
            0u32.into_v()
        } else {
            // The period is known, so neither is a division in the end.
            let place =
                if self.period.is_power_of_two() { vector & (self.period - 1) } else { vector % self.period };
            self.tables.view::<u8>()[place + GROUPS_AT] as u32
        }
    }

    /// Accesses of 16 bytes that come before the tables themselves.
    pub(super) fn head(&self) -> u32 {
        1 + self.period.div_ceil(16)
    }

    /// Copies the tables, `words` words long, into shared memory. A barrier must follow before they are used.
    #[device]
    pub(super) fn copy(&self, memory: Shared<u32>, words: u32, threads: u32) {
        let first = self.head();
        for i in (thread_idx()..words / 4).step_by(threads) {
            memory.store4(i, self.tables.load4(i + first));
        }
    }
}
