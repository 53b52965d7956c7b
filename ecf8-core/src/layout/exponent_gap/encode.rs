//! Encoding, in parallel over chunks: their code lengths are summed first, so each chunk knows its place in the stream.

use super::sync::{self, BadParam, Geometry, Recorder};
use super::{BYTES_PER_THREAD, CODEBOOKS, EXPONENT_GAP, FORMAT, PARTS, THREADS_PER_BLOCK, fits, nibbles};
use crate::codebook::Codebook;
use crate::element::Numbers;
use crate::histogram::Histogram;
use crate::int;
use crate::layout::memory::{with_room, zeroed};
use crate::layout::{EncodeError, Encoded, Part, Scheme};
use rayon::prelude::*;
use std::borrow::Cow;
use std::ops::Range;

/// Elements of a chunk; even, so that no packed byte is shared.
pub(super) const CHUNK: usize = 1 << 18;

/// Elements of the chunks whose streams are in memory beside the whole one.
const GROUP: usize = if cfg!(test) { 2 } else { 64 } * CHUNK;

impl From<BadParam> for EncodeError {
    fn from(BadParam { param, value, range }: BadParam) -> Self {
        Self::Param { param, value, range }
    }
}

pub(super) fn encode(
    numbers: Numbers<'_>,
    codebook: &Codebook,
    bytes_per_thread: u64,
    threads_per_block: u64,
) -> Result<Encoded<'static>, EncodeError> {
    if !fits(codebook) {
        let (symbols, max_len) = (codebook.symbols(), codebook.max_len());
        return Err(EncodeError::Codebook {
            scheme: EXPONENT_GAP.name(),
            symbols,
            max_len,
            takes: CODEBOOKS,
        });
    }
    let data = numbers.bytes;
    let elements = data.len() as u64;
    let ranges = chunk_ranges(data, codebook)?;
    let bits = ranges.last().map_or(0, |range| range.end);
    let geometry = Geometry::new(bits.div_ceil(8), bytes_per_thread, threads_per_block)?;

    let mut packed = zeroed(data.len().div_ceil(2))?;
    let mut stream = with_room(int::index(bits.div_ceil(8)))?;
    let mut recorders = Vec::with_capacity(ranges.len());
    let pairs = PairCodes::new(codebook);
    let tasks = data.chunks(GROUP).zip(packed.chunks_mut(GROUP / 2)).zip(ranges.chunks(GROUP / CHUNK));
    for (group, ((data, packed), ranges)) in tasks.enumerate() {
        let chunks = data.par_chunks(CHUNK).zip(packed.par_chunks_mut(CHUNK / 2)).zip(ranges).enumerate();
        let (streams, of_group): (Vec<_>, Vec<_>) = chunks
            .map_init(Vec::new, |copy, (chunk, ((data, packed), range))| {
                // The data may be a mapped file that someone writes to, see `lanes::encode`.
                copy.clear();
                copy.extend_from_slice(data);
                nibbles::pack(copy, packed);
                let mut recorder = Recorder::new(&geometry, range.start);
                let first_element = (group * GROUP + chunk * CHUNK) as u64;
                let stream = pairs.encode(copy, range, first_element, &mut recorder);
                (stream, recorder)
            })
            .unzip();
        join(&mut stream, ranges, &streams);
        recorders.extend(of_group);
    }
    let (gaps, positions) = sync::assemble(&geometry, &recorders, elements);
    let positions: Vec<u8> = positions.into_iter().flat_map(u64::to_le_bytes).collect();
    let bytes = [stream, packed, gaps, positions];
    let parts = PARTS.iter().zip(bytes).map(|(spec, bytes)| Part {
        name: spec.name,
        dtype: spec.dtype,
        bytes: Cow::Owned(bytes),
    });
    Ok(Encoded {
        scheme: &EXPONENT_GAP,
        split: numbers.split.clone(),
        elements,
        codebooks: codebook.into(),
        params: [(BYTES_PER_THREAD, bytes_per_thread), (THREADS_PER_BLOCK, threads_per_block)]
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
        parts: parts.collect(),
    })
}

/// The bits that each chunk's codewords take of the stream.
fn chunk_ranges(data: &[u8], codebook: &Codebook) -> Result<Vec<Range<u64>>, EncodeError> {
    let histograms: Vec<Histogram> =
        data.par_chunks(CHUNK).map(|chunk| Histogram::of_exponents(chunk, &FORMAT)).collect();
    let mut ranges = Vec::with_capacity(histograms.len());
    let mut bit = 0;
    for histogram in histograms {
        if let Some((symbol, ..)) = codebook.lengths_of(&histogram).find(|(_, _, length)| *length == 0) {
            return Err(EncodeError::NoCodeword { symbol });
        }
        let start = bit;
        bit += codebook.cost_bits(&histogram);
        ranges.push(start..bit);
    }
    Ok(ranges)
}

