//! How a compressed page is laid out (`docs/kv-pages.md`), and the checks of what a page says of itself.

use super::Numbers;
use crate::int;

/// The first four bytes of a page, little endian: `EKV1`.
pub const MAGIC: u32 = u32::from_le_bytes(*b"EKV1");

/// Bytes of a page's header.
pub const HEADER: usize = 32;

/// What a page's parts, and its length, are multiples of in bytes. Pages that lie end to end are all aligned.
pub const ALIGNMENT: usize = 16;

/// Streams of a chunk: one for each lane of a warp.
pub const LANES: usize = 32;

/// Numbers that a lane codes in a row.
pub const VECTOR: usize = 16;

/// Rounds of a whole chunk, in each of which every lane codes a vector.
pub const ROUNDS: usize = 32;

/// Vectors of a whole chunk.
pub const CHUNK_VECTORS: usize = LANES * ROUNDS;

/// Numbers of a whole chunk: the work of one warp.
pub const CHUNK: usize = CHUNK_VECTORS * VECTOR;

/// The most numbers of a page.
pub const MAX_ELEMENTS: usize = 1 << 24;

/// Words of a chunk before its rows: how many rows it has, then a byte for each lane.
pub const CHUNK_HEADER_WORDS: usize = 1 + LANES / 4;

/// The most words that a lane may have beyond the rows.
pub const MAX_TAIL: usize = 255;

/// The most bytes that a page of `page_bytes` bytes takes compressed: a header, and the bytes as they are up to a multiple of
/// [`ALIGNMENT`].
#[must_use]
pub const fn worst_case_bytes(page_bytes: usize) -> usize {
    HEADER.saturating_add(page_bytes).saturating_add(ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT
}

/// Why a page cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// No page of this format.
    #[error(
        "the {bytes} bytes are not a compressed page: {what}; was the buffer filled, and is the offset right?"
    )]
    NotAPage {
        /// How many bytes were given.
        bytes: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// A page of other numbers, or with other codebooks.
    #[error(
        "the page was encoded with other codebooks ({found}) than those given ({wanted}): use those of its layer"
    )]
    OtherCodebooks {
        /// What the page says.
        found: String,
        /// What was given.
        wanted: String,
    },
    /// A page that is cut off or changed.
    #[error("the page is damaged: chunk {chunk}: {what}; fetch or compute it again")]
    Damaged {
        /// The chunk, from 0.
        chunk: usize,
        /// What is wrong.
        what: &'static str,
    },
}

/// How the numbers of a page are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// As they are.
    Raw,
    /// Coded, with the codebooks that have this number.
    Coded(u64),
}

/// What a page says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The type of its numbers.
    pub numbers: Numbers,
    /// How they are stored.
    pub kind: Kind,
    /// How many there are.
    pub elements: usize,
    /// Bytes of the compressed page, header included.
    pub length: usize,
}

impl Header {
    /// Bytes of the page's numbers.
    #[must_use]
    pub fn page_bytes(&self) -> usize {
        self.elements * self.numbers.bytes()
    }

    /// The bytes of the header.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HEADER] {
        let (kind, id) = match self.kind {
            Kind::Raw => (0, 0),
            Kind::Coded(id) => (1, id),
        };
        let words = [
            MAGIC,
            u32::from(self.numbers.code()) | kind << 8,
            int::low(self.elements as u64),
            int::low(self.length as u64),
            int::low(id),
            int::low(id >> 32),
            0,
            0,
        ];
        bytemuck::cast(words.map(u32::to_le))
    }

    /// Reads and checks the header of the page that `bytes` begin with; what follows the page is ignored.
    ///
    /// # Errors
    /// If there is none, or one that promises what its length cannot hold.
    pub fn parse(bytes: &[u8]) -> Result<Self, PageError> {
        let not = |what| PageError::NotAPage { bytes: bytes.len(), what };
        let header: &[u8; HEADER] = bytes.first_chunk().ok_or(not("they are fewer than a header has"))?;
        let word = |i: usize| u32::from_le_bytes([0, 1, 2, 3].map(|byte| header[4 * i + byte]));
        if word(0) != MAGIC {
            return Err(not("they do not begin with `EKV1`"));
        }
        let numbers =
            Numbers::from_code(int::low_byte(word(1).into())).ok_or(not("unknown type of numbers"))?;
        let id = u64::from(word(5)) << 32 | u64::from(word(4));
        let kind = match word(1) >> 8 {
            0 if id == 0 => Kind::Raw,
            1 => Kind::Coded(id),
            _ => return Err(not("unknown kind of page")),
        };
        let [elements, length] = [2, 3].map(|i| int::index(word(i).into()));
        let header = Self { numbers, kind, elements, length };
        let raw = worst_case_bytes(header.page_bytes());
        let fits = match kind {
            Kind::Raw => length == raw,
            Kind::Coded(_) => elements > 0 && length < raw && length >= HEADER + header.stored_bytes(),
        };
        if word(6) != 0
            || word(7) != 0
            || elements > MAX_ELEMENTS
            || !fits
            || !length.is_multiple_of(ALIGNMENT)
        {
            return Err(not("their header contradicts itself"));
        }
        if length > bytes.len() {
            return Err(not("they end before the page does"));
        }
        Ok(header)
    }

    /// Chunks of a coded page.
    #[must_use]
    pub fn chunks(&self) -> usize {
        self.elements.div_ceil(CHUNK)
    }

    /// Bytes of the stored plane of a coded page: one for each number, up to a multiple of [`VECTOR`].
    pub(super) fn stored_bytes(&self) -> usize {
        if self.numbers.bytes() > 1 { self.elements.next_multiple_of(VECTOR) } else { 0 }
    }
}

/// The vectors of a lane in a chunk of `vectors` vectors, in the order in which it codes them. In each round, lanes take a vector more to the
/// right than in the round before, so that each gets vectors of all channels: streams are of nearly the same length then.
pub(super) fn vectors_of(lane: usize, vectors: usize) -> impl Iterator<Item = usize> {
    let vector = move |round| round * LANES + (lane + round) % LANES;
    (0..ROUNDS).map(vector).filter(move |vector| *vector < vectors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_take_each_vector_once() {
        for vectors in [0, 1, 31, 32, 33, 500, CHUNK_VECTORS] {
            let mut all: Vec<usize> = (0..LANES).flat_map(|lane| vectors_of(lane, vectors)).collect();
            all.sort_unstable();
            assert_eq!(all, (0..vectors).collect::<Vec<_>>());
        }
        assert_eq!(vectors_of(31, 80).collect::<Vec<_>>(), [31, 32, 65]);
    }

    #[test]
    fn the_worst_case_is_a_header_more_and_aligned() {
        assert_eq!([0, 1, 16, 17].map(worst_case_bytes), [32, 48, 48, 64]);
    }
}
