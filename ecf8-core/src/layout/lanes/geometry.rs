//! Chunks and lanes: how many there are, how long, and how large parts can become.

use super::{LaneSymbols, MAX_LEN, code, turn};
use crate::codebook::Codebook;
use crate::element::Split;
use crate::int;
use crate::layout::{Aim, Counted};

/// Streams side by side: the threads of a warp.
pub const LANES: usize = 32;

/// Elements that a lane has in a row: what a thread stores at once.
pub const VECTOR: usize = 16;

/// What S may be: one value and its doubles, up to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneLengths {
    /// The fewest elements of a lane in a whole chunk.
    pub least: u64,
    /// The most.
    pub most: u64,
    /// Both in words, for errors.
    pub(super) range: &'static str,
}

impl LaneLengths {
    /// For a layout with `vectors` vectors to a turn.
    pub(super) const fn new(vectors: usize) -> Self {
        match vectors {
            1 => Self { least: 64, most: 4096, range: "a power of two from 64 to 4096" },
            _ => Self { least: 96, most: 3072, range: "three times a power of two, from 96 to 3072" },
        }
    }

    /// Whether S is one that the format has.
    pub(super) fn has(self, elements_per_lane: u64) -> bool {
        (self.least..=self.most).contains(&elements_per_lane)
            && elements_per_lane.is_multiple_of(self.least)
            && (elements_per_lane / self.least).is_power_of_two()
    }
}

/// The S with which a lane of triples has as many symbols as one of pairs with this S: half more. For other symbols,
/// this one.
pub(super) const fn as_for_pairs<S: LaneSymbols>(elements_per_lane: u64) -> u64 {
    let vectors = S::VECTORS as u64;
    (elements_per_lane >> vectors.ilog2()) * vectors
}

