//! Signs and mantissas, packed eight to a word, moved to their places in the bytes of numbers.

use crate::lang::{V, device};

/// Where the sign of each of four numbers is.
const SIGNS: u32 = 0x8080_8080;

/// Where the mantissa of each of four numbers is.
const MANTISSAS: u32 = 0x0707_0707;

/// Four words of numbers: their exponents, with signs and mantissas from two words, each of which has those of four
/// numbers in the high nibbles of its bytes and those of the next four in the low ones.
#[device]
pub(super) fn merge(exponents: &[V<u32>], nibbles: [V<u32>; 2]) -> Vec<V<u32>> {
    let pairs = exponents.chunks_exact(2).zip(nibbles);
    pairs
        .flat_map(|(exponents, nibbles)| {
            let high = (nibbles & SIGNS) | ((nibbles >> 4) & MANTISSAS) | exponents[0];
            let low = ((nibbles << 4) & SIGNS) | (nibbles & MANTISSAS) | exponents[1];
            [high, low]
        })
        .collect()
}
