//! Raw bits of E4M3 numbers whose fields have six or seven bits: the sign, and of six the last bit of the mantissa. Those of
//! 16 neighbours, a vector, are a word of 32 or 16 bits.
//!
//! A word's bytes are as many as the numbers of a vector have words, so that a GPU gets the bits of four numbers at once, by
//! a shift and a mask. Number 4·k + j of a vector has its sign in bit 7 − k of byte j, and the last bit of its mantissa in
//! bit k. Where there are signs only, those of j = 2 and 3 are in the low halves of bytes 0 and 1, in bit 3 − k.

/// Numbers of a vector.
const VECTOR: usize = 16;

/// Bytes of a vector's word, for fields of this many bits.
const fn word_bytes(bits: u32) -> usize {
    if bits == 6 { 4 } else { 2 }
}

/// Bytes that the raw bits of `elements` elements take.
pub(super) const fn packed_bytes(bits: u32, elements: u64) -> u64 {
    elements.div_ceil(VECTOR as u64).saturating_mul(word_bytes(bits) as u64)
}

/// Packs the raw bits of `data` into `out`, which has [`packed_bytes`]. What no element fills is zero.
pub(super) fn pack(bits: u32, data: &[u8], out: &mut [u8]) {
    for (vector, word) in data.chunks(VECTOR).zip(out.chunks_exact_mut(word_bytes(bits))) {
        let mut bytes = [0; 4];
        for (place, number) in vector.iter().enumerate() {
            let (k, j) = (place / 4, place % 4);
            bytes[j] |= (number & 0x80) >> k | (number & 1) << k;
        }
        if bits == 7 {
            bytes = bytes.map(|byte| byte & 0xf0);
            bytes = [bytes[0] | bytes[2] >> 4, bytes[1] | bytes[3] >> 4, 0, 0];
        }
        word.copy_from_slice(&bytes[..word.len()]);
    }
}

/// Puts the raw bits of a tensor's numbers, from the first of a vector on, to their fields, which are in `out`; `packed`
/// begins with the first one's.
pub(super) fn unpack_onto(bits: u32, packed: &[u8], out: &mut [u8]) {
    for (vector, word) in out.chunks_mut(VECTOR).zip(packed.chunks_exact(word_bytes(bits))) {
        let bytes = spread(word);
        for (place, number) in vector.iter_mut().enumerate() {
            let (k, byte) = (place / 4, bytes[place % 4]);
            let sign = (byte << k) & 0x80;
            *number = if bits == 6 { sign | *number << 1 | (byte >> k) & 1 } else { sign | *number };
        }
    }
}

/// The four bytes that a vector's word stands for.
fn spread(word: &[u8]) -> [u8; 4] {
    match *word {
        [a, b, c, d] => [a, b, c, d],
        [a, b] => [a, b, a << 4, b << 4],
        _ => [0; 4],
    }
}

/// Whether the bits beyond those of `elements` elements are zero.
pub(super) fn ends_in_zeros(bits: u32, packed: &[u8], elements: u64) -> bool {
    let used = crate::int::index(elements % VECTOR as u64);
    let Some(last) = packed.chunks_exact(word_bytes(bits)).last().filter(|_| used > 0) else { return true };
    let mut numbers = [0; VECTOR];
    unpack_onto(bits, last, &mut numbers);
    numbers[used..].iter().all(|number| *number == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data() -> Vec<u8> {
        (0..1003u32).map(|i| (i * 37 + i / 256) as u8).collect()
    }

    #[test]
    fn packing_follows_the_format_bit_by_bit() {
        for len in [0usize, 1, 2, 5, 15, 16, 17, 1003] {
            let data = &data()[..len];
            for bits in [6, 7] {
                let mut packed = vec![0; packed_bytes(bits, len as u64) as usize];
                pack(bits, data, &mut packed);
                let mut expected = vec![0u8; packed.len()];
                for (place, number) in data.iter().enumerate() {
                    let (k, j) = (place % 16 / 4, place % 4);
                    let word = place / 16 * word_bytes(bits);
                    if bits == 6 {
                        expected[word + j] |= (number >> 7) << (7 - k) | (number & 1) << k;
                    } else {
                        expected[word + j % 2] |= (number >> 7) << (7 - k - 4 * (j / 2));
                    }
                }
                assert_eq!(packed, expected, "{len} {bits}");
                assert!(ends_in_zeros(bits, &packed, len as u64));
                let mut out: Vec<u8> =
                    data.iter().map(|byte| byte >> (7 - bits) & ((1 << bits) - 1)).collect();
                unpack_onto(bits, &packed, &mut out);
                assert_eq!(out, data);
            }
        }
    }

    #[test]
    fn a_bit_after_the_last_element_is_noticed() {
        for len in 1..16u64 {
            for bits in [6, 7] {
                let mut packed = vec![0; packed_bytes(bits, len) as usize];
                pack(bits, &vec![0xff; len as usize], &mut packed);
                let free = 8 * packed.len() - (8 - bits as usize) * len as usize;
                let noticed = (0..8 * packed.len()).filter(|bit| {
                    let mut damaged = packed.clone();
                    damaged[bit / 8] |= 1 << (bit % 8);
                    !ends_in_zeros(bits, &damaged, len)
                });
                assert_eq!(noticed.count(), free, "{len} {bits}");
            }
        }
    }
}
