//! Fast decoding, in parallel over blocks, with every gap and position checked on the way.

use super::sync::{self, BadParam, Geometry, Recorder};
use super::tables::{Single, Tables};
use super::{
    BYTES_PER_THREAD, CODEBOOKS, ENCODED, EXPONENT_GAP, FORMAT, GAPS, OUTPUT_POSITIONS, PACKED, RUNS,
    THREADS_PER_BLOCK, fits, nibbles,
};
use crate::bits;
use crate::int;
use crate::layout::memory::zeroed;
use crate::layout::{DecodeError, Encoded, PIECE, Scheme, TakePiece, range_of};
use crate::map::give_back;
use rayon::prelude::*;
use std::ops::Range;

impl From<BadParam> for DecodeError {
    fn from(BadParam { param, value, range }: BadParam) -> Self {
        Self::Param { param, value, range }
    }
}

/// The parts of a tensor whose lengths agree with each other and with the element count.
pub(super) struct Checked<'a> {
    encoded: &'a Encoded<'a>,
    pub(super) stream: &'a [u8],
    packed: &'a [u8],
    gaps: &'a [u8],
    /// One per block and the total, ascending.
    pub(super) positions: Vec<u64>,
    pub(super) geometry: Geometry,
}

impl<'a> Checked<'a> {
    pub(super) fn new(encoded: &'a Encoded<'a>) -> Result<Self, DecodeError> {
        let (stream, packed) = check_payload(encoded)?;
        let (bytes, threads) = (encoded.param(BYTES_PER_THREAD)?, encoded.param(THREADS_PER_BLOCK)?);
        let geometry = Geometry::new(stream.len() as u64, bytes, threads)?;
        let gaps = encoded.part(GAPS)?;
        check_length(GAPS, gaps, geometry.gaps_bytes())?;
        let positions = encoded.part(OUTPUT_POSITIONS)?;
        check_length(OUTPUT_POSITIONS, positions, geometry.positions_bytes())?;
        let positions: Vec<u64> =
            positions.as_chunks::<8>().0.iter().map(|p| u64::from_le_bytes(*p)).collect();
        check_positions(&positions, encoded.elements)?;
        // The stream starts with a codeword, and beyond its end there is padding.
        let mut zeros = std::iter::once(0).chain(geometry.windows..2 * gaps.len() as u64);
        if let Some(thread) = zeros.find(|thread| sync::gap(gaps, *thread) != 0) {
            return Err(DecodeError::Gap { thread, found: sync::gap(gaps, thread), expected: 0 });
        }
        Ok(Self { encoded, stream, packed, gaps, positions, geometry })
    }

    /// Gives back what some blocks, which have been decoded, lie in. Of a large tensor, they follow each other.
    fn give_back(&self, blocks: Range<usize>) {
        let [first, end] = [blocks.start, blocks.end].map(|block| {
            let bit = self.geometry.block_bit(block as u64).min(8 * self.stream.len() as u64);
            (int::index(bit / 8), int::index(self.positions.get(block).copied().unwrap_or_default() / 2))
        });
        let (stream, packed) = (self.stream.get(first.0..end.0), self.packed.get(first.1..end.1));
        stream.into_iter().chain(packed).for_each(give_back);
    }

    /// First bit of the first codeword of a block.
    pub(super) fn block_start(&self, block: u64) -> u64 {
        self.geometry.block_bit(block) + sync::gap(self.gaps, block * self.geometry.threads_per_block)
    }

    /// Checks that a block whose codewords end at `end` is followed by the next block or the end of the stream.
    pub(super) fn check_block_end(&self, block: u64, end: u64) -> Result<(), DecodeError> {
        if block + 1 == self.geometry.blocks {
            return check_stream_end(self.encoded, self.stream, end);
        }
        if end == self.block_start(block + 1) {
            return Ok(());
        }
        let entry = block + 1;
        Err(DecodeError::Position { entry, found: self.positions[int::index(entry)] })
    }
}

