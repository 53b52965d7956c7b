//! Checksums of pieces of a data section, whatever tensors lie in them. They tell where in a large tensor damage is; and
//! where tensors have no checksums of their own, they are what there is.

use crate::checksum::{Checksum, checksum, from_hex, to_hex};
use crate::header::TensorRecord;
use crate::int;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

/// The fewest bytes of a piece.
const LEAST: u64 = 1 << 20;

/// The most pieces; of more data, pieces are larger. Their checksums are 64 KiB of JSON then, .002 % of the data.
const MOST: u64 = 4096;

/// Digits of a checksum.
const DIGITS: usize = 16;

/// What a manifest says of the pieces of the data section.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PiecesEntry {
    /// Of each piece; the last may have fewer.
    pub(super) bytes: u64,
    /// One after the other, 16 digits each.
    pub(super) checksums: String,
}

/// How many bytes a piece has where the data have `data_bytes` bytes.
pub(super) fn piece_bytes(data_bytes: u64) -> u64 {
    let mut piece = LEAST;
    while data_bytes.div_ceil(piece) > MOST {
        piece *= 2;
    }
    piece
}

impl PiecesEntry {
    /// The entry of pieces of `bytes` bytes with these checksums.
    pub(super) fn new(bytes: u64, checksums: &[u64]) -> Self {
        Self { bytes, checksums: checksums.iter().map(|checksum| to_hex(*checksum)).collect() }
    }

    /// What the entry takes at most where the data have at most `data_bytes` bytes; `None` where one checksum of a tensor
    /// tells as much.
    pub(super) fn at_most(data_bytes: u64) -> Option<Self> {
        let bytes = piece_bytes(data_bytes);
        let checksums = "0".repeat(DIGITS * int::index(data_bytes.div_ceil(bytes)));
        (data_bytes > bytes).then_some(Self { bytes, checksums })
    }

    /// What this is for data that are written now; a room that `self` was made for may turn out too small for it.
    pub(super) fn summing(&self) -> Summing {
        Summing {
            bytes: self.bytes,
            room: self.checksums.len() / DIGITS,
            current: Checksum::default(),
            filled: 0,
            done: Vec::new(),
        }
    }
}

/// Pieces of data that come in order, summed up.
#[derive(Clone)]
pub(super) struct Summing {
    bytes: u64,
    /// How many checksums there is room for.
    room: usize,
    current: Checksum,
    /// Bytes in the current piece.
    filled: u64,
    done: Vec<u64>,
}

impl Summing {
    /// Goes on with `data`.
    pub(super) fn add(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            let missing = int::index(self.bytes - self.filled);
            let (now, later) = data.split_at(data.len().min(missing));
            self.current.add(now);
            self.filled += now.len() as u64;
            data = later;
            if self.filled == self.bytes {
                self.end_piece();
            }
        }
    }

    /// A checksum of all so far, and of some text.
    pub(super) fn so_far(&self, text: &str) -> u64 {
        let mut all = Checksum::default();
        for sum in self.done.iter().copied().chain([self.current.finish(), self.filled]) {
            all.add(&sum.to_le_bytes());
        }
        all.add(text.as_bytes());
        all.finish()
    }

    fn end_piece(&mut self) {
        self.done.push(std::mem::take(&mut self.current).finish());
        self.filled = 0;
    }

    /// The entry of all data; `None` if they are one piece, or more than there is room for.
    pub(super) fn finish(mut self) -> Option<PiecesEntry> {
        if self.filled > 0 {
            self.end_piece();
        }
        let is_told = self.done.len() > 1 && self.done.len() <= self.room;
        is_told.then(|| PiecesEntry::new(self.bytes, &self.done))
    }
}

/// The pieces of an open file, found to be as many as its data have; none if nothing is known of any.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    bytes: u64,
    /// Bytes of all together, from the start of the data section.
    data_bytes: u64,
    checksums: Vec<u64>,
    /// Which of them were right already, so that reading many small tensors does not check a piece for each.
    right: Vec<AtomicBool>,
}

