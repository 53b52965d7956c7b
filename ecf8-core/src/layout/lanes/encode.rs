//! Encoding, in parallel over chunks. The streams of a chunk's lanes are written first, each in room of its own, since its rows
//! go as far as the shortest.

use super::by_chunk::{self, ByChunk, RUNS};
use super::chunk::ChunkEntry;
use super::codes::{Codes, Lacking};
use super::geometry::{Geometry, LANES, VECTOR, turn_bits};
use super::streams::Written;
use super::words::Word;
use super::{CODEBOOKS, ELEMENTS_PER_LANE, LEAD_ROWS, LaneSymbols, MAX_LEAD_ROWS, PARTS, ans, fits, turn};
use crate::element::{Numbers, Split};
use crate::int;
use crate::layout::memory::zeroed;
use crate::layout::{Codebooks, EncodeError, Encoded, PIECE, Part};
use crate::map::give_back;
use crate::symbols;
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
        let [mut own, mut coded, mut fields] = [(); 3].map(|()| Vec::new());
        let Read { fields, .. } = read(split, bits, &bytes[..width], [&mut own, &mut coded, &mut fields]);
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
struct Memory<S: LaneSymbols> {
    bytes: Vec<u8>,
    coded: Vec<u8>,
    fields: Vec<u8>,
    symbols: Vec<S::Number>,
    written: Written,
    lacking: Lacking,
}

impl<S: LaneSymbols> Default for Memory<S> {
    fn default() -> Self {
        Self {
            bytes: Vec::new(),
            coded: Vec::new(),
            fields: Vec::new(),
            symbols: Vec::new(),
            written: Written::default(),
            lacking: Vec::new(),
        }
    }
}

/// What is read of a chunk: what is split, its fields, and its coded bytes.
struct Read<'a> {
    units: &'a [u8],
    fields: &'a [u8],
    coded: &'a [u8],
}

/// Reads a chunk.
fn read<'a>(split: &Split, bits: u32, bytes: &[u8], [own, coded, fields]: [&'a mut Vec<u8>; 3]) -> Read<'a> {
    own.clear();
    own.extend_from_slice(bytes);
    split.replace_by_places(own);
    let units = &own[..];
    let coded = split.coded_of(units, coded);
    Read { units, fields: split.fields(bits, coded, fields), coded }
}

/// The symbols of fields, those of a last round that lacks elements completed.
fn symbols_of<'a, S: LaneSymbols>(
    codes: &Codes,
    fields: &[u8],
    symbols: &'a mut Vec<S::Number>,
) -> &'a [S::Number] {
    let (round, in_round) = (turn::round::<S>(), LANES * turn::symbols::<S>());
    symbols.resize(fields.len().div_ceil(round) * in_round, S::Number::default());
    let (whole, rest) = fields.split_at(fields.len() - fields.len() % round);
    let (of_whole, of_rest) = symbols.split_at_mut(whole.len() / round * in_round);
    symbols::join::<S>(whole, of_whole);
    if !rest.is_empty() {
        symbols::join::<S>(&codes.complete::<S>(rest), of_rest);
    }
    symbols
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
    rows: Vec<Word>,
    /// Words that do not fill rows, and patches.
    tails: Vec<Word>,
    width: u8,
    lead_rows: u32,
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
        let codes = ByChunk::new(codebooks, &geometry, Codes::new);
        let one = |memory: &mut Memory<S>, (index, (bytes, mut packed)): (usize, (&[u8], Vec<&mut [u8]>))| {
            let codes = codes.of(index);
            let Memory { bytes: own, coded, fields, symbols, written, lacking } = memory;
            let Read { units, fields, coded } = read(split, bits, bytes, [own, coded, fields]);
            let symbols = symbols_of::<S>(codes, fields, symbols);
            if S::ANS {
                ans::write::<S>(&codes.steps, symbols, fields.len(), turn_bits, written);
                codes.find_lacking::<S>(fields, lacking);
            } else {
                codes.write::<S>(symbols, fields.len(), turn_bits, written, lacking);
            }
            let (rows, mut tails) = written.scatter();
            tails.extend(codes.patches::<S>(fields, coded, lacking, split.places_outside(bits, coded)));
            split.pack(bits, units, &mut Vec::new(), &mut packed);
            Chunk { rows, tails, width: written.width(), lead_rows: written.lead_rows }
        };
        let mut all = Self { rows: Vec::new(), tails: Vec::new(), entries: Vec::new(), lead_rows: 1 };
        let mut chunks = bytes
            .chunks(geometry.chunk * split.element.bytes)
            .zip(split.rooms(bits, packed, units, geometry.chunk))
            .enumerate();
        let at_once = (PIECE / geometry.chunk).max(1);
        // What was encoded is decoded and compared next, but of a large tensor only when all is.
        let encoded = bytes.chunks(at_once * geometry.chunk * split.element.bytes);
        for encoded in encoded {
            let some: Vec<_> = chunks.by_ref().take(at_once).collect();
            let some: Vec<Chunk> = some.into_par_iter().map_init(Memory::<S>::default, one).collect();
            all.add(some)?;
            give_back(encoded);
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
        for Chunk { rows, tails, width, lead_rows } in chunks {
            let entry = self.entry(width)?;
            self.entries.push(entry);
            self.rows.extend_from_slice(&rows);
            self.tails.extend_from_slice(&tails);
            self.lead_rows = self.lead_rows.max(lead_rows);
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
