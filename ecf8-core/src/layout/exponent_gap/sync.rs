//! Gaps and output positions: how many there are, how they are recorded and how they are stored.

use super::{BYTES_PER_THREAD, THREADS_PER_BLOCK};
use crate::int;

const SIZE_RANGE: &str = "from 2 to 65536";
const EVEN_RANGE: &str = "even, from 2 to 65536";

/// A parameter out of its range; becomes the error of the direction in which it happens.
#[derive(Debug)]
pub(super) struct BadParam {
    pub(super) param: &'static str,
    pub(super) value: u64,
    pub(super) range: &'static str,
}

/// How a bitstream divides into windows and blocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Geometry {
    pub(super) window_bits: u64,
    pub(super) threads_per_block: u64,
    pub(super) windows: u64,
    pub(super) blocks: u64,
}

impl Geometry {
    pub(super) fn new(
        stream_bytes: u64,
        bytes_per_thread: u64,
        threads_per_block: u64,
    ) -> Result<Self, BadParam> {
        if !(2..=65536).contains(&bytes_per_thread) {
            return Err(BadParam { param: BYTES_PER_THREAD, value: bytes_per_thread, range: SIZE_RANGE });
        }
        if !(2..=65536).contains(&threads_per_block) || !threads_per_block.is_multiple_of(2) {
            return Err(BadParam { param: THREADS_PER_BLOCK, value: threads_per_block, range: EVEN_RANGE });
        }
        let windows = stream_bytes.div_ceil(bytes_per_thread);
        let blocks = windows.div_ceil(threads_per_block);
        Ok(Self { window_bits: 8 * bytes_per_thread, threads_per_block, windows, blocks })
    }

    /// Bytes of the gaps, padded to whole blocks.
    pub(super) fn gaps_bytes(&self) -> u64 {
        self.blocks.saturating_mul(self.threads_per_block / 2)
    }

    /// Bytes of the output positions: one per block and the total.
    pub(super) fn positions_bytes(&self) -> u64 {
        self.blocks.saturating_add(1).saturating_mul(8)
    }

    /// First bit of a block.
    pub(super) fn block_bit(&self, block: u64) -> u64 {
        block * self.threads_per_block * self.window_bits
    }
}

/// The gap of a thread; 0 beyond the part's end.
#[inline]
pub(super) fn gap(gaps: &[u8], thread: u64) -> u64 {
    let pair = gaps.get(int::index(thread / 2)).copied().unwrap_or(0);
    u64::from(if thread.is_multiple_of(2) { pair >> 4 } else { pair & 15 })
}

/// Collects gaps and positions over one segment of the stream: it starts where a codeword starts, at `start`, and
/// answers for the windows whose first bit lies after that, up to and including where the segment ends.
#[derive(Debug)]
pub(super) struct Recorder {
    window_bits: u64,
    threads_per_block: u64,
    next_window: u64,
    /// First bit of `next_window`.
    boundary: u64,
    /// One per window passed.
    gaps: Vec<u8>,
    /// One per block passed.
    positions: Vec<u64>,
}

impl Recorder {
    pub(super) fn new(geometry: &Geometry, start: u64) -> Self {
        let next_window = start / geometry.window_bits + 1;
        Self {
            window_bits: geometry.window_bits,
            threads_per_block: geometry.threads_per_block,
            next_window,
            boundary: next_window * geometry.window_bits,
            gaps: Vec::new(),
            positions: Vec::new(),
        }
    }

    /// First bit of the next window to be recorded.
    #[inline]
    pub(super) fn boundary(&self) -> u64 {
        self.boundary
    }

    /// A codeword that has `symbols` codewords before it starts at `bit`, or the stream ends there.
    ///
    /// Not inlined: it is needed once per window, and the loops around it need the registers.
    #[inline(never)]
    pub(super) fn pass(&mut self, bit: u64, symbols: u64) {
        while self.boundary <= bit {
            self.gaps.push(int::low_byte(bit - self.boundary));
            if self.next_window.is_multiple_of(self.threads_per_block) {
                self.positions.push(symbols);
            }
            self.next_window += 1;
            self.boundary += self.window_bits;
        }
    }
}

/// Joins the recorders of consecutive segments: gaps as stored, and output positions with the total.
pub(super) fn assemble(geometry: &Geometry, segments: &[Recorder], elements: u64) -> (Vec<u8>, Vec<u64>) {
    // A stream that ends on a boundary has passed into a window beyond it, which does not exist.
    let recorded = || segments.iter().flat_map(|segment| segment.gaps.iter().copied());
    let gaps_of_windows = std::iter::once(0).chain(recorded()).take(int::index(geometry.windows));
    let mut gaps = vec![0; int::index(geometry.gaps_bytes())];
    for (thread, gap) in gaps_of_windows.enumerate() {
        gaps[thread / 2] |= if thread.is_multiple_of(2) { gap << 4 } else { gap };
    }
    let recorded = segments.iter().flat_map(|segment| segment.positions.iter().copied());
    let mut positions: Vec<u64> =
        std::iter::once(0).chain(recorded).take(int::index(geometry.blocks)).collect();
    positions.push(elements);
    (gaps, positions)
}
