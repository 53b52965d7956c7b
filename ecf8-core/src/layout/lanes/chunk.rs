//! The entry of a chunk in part `chunks`: where its rows and tails start.

/// Where a chunk's rows and tails start; the entry after the last chunk's says where they end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChunkEntry {
    /// Index of its first row: a row has 32 words of part `rows`.
    pub first_row: u32,
    /// Index of its first word in part `tails`, below 2^27.
    pub first_tail: u32,
    /// Bits of each number at the head of its tails, below 32.
    pub width: u8,
}

impl ChunkEntry {
    /// Bits of [`ChunkEntry::first_tail`].
    pub const TAIL_BITS: u32 = 27;

    /// As it is stored, from the lowest bit: 32 bits of row, 27 bits of tail, 5 bits of width.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        (self.width as u64) << 59 | (self.first_tail as u64) << 32 | self.first_row as u64
    }

    /// From how it is stored.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "each field has as many bits as its type")]
    pub const fn from_bits(bits: u64) -> Self {
        Self {
            first_row: bits as u32,
            first_tail: (bits >> 32) as u32 & ((1 << Self::TAIL_BITS) - 1),
            width: (bits >> 59) as u8,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_where_the_format_says() {
        let entry = ChunkEntry { first_row: 0x8000_0001, first_tail: (1 << 27) - 2, width: 19 };
        assert_eq!(entry.to_bits(), 19 << 59 | ((1 << 27) - 2) << 32 | 0x8000_0001);
        for bits in [0, u64::MAX, entry.to_bits()] {
            assert_eq!(ChunkEntry::from_bits(bits).to_bits(), bits);
        }
    }
}
