//! Fast decoding, in parallel over chunks.
//!
//! A chunk's words are brought into the order of its lanes' streams first. Then turns are taken in the order of the
//! output: neighbours belong to different lanes and do not wait for each other.

use super::by_chunk::ByChunk;
use super::geometry::{LANES, VECTOR};
use super::measure::lead;
use super::parts::{Chunk, Parts, check_length};
use super::{LaneSymbols, MAX_CODEWORDS, MAX_LEN, patch, turn};
use crate::bits;
use crate::codebook::Codebook;
use crate::codebook::ans::states;
use crate::int;
use crate::layout::memory::zeroed;
use crate::layout::{DecodeError, Encoded, PIECE, TakePiece, range_of};
use rayon::prelude::*;

/// Codewords that are read from one window: 4 of 13 bits out of at least 57.
const PER_WINDOW: usize = 4;

/// Bytes beyond a stream's end: what one window reads, and what a damaged stream may run on.
const SLACK: usize = 8;

pub(super) fn decode<S: LaneSymbols>(encoded: &Encoded<'_>, out: &mut [u8]) -> Result<(), DecodeError> {
    check_length(encoded, out)?;
    let parts = Parts::new::<S>(encoded)?;
    let tables = ByChunk::new(&encoded.codebooks, &parts.geometry, Table::new::<S>);
    decode_chunks::<S>(&parts, &tables, 0, out)
}

/// Decodes whole chunks, some at a time, each time into the same memory.
pub(super) fn decode_pieces<S: LaneSymbols>(
    encoded: &Encoded<'_>,
    take: &mut TakePiece<'_>,
) -> Result<(), DecodeError> {
    let parts = Parts::new::<S>(encoded)?;
    let tables = ByChunk::new(&encoded.codebooks, &parts.geometry, Table::new::<S>);
    let width = encoded.split.element.bytes;
    let bytes = int::index(encoded.elements).saturating_mul(width);
    let chunk = parts.geometry.chunk * width;
    let chunks = (PIECE / chunk).max(1);
    let mut memory = zeroed(bytes.min(chunks * chunk))?;
    for first in (0..parts.geometry.chunks).step_by(chunks) {
        let rest = bytes - first * chunk;
        let piece = &mut memory[..rest.min(chunks * chunk)];
        decode_chunks::<S>(&parts, &tables, first, piece)?;
        if take(piece).is_break() {
            break;
        }
    }
    Ok(())
}

/// Decodes the chunks from `first` on, as many as `out` has room for.
fn decode_chunks<S: LaneSymbols>(
    parts: &Parts<'_>,
    tables: &ByChunk<'_, Table>,
    first: usize,
    out: &mut [u8],
) -> Result<(), DecodeError> {
    let bytes = parts.geometry.chunk * parts.split.element.bytes;
    let chunks = out.par_chunks_mut(bytes).enumerate().with_min_len(1);
    chunks.try_for_each_init(Memory::default, |memory, (number, out)| {
        let chunk = parts.chunk::<S>(first + number)?;
        decode_chunk::<S>(parts, tables.of(chunk.index), &chunk, memory, out)
    })
}

/// Decodes the chunks that have elements from `first` on, as many as `out` has room for.
pub(super) fn decode_range<S: LaneSymbols>(
    encoded: &Encoded<'_>,
    first: u64,
    out: &mut [u8],
) -> Result<(), DecodeError> {
    let range = range_of(encoded, first, out.len())?;
    let parts = Parts::new::<S>(encoded)?;
    let tables = ByChunk::new(&encoded.codebooks, &parts.geometry, Table::new::<S>);
    let (size, width) = (parts.geometry.chunk, encoded.split.element.bytes);
    // The first piece ends where the first chunk does.
    let (head, rest) = out.split_at_mut(out.len().min((size - range.start % size) * width));
    let pieces: Vec<&mut [u8]> = std::iter::once(head)
        .chain(rest.chunks_mut(size * width))
        .filter(|piece| !piece.is_empty())
        .collect();
    pieces.into_par_iter().enumerate().with_min_len(1).try_for_each_init(
        Memory::default,
        |memory, (number, out)| {
            let chunk = parts.chunk::<S>(range.start / size + number)?;
            let table = tables.of(chunk.index);
            if out.len() == chunk.elements * width {
                return decode_chunk::<S>(&parts, table, &chunk, memory, out);
            }
            let mut whole = vec![0; chunk.elements * width];
            decode_chunk::<S>(&parts, table, &chunk, memory, &mut whole)?;
            let skipped = if number == 0 { range.start % size * width } else { 0 };
            out.iter_mut().zip(&whole[skipped..]).for_each(|(out, byte)| *out = *byte);
            Ok(())
        },
    )
}

