//! DFloat11's bitstream: as that of `exponent-gap`, with symbols of 8 bits, codewords of up to 32, gaps of 5 and positions of 32.

use crate::bits::{self, BitWriter};
use crate::codebook::{Codebook, MAX_CODE_LEN};
use crate::int;
use crate::layout::DecodeError;
use crate::layout::memory::zeroed;
use rayon::prelude::*;

/// Bytes of the stream that a thread decodes, in files that are written.
pub(super) const BYTES_PER_THREAD: u64 = 8;

/// Threads of a block, in files that are written.
pub(super) const THREADS_PER_BLOCK: u64 = 512;

/// What messages call the parts.
const GAPS: &str = "gaps";
const POSITIONS: &str = "output_positions";

/// Bits of a gap.
const GAP_BITS: u64 = 5;

/// Bits that index the table of short codewords.
const INDEX_BITS: u32 = 11;

/// How a stream is divided.
#[derive(Debug, Clone, Copy)]
pub(super) struct Threads {
    pub(super) bytes_per_thread: u64,
    pub(super) threads_per_block: u64,
}

/// The parts of a coded tensor, whose lengths agree.
pub(super) struct GapStream<'a> {
    stream: &'a [u8],
    gaps: &'a [u8],
    /// One per block, and the number of all.
    positions: Vec<u64>,
    threads: Threads,
    table: Table,
}

impl<'a> GapStream<'a> {
    /// From its stored parts, which hold `elements` symbols.
    pub(super) fn new(
        [stream, gaps, positions]: [&'a [u8]; 3],
        codebook: &Codebook,
        elements: u64,
        threads: Threads,
    ) -> Result<Self, DecodeError> {
        let Threads { bytes_per_thread, threads_per_block } = threads;
        for (param, value) in
            [("bytes_per_thread", bytes_per_thread), ("threads_per_block", threads_per_block)]
        {
            if !(4..=65536).contains(&value) {
                return Err(DecodeError::Param { param, value, range: "from 4 to 65536" });
            }
        }
        let windows = (stream.len() as u64).div_ceil(bytes_per_thread);
        let blocks = windows.div_ceil(threads_per_block);
        let length = |part, found: &[u8], expected: u64| {
            let found = found.len() as u64;
            if found == expected { Ok(()) } else { Err(DecodeError::PartLength { part, expected, found }) }
        };
        length(GAPS, gaps, (blocks * threads_per_block * GAP_BITS).div_ceil(8))?;
        length(POSITIONS, positions, 4 * (blocks + 1))?;
        let positions: Vec<u64> =
            positions.as_chunks::<4>().0.iter().map(|own| u32::from_le_bytes(*own).into()).collect();
        let mut previous = 0;
        for (entry, &found) in (0u64..).zip(&positions) {
            let is_wrong =
                found < previous || (entry == 0 && found != 0) || (entry == blocks && found != elements);
            if is_wrong {
                return Err(DecodeError::Position { entry, found });
            }
            previous = found;
        }
        let new = Self { stream, gaps, positions, threads, table: Table::new(codebook) };
        // The stream starts with a codeword.
        match new.gap(0) {
            0 => Ok(new),
            found => Err(DecodeError::Gap { thread: 0, found, expected: 0 }),
        }
    }

    fn gap(&self, thread: u64) -> u64 {
        bits::window(self.gaps, thread * GAP_BITS) >> (64 - GAP_BITS)
    }

    /// First bit of the first codeword of a block.
    fn start(&self, block: usize) -> u64 {
        let first = block as u64 * self.threads.threads_per_block;
        first * self.threads.bytes_per_thread * 8 + self.gap(first)
    }

    /// Decodes the symbols from `first` on that `out` has room for, in parallel over blocks.
    pub(super) fn decode(&self, first: u64, out: &mut [u8]) -> Result<(), DecodeError> {
        let (end, elements) = (first + out.len() as u64, self.positions.last().copied().unwrap_or(0));
        if end > elements {
            return Err(DecodeError::OutputRange { first, end, elements });
        }
        let mut rest = out;
        let mut pieces = Vec::new();
        for (block, pair) in self.positions.windows(2).enumerate() {
            let (from, to) = (pair[0].max(first), pair[1].min(end));
            if from >= to {
                continue;
            }
            let (piece, after) = std::mem::take(&mut rest).split_at_mut(int::index(to - from));
            pieces.push((block, from - pair[0], piece));
            rest = after;
        }
        pieces.into_par_iter().try_for_each(|(block, skipped, piece)| {
            let symbols = int::index(self.positions[block + 1] - self.positions[block]);
            if piece.len() == symbols {
                return self.decode_block(block, piece);
            }
            let mut whole = zeroed(symbols)?;
            self.decode_block(block, &mut whole)?;
            let skipped = int::index(skipped);
            piece.copy_from_slice(&whole[skipped..skipped + piece.len()]);
            Ok(())
        })
    }

    fn decode_block(&self, block: usize, out: &mut [u8]) -> Result<(), DecodeError> {
        let window = 8 * self.threads.bytes_per_thread;
        let mut thread = block as u64 * self.threads.threads_per_block + 1;
        let mut bit = self.start(block);
        for out in out {
            let (symbol, length) = self.table.look_up(bits::window(self.stream, bit));
            if length == 0 {
                return Err(DecodeError::NoCodeword { bit });
            }
            *out = symbol;
            bit += u64::from(length);
            while bit >= thread * window && thread * window < 8 * self.stream.len() as u64 {
                let (expected, found) = (bit - thread * window, self.gap(thread));
                if expected != found {
                    return Err(DecodeError::Gap { thread, found, expected });
                }
                thread += 1;
            }
        }
        let bits = 8 * self.stream.len() as u64;
        if block + 2 < self.positions.len() {
            let entry = block + 1;
            let is_next = bit == self.start(entry);
            return if is_next {
                Ok(())
            } else {
                Err(DecodeError::Position { entry: entry as u64, found: self.positions[entry] })
            };
        }
        if bit.div_ceil(8) * 8 == bits { Ok(()) } else { Err(DecodeError::StreamEnd { end: bit, bits }) }
    }
}

/// Codewords by the bits that they begin with.
struct Table {
    /// Symbols and lengths by the next bits; of those with a length of 0, the codewords are longer, or there is none.
    short: Vec<(u8, u8)>,
    /// All codewords, left-justified in 32 bits, in order, with symbols and lengths.
    all: Vec<(u32, u8, u8)>,
}

impl Table {
    fn new(codebook: &Codebook) -> Self {
        let justified = |(symbol, code, length): (usize, u32, u8)| {
            (code << (MAX_CODE_LEN - length), symbol.to_le_bytes()[0], length)
        };
        let all: Vec<(u32, u8, u8)> = codebook.canonical().into_iter().map(justified).collect();
        let mut short = vec![(0, 0); 1 << INDEX_BITS];
        for &(code, symbol, length) in all.iter().filter(|(.., length)| u32::from(*length) <= INDEX_BITS) {
            let first = (code >> (32 - INDEX_BITS)) as usize;
            short[first..first + (1 << (INDEX_BITS - u32::from(length)))].fill((symbol, length));
        }
        Self { short, all }
    }

