//! Encoding, in parallel over chunks: their code lengths are summed first, so each chunk knows its place in the stream.

use super::sync::{self, BadParam, Geometry, Recorder};
use super::{BYTES_PER_THREAD, CODEBOOKS, EXPONENT_GAP, FORMAT, PARTS, THREADS_PER_BLOCK, fits};
use crate::codebook::Codebook;
use crate::histogram::Histogram;
use crate::int;
use crate::layout::{EncodeError, Encoded, Part, Scheme, nibbles};
use rayon::prelude::*;
use std::borrow::Cow;

/// Elements of a chunk; even, so that no packed byte is shared.
pub(super) const CHUNK: usize = 1 << 18;

impl From<BadParam> for EncodeError {
    fn from(BadParam { param, value, range }: BadParam) -> Self {
        Self::Param { param, value, range }
    }
}

pub(super) fn encode(
    data: &[u8],
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
    let elements = data.len() as u64;
    let starts = chunk_starts(data, codebook)?;
    let bits = starts.last().copied().unwrap_or(0);
    let geometry = Geometry::new(bits.div_ceil(8), bytes_per_thread, threads_per_block)?;

    let mut packed = vec![0; data.len().div_ceil(2)];
    let pairs = PairCodes::new(codebook);
    let ranges: Vec<[u64; 2]> = starts.windows(2).map(|pair| [pair[0], pair[1]]).collect();
    let chunks = data.par_chunks(CHUNK).zip(packed.par_chunks_mut(CHUNK / 2)).zip(ranges).enumerate();
    let (streams, recorders): (Vec<_>, Vec<_>) = chunks
        .map(|(chunk, ((data, packed), range))| {
            nibbles::pack(data, packed);
            let mut recorder = Recorder::new(&geometry, range[0]);
            let stream = pairs.encode(data, range, (chunk * CHUNK) as u64, &mut recorder);
            (stream, recorder)
        })
        .unzip();
    let (gaps, positions) = sync::assemble(&geometry, &recorders, elements);
    let positions: Vec<u8> = positions.into_iter().flat_map(u64::to_le_bytes).collect();
    let bytes = [join(&starts, streams), packed, gaps, positions];
    let parts = PARTS.iter().zip(bytes).map(|(spec, bytes)| Part {
        name: spec.name,
        dtype: spec.dtype,
        bytes: Cow::Owned(bytes),
    });
    Ok(Encoded {
        scheme: &EXPONENT_GAP,
        elements,
        codebook: codebook.clone(),
        params: [(BYTES_PER_THREAD, bytes_per_thread), (THREADS_PER_BLOCK, threads_per_block)]
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
        parts: parts.collect(),
    })
}

/// The bit at which each chunk's codewords start, and where the last one's end.
fn chunk_starts(data: &[u8], codebook: &Codebook) -> Result<Vec<u64>, EncodeError> {
    let histograms: Vec<Histogram> =
        data.par_chunks(CHUNK).map(|chunk| Histogram::of_exponents(chunk, &FORMAT)).collect();
    let mut starts = vec![0];
    let mut bit = 0;
    for histogram in histograms {
        let missing = |(symbol, _): &&(usize, u64)| codebook.length(*symbol) == 0;
        if let Some(&(symbol, _)) = histogram.present().iter().find(missing) {
            return Err(EncodeError::NoCodeword { symbol });
        }
        bit += codebook.cost_bits(&histogram);
        starts.push(bit);
    }
    Ok(starts)
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

    /// The codewords of one chunk, which are bits `start` to `end` of the whole stream. What comes out begins with zero
    /// bits up to `start` modulo 8.
    fn encode(
        &self,
        data: &[u8],
        [start, end]: [u64; 2],
        first_element: u64,
        recorder: &mut Recorder,
    ) -> Vec<u8> {
        let mut stream = Stream::new(start, end);
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

    /// For bits `start` to `end` of the whole stream.
    fn new(start: u64, end: u64) -> Self {
        let bytes = vec![0; int::index((start % 8 + end - start).div_ceil(8)) + 8];
        Self { bytes, complete: 0, pending: 0, pending_bits: u32::from(int::low_byte(start % 8)), bit: start }
    }

    /// `len` is from 1 to [`Stream::WRITE_BITS`].
    #[inline]
    fn write(&mut self, (code, len): (u64, u32)) {
        self.pending |= code << (64 - self.pending_bits - len);
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

/// The streams of all chunks in one; a byte that two chunks share holds the bits of both.
fn join(starts: &[u64], streams: Vec<Vec<u8>>) -> Vec<u8> {
    let bits = starts.last().copied().unwrap_or(0);
    let mut joined: Vec<u8> = Vec::with_capacity(int::index(bits.div_ceil(8)));
    for (start, stream) in starts.iter().zip(streams) {
        let own = match (joined.last_mut(), stream.split_first()) {
            (Some(last), Some((first, own))) if start % 8 != 0 => {
                *last |= first;
                own
            }
            _ => &stream,
        };
        joined.extend_from_slice(own);
    }
    joined
}
