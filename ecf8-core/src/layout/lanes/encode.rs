//! Encoding, in parallel over chunks. The streams of a chunk are measured before they are written, since its rows go as far as
//! the shortest.

use super::by_chunk::{self, ByChunk, RUNS};
use super::chunk::ChunkEntry;
use super::geometry::{Geometry, LANES, VECTOR, turn_bits};
use super::measure::{Measure, Measured};
use super::tail::Tail;
use super::words::{self, Word};
use super::{CODEBOOKS, ELEMENTS_PER_LANE, LEAD_ROWS, LaneSymbols, MAX_LEAD_ROWS, PARTS, fits, turn};
use crate::codebook::Codebook;
use crate::element::{Numbers, Split};
use crate::int;
use crate::layout::memory::zeroed;
use crate::layout::{Codebooks, EncodeError, Encoded, PIECE, Part};
use rayon::prelude::*;
use std::borrow::Cow;

pub(super) fn encode<S: LaneSymbols>(
    numbers: Numbers<'_>,
    codebooks: &Codebooks,
    elements_per_lane: u64,
) -> Result<Encoded<'static>, EncodeError> {
    if let Some(codebook) = codebooks.list().iter().find(|codebook| !fits::<S>(codebook)) {
        let (symbols, max_len) = (codebook.symbols(), codebook.max_len());
        return Err(EncodeError::Codebook { scheme: S::NAME, symbols, max_len, takes: CODEBOOKS });
    }
    let Numbers { split, bytes } = numbers;
    let width = split.element.bytes;
    if !bytes.len().is_multiple_of(width) || !split.is_possible() || !S::KIND.takes(split.shape()) {
        return Err(EncodeError::Split {
            scheme: S::NAME,
            dtype: split.element.dtype,
            bytes: bytes.len() as u64,
        });
    }
    if !S::LENGTHS.has(elements_per_lane) {
        return Err(EncodeError::Param {
            param: ELEMENTS_PER_LANE,
            value: elements_per_lane,
            range: S::LENGTHS.range,
        });
    }
    let (bits, units) = (S::KIND.bits, numbers.units());
    if codebooks.list().iter().any(|codebook| codebook.is_empty()) && units > 0 {
        let mut memory = Memory::default();
        let (_, fields, _) = memory.read(split, bits, &bytes[..width]);
        return Err(EncodeError::NoCodeword { symbol: S::KIND.beginning_with(fields).start });
    }
    let (mut elements_per_lane, mut packed) =
        (elements_per_lane, zeroed::<u8>(int::index(split.packed_bytes(bits, units)))?);
    let chunks = loop {
        let chunks = Chunks::of::<S>(numbers, codebooks, elements_per_lane, &mut packed)?;
        if u64::from(chunks.lead_rows) <= MAX_LEAD_ROWS || elements_per_lane == S::LENGTHS.least {
            break chunks;
        }
        elements_per_lane /= 2;
    };
    let Chunks { rows, tails, entries, lead_rows } = chunks;

    let mut parts = vec![
        rows.into_flattened(),
        tails.into_flattened(),
        entries.into_iter().flat_map(|entry| entry.to_bits().to_le_bytes()).collect(),
    ];
    if split.has_packed(bits) {
        parts.push(packed);
    }
    parts.extend(split.dictionary.iter().map(|dictionary| dictionary.to_bytes()));
    let parts = PARTS.iter().zip(parts);
    let part = |(spec, bytes): (&super::PartSpec, _)| Part {
        name: spec.name,
        dtype: spec.dtype,
        bytes: Cow::Owned(bytes),
    };
    Ok(Encoded {
        scheme: S::scheme(),
        split: split.clone(),
        elements: units,
        codebooks: codebooks.clone(),
        params: [(ELEMENTS_PER_LANE, elements_per_lane), (LEAD_ROWS, lead_rows.into())]
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
        parts: parts.map(part).collect(),
    })
}

/// Memory of our own for a chunk. The data may be a mapped file that someone writes to, and code is not made for bytes
/// that change while it looks.
#[derive(Default)]
struct Memory {
    bytes: Vec<u8>,
    coded: Vec<u8>,
    fields: Vec<u8>,
}

impl Memory {
    /// Reads a chunk: what is split of it, fields and coded bytes.
    fn read(&mut self, split: &Split, bits: u32, bytes: &[u8]) -> (&[u8], &[u8], &[u8]) {
        let Self { bytes: own, coded, fields } = self;
        own.clear();
        own.extend_from_slice(bytes);
        split.replace_by_places(own);
        let coded = match split.coded_of(own) {
            Cow::Borrowed(_) => &own[..],
            Cow::Owned(taken) => {
                *coded = taken;
                &coded[..]
            }
        };
        (own, split.fields(bits, coded, fields), coded)
    }
}

