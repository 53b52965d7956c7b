//! Layout `lanes`: 32 bitstreams side by side, one for each lane of a GPU's warp, decoded in one pass.
//!
//! A tensor is cut into chunks of 32·S elements, a chunk into vectors of 16 elements, and vector `v` of a chunk belongs
//! to lane `v` mod 32. A lane decodes one vector at a turn, or three where symbols are of three elements, which then
//! come from one vector each. The codewords of a lane's turns, in order, are one bitstream. Its 32-bit words stand in
//! rows: row `r` of a chunk holds word `r` of every lane, so a warp loads 128 bytes in a row. Rows go as far as the
//! shortest stream; what the others have beyond is in `tails`: shorter rows, with words of the lanes that have one, and
//! then the bits that fill no word. Since every lane knows how many symbols it has and where they go, nothing is
//! decoded twice and nothing else is stored but an entry per chunk.
//!
//! Elements are what numbers are [split](crate::element) into: a field of 4 or 8 bits each, in the order of slots. What
//! fields do not tell of a number is in `packed`.
//!
//! The layout takes symbols of any [kind](crate::symbols); with [`Quad`] it is the scheme `quad-lanes`, with [`Triple`]
//! `triple-lanes`, with [`Pair`] `pair-lanes`, with [`Byte`] `byte-lanes`. Instead of codewords, a stream may hold what leads
//! from state to state of an [asymmetric numeral system](crate::codebook::ans): with [`AnsByte`] that is `ans-lanes`. A codebook need not have all symbols: for
//! the rarest there are patches, in `tails`, too.

mod affected;
mod ans;
mod by_chunk;
mod chunk;
mod code;
mod codes;
mod decode;
mod encode;
mod geometry;
mod groups;
mod parts;
mod patch;
mod reference;
mod sections;
mod streams;
mod table;
mod tail;
mod turn;
mod words;

pub use chunk::ChunkEntry;
pub use geometry::{LANES, LaneLengths, VECTOR, elements_per_lane};
pub use sections::{section_positions, section_turns};

use super::{
    Aim, Codebooks, Counted, DamagedPart, DecodeError, EncodeError, Encoded, ParamSpec, PartSpec, PartType,
    Scheme, TakeGroup, TakePiece,
};
use crate::codebook::Codebook;
use crate::element::{Numbers, Split};
use crate::histogram::Histogram;
use crate::symbols::{self, AnsByte, Byte, Pair, Pair6, Quad, SymbolKind, Symbols, Triple};
use code::CodebookCost;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::ops::{Range, RangeInclusive};

/// The longest codeword, in bits: a lookup table of 2^13 entries still fits a GPU's shared memory several times.
pub const MAX_LEN: u8 = 13;

/// The shortest limit of codewords that is tried, in bits: 2^10 entries already fit every memory.
const LEAST_LIMIT: u8 = 10;

/// The most codewords of a codebook: so few that decoders may number them in 12 bits.
pub const MAX_CODEWORDS: usize = 1 << 12;

/// The part with what the lanes' streams have in common: rows of 32 words.
pub const ROWS: &str = "rows";
/// The part with what they have beyond.
pub const TAILS: &str = "tails";
/// The part that says where each chunk's rows and tails start.
pub const CHUNKS: &str = "chunks";
/// The part with the raw bits of kinds that have some.
pub const PACKED: &str = "packed";
/// The part with the distinct numbers of tensors that are split by a dictionary.
pub const DICTIONARY: &str = "dictionary";
/// The parameter S: elements of one lane in a whole chunk.
pub const ELEMENTS_PER_LANE: &str = "elements_per_lane";
/// The parameter that bounds how many rows of a chunk are in use at once.
pub const LEAD_ROWS: &str = "lead_rows";

/// The largest `lead_rows`. Where streams run further apart, the encoder makes them shorter.
pub const MAX_LEAD_ROWS: u64 = 64;

static PARTS: [PartSpec; 5] = [
    PartSpec { name: ROWS, dtype: PartType::U32, about: "codewords: rows of one word per lane" },
    PartSpec {
        name: TAILS,
        dtype: PartType::U32,
        about: "codewords beyond a chunk's rows, their bits per lane, and patches",
    },
    PartSpec { name: CHUNKS, dtype: PartType::U64, about: "where each chunk's rows and tails start" },
    PartSpec { name: PACKED, dtype: PartType::U8, about: "what codewords do not tell: signs, mantissas" },
    PartSpec { name: DICTIONARY, dtype: PartType::U8, about: "the distinct numbers, whose places are coded" },
];

/// What codebooks the schemes take, for errors.
const CODEBOOKS: &str =
    "all its symbols, at most 4096 codewords and 13 bits; ans-lanes frequencies, others code lengths";