/// Checks codebook and lengths of what carries the data; gives the bitstream and the packed nibbles.
pub(super) fn check_payload<'a>(encoded: &'a Encoded<'_>) -> Result<(&'a [u8], &'a [u8]), DecodeError> {
    if let Some(run) = encoded.codebooks.run() {
        let (scheme, runs) = (EXPONENT_GAP.name(), encoded.codebooks.runs() as u64);
        return Err(DecodeError::Runs { scheme, runs, run, takes: RUNS });
    }
    let codebook = encoded.codebooks.first();
    if !fits(codebook) {
        let (symbols, max_len) = (codebook.symbols(), codebook.max_len());
        return Err(DecodeError::Codebook {
            scheme: EXPONENT_GAP.name(),
            symbols,
            max_len,
            takes: CODEBOOKS,
        });
    }
    if !encoded.scheme.takes_split(&encoded.split) {
        return Err(DecodeError::Split { scheme: EXPONENT_GAP.name(), dtype: encoded.split.element.dtype });
    }
    let packed = encoded.part(PACKED)?;
    check_length(PACKED, packed, encoded.elements.div_ceil(2))?;
    let last_unused = !encoded.elements.is_multiple_of(2) && packed.last().is_some_and(|last| last & 15 != 0);
    if last_unused {
        return Err(DecodeError::Padding { part: PACKED });
    }
    Ok((encoded.part(ENCODED)?, packed))
}

/// Checks that the last codeword ends in the last byte of the stream, and that the bits after it are zero: but for codes that
/// name their codewords, whose writers end a stream with the first bits of one that stands for nothing.
pub(super) fn check_stream_end(encoded: &Encoded<'_>, stream: &[u8], end: u64) -> Result<(), DecodeError> {
    let bits = stream.len() as u64 * 8;
    if end.div_ceil(8) * 8 != bits {
        return Err(DecodeError::StreamEnd { end, bits });
    }
    if !encoded.codebooks.first().is_named() && bits::window(stream, end) != 0 {
        return Err(DecodeError::Padding { part: ENCODED });
    }
    Ok(())
}

pub(super) fn check_output(encoded: &Encoded<'_>, out: &[u8]) -> Result<(), DecodeError> {
    let expected = encoded.elements;
    let found = out.len() as u64;
    if expected == found { Ok(()) } else { Err(DecodeError::OutputLength { expected, found }) }
}

fn check_length(part: &'static str, bytes: &[u8], expected: u64) -> Result<(), DecodeError> {
    let found = bytes.len() as u64;
    if expected == found { Ok(()) } else { Err(DecodeError::PartLength { part, expected, found }) }
}

fn check_positions(positions: &[u64], elements: u64) -> Result<(), DecodeError> {
    let mut previous = 0;
    for (entry, &found) in positions.iter().enumerate() {
        let wrong = found < previous
            || (entry == 0 && found != 0)
            || (entry + 1 == positions.len() && found != elements);
        if wrong {
            return Err(DecodeError::Position { entry: entry as u64, found });
        }
        previous = found;
    }
    Ok(())
}

pub(super) fn decode(encoded: &Encoded<'_>, out: &mut [u8]) -> Result<(), DecodeError> {
    check_output(encoded, out)?;
    let parts = Checked::new(encoded)?;
    let tables = Tables::new(encoded.codebooks.first());
    decode_blocks(&parts, &tables, 0, out)
}

/// Decodes blocks, some at a time, each time into the same memory.
pub(super) fn decode_pieces(encoded: &Encoded<'_>, take: &mut TakePiece<'_>) -> Result<(), DecodeError> {
    let parts = Checked::new(encoded)?;
    let tables = Tables::new(encoded.codebooks.first());
    let mut memory = Vec::new();
    let (mut first, mut start) = (0, 0);
    loop {
        // At least one block, and as many more as fit a piece.
        let rest = &parts.positions[first + 1..];
        let blocks = rest.partition_point(|end| *end <= start + PIECE as u64).max(1).min(rest.len());
        let end = parts.positions[first + blocks];
        let bytes = int::index(end - start);
        if memory.len() < bytes {
            memory = zeroed(bytes)?;
        }
        let piece = &mut memory[..bytes];
        decode_blocks(&parts, &tables, first, piece)?;
        parts.give_back(first..first + blocks);
        (first, start) = (first + blocks, end);
        if take(piece).is_break() || first + 1 >= parts.positions.len() {
            return Ok(());
        }
    }
}

/// Decodes the blocks that have elements from `first` on, as many as `out` has room for.
pub(super) fn decode_range(encoded: &Encoded<'_>, first: u64, out: &mut [u8]) -> Result<(), DecodeError> {
    let range = range_of(encoded, first, out.len())?;
    let parts = Checked::new(encoded)?;
    let tables = Tables::new(encoded.codebooks.first());
    let (positions, end) = (&parts.positions, range.end as u64);
    let (mut out, mut at) = (out, first);
    let mut block = positions.partition_point(|position| *position <= first).saturating_sub(1);
    while !out.is_empty() {
        let [start, after] = [positions[block], positions[block + 1]];
        let blocks = positions[block + 1..].partition_point(|position| *position <= end);
        let bytes = int::index(positions[block + blocks].saturating_sub(at));
        if start == at && bytes > 0 {
            let (own, rest) = out.split_at_mut(bytes);
            decode_blocks(&parts, &tables, block, own)?;
            (out, at, block) = (rest, positions[block + blocks], block + blocks);
        } else {
            // The range begins or ends within this block.
            let mut whole = zeroed(int::index(after - start))?;
            decode_blocks(&parts, &tables, block, &mut whole)?;
            let wanted = &whole[int::index(at - start)..int::index(end.min(after) - start)];
            let (own, rest) = out.split_at_mut(wanted.len());
            own.copy_from_slice(wanted);
            (out, at, block) = (rest, at + wanted.len() as u64, block + 1);
        }
    }
    Ok(())
}

