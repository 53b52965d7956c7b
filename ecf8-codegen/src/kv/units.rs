//! The format's numbers as kernels need them.

use ecf8_core::kv::{codebooks, page};

#[expect(clippy::cast_possible_truncation, reason = "the numbers of the format are small")]
const fn small(number: usize) -> u32 {
    assert!(number < 1 << 30);
    number as u32
}

/// Numbers that a lane codes in a row.
pub(super) const VECTOR: u32 = small(page::VECTOR);
/// Numbers of a chunk.
pub(super) const CHUNK: u32 = small(page::CHUNK);
/// Vectors of a chunk.
pub(super) const CHUNK_VECTORS: u32 = small(page::CHUNK_VECTORS);
/// Rounds of a whole chunk.
pub(super) const ROUNDS: u32 = small(page::ROUNDS);
/// Bytes of a page's header.
pub(super) const HEADER: u32 = small(page::HEADER);
/// Words of a page's header.
pub(super) const HEADER_WORDS: u32 = HEADER / 4;
/// Accesses of 16 bytes that a page's header takes.
pub(super) const HEADER_ACCESSES: u32 = HEADER / 16;
/// Words of a chunk's header.
pub(super) const CHUNK_HEADER_WORDS: u32 = small(page::CHUNK_HEADER_WORDS);
/// The most words that a lane may have beyond the rows.
pub(super) const MAX_TAIL: u32 = small(page::MAX_TAIL);
/// Bits of the longest codeword, and of a look-up.
pub(super) const CODE_BITS: u32 = codebooks::CODE_BITS as u32;
/// Set in an entry for encoding if the symbol has no codeword.
pub(super) const MISSING: u32 = codebooks::MISSING;
/// The bits of an entry, or of a sum of entries, that tell lengths.
pub(super) const LENGTH: u32 = MISSING - 1;
/// Bits of a word.
pub(super) const WORD: u32 = 32;
/// What a page of as many bytes has them at multiples of.
pub(super) const ALIGNMENT: u32 = small(page::ALIGNMENT);
/// Look-ups that a window of 32 bits suffices for.
pub(super) const PER_WINDOW: u32 = WORD / CODE_BITS;
