//! Bit streams, most significant bit first: the first bit written is bit 7 of the first byte.

/// Appends codewords to a growing byte vector.
#[derive(Debug, Default, Clone)]
pub struct BitWriter {
    bytes: Vec<u8>,
    /// Bits not yet in `bytes`, in the low end; fewer than 8 between calls.
    pending: u64,
    pending_bits: u32,
}

impl BitWriter {
    /// An empty stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the low `len` bits of `code`, their most significant first; `len` is at most 32.
    pub fn write(&mut self, code: u32, len: u8) {
        let code = u64::from(code) & ((1 << len) - 1);
        self.pending = (self.pending << len) | code;
        self.pending_bits += u32::from(len);
        while self.pending_bits >= 8 {
            self.pending_bits -= 8;
            self.bytes.push((self.pending >> self.pending_bits).to_le_bytes()[0]);
        }
        self.pending &= 0x7f;
    }

    /// Bits written so far.
    #[must_use]
    pub fn bit_len(&self) -> u64 {
        self.bytes.len() as u64 * 8 + u64::from(self.pending_bits)
    }

    /// The stream, its last byte filled up with zero bits.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        if self.pending_bits > 0 {
            self.bytes.push((self.pending << (8 - self.pending_bits)).to_le_bytes()[0]);
        }
        self.bytes
    }
}

/// Reads bits from a byte slice; beyond its end there are zeros.
#[derive(Debug, Clone)]
pub struct BitReader<'a> {
    bytes: &'a [u8],
    position: u64,
}

impl<'a> BitReader<'a> {
    /// Starts at the first bit of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// Starts at bit `position` of `bytes`.
    #[must_use]
    pub fn at(bytes: &'a [u8], position: u64) -> Self {
        Self { bytes, position }
    }

    /// Bits consumed so far, counted from the first bit of the slice.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Bits left before the end of the slice.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        (self.bytes.len() as u64 * 8).saturating_sub(self.position)
    }

    /// The next 32 bits, not consumed.
    #[must_use]
    #[inline]
    pub fn peek(&self) -> u32 {
        let window = window(self.bytes, self.position);
        u32::try_from(window >> 32).unwrap_or(0)
    }

    /// Moves on by `bits` bits.
    #[inline]
    pub fn consume(&mut self, bits: u32) {
        self.position = self.position.saturating_add(u64::from(bits));
    }

    /// The next bit, consumed; `None` at the end of the slice.
    pub fn next_bit(&mut self) -> Option<bool> {
        let byte = *self.bytes.get(usize::try_from(self.position / 8).ok()?)?;
        let bit = byte & (0x80 >> (self.position % 8)) != 0;
        self.position += 1;
        Some(bit)
    }
}

/// The bits of `bytes` from bit `position` on, at the top of a 64-bit word: at least 57 of them, then zeros.
/// Beyond the end of `bytes` there are zeros.
#[must_use]
#[inline]
pub fn window(bytes: &[u8], position: u64) -> u64 {
    let byte = usize::try_from(position / 8).unwrap_or(usize::MAX);
    let word = match bytes.get(byte..).and_then(<[u8]>::first_chunk::<8>) {
        Some(word) => u64::from_be_bytes(*word),
        None => {
            let mut word = [0; 8];
            let tail = bytes.get(byte..).unwrap_or_default();
            word[..tail.len()].copy_from_slice(tail);
            u64::from_be_bytes(word)
        }
    };
    word << (position % 8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_bit_is_the_most_significant_of_the_first_byte() {
        let mut writer = BitWriter::new();
        writer.write(0b1, 1);
        writer.write(0b01, 2);
        writer.write(0b1_1111_1111, 9);
        assert_eq!(writer.bit_len(), 12);
        assert_eq!(writer.finish(), [0b1011_1111, 0b1111_0000]);
    }

    #[test]
    fn beyond_the_end_there_are_zeros() {
        let mut reader = BitReader::at(&[0xff, 0xff], 12);
        assert_eq!((reader.peek(), reader.remaining()), (0xf000_0000, 4));
        reader.consume(40);
        assert_eq!((reader.peek(), reader.remaining(), reader.next_bit()), (0, 0, None));
        assert_eq!(window(&[1], u64::MAX), 0);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(codes in prop::collection::vec((any::<u32>(), 0..=32u8), 0..200)) {
            let mut writer = BitWriter::new();
            codes.iter().for_each(|&(code, len)| writer.write(code, len));
            let bits = writer.bit_len();
            let bytes = writer.finish();
            prop_assert_eq!(bytes.len() as u64, bits.div_ceil(8));
            let (mut windows, mut single) = (BitReader::new(&bytes), BitReader::new(&bytes));
            for (code, len) in codes {
                let expected = u64::from(code) & ((1 << len) - 1);
                prop_assert_eq!((u64::from(windows.peek()) << len) >> 32, expected);
                windows.consume(u32::from(len));
                let bit_by_bit = (0..len).fold(0, |code, _| code << 1 | u64::from(single.next_bit().unwrap()));
                prop_assert_eq!(bit_by_bit, expected);
            }
            prop_assert_eq!(windows.position(), bits);
        }
    }
}
