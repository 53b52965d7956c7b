//! Numbers are stored, and tensors whose codewords do not end where their streams do are marked.

use super::store::Stored;
use super::{OpenSink, Sink};
use crate::lang::rt::KernelParam;
use crate::lang::{GlobalMut, V, block_idx, rt, warp_idx};
use crate::launch::{Arg, Gather, OutputSlot};
use ecf8_core::Encoded;
use std::collections::BTreeSet;

pub(super) const NAME: &str = "checked";

/// Words of each block: as many as it may have warps, so that no two write the same.
const WORDS: u32 = 32;

/// Writes numbers to the output, as [`Store`](super::Store) does, and to a second output, the status, which tensors are damaged: a
/// 32-bit word for each warp, which is one more than the number of its job if that is damaged. Who launches sets all to zero before.
///
/// Streams of a damaged tensor decode to wrong numbers and to nothing worse, and mostly end elsewhere than they should: that is noticed.
/// Raw bits have no such end; checksums are for those.
#[derive(Debug, Clone, Copy, Default)]
pub struct Checked;

impl Checked {
    /// The numbers of the tensors of a batch that a status, as it lies in memory, says are damaged.
    #[must_use]
    pub fn damaged(batch: &[&Encoded<'_>], status: &[u8]) -> BTreeSet<usize> {
        // A job is for the elements of a tensor that have a codebook of their own.
        let jobs = batch.iter().enumerate().flat_map(|(number, tensor)| {
            tensor.codebooks.pieces(tensor.elements).into_iter().map(move |_| number)
        });
        let jobs: Vec<usize> = jobs.collect();
        let words = status.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word) as usize);
        words.filter_map(|word| jobs.get(word.checked_sub(1)?).copied()).collect()
    }
}

impl Sink for Checked {
    fn name(&self) -> &'static str {
        NAME
    }

    fn open(&self, output: GlobalMut<u8>) -> Box<dyn OpenSink> {
        Box::new(OpenChecked { stored: Stored { output }, status: GlobalMut::param("status") })
    }

    fn args<'a>(&'a self, _batch: &[&'a Encoded<'a>]) -> Vec<Arg<Gather<'a>>> {
        vec![Arg::Output(1)]
    }

    fn outputs(&self, grid: u32) -> Vec<OutputSlot> {
        vec![OutputSlot::of_marks(u64::from(grid) * u64::from(4 * WORDS))]
    }

    fn expected(&self, _tensor: usize, decoded: &[u8]) -> Vec<u8> {
        decoded.to_vec()
    }
}

struct OpenChecked {
    stored: Stored,
    status: GlobalMut<u32>,
}

impl OpenSink for OpenChecked {
    #[track_caller]
    fn vector(&self, place: V<u64>, words: [V<u32>; 4]) {
        self.stored.vector(place, words);
    }

    #[track_caller]
    fn byte(&self, place: V<u64>, value: V<u8>) {
        self.stored.byte(place, value);
    }

    #[track_caller]
    fn half(&self, place: V<u64>, value: V<u16>) {
        self.stored.half(place, value);
    }

    #[track_caller]
    fn word(&self, place: V<u64>, value: V<u32>) {
        self.stored.word(place, value);
    }

    fn asks_for_ends(&self) -> bool {
        true
    }

    #[track_caller]
    fn damaged(&self, job: V<u32>) {
        rt::store(&self.status, block_idx() * WORDS + warp_idx(), job + 1);
    }
}