    /// The symbol at the top of `window`, and the length of its codeword; 0 if there is none.
    fn look_up(&self, window: u64) -> (u8, u8) {
        let found = self.short.get(int::index(window >> (64 - INDEX_BITS))).copied().unwrap_or_default();
        if found.1 > 0 {
            return found;
        }
        let bits = int::low(window >> 32);
        let before = self.all.partition_point(|(code, ..)| *code <= bits);
        let last = before.checked_sub(1).and_then(|last| self.all.get(last));
        let fits = |(code, _, length): &&(u32, u8, u8)| u64::from(bits - code) < 1 << (MAX_CODE_LEN - length);
        last.filter(fits).map_or((0, 0), |(_, symbol, length)| (*symbol, *length))
    }
}

/// A stream that was written, with what belongs to it.
pub(super) struct Written {
    pub(super) bytes: Vec<u8>,
    /// Bits that codewords take.
    pub(super) bits: u64,
    pub(super) gaps: Vec<u8>,
    pub(super) positions: Vec<u8>,
}

impl Written {
    /// The same to be read, a stream of `elements` symbols.
    pub(super) fn borrowed(&self, codebook: &Codebook, elements: u64) -> Result<GapStream<'_>, DecodeError> {
        let threads = Threads { bytes_per_thread: BYTES_PER_THREAD, threads_per_block: THREADS_PER_BLOCK };
        GapStream::new([&self.bytes, &self.gaps, &self.positions], codebook, elements, threads)
    }
}

/// Writes symbols, all of which have codewords and which are fewer than 2^32.
pub(super) fn encode(symbols: &[u8], codebook: &Codebook) -> Written {
    let codewords = codebook.codewords();
    let (window, block) = (8 * BYTES_PER_THREAD, 8 * BYTES_PER_THREAD * THREADS_PER_BLOCK);
    let mut stream = BitWriter::new();
    let (mut gaps, mut positions) = (BitWriter::new(), Vec::new());
    let (mut next_window, mut next_block, mut count) = (0, 0, 0u32);
    for symbol in symbols {
        let bit = stream.bit_len();
        if bit >= next_window {
            gaps.write(int::low(bit - next_window), 5);
            next_window += window;
        }
        if bit >= next_block {
            positions.extend(count.to_le_bytes());
            next_block += block;
        }
        let (code, length) = codewords[usize::from(*symbol)];
        stream.write(code, length);
        count += 1;
    }
    let bits = stream.bit_len();
    // A window in which codewords only end has a gap, too.
    if !bits.is_multiple_of(8) && bits >= next_window {
        gaps.write(int::low(bits - next_window), 5);
    }
    if !bits.is_multiple_of(8) && bits >= next_block {
        positions.extend(count.to_le_bytes());
    }
    positions.extend(count.to_le_bytes());
    let bytes = stream.finish();
    let mut gaps = gaps.finish();
    let blocks = (bytes.len() as u64).div_ceil(BYTES_PER_THREAD).div_ceil(THREADS_PER_BLOCK);
    gaps.resize(int::index((blocks * THREADS_PER_BLOCK * GAP_BITS).div_ceil(8)), 0);
    Written { bytes, bits, gaps, positions }
}