/// Decodes the blocks from `first` on whose elements `out` has room for, in parallel.
fn decode_blocks(
    parts: &Checked<'_>,
    tables: &Tables,
    first: usize,
    out: &mut [u8],
) -> Result<(), DecodeError> {
    if parts.geometry.blocks == 0 {
        return check_stream_end(parts.encoded, parts.stream, 0);
    }
    let mut rest = out;
    let mut blocks = Vec::new();
    for pair in parts.positions[first..].windows(2) {
        let Some((block, after)) =
            std::mem::take(&mut rest).split_at_mut_checked(int::index(pair[1] - pair[0]))
        else {
            break;
        };
        blocks.push(block);
        rest = after;
    }
    blocks.into_par_iter().enumerate().with_min_len(8).try_for_each(|(number, out)| {
        let block = first + number;
        let end = decode_block(parts, tables, block as u64, out)?;
        parts.check_block_end(block as u64, end)?;
        nibbles::unpack_onto(parts.packed, int::index(parts.positions[block]), out);
        Ok(())
    })
}

/// Writes the exponents of one block, in place within their numbers; gives the bit at which its codewords end.
fn decode_block(
    parts: &Checked<'_>,
    tables: &Tables,
    block: u64,
    out: &mut [u8],
) -> Result<u64, DecodeError> {
    let Geometry { window_bits, threads_per_block, .. } = parts.geometry;
    let mut thread = block * threads_per_block + 1;
    let mut boundary = thread * window_bits;
    let mut bit = parts.block_start(block);
    let mut filled = 0;
    while filled < out.len() {
        let mut window = bits::window(parts.stream, bit);
        // A window holds 57 bits or more: enough for five look-ups of 11 bits.
        for _ in 0..5 {
            let codewords = tables.multi(window);
            let Some(place) = out.get_mut(filled..).and_then(<[u8]>::first_chunk_mut::<8>) else { break };
            if codewords.bits() == 0 || bit + codewords.bits() >= boundary {
                break;
            }
            *place = codewords.exponents();
            filled += codewords.count();
            bit += codewords.bits();
            window <<= codewords.bits();
        }
        // One by one across the boundary, at the end of the output, and for long codewords.
        let Single { exponent, len } = tables.single(bits::window(parts.stream, bit));
        let Some(place) = out.get_mut(filled) else { break };
        if len == 0 {
            return Err(DecodeError::NoCodeword { bit });
        }
        *place = exponent;
        filled += 1;
        bit += u64::from(len);
        if bit >= boundary {
            let (expected, found) = (bit - boundary, sync::gap(parts.gaps, thread));
            if expected != found {
                return Err(DecodeError::Gap { thread, found, expected });
            }
            thread += 1;
            boundary += window_bits;
        }
    }
    Ok(bit)
}

/// Follows the codewords of one block for `recorder`, which has followed all before.
pub(super) fn follow_block(
    parts: &Checked<'_>,
    tables: &Tables,
    block: u64,
    recorder: &mut Recorder,
) -> Result<(), DecodeError> {
    let mut bit = parts.block_start(block);
    let mut element = parts.positions[int::index(block)];
    let end = parts.positions[int::index(block) + 1];
    while element < end {
        let mut window = bits::window(parts.stream, bit);
        for _ in 0..5 {
            let codewords = tables.multi(window);
            let count = codewords.count() as u64;
            if count == 0 || bit + codewords.bits() >= recorder.boundary() || element + count > end {
                break;
            }
            element += count;
            bit += codewords.bits();
            window <<= codewords.bits();
        }
        if element == end {
            break;
        }
        let Single { len, .. } = tables.single(bits::window(parts.stream, bit));
        if len == 0 {
            return Err(DecodeError::NoCodeword { bit });
        }
        bit += u64::from(len);
        element += 1;
        recorder.pass(bit, element);
    }
    parts.check_block_end(block, bit)
}

const _: () = assert!(FORMAT.bytes_per_element() == 1, "element counts serve as byte counts here");
