//! Signs and mantissas of numbers whose exponents are coded apart, as they are stored: so that a GPU puts four of them
//! to four exponents in five instructions.
//!
//! A byte holds a sign above seven mantissa bits. Those of four numbers 0, 1, 2, 3 stand in the order 0, 2, 1, 3, and
//! each sign one byte further than its mantissa, the last one's in the first byte. In a 32-bit word, the mantissas of
//! numbers 0 and 1 are then in the low bits of either half and their signs in the highest: where they are in two 16-bit
//! numbers. Turned by eight bits, the word has numbers 2 and 3 there.

/// The byte whose sign bits these are, in each byte of a word.
const SIGNS: u32 = 0x8080_8080;

/// How the bytes of four numbers are stored.
#[inline]
pub(super) fn turn(bytes: [u8; 4]) -> [u8; 4] {
    let [a, b, c, d] = bytes;
    let word = u32::from_le_bytes([a, c, b, d]);
    (word & !SIGNS | (word & SIGNS).rotate_left(8)).to_le_bytes()
}

/// The bytes of four numbers from how they are stored: the inverse of [`turn`].
#[inline]
pub(super) fn turn_back(stored: [u8; 4]) -> [u8; 4] {
    let word = u32::from_le_bytes(stored);
    let [a, c, b, d] = (word & !SIGNS | (word & SIGNS).rotate_right(8)).to_le_bytes();
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_and_the_word_turned_have_two_numbers_each() {
        // Signs and mantissas of four BF16 numbers.
        let bytes = [0x81, 0x02, 0x83, 0x84];
        let stored = turn(bytes);
        assert_eq!(turn_back(stored), bytes);
        let word = u32::from_le_bytes(stored);
        assert_eq!(word & 0x807f_807f, 0x0002_8001);
        assert_eq!(word.rotate_right(8) & 0x807f_807f, 0x8004_8003);
        for bits in (0..32).map(|bit| (1u32 << bit).to_le_bytes()) {
            assert_eq!(turn_back(turn(bits)), bits);
        }
    }
}