/// Memory for a chunk that is decoded.
#[derive(Default)]
struct Memory {
    streams: Vec<u8>,
    /// Coded bytes of numbers that have others.
    coded: Vec<u8>,
}

/// Decodes a chunk: codewords, raw bits, patches.
fn decode_chunk<S: LaneSymbols>(
    parts: &Parts<'_>,
    table: &Table,
    chunk: &Chunk<'_>,
    memory: &mut Memory,
    out: &mut [u8],
) -> Result<(), DecodeError> {
    let Memory { streams, coded } = memory;
    if parts.split.element.bytes == 1 {
        return decode_coded::<S>(parts, table, chunk, streams, out);
    }
    coded.resize(chunk.elements, 0);
    decode_coded::<S>(parts, table, chunk, streams, coded)?;
    let first = chunk.index * parts.geometry.chunk;
    parts.split.join(coded, parts.packed, parts.geometry.elements, first, out);
    Ok(())
}

/// Decodes the coded bytes of a chunk.
fn decode_coded<S: LaneSymbols>(
    parts: &Parts<'_>,
    table: &Table,
    chunk: &Chunk<'_>,
    streams: &mut Vec<u8>,
    coded: &mut [u8],
) -> Result<(), DecodeError> {
    decode_streams::<S>(parts, table, chunk, streams, coded)?;
    parts.split.uncode(S::KIND.bits, parts.packed, chunk.index * parts.geometry.chunk, coded);
    patch::apply(chunk.patches, coded);
    Ok(())
}

fn decode_streams<S: LaneSymbols>(
    parts: &Parts<'_>,
    table: &Table,
    chunk: &Chunk<'_>,
    streams: &mut Vec<u8>,
    out: &mut [u8],
) -> Result<(), DecodeError> {
    let stride = gather(chunk, streams);
    let mut positions = [0u32; LANES];
    let mut standing = [table.start; LANES];
    for out in out.chunks_mut(turn::round::<S>()) {
        let lanes = turn::lanes(out.len());
        parts.check_lead(chunk.index, lead(&positions[..lanes], parts.turn_bits))?;
        let (positions, standing) = (&mut positions[..lanes], &mut standing[..lanes]);
        if out.len() == turn::round::<S>() {
            table.round::<S>(streams, stride, positions, standing, out);
        } else {
            let mut round = vec![0; turn::round::<S>()];
            table.round::<S>(streams, stride, positions, standing, &mut round);
            out.copy_from_slice(&round[..out.len()]);
        }
    }
    (0..LANES).try_for_each(|lane| chunk.check_end(lane, u64::from(positions[lane])))
}

/// Writes the stream of each lane as bytes in a row; gives how many bytes there are from the start of one stream to the
/// next.
pub(super) fn gather(chunk: &Chunk<'_>, streams: &mut Vec<u8>) -> usize {
    let rows = chunk.rows.len() / LANES;
    let extra_words = chunk.extras.iter().map(|bits| bits.div_ceil(32)).max().unwrap_or(0);
    let stride = 4 * (rows + extra_words as usize) + SLACK;
    streams.clear();
    streams.resize(LANES * stride, 0);
    for (lane, stream) in streams.chunks_exact_mut(stride).enumerate() {
        let (words, _) = stream.as_chunks_mut::<4>();
        let (from_rows, from_tails) = words.split_at_mut(rows);
        for (place, row) in from_rows.iter_mut().zip(chunk.rows.chunks_exact(LANES)) {
            *place = u32::from_le_bytes(row[lane]).to_be_bytes();
        }
        for (index, place) in from_tails.iter_mut().take(chunk.extras[lane].div_ceil(32) as usize).enumerate()
        {
            *place = chunk.word_beyond(lane, index).to_be_bytes();
        }
    }
    stride
}

