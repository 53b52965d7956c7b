//! What a block decodes: a part of one of the tensors of a launch.
//!
//! Blocks, and with them threads, gaps and output positions, are numbered through the tensors of a launch, elements as they
//! stand in its output. So a block finds everything by its own number but three things, which its job tells: the number of
//! the tensor, where its windows are, and where its decode table is. A list gives every block its job.

use crate::lang::{Global, V, device};

/// 64-bit words of a job.
pub(super) const JOB_WORDS: usize = 2;

/// A tensor to decode, as a launch passes it.
#[derive(Debug, Clone, Copy)]
pub(super) struct JobRecord {
    /// What to add, modulo 2⁶⁴, to a thread's number in the launch to get that of its window in the buffer of bitstreams.
    pub(super) to_window: u64,
    /// Where the decode table starts, in vectors of 16 bytes.
    pub(super) table: u64,
}

impl JobRecord {
    /// As the kernel reads it.
    pub(super) fn words(&self) -> [u64; JOB_WORDS] {
        [self.to_window, self.table]
    }
}

/// What to add to a thread's number in the launch to get that of its window.
#[device]
pub(in super::super) fn to_window(jobs: Global<u64>, job: V<u32>) -> V<u64> {
    jobs[job * (JOB_WORDS as u32)]
}

/// Where the job's decode table starts, in vectors of 16 bytes.
#[device]
pub(in super::super) fn table_of(jobs: Global<u64>, job: V<u32>) -> V<u64> {
    jobs[job * (JOB_WORDS as u32) + 1]
}

/// The block's first element, and how many it has. A tensor has an output position for each of its blocks and one for its
/// end.
#[device]
pub(in super::super) fn elements_of(
    output_positions: Global<u64>,
    block: V<u32>,
    job: V<u32>,
) -> (V<u64>, V<u32>) {
    let index = block + job;
    let base = output_positions[index];
    let total = (output_positions[index + 1] - base) as u32;
    (base, total)
}
