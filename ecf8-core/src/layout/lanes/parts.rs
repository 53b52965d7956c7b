//! The parts of an encoded tensor, checked to agree with each other.

use super::by_chunk::{self, RUNS};
use super::chunk::ChunkEntry;
use super::geometry::{Geometry, LANES, turn_bits};
use super::tail::Tail;
use super::words::{self, Word};
use super::{
    CHUNKS, CODEBOOKS, DICTIONARY, ELEMENTS_PER_LANE, LEAD_ROWS, LaneSymbols, MAX_LEAD_ROWS, PACKED, ROWS,
    TAILS, fits, patch, turn,
};
use crate::element::Split;
use crate::layout::{DecodeError, Encoded};
use crate::map::give_back;
use std::ops::Range;

/// The parts of a tensor whose lengths agree with each other and with the element count.
pub(super) struct Parts<'a> {
    rows: &'a [Word],
    tails: &'a [Word],
    pub(super) packed: &'a [u8],
    pub(super) split: &'a Split,
    entries: Vec<ChunkEntry>,
    pub(super) geometry: Geometry,
    pub(super) lead_rows: u32,
    pub(super) turn_bits: u32,
}

/// One chunk's words.
#[derive(Debug, Clone)]
pub(super) struct Chunk<'a> {
    /// Which.
    pub(super) index: usize,
    /// Its elements.
    pub(super) elements: usize,
    /// Row after row, a word for each lane.
    pub(super) rows: &'a [Word],
    /// Its tails.
    tails: &'a [Word],
    tail: Tail,
    /// Bits of each lane beyond the rows.
    pub(super) extras: [u32; LANES],
    /// What stands where a symbol has no codeword.
    pub(super) patches: &'a [Word],
}

impl Chunk<'_> {
    /// Bits of a lane's stream.
    pub(super) fn bits(&self, lane: usize) -> u64 {
        self.rows.len() as u64 + u64::from(self.extras[lane])
    }

    /// Word `index` of a lane's stream beyond the rows; zeros follow the stream's end.
    pub(super) fn word_beyond(&self, lane: usize, index: usize) -> u32 {
        let (start, len) = self.tail.place(lane, index);
        words::get(self.tails, start) & !u32::MAX.checked_shr(len).unwrap_or(0)
    }

    /// Checks that a lane's codewords, which were to end at `end`, fill its stream.
    pub(super) fn check_end(&self, lane: usize, end: u64) -> Result<(), DecodeError> {
        let bits = self.bits(lane);
        if end == bits {
            return Ok(());
        }
        Err(DecodeError::LaneEnd { chunk: self.index as u64, lane: lane as u64, end, bits })
    }
}

impl<'a> Parts<'a> {
    pub(super) fn new<S: LaneSymbols>(encoded: &'a Encoded<'_>) -> Result<Self, DecodeError> {
        let (elements, codebooks) = (encoded.elements, &encoded.codebooks);
        if let Some(codebook) = codebooks.list().iter().find(|codebook| !fits::<S>(codebook)) {
            let (symbols, max_len) = (codebook.symbols(), codebook.max_len());
            return Err(DecodeError::Codebook { scheme: S::NAME, symbols, max_len, takes: CODEBOOKS });
        }
        let (value, lead) = (encoded.param(ELEMENTS_PER_LANE)?, encoded.param(LEAD_ROWS)?);
        let range = S::LENGTHS.range;
        if !S::LENGTHS.has(value) {
            return Err(DecodeError::Param { param: ELEMENTS_PER_LANE, value, range });
        }
        let lead_rows = u32::try_from(lead).ok().filter(|_| (1..=MAX_LEAD_ROWS).contains(&lead));
        let range = "from 1 to 64";
        let lead_rows = lead_rows.ok_or(DecodeError::Param { param: LEAD_ROWS, value: lead, range })?;
        if !encoded.split.is_possible() || !S::KIND.takes(encoded.split.shape()) {
            return Err(DecodeError::Split { scheme: S::NAME, dtype: encoded.split.element.dtype });
        }
        let geometry = Geometry::new(elements, value);
        if let Some(run) = codebooks.run().filter(|_| !by_chunk::fit(codebooks, &geometry)) {
            return Err(DecodeError::Runs {
                scheme: S::NAME,
                runs: codebooks.runs() as u64,
                run,
                takes: RUNS,
            });
        }
        let mut parts = Self {
            rows: &[],
            tails: &[],
            packed: &[],
            split: &encoded.split,
            entries: Vec::new(),
            geometry,
            lead_rows,
            turn_bits: u32::try_from(turn_bits::<S>(codebooks.widest())).unwrap_or(u32::MAX),
        };
        parts.read_words(encoded)?;
        if encoded.split.has_packed(S::KIND.bits) {
            parts.read_packed(S::KIND.bits, encoded)?;
        }
        if let Some(dictionary) = &encoded.split.dictionary
            && encoded.part(DICTIONARY)? != dictionary.to_bytes()
        {
            return Err(DecodeError::Dictionary);
        }
        Ok(parts)
    }