/// A symbol kind as it is called where it is laid out in lanes.
pub trait LaneSymbols: Symbols {
    /// The scheme with these symbols.
    fn scheme() -> &'static Lanes<Self>;
    /// Its name.
    const NAME: &'static str;
    /// One line about it.
    const ABOUT: &'static str;
    /// Vectors that a lane decodes in one turn, of which a symbol has elements.
    const VECTORS: usize = turn::vectors(&Self::KIND);
    /// What S may be.
    const LENGTHS: LaneLengths = LaneLengths::new(Self::VECTORS);
    /// Whether codebooks are of frequencies, so that streams lead from [state](crate::codebook::ans) to state.
    const ANS: bool = false;
}

impl LaneSymbols for Pair {
    fn scheme() -> &'static Lanes<Self> {
        &PAIR_LANES
    }
    const NAME: &'static str = "pair-lanes";
    const ABOUT: &'static str =
        "exponents Huffman-coded two by two, one stream per lane of a warp, packed sign and mantissa";
}

impl LaneSymbols for Quad {
    fn scheme() -> &'static Lanes<Self> {
        &QUAD_LANES
    }
    const NAME: &'static str = "quad-lanes";
    const ABOUT: &'static str =
        "exponents Huffman-coded four by four, one stream per lane of a warp, packed sign and mantissa";
}

impl LaneSymbols for Triple {
    fn scheme() -> &'static Lanes<Self> {
        &TRIPLE_LANES
    }
    const NAME: &'static str = "triple-lanes";
    const ABOUT: &'static str =
        "exponents Huffman-coded three by three, one stream per lane of a warp, packed sign and mantissa";
}

impl LaneSymbols for Pair6 {
    fn scheme() -> &'static Lanes<Self> {
        &PAIR6_LANES
    }
    const NAME: &'static str = "pair6-lanes";
    const ABOUT: &'static str =
        "exponents with two bits of the mantissa, Huffman-coded two by two, one stream per lane of a warp";
}

impl LaneSymbols for Byte {
    fn scheme() -> &'static Lanes<Self> {
        &BYTE_LANES
    }
    const NAME: &'static str = "byte-lanes";
    const ABOUT: &'static str = "whole bytes Huffman-coded, one stream per lane of a warp";
}

impl LaneSymbols for AnsByte {
    fn scheme() -> &'static Lanes<Self> {
        &ANS_LANES
    }
    const NAME: &'static str = "ans-lanes";
    const ABOUT: &'static str = "whole bytes in an asymmetric numeral system, one stream per lane of a warp";
    const ANS: bool = true;
}

/// The scheme with symbols of kind `S`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lanes<S> {
    /// S, one of [`LaneSymbols::LENGTHS`]; `None` lets [`elements_per_lane`](elements_per_lane()) choose. Halved where
    /// `lead_rows` would be above [`MAX_LEAD_ROWS`].
    pub elements_per_lane: Option<u64>,
    symbols: PhantomData<S>,
}

/// Exponents of four elements to a codeword.
pub static QUAD_LANES: Lanes<Quad> = Lanes::new(None);

/// Exponents of three elements to a codeword.
pub static TRIPLE_LANES: Lanes<Triple> = Lanes::new(None);

/// Exponents of two elements to a codeword.
pub static PAIR_LANES: Lanes<Pair> = Lanes::new(None);

/// `pair6-lanes`.
pub static PAIR6_LANES: Lanes<Pair6> = Lanes::new(None);

/// One element to a codeword.
pub static BYTE_LANES: Lanes<Byte> = Lanes::new(None);

/// One element to a state of an asymmetric numeral system.
pub static ANS_LANES: Lanes<AnsByte> = Lanes::new(None);

impl<S: LaneSymbols> Lanes<S> {
    /// With this many elements per lane, or as many as suit the tensor.
    #[must_use]
    pub const fn new(elements_per_lane: Option<u64>) -> Self {
        Self { elements_per_lane, symbols: PhantomData }
    }

    /// S for a tensor of `elements` elements.
    fn chosen(&self, elements: u64, codebooks: &Codebooks, aim: Aim) -> u64 {
        let mut chosen = elements_per_lane::<S>(elements, aim);
        // Runs have whole chunks.
        let fills = |chosen: u64| codebooks.run().is_none_or(|run| run.is_multiple_of(LANES as u64 * chosen));
        while !fills(chosen) && chosen > S::LENGTHS.least {
            chosen /= 2;
        }
        self.elements_per_lane.unwrap_or(chosen)
    }
}

fn fits<S: LaneSymbols>(codebook: &Codebook) -> bool {
    codebook.symbols() == S::KIND.alphabet()
        && (codebook.has_frequencies() == S::ANS || codebook.is_empty())
        && codebook.max_len() <= MAX_LEN
        && codebook.present().len() <= MAX_CODEWORDS
}

/// The cheapest codebook found with at most `limit` bits to a codeword or a state.
fn within<S: LaneSymbols>(histogram: &Histogram, limit: u8) -> CodebookCost {
    if S::ANS { ans::within(&S::KIND, histogram, limit) } else { code::within(&S::KIND, histogram, limit) }
}

