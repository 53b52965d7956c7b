//! Signs and mantissas, packed two to a byte, moved to their places in the bytes of numbers.

use crate::lang::{V, byte_permute, device};

/// Sign and mantissa of eight numbers, each in its place, from the word that packs them. Exponents are still zero.
#[device]
pub(super) fn unpack(pairs: V<u32>) -> [V<u32>; 2] {
    // The first number of each pair is in the upper nibble, sign on top.
    let upper = (pairs & 0x8080_8080) | ((pairs >> 4) & 0x0707_0707);
    let lower = ((pairs << 4) & 0x8080_8080) | (pairs & 0x0707_0707);
    [byte_permute(upper, lower, 0x5140), byte_permute(upper, lower, 0x7362)]
}
