//! Bits in 32-bit words that are stored little endian; within a word, the most significant bit is the first.

use crate::int;

/// One word as stored.
pub(super) type Word = [u8; 4];

/// Sets the `len` bits from bit `at` on, which are zero so far, to the low `len` bits of `value`; `len` is at most 32.
/// Bits beyond the last word are dropped.
#[inline]
pub(super) fn put(words: &mut [Word], at: u64, value: u32, len: u32) {
    if len == 0 {
        return;
    }
    let [index, offset] = place(at);
    let bits = u64::from(value) << (64 - len) >> offset;
    for (word, bits) in words.iter_mut().skip(index).zip([bits >> 32, bits & 0xffff_ffff]) {
        *word = (u32::from_le_bytes(*word) | int::low(bits)).to_le_bytes();
    }
}

/// The 32 bits from bit `at` on; zeros beyond the last word.
#[inline]
pub(super) fn get(words: &[Word], at: u64) -> u32 {
    let [index, offset] = place(at);
    let word = |index| words.get(index).map_or(0, |word| u64::from(u32::from_le_bytes(*word)));
    int::low(((word(index) << 32 | word(index.saturating_add(1))) << offset) >> 32)
}

/// The word that a bit is in, and which of its bits it is.
#[inline]
fn place(at: u64) -> [usize; 2] {
    [int::index(at / 32), int::index(at % 32)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_put_is_got(numbers in prop::collection::vec((any::<u32>(), 0..=32u32), 0..50)) {
            let bits: u32 = numbers.iter().map(|(_, len)| len).sum();
            let mut words = vec![[0; 4]; bits.div_ceil(32) as usize];
            let mut at = 0;
            for &(value, len) in &numbers {
                put(&mut words, at, value, len);
                at += u64::from(len);
            }
            at = 0;
            for (value, len) in numbers {
                prop_assert_eq!(u64::from(get(&words, at)) >> (32 - len), u64::from(value) & ((1 << len) - 1));
                at += u64::from(len);
            }
        }
    }

    #[test]
    fn the_first_bit_is_the_most_significant_of_the_first_word() {
        let mut words = [[0; 4]; 2];
        put(&mut words, 0, 1, 1);
        put(&mut words, 30, 0b111, 3);
        assert_eq!(words, [[3, 0, 0, 0x80], [0, 0, 0, 0x80]]);
        assert_eq!((get(&words, 33), get(&words, 32), get(&words, 640)), (0, 1 << 31, 0));
        put(&mut words, 64, 1, 1);
    }
}