/// Codewords with their lengths: of single exponents, and of two in a row.
struct PairCodes {
    single: [(u64, u32); 16],
    pair: [(u64, u32); 256],
}

impl PairCodes {
    fn new(codebook: &Codebook) -> Self {
        let mut single = [(0, 0); 16];
        for (entry, (code, len)) in single.iter_mut().zip(codebook.codewords()) {
            *entry = (u64::from(code), u32::from(len));
        }
        let pair = std::array::from_fn(|both| append(single[both / 16], single[both % 16]));
        Self { single, pair }
    }

    /// The codewords of one chunk, which are these bits of the whole stream. What comes out begins with zero bits up to the
    /// first of them modulo 8.
    fn encode(
        &self,
        data: &[u8],
        range: &Range<u64>,
        first_element: u64,
        recorder: &mut Recorder,
    ) -> Vec<u8> {
        let mut stream = Stream::new(range);
        let (quads, tail) = data.as_chunks::<4>();
        let mut element = first_element;
        for quad in quads {
            let [a, b, c, d] = quad.map(|byte| usize::from(FORMAT.split(byte).0));
            let (first, second) = (self.pair[a << 4 | b], self.pair[c << 4 | d]);
            let end = stream.bit + u64::from(first.1 + second.1);
            if end >= recorder.boundary() {
                let mut bit = stream.bit;
                for (symbol, element) in [a, b, c, d].into_iter().zip(element + 1..) {
                    bit += u64::from(self.single[symbol].1);
                    recorder.pass(bit, element);
                }
            }
            if first.1 + second.1 <= Stream::WRITE_BITS {
                stream.write(append(first, second));
            } else {
                stream.write(first);
                stream.write(second);
            }
            element += 4;
        }
        for byte in tail {
            stream.write(self.single[usize::from(FORMAT.split(*byte).0)]);
            element += 1;
            recorder.pass(stream.bit, element);
        }
        stream.finish()
    }
}

/// One codeword (or several) after another; 64 bits at most.
#[inline]
fn append((code, len): (u64, u32), (next, next_len): (u64, u32)) -> (u64, u32) {
    (code << next_len | next, len + next_len)
}

/// A bit writer into a buffer of known size, which stores after every write, without a branch: whole bytes stay where
/// they are, the rest is stored again with the next codeword.
struct Stream {
    /// The stream and room for one more word.
    bytes: Vec<u8>,
    /// Bytes that are complete.
    complete: usize,
    /// Bits after those, from the top down; fewer than 8 between calls.
    pending: u64,
    pending_bits: u32,
    /// Position in the whole stream.
    bit: u64,
}

impl Stream {
    /// Bits that one write takes at most, so that they fit a word beside the pending ones.
    const WRITE_BITS: u32 = 56;

    /// For these bits of the whole stream.
    fn new(&Range { start, end }: &Range<u64>) -> Self {
        let bytes = vec![0; int::index((start % 8 + end - start).div_ceil(8)) + 8];
        Self { bytes, complete: 0, pending: 0, pending_bits: u32::from(int::low_byte(start % 8)), bit: start }
    }

    /// `len` is at most [`Stream::WRITE_BITS`]; 0 for an exponent that had a codeword when the chunk was measured.
    #[inline]
    fn write(&mut self, (code, len): (u64, u32)) {
        // Wrapping, because nothing may be shifted by 64 bits when nothing is pending.
        self.pending |= code.wrapping_shl(64 - self.pending_bits - len);
        self.pending_bits += len;
        self.bit += u64::from(len);
        if let Some(place) = self.bytes.get_mut(self.complete..).and_then(<[u8]>::first_chunk_mut::<8>) {
            *place = self.pending.to_be_bytes();
        }
        self.complete += (self.pending_bits / 8) as usize;
        self.pending <<= self.pending_bits & !7;
        self.pending_bits %= 8;
    }

    fn finish(mut self) -> Vec<u8> {
        self.bytes.truncate(self.bytes.len() - 8);
        self.bytes
    }
}

/// Appends the streams of chunks; a byte that two chunks share holds the bits of both.
fn join(joined: &mut Vec<u8>, ranges: &[Range<u64>], streams: &[Vec<u8>]) {
    for (range, stream) in ranges.iter().zip(streams) {
        let own = match (joined.last_mut(), stream.split_first()) {
            (Some(last), Some((first, own))) if range.start % 8 != 0 => {
                *last |= first;
                own
            }
            _ => stream,
        };
        joined.extend_from_slice(own);
    }
}
