//! Fast decoding, in parallel over chunks.
//!
//! A chunk's words are brought into the order of its lanes' streams first. Then turns are taken in the order of the
//! output: neighbours belong to different lanes and do not wait for each other.

use super::by_chunk::ByChunk;
use super::geometry::LANES;
use super::parts::{Chunk, Parts, check_length};
use super::streams::{Streams, lead};
use super::table::{Looked, Table};
use super::{LaneSymbols, patch, turn};
use crate::int;
use crate::layout::memory::zeroed;
use crate::layout::{DecodeError, Encoded, PIECE, TakePiece, range_of};
use crate::symbols;
use rayon::prelude::*;
use std::sync::atomic::AtomicU16;

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
        parts.give_back(S::KIND.bits, first..first + chunks);
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
struct Memory<S: LaneSymbols> {
    streams: Streams,
    /// Entries of its codewords.
    entries: Vec<AtomicU16>,
    ends: Vec<[u32; LANES]>,
    symbols: Vec<S::Number>,
    /// Coded bytes of numbers that have others.
    coded: Vec<u8>,
}

impl<S: LaneSymbols> Default for Memory<S> {
    fn default() -> Self {
        Self {
            streams: Streams::default(),
            entries: Vec::new(),
            ends: Vec::new(),
            symbols: Vec::new(),
            coded: Vec::new(),
        }
    }
}

/// Decodes a chunk: codewords, raw bits, patches.
fn decode_chunk<S: LaneSymbols>(
    parts: &Parts<'_>,
    table: &Table,
    chunk: &Chunk<'_>,
    memory: &mut Memory<S>,
    out: &mut [u8],
) -> Result<(), DecodeError> {
    if parts.split.element.bytes == 1 {
        return decode_coded::<S>(parts, table, chunk, memory, out);
    }
    let mut coded = std::mem::take(&mut memory.coded);
    coded.resize(chunk.elements, 0);
    let decoded = decode_coded::<S>(parts, table, chunk, memory, &mut coded);
    let first = chunk.index * parts.geometry.chunk;
    parts.split.join(&coded, parts.packed, parts.geometry.elements, first, out);
    memory.coded = coded;
    decoded
}

/// Decodes the coded bytes of a chunk.
fn decode_coded<S: LaneSymbols>(
    parts: &Parts<'_>,
    table: &Table,
    chunk: &Chunk<'_>,
    memory: &mut Memory<S>,
    coded: &mut [u8],
) -> Result<(), DecodeError> {
    decode_streams::<S>(parts, table, chunk, memory, coded)?;
    parts.split.uncode(S::KIND.bits, parts.packed, chunk.index * parts.geometry.chunk, coded);
    patch::apply(chunk.patches, coded);
    Ok(())
}

/// Decodes the fields of a chunk.
fn decode_streams<S: LaneSymbols>(
    parts: &Parts<'_>,
    table: &Table,
    chunk: &Chunk<'_>,
    memory: &mut Memory<S>,
    fields: &mut [u8],
) -> Result<(), DecodeError> {
    let round = turn::round::<S>();
    let in_round = LANES * turn::symbols::<S>();
    let rounds = chunk.elements.div_ceil(round);
    memory.symbols.resize(rounds * in_round, S::Number::default());
    memory.entries.resize_with(rounds * in_round, Default::default);
    // Where a damaged stream ends the work, no turn has ended.
    memory.ends.clear();
    memory.ends.resize(rounds, [0; LANES]);
    memory.streams.gather(chunk);
    let Memory { streams, entries, symbols, ends, .. } = memory;
    table.look_up::<S>(streams, &mut Looked { entries, symbols, ends });
    let mut positions = [0; LANES];
    for (index, ends) in memory.ends.iter().enumerate() {
        let lanes = turn::lanes(chunk.elements - index * round);
        parts.check_lead(chunk.index, lead(&positions[..lanes], parts.turn_bits))?;
        // Of a last round that lacks elements, others have no turn.
        positions[..lanes].copy_from_slice(&ends[..lanes]);
    }
    (0..LANES).try_for_each(|lane| chunk.check_end(lane, u64::from(positions[lane])))?;
    let whole = fields.len() - fields.len() % round;
    let (whole, rest) = fields.split_at_mut(whole);
    let (symbols, last) = memory.symbols.split_at(whole.len() / round * in_round);
    symbols::part::<S>(symbols, whole);
    if !rest.is_empty() {
        let mut round = vec![0; round];
        symbols::part::<S>(last, &mut round);
        rest.copy_from_slice(&round[..rest.len()]);
    }
    Ok(())
}
