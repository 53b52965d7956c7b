//! Chunks, lanes and vectors: how many there are, and how large parts can become.

use super::patch::{self, GROUP};
use super::{LaneSymbols, MAX_LEN, code, has_raw, nibbles};
use crate::codebook::Codebook;
use crate::histogram::Histogram;
use crate::int;

/// Streams side by side: the threads of a warp.
pub const LANES: usize = 32;

/// Elements that a lane has in a row: what a thread stores at once.
pub const VECTOR: usize = 16;

/// The fewest elements of a lane in a whole chunk.
pub const MIN_ELEMENTS_PER_LANE: u64 = 64;

/// The most elements of a lane in a whole chunk.
pub const MAX_ELEMENTS_PER_LANE: u64 = 4096;

/// What S may be, for errors.
pub(super) const S_RANGE: &str = "a power of two from 64 to 4096";

/// Whether S is one that the format has.
pub(super) fn is_possible(elements_per_lane: u64) -> bool {
    elements_per_lane.is_power_of_two()
        && (MIN_ELEMENTS_PER_LANE..=MAX_ELEMENTS_PER_LANE).contains(&elements_per_lane)
}

/// S for a tensor of this many elements: 1024 where that leaves 256 chunks, which is a tensor of 8 MiB; else the largest
/// of 512, 256 and 128 that leaves four; else 128.
///
/// A chunk costs about 38 bytes of metadata, which are 0.7 % of the codewords for S = 256 and 0.17 % for S = 1024.
/// Against that, each chunk is work for one warp, and a lane's symbols are decoded one after the other, some twenty
/// nanoseconds each: S = 512 takes as long as a launch or two. With 256 chunks there is a warp for nearly half the
/// schedulers of the largest GPUs, and the memory is busy. Smaller tensors do not fill a GPU whatever S is: they are
/// decoded many in one launch, where others fill the gaps, so what matters is that the longest lane is not long, and
/// that a file of hundreds of them stays small.
#[must_use]
pub fn elements_per_lane(elements: u64) -> u64 {
    let leaves = |s: &u64| elements / (LANES as u64 * s);
    if leaves(&1024) >= 256 {
        return 1024;
    }
    [512, 256].into_iter().find(|s| leaves(s) >= 4).unwrap_or(128)
}

/// How a tensor is cut.
#[derive(Debug, Clone, Copy)]
pub(super) struct Geometry {
    /// Elements of the tensor.
    pub(super) elements: u64,
    /// Elements of a whole chunk: 32·S.
    pub(super) chunk: usize,
    /// Chunks, the last of which may be short.
    pub(super) chunks: usize,
}

impl Geometry {
    pub(super) fn new(elements: u64, elements_per_lane: u64) -> Self {
        let chunk = LANES as u64 * elements_per_lane;
        Self { elements, chunk: int::index(chunk), chunks: int::index(elements.div_ceil(chunk)) }
    }

    /// Elements of one chunk.
    pub(super) fn elements_of(&self, chunk: usize) -> usize {
        let before = chunk as u64 * self.chunk as u64;
        self.chunk.min(int::index(self.elements.saturating_sub(before)))
    }
}

/// Bits that one vector takes at most under a codebook.
pub(super) fn vector_bits<S: LaneSymbols>(codebook: &Codebook) -> u64 {
    (VECTOR / S::KIND.elements) as u64 * u64::from(codebook.max_len())
}

/// Upper bounds for the parts: all words may end up in rows, or all in tails.
pub(super) fn part_bounds<S: LaneSymbols>(
    histogram: &Histogram,
    codebook: &Codebook,
    elements_per_lane: Option<u64>,
) -> Vec<u64> {
    let symbols = histogram.total();
    let elements = symbols.saturating_mul(S::KIND.elements as u64);
    // Streams that run far apart are made shorter, down to the least S.
    let least = elements_per_lane.map_or(MIN_ELEMENTS_PER_LANE, |s| s.min(MIN_ELEMENTS_PER_LANE)).max(1);
    let chunks = elements.div_ceil(LANES as u64 * least);
    let padding = (VECTOR as u64) * u64::from(MAX_LEN);
    let stream = code::stream_bits(histogram, codebook).saturating_add(padding).div_ceil(8);
    // A last symbol that lacks elements may need other patches than the one that it counts as.
    let most = patch::groups(&S::KIND) as u64;
    let patches = code::patches(&S::KIND, histogram, codebook).saturating_add(most).saturating_mul(4);
    // A chunk's tails: widths of at most 31 bits for each lane, and a last word that is not full.
    let tails = stream.saturating_add(chunks.saturating_mul(32 * 4)).saturating_add(patches);
    let mut bounds = vec![stream, tails.next_multiple_of(4), chunks.saturating_add(1).saturating_mul(8)];
    if has_raw::<S>() {
        bounds.push(nibbles::packed_bytes(elements));
    }
    bounds
}

/// What the parts take at least: codewords, patches, raw bits, and the fewest chunks' entries.
pub(super) fn least_bytes<S: LaneSymbols>(histogram: &Histogram, codebook: &Codebook) -> u64 {
    let elements = histogram.total().saturating_mul(S::KIND.elements as u64);
    let raw = elements.saturating_mul(u64::from(S::KIND.raw_bits())) / 8;
    let chunks = elements / (LANES as u64 * MAX_ELEMENTS_PER_LANE) * 8;
    // Two bytes may share a patch, and a last symbol that lacks elements may do without one.
    let most = patch::groups(&S::KIND) as u64;
    let patches = code::patches(&S::KIND, histogram, codebook).saturating_sub(most);
    let patches = patches.saturating_mul(S::KIND.elements.min(GROUP) as u64) / GROUP as u64;
    (code::stream_bits(histogram, codebook) / 8)
        .saturating_add(raw)
        .saturating_add(chunks)
        .saturating_add(patches.saturating_mul(4))
}