/// S for a tensor of this many elements: 1024, and for triples half more.
///
/// A chunk costs about 38 bytes of metadata, which are 0.7 % of the codewords for S = 256 and 0.17 % for S = 1024.
/// Against that, a chunk's lanes are decoded one symbol after the other, some twenty nanoseconds each, and a small
/// tensor has few chunks for many warps. Neither keeps a GPU waiting: tensors are decoded by layers, many in one
/// launch, and where even a layer has fewer chunks than the GPU has warps, several warps share each chunk, by split
/// points that are derived when the weights are loaded.
///
/// Who aims at speed gets 1024 only where that leaves 512 chunks, so that a single tensor keeps a GPU busy without
/// shared chunks, too; else 512 or 256 where that leaves four, else 128. Who aims at size gets 4096 or 2048 where that
/// leaves 64.
#[must_use]
pub fn elements_per_lane<S: LaneSymbols>(elements: u64, aim: Aim) -> u64 {
    let candidates: &[(u64, u64)] = match aim {
        Aim::Size => &[(4096, 64), (2048, 64), (1024, 0)],
        Aim::Balanced => &[(1024, 0)],
        Aim::Speed => &[(1024, 512), (512, 4), (256, 4)],
    };
    let mut candidates =
        candidates.iter().map(|(s, chunks)| (as_for_pairs::<S>(*s).min(S::LENGTHS.most), chunks));
    let found = candidates.find(|(s, chunks)| elements / (LANES as u64 * s) >= **chunks);
    found.map_or(as_for_pairs::<S>(128), |(s, _)| s)
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

/// Bits that one turn takes at most under a codebook.
pub(super) fn turn_bits<S: LaneSymbols>(codebook: &Codebook) -> u64 {
    turn::symbols::<S>() as u64 * u64::from(codebook.max_len())
}

/// Symbols of a tensor that lack elements.
fn incomplete<S: LaneSymbols>(elements: u64) -> u64 {
    let (block, stride) = (S::KIND.block() as u64, S::KIND.stride as u64);
    let rest = elements % block;
    rest.min(stride) - rest.saturating_sub(block - stride)
}

/// Upper bounds for the parts: all words may end up in rows, or all in tails.
pub(super) fn part_bounds<S: LaneSymbols>(
    split: &Split,
    counted: &Counted<'_>,
    codebook: &Codebook,
    elements_per_lane: Option<u64>,
) -> Vec<u64> {
    let Counted { elements, histogram, outside } = *counted;
    // Streams that run far apart are made shorter, down to the least S.
    let least = S::LENGTHS.least.min(elements_per_lane.unwrap_or(u64::MAX)).max(1);
    let chunks = elements.div_ceil(LANES as u64 * least);
    // Symbols of no elements, and those that another stands in for which begins like them.
    let unlike = (VECTOR as u64 + incomplete::<S>(elements)) * u64::from(MAX_LEN);
    // A lane's first state is told in full.
    let states = if S::ANS { chunks.saturating_mul(LANES as u64 * u64::from(MAX_LEN)) } else { 0 };
    let stream =
        code::stream_bits(histogram, codebook).saturating_add(unlike).saturating_add(states).div_ceil(8);
    let patches = code::patches(&S::KIND, histogram, codebook).saturating_add(outside).saturating_mul(4);
    // A chunk's tails: widths of at most 31 bits for each lane, and a last word that is not full.
    let tails = stream.saturating_add(chunks.saturating_mul(32 * 4)).saturating_add(patches);
    let mut bounds = vec![stream, tails.next_multiple_of(4), chunks.saturating_add(1).saturating_mul(8)];
    bounds.extend(packed_bytes::<S>(split, elements));
    bounds.extend(split.dictionary_bytes());
    bounds
}

/// Bytes of part `packed`, if numbers that are split like this have it.
fn packed_bytes<S: LaneSymbols>(split: &Split, elements: u64) -> Option<u64> {
    split.has_packed(S::KIND.bits).then(|| split.packed_bytes(S::KIND.bits, elements))
}

/// What the parts are likely to take: codewords, patches, raw bits, and the fewest chunks' entries. Where patches are
/// for elements of several symbols, some may be counted twice.
pub(super) fn likely_bytes<S: LaneSymbols>(split: &Split, counted: &Counted<'_>, codebook: &Codebook) -> u64 {
    let Counted { elements, histogram, outside } = *counted;
    let raw = packed_bytes::<S>(split, elements).unwrap_or(0);
    let chunks = elements.div_ceil(LANES as u64 * S::LENGTHS.most).saturating_add(1).saturating_mul(8);
    let codewords =
        code::cost_bits(&S::KIND, histogram, codebook).saturating_add(state_bits::<S>(elements)) / 8;
    let dictionary = split.dictionary_bytes().unwrap_or(0);
    let stored = raw.saturating_add(dictionary);
    codewords.saturating_add(stored).saturating_add(chunks).saturating_add(outside.saturating_mul(4))
}

/// Bits that first states of lanes take beyond what their symbols would, where there are states.
fn state_bits<S: LaneSymbols>(elements: u64) -> u64 {
    let chunks = elements.div_ceil(LANES as u64 * 1024);
    if S::ANS { chunks.saturating_mul(LANES as u64 * u64::from(MAX_LEN) / 2) } else { 0 }
}

/// The fewest bytes of each part: a bit for each symbol, or what coded bytes take at their entropy where they are the
/// symbols.
pub(super) fn least_bytes<S: LaneSymbols>(split: &Split, elements: u64, coded_bits: u64) -> Vec<u64> {
    let symbols = elements.div_ceil(S::KIND.elements as u64);
    let bits = match (S::ANS, S::KIND.bits) {
        // From a well chosen state, few symbols may take a little less than their share of information.
        (true, _) => coded_bits - coded_bits / 64,
        (_, 8) => symbols.max(coded_bits),
        _ => symbols,
    };
    let chunks = elements.div_ceil(LANES as u64 * S::LENGTHS.most).saturating_add(1).saturating_mul(8);
    let mut least = vec![0, bits.div_ceil(8), chunks];
    least.extend(packed_bytes::<S>(split, elements));
    least.extend(split.dictionary_bytes());
    least
}

/// Bytes of a chunk beside its codewords: its entry, its lanes' lengths at seven bits each, and half a word.
const CHUNK_BYTES: u64 = 8 + 28 + 2;

/// What chunks of this length are likely to take.
pub(super) fn chunk_bytes(elements: u64, elements_per_lane: u64) -> u64 {
    elements.div_ceil(LANES as u64 * elements_per_lane.max(1)).saturating_mul(CHUNK_BYTES)
}
