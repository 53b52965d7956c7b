//! The streams of a chunk's lanes, each as bytes in a row, and their way into rows and tails and back.

use super::MAX_LEN;
use super::geometry::{LANES, VECTOR};
use super::parts::Chunk;
use super::tail::Tail;
use super::words::{self, Word};
use crate::int;

/// Bytes beyond a stream's end: what a window may reach for.
pub(super) const SLACK: usize = 8;

/// Bytes beyond all streams: what a lane reads that takes part in a last round in which it has no turn.
const REACH: usize = (VECTOR * MAX_LEN as usize).div_ceil(8) + SLACK;

/// Rows that are put in the order of streams together, or the other way round.
const ROWS: usize = 16;

/// Streams as bytes, most significant bit first, each `stride` bytes behind the one before.
#[derive(Debug, Default)]
pub(super) struct Streams {
    pub(super) bytes: Vec<u8>,
    pub(super) stride: usize,
}

impl Streams {
    /// The stream of a lane, and zeros behind it.
    pub(super) fn of(&self, lane: usize) -> &[u8] {
        &self.bytes[lane * self.stride..][..self.stride]
    }

    /// The bits from one on, of all streams, highest: at least 56, and behind all that there are one that is 1, which tells how
    /// far the window has been shifted since. `None` behind the last stream.
    #[inline]
    pub(super) fn window(&self, bit: u64) -> Option<u64> {
        let ahead = self.bytes.get(int::index(bit / 8)..)?.first_chunk()?;
        Some((u64::from_be_bytes(*ahead) | 1) << (bit % 8))
    }

    /// Takes the streams of a chunk out of its rows and tails.
    pub(super) fn gather(&mut self, chunk: &Chunk<'_>) {
        let rows = chunk.rows.len() / LANES;
        let extra_words = chunk.extras.iter().map(|bits| bits.div_ceil(32)).max().unwrap_or(0);
        self.stride = 4 * (rows + extra_words as usize) + SLACK;
        self.bytes.resize(LANES * self.stride + REACH, 0);
        self.bytes[LANES * self.stride..].fill(0);
        let (blocks, last) = chunk.rows.as_chunks::<{ ROWS * LANES }>();
        for (lane, stream) in self.bytes.chunks_exact_mut(self.stride).enumerate().take(LANES) {
            let (from_rows, beyond) = stream.as_chunks_mut::<4>().0.split_at_mut(rows);
            let (in_blocks, in_last) = from_rows.as_chunks_mut::<ROWS>();
            for (words, rows) in in_blocks.iter_mut().zip(blocks) {
                for (row, word) in words.iter_mut().enumerate() {
                    *word = u32::from_le_bytes(rows[row * LANES + lane]).to_be_bytes();
                }
            }
            for (word, row) in in_last.iter_mut().zip(last.chunks_exact(LANES)) {
                *word = u32::from_le_bytes(row[lane]).to_be_bytes();
            }
            let own = chunk.extras[lane].div_ceil(32) as usize;
            for (index, word) in beyond.iter_mut().enumerate() {
                *word = if index < own { chunk.word_beyond(lane, index).to_be_bytes() } else { [0; 4] };
            }
        }
    }
}

/// The streams of a chunk that is encoded.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// Where they are written.
    pub(super) streams: Streams,
    /// Bits of each lane's room before its stream: streams of states are at the end of it, since they are written backwards.
    pub(super) starts: [u32; LANES],
    /// Bits of each lane's stream.
    pub(super) bits: [u32; LANES],
    /// Rows in use at once, see FORMAT.md.
    pub(super) lead_rows: u32,
}

impl Written {
    /// Whole words that every lane has.
    pub(super) fn rows(&self) -> u32 {
        self.bits.iter().min().map_or(0, |bits| bits / 32)
    }

    /// Bits of each lane beyond the rows.
    fn extras(&self) -> [u32; LANES] {
        let rows = self.rows();
        self.bits.map(|bits| bits - 32 * rows)
    }

    /// Bits of the largest extra.
    pub(super) fn width(&self) -> u8 {
        let largest = self.extras().into_iter().max().unwrap_or(0);
        (u32::BITS - largest.leading_zeros()).to_le_bytes()[0]
    }

    /// Puts the streams into rows and tails.
    pub(super) fn scatter(&self) -> (Vec<Word>, Vec<Word>) {
        let (extras, width) = (self.extras(), self.width());
        let tail = Tail::new(&extras, width);
        let count = self.rows() as usize;
        let mut rows = vec![Word::default(); count * LANES];
        let mut tails = vec![Word::default(); tail.words()];
        let (blocks, last) = rows.as_chunks_mut::<{ ROWS * LANES }>();
        for (lane, &extra) in extras.iter().enumerate() {
            words::put(&mut tails, lane as u64 * u64::from(width), extra, width.into());
            let (before, shift) = (self.starts[lane] as usize / 32, self.starts[lane] % 32);
            let mut words = self.streams.of(lane).as_chunks::<4>().0.iter().skip(before);
            let mut next = || words.next().map_or(0, |word| u64::from(u32::from_be_bytes(*word)));
            let mut last_word = next();
            let mut word = || {
                let two = last_word << 32 | next();
                last_word = two & 0xffff_ffff;
                int::low(two << shift >> 32)
            };
            for rows in &mut *blocks {
                (0..ROWS).for_each(|row| rows[row * LANES + lane] = word().to_le_bytes());
            }
            for row in last.chunks_exact_mut(LANES) {
                row[lane] = word().to_le_bytes();
            }
            for index in 0..=extra as usize / 32 {
                let (start, len) = tail.place(lane, index);
                words::put(&mut tails, start, word().checked_shr(32 - len).unwrap_or(0), len);
            }
        }
        (rows, tails)
    }
}

/// Rows in use while lanes which stand at these bits decode one turn of at most `turn_bits` bits each: from the row
/// of the hindmost up to the last row that the foremost can reach.
#[inline]
pub(super) fn lead(positions: &[u32], turn_bits: u32) -> u32 {
    let (least, most) =
        positions.iter().fold((u32::MAX, 0), |(least, most), bit| (least.min(*bit), most.max(*bit)));
    (most + turn_bits).div_ceil(32).saturating_sub(least / 32)
}
