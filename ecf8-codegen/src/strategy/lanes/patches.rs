//! What has no codeword: the right bytes, two neighbours to a patch, written over what was decoded.

use super::jobs::{Job, vectors_per_chunk};
use super::tail::Tail;
use super::vector::VECTOR;
use crate::lang::{Global, GlobalMut, V, WARP, device, lane_idx, sync_warp};

/// Bits of a patch that are bytes; the bits above say which two elements of the chunk they are for.
const BYTES: u32 = 16;

/// Puts a chunk right that the warp has decoded.
#[device]
pub(super) fn put_right(model: Global<u32>, tail: &Tail, job: &Job, chunk: V<u32>, output: GlobalMut<u8>) {
    // What is overwritten has been written by then.
    sync_warp();
    for i in (lane_idx()..tail.patch_count).step_by(WARP) {
        let patch = model[tail.short_rows + ((tail.patches + i) as u64)];
        let element =
            (chunk as u64) * ((vectors_per_chunk(job) * VECTOR) as u64) + ((patch >> BYTES) * 2) as u64;
        let place = job.output * (VECTOR as u64) + element;
        output[place] = patch as u8;
        if element + 1 < job.elements {
            output[place + 1] = (patch >> 8) as u8;
        }
    }
}