    fn read_words(&mut self, encoded: &'a Encoded<'_>) -> Result<(), DecodeError> {
        let chunks = encoded.part(CHUNKS)?;
        check_part_length(CHUNKS, chunks, (self.geometry.chunks as u64).saturating_add(1).saturating_mul(8))?;
        let entries = chunks.as_chunks::<8>().0.iter();
        self.entries = entries.map(|entry| ChunkEntry::from_bits(u64::from_le_bytes(*entry))).collect();
        let (first, end) = (
            self.entries.first().copied().unwrap_or_default(),
            self.entries.last().copied().unwrap_or_default(),
        );
        let falls = |pair: &[ChunkEntry]| {
            pair[0].first_row > pair[1].first_row || pair[0].first_tail > pair[1].first_tail
        };
        let wrong = |chunk: usize| DecodeError::ChunkEntry { chunk: chunk as u64 };
        if first.first_row != 0 || first.first_tail != 0 {
            return Err(wrong(0));
        }
        if let Some(chunk) = self.entries.windows(2).position(falls) {
            return Err(wrong(chunk + 1));
        }
        if end.width != 0 {
            return Err(wrong(self.geometry.chunks));
        }
        let (rows, tails) = (encoded.part(ROWS)?, encoded.part(TAILS)?);
        check_part_length(ROWS, rows, u64::from(end.first_row) * 4 * LANES as u64)?;
        check_part_length(TAILS, tails, u64::from(end.first_tail) * 4)?;
        (self.rows, self.tails) = (rows.as_chunks::<4>().0, tails.as_chunks::<4>().0);
        Ok(())
    }

    fn read_packed(&mut self, bits: u32, encoded: &'a Encoded<'_>) -> Result<(), DecodeError> {
        self.packed = encoded.part(PACKED)?;
        check_part_length(PACKED, self.packed, self.split.packed_bytes(bits, encoded.elements))?;
        if !self.split.ends_in_zeros(bits, self.packed, encoded.elements) {
            return Err(DecodeError::Padding { part: PACKED });
        }
        Ok(())
    }

    /// The words of one chunk, of which the lanes' lengths are possible.
    pub(super) fn chunk<S: LaneSymbols>(&self, index: usize) -> Result<Chunk<'a>, DecodeError> {
        let wrong = DecodeError::ChunkEntry { chunk: index as u64 };
        let [entry, next] =
            [index, index + 1].map(|entry| self.entries.get(entry).copied().unwrap_or_default());
        let rows = self.rows.get(entry.first_row as usize * LANES..next.first_row as usize * LANES);
        let tails = self.tails.get(entry.first_tail as usize..next.first_tail as usize);
        let (Some(rows), Some(tails)) = (rows, tails) else { return Err(wrong) };
        let width = u64::from(entry.width);
        let elements = self.geometry.elements_of(index);
        let mut extras = [0; LANES];
        for (lane, extra) in extras.iter_mut().enumerate() {
            // Two shifts, because a width of 0 would shift by all 32 bits.
            *extra = words::get(tails, lane as u64 * width) >> 1 >> (31 - entry.width);
            let bits = rows.len() as u64 + u64::from(*extra);
            let end = turn::turns::<S>(elements, lane) as u64 * u64::from(self.turn_bits);
            if bits > end {
                return Err(DecodeError::LaneEnd { chunk: index as u64, lane: lane as u64, end, bits });
            }
        }
        let tail = Tail::new(&extras, entry.width);
        let Some((tails, patches)) = tails.split_at_checked(tail.words()) else { return Err(wrong) };
        if !tail.end().is_multiple_of(32) && words::get(tails, tail.end()) != 0 {
            return Err(DecodeError::Padding { part: TAILS });
        }
        if !patch::are_possible(patches, elements) {
            return Err(DecodeError::Patches { chunk: index as u64 });
        }
        Ok(Chunk { index, elements, rows, tails, tail, extras, patches })
    }

    /// Gives back what some chunks, which have been decoded, lie in. Of a large tensor, they follow each other.
    pub(super) fn give_back(&self, bits: u32, chunks: Range<usize>) {
        let last = self.entries.len().saturating_sub(1);
        let [first, end] = [chunks.start, chunks.end]
            .map(|chunk| self.entries.get(chunk.min(last)).copied().unwrap_or_default());
        let rows = self.rows.get(first.first_row as usize * LANES..end.first_row as usize * LANES);
        let tails = self.tails.get(first.first_tail as usize..end.first_tail as usize);
        rows.into_iter().chain(tails).for_each(|words| give_back(words.as_flattened()));
        let elements = chunks.start * self.geometry.chunk..chunks.end * self.geometry.chunk;
        self.split.stored_of(bits, self.packed, self.geometry.elements, elements).for_each(give_back);
    }

    /// Checks that no more rows are in use than promised.
    #[inline]
    pub(super) fn check_lead(&self, chunk: usize, needed: u32) -> Result<(), DecodeError> {
        if needed <= self.lead_rows {
            return Ok(());
        }
        Err(DecodeError::Lead { chunk: chunk as u64, found: self.lead_rows, needed })
    }
}

/// Checks that the output has room for just the numbers.
pub(super) fn check_length(encoded: &Encoded<'_>, out: &[u8]) -> Result<(), DecodeError> {
    let width = encoded.split.element.bytes as u64;
    let (expected, found) = (encoded.elements.saturating_mul(width), out.len() as u64);
    if expected == found { Ok(()) } else { Err(DecodeError::OutputLength { expected, found }) }
}

fn check_part_length(part: &'static str, bytes: &[u8], expected: u64) -> Result<(), DecodeError> {
    let found = bytes.len() as u64;
    if expected == found { Ok(()) } else { Err(DecodeError::PartLength { part, expected, found }) }
}