/// What leads on from a state: the number to add to the bits that follow in the upper 16 bits, its symbol in the 8 bits after
/// those, and how many bits follow.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct StateEntry(u32);

impl StateEntry {
    fn new(base: u16, symbol: u16, bits: u8) -> Self {
        Self(u32::from(base) << 16 | u32::from(symbol.to_le_bytes()[0]) << 8 | u32::from(bits))
    }

    #[inline]
    fn symbol(self) -> u8 {
        self.0.to_le_bytes()[1]
    }

    #[inline]
    pub(super) fn bits(self) -> u32 {
        self.0 & 0xff
    }

    /// The state to which the bits lead that `window` begins with.
    #[inline]
    pub(super) fn next(self, window: u64) -> usize {
        // Two shifts, because a number of 0 bits would shift by all 64.
        int::index(u64::from(self.0 >> 16) + (window >> 1 >> (63 - self.bits())))
    }
}

/// Symbols and lengths of codewords, by the bits that begin with them: as many bits as a codeword may have, so that the
/// size is known to the compiler.
pub(super) struct Table {
    entries: Box<[Entry; 1 << MAX_LEN]>,
    /// States by number, where there are some.
    states: Box<[StateEntry]>,
    /// What leads to the first state: all its bits.
    pub(super) start: StateEntry,
    /// Symbols by number, where the alphabet is larger than an entry can tell.
    symbols: Vec<usize>,
}

/// The number of a symbol in the upper 12 bits and the length of its codeword in the lower 4: small, because there are
/// 2^13 of them.
#[derive(Debug, Clone, Copy, Default)]
struct Entry(u16);

impl Entry {
    const LEN_BITS: u32 = 4;

    #[inline]
    fn number(self) -> usize {
        usize::from(self.0 >> Self::LEN_BITS)
    }

    /// Bits of the codeword; 0 if there is none.
    #[inline]
    fn len(self) -> u32 {
        u32::from(self.0) & ((1 << Self::LEN_BITS) - 1)
    }
}

/// Whether symbols of a kind are their own numbers.
const fn is_small<S: LaneSymbols>() -> bool {
    S::KIND.alphabet() <= MAX_CODEWORDS
}

impl Table {
    pub(super) fn new<S: LaneSymbols>(codebook: &Codebook) -> Self {
        const { assert!(MAX_CODEWORDS <= 1 << (16 - Entry::LEN_BITS) && MAX_LEN < 1 << Entry::LEN_BITS) };
        // Bits that are no codeword take none, so that the stream does not end where it should.
        let mut entries = Box::new([Entry::default(); 1 << MAX_LEN]);
        let codewords = if S::ANS { Vec::new() } else { codebook.canonical() };
        for (place, &(symbol, code, len)) in (0u16..).zip(&codewords) {
            let spare = MAX_LEN - len;
            let first = (code as usize) << spare;
            let number = u16::try_from(symbol).ok().filter(|_| is_small::<S>()).unwrap_or(place);
            entries[first..first + (1 << spare)].fill(Entry(number << Entry::LEN_BITS | u16::from(len)));
        }
        let numbered = codewords.into_iter().filter(|_| !is_small::<S>());
        let mut symbols: Vec<usize> = numbered.map(|(symbol, ..)| symbol).collect();
        // An empty codebook's entries have number 0, too.
        symbols.push(0);
        let entry_of =
            |state: crate::codebook::ans::State| StateEntry::new(state.base, state.symbol, state.bits);
        let states: Vec<StateEntry> = states(codebook).into_iter().map(entry_of).collect();
        Self { entries, symbols, states: states.into(), start: StateEntry::new(0, 0, codebook.max_len()) }
    }

    /// How many states there are.
    pub(super) fn states(&self) -> usize {
        self.states.len()
    }