/// The chunks of a tensor, one after the other.
struct Chunks {
    rows: Vec<Word>,
    tails: Vec<Word>,
    /// One for each chunk, and the one that ends the last.
    entries: Vec<ChunkEntry>,
    lead_rows: u32,
}

/// What becomes of one chunk.
struct Chunk {
    measured: Measured,
    rows: Vec<Word>,
    tails: Vec<Word>,
}

impl Chunks {
    /// Encodes all chunks, as many at once as make work for many threads, and puts them together: how long streams become is
    /// known only when they are there.
    fn of<S: LaneSymbols>(
        numbers: Numbers<'_>,
        codebooks: &Codebooks,
        elements_per_lane: u64,
        packed: &mut [u8],
    ) -> Result<Self, EncodeError> {
        const { assert!(least_fits::<S>()) };
        let Numbers { split, bytes } = numbers;
        let (bits, units) = (S::KIND.bits, numbers.units());
        let geometry = Geometry::new(units, elements_per_lane);
        if let Some(run) = codebooks.run().filter(|_| !by_chunk::fit(codebooks, &geometry)) {
            return Err(EncodeError::Runs { scheme: S::NAME, run, takes: RUNS });
        }
        // At most 16 symbols of 13 bits.
        let turn_bits = u32::try_from(turn_bits::<S>(codebooks.widest())).unwrap_or(u32::MAX);
        let measures = ByChunk::new(codebooks, &geometry, Measure::new);
        let codes = ByChunk::new(codebooks, &geometry, Codes::new);
        let one = |memory: &mut Memory, (index, (bytes, mut packed)): (usize, (&[u8], Vec<&mut [u8]>))| {
            let (bytes, fields, coded) = memory.read(split, bits, bytes);
            let outside = split.places_outside(bits, coded);
            let measure = measures.of(index);
            let measured = measure.chunk::<S>(fields, coded, outside, turn_bits);
            split.pack(bits, bytes, &mut Vec::new(), &mut packed);
            codes.of(index).chunk::<S>(fields, measured, measure)
        };
        let mut all = Self { rows: Vec::new(), tails: Vec::new(), entries: Vec::new(), lead_rows: 1 };
        let mut chunks = bytes
            .chunks(geometry.chunk * split.element.bytes)
            .zip(split.rooms(bits, packed, units, geometry.chunk))
            .enumerate();
        let at_once = (PIECE / geometry.chunk).max(1);
        loop {
            let some: Vec<_> = chunks.by_ref().take(at_once).collect();
            if some.is_empty() {
                break;
            }
            let some: Vec<Chunk> = some.into_par_iter().map_init(Memory::default, one).collect();
            all.add(some)?;
        }
        let end = all.entry(0)?;
        all.entries.push(end);
        Ok(all)
    }

    /// Adds chunks behind the others.
    fn add(&mut self, chunks: Vec<Chunk>) -> Result<(), EncodeError> {
        let words = |of: fn(&Chunk) -> &Vec<Word>| chunks.iter().map(|chunk| of(chunk).len()).sum::<usize>();
        let memory = |bytes: usize| move |_| EncodeError::Memory { bytes: bytes as u64 };
        let (rows, tails) = (words(|chunk| &chunk.rows), words(|chunk| &chunk.tails));
        self.rows.try_reserve(rows).map_err(memory(4 * (self.rows.len() + rows)))?;
        self.tails.try_reserve(tails).map_err(memory(4 * (self.tails.len() + tails)))?;
        for Chunk { measured, rows, tails } in chunks {
            let entry = self.entry(measured.width())?;
            self.entries.push(entry);
            self.rows.extend_from_slice(&rows);
            self.tails.extend_from_slice(&tails);
            self.lead_rows = self.lead_rows.max(measured.lead_rows);
        }
        Ok(())
    }

    /// The entry of a chunk that comes behind the others.
    fn entry(&self, width: u8) -> Result<ChunkEntry, EncodeError> {
        let first_row = u32::try_from(self.rows.len() / LANES).ok();
        let first_row = first_row.ok_or(EncodeError::TooLarge { part: super::ROWS })?;
        let first_tail =
            u32::try_from(self.tails.len()).ok().filter(|tail| *tail < 1 << ChunkEntry::TAIL_BITS);
        let first_tail = first_tail.ok_or(EncodeError::TooLarge { part: super::TAILS })?;
        Ok(ChunkEntry { first_row, first_tail, width })
    }
}

