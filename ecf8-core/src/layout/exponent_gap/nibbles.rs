//! Raw bits of E4M3 numbers, sign and mantissa, two elements to a byte: the first in the high nibble, the sign on top.
//!
//! Eight elements at a time go through one 64-bit word.

use crate::element::format::{E4M3, FloatFormat};

const FORMAT: FloatFormat = E4M3;

/// Packs the raw bits of `data` into `out`, which has half as many bytes (rounded up).
pub(super) fn pack(data: &[u8], out: &mut [u8]) {
    let (words, tail) = data.as_chunks::<8>();
    let (packed, packed_tail) = out.split_at_mut(words.len() * 4);
    for (word, packed) in words.iter().zip(packed.as_chunks_mut::<4>().0) {
        *packed = pack_word(*word);
    }
    for (pair, packed) in tail.chunks(2).zip(packed_tail) {
        let [first, second] =
            [pair.first(), pair.get(1)].map(|byte| byte.map_or(0, |byte| FORMAT.split(*byte).1));
        *packed = first << 4 | second;
    }
}

/// Adds the raw bits of the elements from `first` on to `out`, which holds their exponents in place.
/// `packed` has all these elements.
pub(super) fn unpack_onto(packed: &[u8], first: usize, out: &mut [u8]) {
    let (odd, out) = out.split_at_mut((first % 2).min(out.len()));
    if let [byte] = odd {
        *byte |= raw_of(packed, first);
    }
    let start = first + odd.len();
    let packed_words = packed[start / 2..].as_chunks::<4>().0;
    let done = packed_words.len().min(out.len() / 8) * 8;
    for (word, packed) in out.as_chunks_mut::<8>().0.iter_mut().zip(packed_words) {
        *word = (u64::from_le_bytes(*word) | u64::from_le_bytes(unpack_word(*packed))).to_le_bytes();
    }
    for (element, byte) in out.iter_mut().enumerate().skip(done) {
        *byte |= raw_of(packed, start + element);
    }
}

/// The raw bits of one element, in their places in the number.
fn raw_of(packed: &[u8], element: usize) -> u8 {
    let pair = packed[element / 2];
    FORMAT.merge(0, if element.is_multiple_of(2) { pair >> 4 } else { pair & 15 })
}

const LOW_NIBBLES: u64 = 0x000f_000f_000f_000f;

fn pack_word(elements: [u8; 8]) -> [u8; 4] {
    let word = u64::from_le_bytes(elements);
    let raw = (word >> 4 & 0x0808_0808_0808_0808) | (word & 0x0707_0707_0707_0707);
    // Even bytes become the pairs, then the pairs move together.
    let pairs = ((raw << 4) | (raw >> 8)) & 0x00ff_00ff_00ff_00ff;
    let pairs = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff;
    let [a, b, c, d, ..] = (pairs | pairs >> 16).to_le_bytes();
    [a, b, c, d]
}

fn unpack_word(packed: [u8; 4]) -> [u8; 8] {
    let pairs = u64::from(u32::from_le_bytes(packed));
    let pairs = (pairs | pairs << 16) & 0x0000_ffff_0000_ffff;
    let pairs = (pairs | pairs << 8) & 0x00ff_00ff_00ff_00ff;
    let raw = (pairs >> 4 & LOW_NIBBLES) | (pairs & LOW_NIBBLES) << 8;
    ((raw & 0x0808_0808_0808_0808) << 4 | raw & 0x0707_0707_0707_0707).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_follows_the_format_element_by_element() {
        let data: Vec<u8> = (0..1003u32).map(|i| (i * 37 + i / 256) as u8).collect();
        for len in [0usize, 1, 2, 7, 8, 9, 15, 16, 17, 1003] {
            let mut packed = vec![0; len.div_ceil(2)];
            pack(&data[..len], &mut packed);
            for (element, byte) in data[..len].iter().enumerate() {
                let nibble = packed[element / 2] >> (4 - 4 * (element % 2)) & 15;
                assert_eq!(nibble, FORMAT.split(*byte).1);
            }
            assert!(len % 2 == 0 || packed[len / 2] & 15 == 0);
        }
    }

    #[test]
    fn unpacking_any_range_restores_the_bytes() {
        let data: Vec<u8> = (0..67u32).map(|i| (i * 101) as u8).collect();
        let mut packed = vec![0; data.len().div_ceil(2)];
        pack(&data, &mut packed);
        for first in 0..data.len() {
            for end in first..=data.len() {
                let exponents = data[first..end].iter().map(|byte| FORMAT.merge(FORMAT.split(*byte).0, 0));
                let mut out: Vec<u8> = exponents.collect();
                unpack_onto(&packed, first, &mut out);
                assert_eq!(out, data[first..end]);
            }
        }
    }
}
