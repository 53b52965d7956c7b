//! Floats of two or more bytes whose exponents are coded.

use crate::lang::{V, byte_permute};

/// Where the exponents of two 16-bit numbers are in a word.
const EXPONENTS: u32 = 0x7f80_7f80;

/// The numbers, from exponents in the order 0, 2, 1, 3 and planes of other bytes. The first plane has signs and mantissas as they are
/// stored: numbers 0 and 1 are in place, and numbers 2 and 3 are when the word is turned by eight bits.
#[track_caller]
pub(super) fn join(bytes: u32, exponents: &[V<u32>], planes: &[V<u32>]) -> Vec<V<u32>> {
    let mut words: Vec<V<u32>> = Vec::new();
    for four in 0..4usize {
        let rest = planes[four];
        let turned = byte_permute(rest, rest, 0x0321);
        let high = [
            ((exponents[four] << 7u32) & EXPONENTS) | (rest & !EXPONENTS),
            ((exponents[four] >> 1u32) & EXPONENTS) | (turned & !EXPONENTS),
        ];
        if bytes == 2 {
            words.extend(high);
        } else {
            // The lower halves of the same numbers.
            let low = [
                byte_permute(planes[8 + four], planes[4 + four], 0x5140),
                byte_permute(planes[8 + four], planes[4 + four], 0x7362),
            ];
            for two in 0..2usize {
                words.push(byte_permute(low[two], high[two], 0x5410));
                words.push(byte_permute(low[two], high[two], 0x7632));
            }
        }
    }
    words
}