/// Whether the least S never needs more rows than there may be: after all turns of a lane but one, streams are apart by
/// 12 bits for each symbol.
const fn least_fits<S: LaneSymbols>() -> bool {
    let symbols = turn::symbols::<S>() as u64;
    let turns = S::LENGTHS.least / (VECTOR * S::VECTORS) as u64;
    let (apart, one) = ((turns - 1) * symbols * 12, symbols * super::MAX_LEN as u64);
    (apart + one).div_ceil(32) < MAX_LEAD_ROWS
}

/// Codewords by symbol, with their lengths.
struct Codes(Vec<(u32, u32)>);

impl Codes {
    fn new(codebook: &Codebook) -> Self {
        // The first of the shortest codewords, which is 0, stands in for those that are missing.
        let mut codes = vec![(0, codebook.min_len().into()); codebook.symbols()];
        for (symbol, code, len) in codebook.canonical() {
            codes[symbol] = (code, len.into());
        }
        Self(codes)
    }

    /// Writes one chunk.
    fn chunk<S: LaneSymbols>(&self, data: &[u8], mut measured: Measured, measure: &Measure) -> Chunk {
        let mut rows = vec![Word::default(); measured.rows() as usize * LANES];
        let mut tails = vec![Word::default(); int::index(measured.tail_words())];
        let width = u64::from(measured.width());
        let extras = measured.extras();
        for (lane, extra) in (0u64..).zip(extras) {
            words::put(&mut tails, lane * width, extra, u32::from(measured.width()));
        }
        let tail = Tail::new(&extras, measured.width());
        let mut places = Places { rows: &mut rows, tails: &mut tails, tail: &tail };
        // They take more than the rows, so they go as soon as they are in their places.
        if let Some(streams) = measured.streams.take() {
            for (lane, bits) in measured.bits.iter().enumerate() {
                for row in 0..bits.div_ceil(32) {
                    let (word, len) = streams.word(lane, row);
                    places.put(lane, row as usize, word, len);
                }
            }
        } else {
            let mut lanes = [Lane::default(); LANES];
            for elements in data.chunks(turn::round::<S>()) {
                let round = measure.complete::<S>(elements);
                for (index, lane) in lanes.iter_mut().enumerate().take(turn::lanes(elements.len())) {
                    self.turn::<S>(turn::of::<S>(&round, index), index, lane, &mut places);
                }
            }
            for (index, lane) in lanes.iter().enumerate() {
                places.put(index, lane.row, lane.pending_word(), lane.pending_bits);
            }
        }
        tails[tail.words()..].copy_from_slice(&measured.patches);
        Chunk { measured, rows, tails }
    }

    #[inline]
    fn turn<S: LaneSymbols>(&self, turn: &[u8], index: usize, lane: &mut Lane, places: &mut Places<'_>) {
        for number in 0..turn::symbols::<S>() {
            let (code, len) = self.0[S::KIND.symbol_at(turn, number)];
            lane.pending = lane.pending << len | u64::from(code);
            lane.pending_bits += len;
            if lane.pending_bits >= 32 {
                lane.pending_bits -= 32;
                places.put(index, lane.row, lane.pending_word_above(), 32);
                lane.row += 1;
            }
        }
    }
}

/// Where a lane's stream stands.
#[derive(Debug, Clone, Copy, Default)]
struct Lane {
    /// Bits that are not yet a whole word, at the low end.
    pending: u64,
    pending_bits: u32,
    /// Whole words so far.
    row: usize,
}

/// Where the words of a chunk's lanes go.
struct Places<'a> {
    rows: &'a mut [Word],
    tails: &'a mut [Word],
    tail: &'a Tail,
}

impl Places<'_> {
    /// Puts word `row` of a lane, or the `len` bits that do not fill it.
    #[inline]
    fn put(&mut self, lane: usize, row: usize, word: u32, len: u32) {
        if let Some(place) = self.rows.get_mut(row * LANES + lane) {
            *place = word.to_le_bytes();
        } else {
            let (start, _) = self.tail.place(lane, row - self.rows.len() / LANES);
            words::put(self.tails, start, word, len);
        }
    }
}

impl Lane {
    /// The bits that are not a whole word.
    #[expect(clippy::cast_possible_truncation, reason = "fewer than 32 bits are pending")]
    fn pending_word(&self) -> u32 {
        (self.pending & ((1 << self.pending_bits) - 1)) as u32
    }

    /// The word above the pending bits.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the word is wanted, not what came before it")]
    fn pending_word_above(&self) -> u32 {
        (self.pending >> self.pending_bits) as u32
    }
}