    #[inline]
    fn symbol<S: LaneSymbols>(&self, entry: Entry) -> usize {
        if is_small::<S>() { entry.number() } else { self.symbols[entry.number()] }
    }

    /// A round of lanes that stand at these positions of their streams, which are `stride` bytes from one another, and, where
    /// there are states, in these.
    #[inline(never)]
    fn round<S: LaneSymbols>(
        &self,
        streams: &[u8],
        stride: usize,
        positions: &mut [u32],
        standing: &mut [StateEntry],
        round: &mut [u8],
    ) {
        let mut streams = streams.chunks_exact(stride);
        if !S::ANS {
            for (lane, (stream, position)) in streams.zip(positions).enumerate() {
                self.turn::<S>(stream, position, lane, round);
            }
            return;
        }
        let (four_positions, positions) = positions.as_chunks_mut();
        let (four_standing, standing) = standing.as_chunks_mut();
        let (turns, _) = round.as_chunks_mut();
        let (four_turns, turns) = turns.split_at_mut(4 * four_positions.len());
        let (four_turns, _) = four_turns.as_chunks_mut();
        for ((positions, standing), turns) in four_positions.iter_mut().zip(four_standing).zip(four_turns) {
            let streams = [(); 4].map(|()| streams.next().unwrap_or_default());
            self.turns_of_states(streams, positions, standing, turns);
        }
        let (positions, standing) = (positions.as_chunks_mut().0, standing.as_chunks_mut().0);
        let alone = positions.iter_mut().zip(standing).zip(turns.as_chunks_mut().0);
        for (stream, ((position, standing), turn)) in streams.zip(alone) {
            self.turns_of_states::<1>([stream], position, standing, turn);
        }
    }

    /// The symbols of some lanes' turns, each of which is a field. Several lanes at once, because a symbol is looked up where the
    /// one before says, and a processor can do something else meanwhile.
    #[expect(clippy::needless_range_loop, reason = "places and lanes are indices of several arrays")]
    #[inline]
    pub(super) fn turns_of_states<const N: usize>(
        &self,
        streams: [&[u8]; N],
        positions: &mut [u32; N],
        standing: &mut [StateEntry; N],
        turns: &mut [[u8; VECTOR]; N],
    ) {
        const { assert!(VECTOR.is_multiple_of(PER_WINDOW)) };
        let (mut bits, mut entries) = (*positions, *standing);
        for first in (0..VECTOR).step_by(PER_WINDOW) {
            let mut windows: [u64; N] =
                std::array::from_fn(|lane| bits::window(streams[lane], bits[lane].into()));
            for place in first..first + PER_WINDOW {
                for lane in 0..N {
                    let state = entries[lane].next(windows[lane]);
                    windows[lane] <<= entries[lane].bits();
                    bits[lane] += entries[lane].bits();
                    // A codebook of no symbol has no states.
                    entries[lane] = self.states.get(state).copied().unwrap_or_default();
                    turns[lane][place] = entries[lane].symbol();
                }
            }
        }
        (*positions, *standing) = (bits, entries);
    }

    /// The fields of a lane's turn of a round, from bit `position` of its stream on, which then is where the turn ends.
    /// It is written in place, byte by byte: a vector that is returned would be read back whole before its bytes have
    /// left the store buffer.
    #[inline]
    fn turn<S: LaneSymbols>(&self, stream: &[u8], position: &mut u32, lane: usize, round: &mut [u8]) {
        const { assert!(turn::symbols::<S>().is_multiple_of(PER_WINDOW)) };
        let turn = turn::of_mut::<S>(round, lane);
        let mut bit = *position;
        for windows in 0..turn::symbols::<S>() / PER_WINDOW {
            let mut window = bits::window(stream, u64::from(bit));
            for number in windows * PER_WINDOW..(windows + 1) * PER_WINDOW {
                let entry = self.entries[int::index(window >> (64 - MAX_LEN))];
                let symbol = self.symbol::<S>(entry);
                for index in 0..S::KIND.elements {
                    turn[S::KIND.place(number, index)] = S::KIND.field(symbol, index);
                }
                window <<= entry.len();
                bit += entry.len();
            }
        }
        *position = bit;
    }
}
