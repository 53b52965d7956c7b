//! Signs and last bits of mantissas, packed beside fields of six bits, moved to their places in the bytes of numbers.

use crate::lang::{V, device};

/// Where the sign of each of four numbers is.
const SIGNS: u32 = 0x8080_8080;

/// Where the last bit of the mantissa of each of four numbers is.
const LAST_BITS: u32 = 0x0101_0101;

/// Four words of numbers: their fields, with what is packed of the vector. In each byte of that word the signs of four
/// numbers begin at the highest bit, and the last bits at the lowest.
#[device]
pub(super) fn merge(fields: &[V<u32>], packed: V<u32>) -> Vec<V<u32>> {
    (0u32..)
        .zip(fields)
        .map(|(k, &fields)| {
            let [signs, last_bits] = if k == 0 { [packed; 2] } else { [packed << k, packed >> k] };
            (signs & SIGNS) | fields | (last_bits & LAST_BITS)
        })
        .collect()
}
