//! The first pass of encoding: how long each lane's stream becomes, and how far lanes run apart.

use super::LaneSymbols;
use super::geometry::{LANES, VECTOR};
use super::patch::{GROUP, Patch};
use super::words::Word;
use crate::codebook::Codebook;

/// Set in the length of a symbol without a codeword, beside the length of the one that stands in. Sums of a vector keep both
/// apart.
const MISSING: u32 = 1 << 16;

/// Lengths of codewords, and how a last vector that lacks elements is filled up.
pub(super) struct Measure {
    lengths: Vec<u32>,
    /// The first symbol with the shortest codeword, which stands in for symbols that have none and for no symbol at all.
    shortest: usize,
}

/// What is known of a chunk before its codewords are written.
#[derive(Debug, Clone)]
pub(super) struct Measured {
    /// Bits of each lane's stream.
    pub(super) bits: [u32; LANES],
    /// Rows in use at once, see FORMAT.md.
    pub(super) lead_rows: u32,
    /// Its patches, as they are stored.
    pub(super) patches: Vec<Word>,
}

impl Measured {
    /// Whole words that every lane has.
    pub(super) fn rows(&self) -> u32 {
        self.bits.iter().min().map_or(0, |bits| bits / 32)
    }

    /// Bits of each lane beyond the rows.
    pub(super) fn extras(&self) -> [u32; LANES] {
        let rows = self.rows();
        self.bits.map(|bits| bits - 32 * rows)
    }

    /// Bits of the largest extra.
    pub(super) fn width(&self) -> u8 {
        let largest = self.extras().into_iter().max().unwrap_or(0);
        (u32::BITS - largest.leading_zeros()).to_le_bytes()[0]
    }

    /// Words of the chunk's tails.
    pub(super) fn tail_words(&self) -> u64 {
        let bits: u64 = self.extras().into_iter().map(u64::from).sum();
        u64::from(self.width()) + bits.div_ceil(32) + self.patches.len() as u64
    }
}

impl Measure {
    pub(super) fn new(codebook: &Codebook) -> Self {
        let shortest = codebook.first_symbol().unwrap_or(0);
        let mut lengths = vec![u32::from(codebook.min_len()) | MISSING; codebook.symbols()];
        codebook.present().for_each(|(symbol, length)| lengths[symbol] = length.into());
        Self { lengths, shortest }
    }

    fn is_missing(&self, symbol: usize) -> bool {
        self.lengths[symbol] & MISSING != 0
    }

    /// A vector that begins with `elements`, of which there are fewer: what is missing are the symbols with the shortest
    /// codewords.
    pub(super) fn complete<S: LaneSymbols>(&self, elements: &[u8]) -> [u8; VECTOR] {
        let (kind, width) = (S::KIND, S::KIND.elements);
        let mut vector = [0; VECTOR];
        for (index, place) in vector.chunks_exact_mut(width).enumerate() {
            let known = elements.chunks(width).nth(index).unwrap_or_default();
            let candidates = kind.beginning_with(known).filter(|symbol| !self.is_missing(*symbol));
            let symbol = if known.is_empty() {
                self.shortest
            } else {
                candidates
                    .min_by_key(|symbol| self.lengths[*symbol])
                    .unwrap_or(kind.beginning_with(known).start)
            };
            for (element, place) in place.iter_mut().enumerate() {
                *place = known.get(element).copied().unwrap_or(kind.element(symbol, element));
            }
        }
        vector
    }

    /// Measures one chunk, whose vectors take at most `vector_bits` bits.
    pub(super) fn chunk<S: LaneSymbols>(&self, data: &[u8], vector_bits: u32) -> Measured {
        let mut bits = [0; LANES];
        let mut lead_rows = 0;
        let mut patches = Vec::new();
        for (round, data) in data.chunks(LANES * VECTOR).enumerate() {
            lead_rows = lead_rows.max(lead(&bits[..data.len().div_ceil(VECTOR)], vector_bits));
            let (vectors, rest) = data.as_chunks::<VECTOR>();
            let mut add = |lane: usize, vector: &[u8; VECTOR], known: usize| {
                let sum = self.vector::<S>(vector);
                bits[lane] += sum & (MISSING - 1);
                if sum >= MISSING {
                    let first = (round * LANES + lane) * (VECTOR / GROUP);
                    patches.extend(self.patches::<S>(vector, known, first).map(Patch::to_word));
                }
            };
            for (lane, vector) in vectors.iter().enumerate() {
                add(lane, vector, VECTOR);
            }
            if !rest.is_empty() {
                add(vectors.len(), &self.complete::<S>(rest), rest.len());
            }
        }
        Measured { bits, lead_rows, patches }
    }

    /// Bits of a vector, and [`MISSING`] for each symbol without a codeword.
    #[inline]
    fn vector<S: LaneSymbols>(&self, vector: &[u8; VECTOR]) -> u32 {
        vector.chunks_exact(S::KIND.elements).map(|elements| self.lengths[S::KIND.symbol(elements)]).sum()
    }

    /// The patches of a vector, of which so many elements exist, and whose groups are counted from `first`.
    fn patches<S: LaneSymbols>(
        &self,
        vector: &[u8; VECTOR],
        known: usize,
        first: usize,
    ) -> impl Iterator<Item = Patch> {
        let decoded = self.decoded::<S>(vector);
        let vector = *vector;
        (0..known.div_ceil(GROUP)).filter_map(move |group| {
            let elements = GROUP * group..known.min(GROUP * group + GROUP);
            let wrong = elements.clone().any(|i| S::KIND.coded_part(vector[i]) != decoded[i]);
            let byte = |i: usize| if elements.contains(&i) { vector[i] } else { 0 };
            let bytes = [byte(GROUP * group), byte(GROUP * group + 1)];
            wrong.then_some(Patch { group: first + group, bytes })
        })
    }

    /// What the codewords of a vector stand for, raw bits zero.
    fn decoded<S: LaneSymbols>(&self, vector: &[u8; VECTOR]) -> [u8; VECTOR] {
        let mut decoded = [0; VECTOR];
        let places = decoded.chunks_exact_mut(S::KIND.elements);
        for (elements, places) in vector.chunks_exact(S::KIND.elements).zip(places) {
            let symbol = S::KIND.symbol(elements);
            let symbol = if self.is_missing(symbol) { self.shortest } else { symbol };
            places.iter_mut().enumerate().for_each(|(i, place)| *place = S::KIND.element(symbol, i));
        }
        decoded
    }
}

/// Rows in use while lanes which stand at these bits decode one vector of at most `vector_bits` bits each: from the row
/// of the hindmost up to the last row that the foremost can reach.
#[inline]
pub(super) fn lead(positions: &[u32], vector_bits: u32) -> u32 {
    let (least, most) =
        positions.iter().fold((u32::MAX, 0), |(least, most), bit| (least.min(*bit), most.max(*bit)));
    (most + vector_bits).div_ceil(32).saturating_sub(least / 32)
}