impl Pieces {
    /// Those of the first `data_bytes` bytes of a data section, by what a manifest says.
    pub(super) fn new(bytes: u64, checksums: &str, data_bytes: u64) -> Result<Self, String> {
        let (digits, others) = checksums.as_bytes().as_chunks::<DIGITS>();
        let sums = digits.iter().map(|digits| str::from_utf8(digits).ok().and_then(from_hex));
        let checksums = sums.collect::<Option<Vec<u64>>>().filter(|_| others.is_empty());
        let checksums = checksums.ok_or("its checksums are not 16 hexadecimal digits each")?;
        // Any other number might be as good for a small file, so that a flipped bit in it went unnoticed.
        if !bytes.is_power_of_two() || bytes < LEAST {
            return Err(format!("its pieces have {bytes} bytes, expected a power of two from {LEAST} on"));
        }
        if checksums.len() as u64 != data_bytes.div_ceil(bytes) {
            return Err(format!("its checksums are not one for each {bytes} bytes of the data"));
        }
        let right = checksums.iter().map(|_| AtomicBool::new(false)).collect();
        Ok(Self { bytes, data_bytes, checksums, right })
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.checksums.len()
    }

    /// The pieces that have bytes of this tensor; none if they do not tell of all its bytes.
    pub(super) fn of(&self, record: &TensorRecord) -> Range<usize> {
        if record.begin == record.end || record.end > self.data_bytes {
            return 0..0;
        }
        int::index(record.begin / self.bytes)..int::index(record.end.div_ceil(self.bytes))
    }

    /// The bytes of a piece, counted in the data section.
    pub(super) fn bytes_of(&self, index: usize) -> Range<u64> {
        let begin = index as u64 * self.bytes;
        begin..begin.saturating_add(self.bytes).min(self.data_bytes)
    }

    /// The checksum of a piece.
    pub(super) fn checksum(&self, index: usize) -> u64 {
        self.checksums[index]
    }

    /// Whether a piece was right already.
    pub(super) fn was_right(&self, index: usize) -> bool {
        self.right[index].load(Ordering::Relaxed)
    }

    /// Remembers that a piece was right.
    pub(super) fn is_right(&self, index: usize) {
        self.right[index].store(true, Ordering::Relaxed);
    }
}

/// The checksums of the pieces of these bytes, which begin where one begins.
pub(super) fn sum_up(data: &[u8], piece: u64, sums: &mut [u64]) {
    let pieces = data.par_chunks(int::index(piece));
    sums.par_iter_mut().zip(pieces).for_each(|(sum, piece)| *sum = checksum(piece));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_as_many_as_their_checksums_are_worth() {
        assert_eq!([0, LEAST, LEAST * MOST].map(piece_bytes), [LEAST; 3]);
        assert_eq!(piece_bytes(LEAST * MOST + 1), 2 * LEAST);
        assert!(PiecesEntry::at_most(LEAST).is_none());
        assert_eq!(PiecesEntry::at_most(LEAST + 1).unwrap().checksums.len(), 2 * DIGITS);
    }

    #[test]
    fn data_are_summed_up_however_they_come() {
        let data = crate::synthetic::noise(1, 2_500_000);
        let room = PiecesEntry::at_most(data.len() as u64).unwrap();
        for at_once in [1_000_003, 4096, data.len()] {
            let mut summing = room.summing();
            data.chunks(at_once).for_each(|some| summing.add(some));
            let entry = summing.finish().unwrap();
            let expected: Vec<u64> = data.chunks(1 << 20).map(checksum).collect();
            assert_eq!((entry.bytes, entry.checksums), (LEAST, PiecesEntry::new(LEAST, &expected).checksums));
        }
    }

    #[test]
    fn one_piece_or_more_than_there_is_room_for_are_not_told() {
        let room = PiecesEntry::at_most(2 * LEAST).unwrap();
        for (bytes, is_told) in [(LEAST, false), (LEAST + 1, true), (2 * LEAST + 1, false)] {
            let mut summing = room.summing();
            summing.add(&vec![0; int::index(bytes)]);
            assert_eq!(summing.finish().is_some(), is_told, "{bytes}");
        }
    }
}