impl<S: LaneSymbols> Scheme for Lanes<S> {
    fn name(&self) -> &'static str {
        S::NAME
    }

    fn about(&self) -> &'static str {
        S::ABOUT
    }

    fn symbols(&self) -> &'static SymbolKind {
        const { &S::KIND }
    }

    fn rank(&self) -> Option<u32> {
        Some(symbols::narrow(S::KIND.elements))
    }

    fn most_per_byte(&self) -> u64 {
        // Of symbols that are nearly certain, a state may lead on to the next without a bit. Then only entries of chunks,
        // of 8 bytes, bound how many there are.
        if S::ANS { LANES as u64 * S::LENGTHS.most / 8 } else { 8 * S::KIND.elements as u64 }
    }

    fn part_specs(&self, split: &Split) -> &'static [PartSpec] {
        match (split.has_packed(S::KIND.bits), &split.dictionary) {
            (false, _) => &PARTS[..3],
            (true, None) => &PARTS[..4],
            (true, Some(_)) => &PARTS,
        }
    }

    fn params(&self) -> &'static [ParamSpec] {
        const {
            &[
                ParamSpec {
                    name: ELEMENTS_PER_LANE,
                    usual: geometry::as_for_pairs::<S>(1024),
                    largest: Some(S::LENGTHS.most),
                },
                ParamSpec { name: LEAD_ROWS, usual: MAX_LEAD_ROWS, largest: Some(MAX_LEAD_ROWS) },
            ]
        }
    }

    fn shares(&self) -> bool {
        true
    }

    fn has_runs(&self) -> bool {
        true
    }

    fn has_frequencies(&self) -> bool {
        S::ANS
    }

    fn patches(&self) -> bool {
        true
    }

    fn check(&self, encoded: &Encoded<'_>) -> Result<(), DecodeError> {
        let parts = parts::Parts::new::<S>(encoded)?;
        (0..parts.geometry.chunks).into_par_iter().try_for_each(|chunk| parts.chunk::<S>(chunk).map(|_| ()))
    }

    fn symbol_histogram_of(&self, split: &Split, pieces: &[&[u8]]) -> Histogram {
        symbols::histogram::<S>(split, pieces)
    }

    fn codebook(&self, histogram: &Histogram) -> Codebook {
        code::choose(histogram, within::<S>)
    }

    fn code_bits(&self) -> RangeInclusive<u8> {
        LEAST_LIMIT..=MAX_LEN
    }

    fn codebook_within(&self, histogram: &Histogram, limit: u8) -> Codebook {
        within::<S>(histogram, limit.clamp(LEAST_LIMIT, MAX_LEN)).codebook
    }

    fn part_bytes(&self, split: &Split, counted: &Counted<'_>, codebook: &Codebook) -> Vec<u64> {
        geometry::part_bounds::<S>(split, counted, codebook, self.elements_per_lane)
    }

    fn encoded_bytes(&self, split: &Split, counted: &Counted<'_>, codebook: &Codebook) -> u64 {
        geometry::likely_bytes::<S>(split, counted, codebook)
    }

    fn least_bytes(&self, split: &Split, elements: u64, coded_bits: u64) -> Vec<u64> {
        geometry::least_bytes::<S>(split, elements, coded_bits)
    }

    fn chunk_bytes(&self, elements: u64, aim: Aim) -> u64 {
        let chosen = self.elements_per_lane.unwrap_or_else(|| elements_per_lane::<S>(elements, aim));
        geometry::chunk_bytes(elements, chosen)
    }

    fn encode_for(
        &self,
        numbers: Numbers<'_>,
        codebooks: &Codebooks,
        aim: Aim,
    ) -> Result<Encoded<'static>, EncodeError> {
        encode::encode::<S>(numbers, codebooks, self.chosen(numbers.units(), codebooks, aim))
    }

    fn encode_groups(
        &self,
        numbers: Numbers<'_>,
        codebooks: &Codebooks,
        aim: Aim,
        most_bytes: usize,
        take: &mut TakeGroup<'_>,
    ) -> Option<Result<BTreeMap<String, u64>, EncodeError>> {
        let chosen = self.chosen(numbers.units(), codebooks, aim);
        Some(groups::encode_groups::<S>(numbers, codebooks, chosen, most_bytes, take))
    }

    fn decode(&self, encoded: &Encoded<'_>, out: &mut [u8]) -> Result<(), DecodeError> {
        decode::decode::<S>(encoded, out)
    }

    fn decode_pieces(&self, encoded: &Encoded<'_>, take: &mut TakePiece<'_>) -> Result<(), DecodeError> {
        decode::decode_pieces::<S>(encoded, take)
    }

    fn decode_range(&self, encoded: &Encoded<'_>, first: u64, out: &mut [u8]) -> Result<(), DecodeError> {
        decode::decode_range::<S>(encoded, first, out)
    }

    fn affected(&self, encoded: &Encoded<'_>, damaged: &[DamagedPart]) -> Option<Vec<Range<u64>>> {
        affected::affected(encoded, S::KIND.bits, damaged)
    }

    fn decode_reference(&self, encoded: &Encoded<'_>, out: &mut [u8]) -> Result<(), DecodeError> {
        reference::decode::<S>(encoded, out)
    }
}

#[cfg(test)]
mod tests;
