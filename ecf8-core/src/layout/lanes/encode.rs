//! Encoding, in parallel over chunks, in two passes: streams are measured first, so each chunk knows its place.

use super::by_chunk::{self, ByChunk, RUNS};
use super::chunk::ChunkEntry;
use super::geometry::{Geometry, LANES, VECTOR, turn_bits};
use super::measure::{Measure, Measured};
use super::tail::Tail;
use super::words::{self, Word};
use super::{CODEBOOKS, ELEMENTS_PER_LANE, LEAD_ROWS, LaneSymbols, MAX_LEAD_ROWS, PARTS, ans, fits, turn};
use crate::codebook::Codebook;
use crate::element::{Numbers, Split};
use crate::int;
use crate::layout::memory::zeroed;
use crate::layout::{Codebooks, EncodeError, Encoded, Part};
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
    let (bits, units) = (S::KIND.bits, numbers.units());
    let plan = FirstPass::new::<S>(numbers, codebooks, elements_per_lane)?;
    let entries = entries(&plan.measured)?;
    let end = entries.last().copied().unwrap_or_default();

    let mut rows = zeroed::<Word>(end.first_row as usize * LANES)?;
    let mut tails = zeroed::<Word>(end.first_tail as usize)?;
    let mut packed = zeroed::<u8>(int::index(split.packed_bytes(bits, units)))?;
    let mut rooms = Vec::with_capacity(plan.measured.len());
    let (mut rows_left, mut tails_left) = (&mut rows[..], &mut tails[..]);
    let packed_rooms = split.rooms(bits, &mut packed, units, plan.geometry.chunk);
    for (measured, packed) in plan.measured.iter().zip(packed_rooms) {
        let (own_rows, rows) = rows_left.split_at_mut(measured.rows() as usize * LANES);
        let (own_tails, tails) = tails_left.split_at_mut(int::index(measured.tail_words()));
        rooms.push((own_rows, own_tails, packed));
        (rows_left, tails_left) = (rows, tails);
    }
    let codes = ByChunk::new(codebooks, &plan.geometry, Codes::new);
    let tasks = bytes.par_chunks(plan.geometry.chunk * width).zip(rooms).zip(&plan.measured).enumerate();
    tasks.for_each_init(
        Memory::default,
        |memory, (index, ((bytes, (rows, tails, mut packed)), measured))| {
            let (bytes, fields, _) = memory.read(split, bits, bytes);
            codes.of(index).chunk::<S>(fields, measured, plan.measures.of(index), rows, tails);
            split.pack(bits, bytes, &mut Vec::new(), &mut packed);
        },
    );

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
        params: [(ELEMENTS_PER_LANE, plan.elements_per_lane), (LEAD_ROWS, plan.lead_rows)]
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
        parts: parts.map(part).collect(),
    })
}

/// Memory of our own for a chunk. The data may be a mapped file that someone writes to, and code is not made for bytes
/// that change while it looks. A chunk that changes between the passes is encoded to something that does not come back,
/// within the room that was measured for it; who encodes such data decodes them again.
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

/// What the first pass decides.
struct FirstPass<'c> {
    measures: ByChunk<'c, Measure>,
    elements_per_lane: u64,
    lead_rows: u64,
    geometry: Geometry,
    measured: Vec<Measured>,
}

impl<'c> FirstPass<'c> {
    fn new<S: LaneSymbols>(
        numbers: Numbers<'_>,
        codebooks: &'c Codebooks,
        mut elements_per_lane: u64,
    ) -> Result<Self, EncodeError> {
        const { assert!(least_fits::<S>()) };
        let Numbers { split, bytes } = numbers;
        let (width, elements) = (split.element.bytes, numbers.units());
        if !S::LENGTHS.has(elements_per_lane) {
            return Err(EncodeError::Param {
                param: ELEMENTS_PER_LANE,
                value: elements_per_lane,
                range: S::LENGTHS.range,
            });
        }
        if codebooks.list().iter().any(|codebook| codebook.is_empty()) && elements > 0 {
            let mut memory = Memory::default();
            let (_, fields, _) = memory.read(split, S::KIND.bits, &bytes[..width]);
            return Err(EncodeError::NoCodeword { symbol: S::KIND.beginning_with(fields).start });
        }
        // At most 16 symbols of 13 bits.
        let turn_bits = u32::try_from(turn_bits::<S>(codebooks.widest())).unwrap_or(u32::MAX);
        loop {
            let geometry = Geometry::new(elements, elements_per_lane);
            if let Some(run) = codebooks.run().filter(|_| !by_chunk::fit(codebooks, &geometry)) {
                return Err(EncodeError::Runs { scheme: S::NAME, run, takes: RUNS });
            }
            let measures = ByChunk::new(codebooks, &geometry, Measure::new);
            let chunks = bytes.par_chunks(geometry.chunk * width).enumerate();
            let measured = chunks.map_init(Memory::default, |memory, (index, bytes)| {
                let (_, fields, coded) = memory.read(split, S::KIND.bits, bytes);
                let outside = split.places_outside(S::KIND.bits, coded);
                measures.of(index).chunk::<S>(fields, coded, outside, turn_bits)
            });
            let measured: Vec<Measured> = measured.collect();
            let lead_rows = measured.iter().map(|chunk| chunk.lead_rows).max().unwrap_or(0);
            let lead_rows = u64::from(lead_rows.max(1));
            if lead_rows <= MAX_LEAD_ROWS || elements_per_lane == S::LENGTHS.least {
                return Ok(Self { measures, elements_per_lane, lead_rows, geometry, measured });
            }
            elements_per_lane /= 2;
        }
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

/// The entries of all chunks, and the one that ends the last.
fn entries(measured: &[Measured]) -> Result<Vec<ChunkEntry>, EncodeError> {
    let (mut row, mut tail) = (0u64, 0u64);
    let mut entries = Vec::with_capacity(measured.len() + 1);
    let widths = measured.iter().map(Measured::width).chain([0]);
    let sizes = measured.iter().map(|chunk| (u64::from(chunk.rows()), chunk.tail_words())).chain([(0, 0)]);
    for (width, (rows, words)) in widths.zip(sizes) {
        let first_row = u32::try_from(row).map_err(|_| EncodeError::TooLarge { part: super::ROWS })?;
        let first_tail = u32::try_from(tail).ok().filter(|tail| *tail < 1 << ChunkEntry::TAIL_BITS);
        let first_tail = first_tail.ok_or(EncodeError::TooLarge { part: super::TAILS })?;
        entries.push(ChunkEntry { first_row, first_tail, width });
        row += rows;
        tail += words;
    }
    Ok(entries)
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

    /// Writes the codewords of one chunk.
    fn chunk<S: LaneSymbols>(
        &self,
        data: &[u8],
        measured: &Measured,
        measure: &Measure,
        rows: &mut [Word],
        tails: &mut [Word],
    ) {
        let width = u64::from(measured.width());
        let mut lanes = [Lane::default(); LANES];
        let extras = measured.extras();
        for (lane, extra) in (0u64..).zip(extras) {
            words::put(tails, lane * width, extra, u32::from(measured.width()));
        }
        let tail = Tail::new(&extras, measured.width());
        let mut places = Places { rows, tails, tail: &tail };
        if S::ANS {
            ans::write::<S>(measure, data, &measured.bits, |lane, row, word, len| {
                places.put(lane, row, word, len)
            });
        } else {
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
