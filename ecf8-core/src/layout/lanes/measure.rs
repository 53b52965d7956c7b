//! The first pass of encoding: how long each lane's stream becomes, and how far lanes run apart.

use super::LaneSymbols;
use super::geometry::{LANES, VECTOR};
use crate::codebook::Codebook;

/// What a symbol without a codeword seems to take: more than all others of a vector together.
const NO_CODEWORD: u32 = 1 << 16;

/// Lengths of codewords, and how a last vector that lacks elements is filled up.
pub(super) struct Measure<'a> {
    codebook: &'a Codebook,
    lengths: Vec<u32>,
    /// The symbol with the shortest codeword.
    shortest: usize,
}

/// What is known of a chunk before its codewords are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measured {
    /// Bits of each lane's stream.
    pub(super) bits: [u32; LANES],
    /// Rows in use at once, see FORMAT.md.
    pub(super) lead_rows: u32,
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
        u64::from(self.width()) + bits.div_ceil(32)
    }
}

impl<'a> Measure<'a> {
    pub(super) fn new(codebook: &'a Codebook) -> Self {
        let length = |length: &u8| if *length > 0 { u32::from(*length) } else { NO_CODEWORD };
        let shortest = codebook.canonical_order().first().copied().unwrap_or(0);
        Self { codebook, lengths: codebook.lengths().iter().map(length).collect(), shortest }
    }

    /// A vector that begins with `elements`, of which there are fewer: what is missing are the symbols with the shortest
    /// codewords.
    pub(super) fn complete<S: LaneSymbols>(&self, elements: &[u8]) -> [u8; VECTOR] {
        let (kind, width) = (S::KIND, S::KIND.elements);
        let mut vector = [0; VECTOR];
        for (index, place) in vector.chunks_exact_mut(width).enumerate() {
            let known = elements.chunks(width).nth(index).unwrap_or_default();
            let candidates = kind.beginning_with(known).filter(|symbol| self.codebook.lengths()[*symbol] > 0);
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

    /// Measures one chunk, whose vectors take at most `vector_bits` bits; fails with the first symbol that has no
    /// codeword.
    pub(super) fn chunk<S: LaneSymbols>(&self, data: &[u8], vector_bits: u32) -> Result<Measured, usize> {
        let mut bits = [0; LANES];
        let mut lead_rows = 0;
        for round in data.chunks(LANES * VECTOR) {
            lead_rows = lead_rows.max(lead(&bits[..round.len().div_ceil(VECTOR)], vector_bits));
            let (vectors, rest) = round.as_chunks::<VECTOR>();
            for (vector, bits) in vectors.iter().zip(&mut bits) {
                *bits += self.vector::<S>(vector)?;
            }
            if let (false, Some(bits)) = (rest.is_empty(), bits.get_mut(vectors.len())) {
                *bits += self.vector::<S>(&self.complete::<S>(rest))?;
            }
        }
        Ok(Measured { bits, lead_rows })
    }

    fn vector<S: LaneSymbols>(&self, vector: &[u8; VECTOR]) -> Result<u32, usize> {
        let symbols = || vector.chunks_exact(S::KIND.elements).map(|elements| S::KIND.symbol(elements));
        let bits = symbols().map(|symbol| self.lengths[symbol]).sum();
        if bits < NO_CODEWORD {
            return Ok(bits);
        }
        Err(symbols().find(|symbol| self.lengths[*symbol] == NO_CODEWORD).unwrap_or_default())
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
