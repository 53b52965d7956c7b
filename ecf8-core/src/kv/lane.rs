//! A lane's stream: codewords in words, first bit on top, then patches.

use super::page::VECTOR;

/// A patch: the number of a symbol in its lane, and the coded byte that it has instead of the one decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Patch {
    pub(super) symbol: usize,
    pub(super) byte: u8,
}

/// Bits of a patch below the number of its symbol.
const BYTE_BITS: u32 = 8;

impl Patch {
    pub(super) fn to_word(self) -> u32 {
        crate::int::low((self.symbol as u64) << BYTE_BITS) | u32::from(self.byte)
    }

    pub(super) fn from_word(word: u32) -> Self {
        Self {
            symbol: crate::int::index((word >> BYTE_BITS).into()),
            byte: crate::int::low_byte(word.into()),
        }
    }

    /// Which of the lane's vectors it is in, and where there.
    pub(super) fn place(self) -> (usize, usize) {
        (self.symbol / VECTOR, self.symbol % VECTOR)
    }
}

/// Writes codewords.
#[derive(Debug, Default)]
pub(super) struct Writer {
    words: Vec<u32>,
    /// Bits that fill no word yet, from the highest on, and how many.
    pending: u64,
    count: u32,
}

impl Writer {
    /// Adds a codeword of `length` bits, which are the highest of `code`.
    pub(super) fn add(&mut self, code: u32, length: u32) {
        self.pending |= (u64::from(code) << 32) >> self.count;
        self.count += length;
        if self.count >= 32 {
            self.words.push(crate::int::low(self.pending >> 32));
            self.pending <<= 32;
            self.count -= 32;
        }
    }

    /// The words of the stream.
    pub(super) fn finish(mut self) -> Vec<u32> {
        if self.count > 0 {
            self.words.push(crate::int::low(self.pending >> 32));
        }
        self.words
    }
}

/// Reads codewords; after the last word come zeros.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    words: &'a [u32],
    position: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(words: &'a [u32]) -> Self {
        Self { words, position: 0 }
    }

    /// The next 32 bits, not consumed.
    pub(super) fn peek(&self) -> u32 {
        let word = |i: usize| u64::from(self.words.get(i).copied().unwrap_or(0));
        let (at, bit) = (self.position / 32, self.position % 32);
        crate::int::low((word(at) << 32 | word(at + 1)) << bit >> 32)
    }

    pub(super) fn skip(&mut self, bits: usize) {
        self.position += bits;
    }

    /// The words after the last that bits were consumed of; `None` if more were consumed than there are.
    pub(super) fn rest(&self) -> Option<&'a [u32]> {
        self.words.get(self.position.div_ceil(32)..)
    }
}
