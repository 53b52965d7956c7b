//! Raw bits of E4M3 numbers whose fields have six bits: the sign and the last bit of the mantissa. Those of 16 neighbours, a
//! vector, are a word: number 4·k + j of the vector has its sign in bit 7 − k of byte j, and the last bit of its mantissa in
//! bit k. So a GPU gets the bits of four numbers at once, by a shift and a mask.

/// Numbers of a vector.
const VECTOR: usize = 16;

/// Bytes of a vector's word.
const WORD: usize = 4;

/// Bytes that the raw bits of `elements` elements take.
pub(super) const fn packed_bytes(elements: u64) -> u64 {
    elements.div_ceil(VECTOR as u64).saturating_mul(WORD as u64)
}

/// Packs the raw bits of `data` into `out`, which has [`packed_bytes`]. What no element fills is zero.
pub(super) fn pack(data: &[u8], out: &mut [u8]) {
    for (vector, word) in data.chunks(VECTOR).zip(out.as_chunks_mut::<WORD>().0) {
        *word = [0; WORD];
        for (place, number) in vector.iter().enumerate() {
            let (k, j) = (place / WORD, place % WORD);
            word[j] |= (number & 0x80) >> k | (number & 1) << k;
        }
    }
}

/// Puts the raw bits of a tensor's numbers, from the first of a vector on, to their fields, which are in `out`; `packed`
/// begins with the first one's.
pub(super) fn unpack_onto(packed: &[u8], out: &mut [u8]) {
    for (vector, word) in out.chunks_mut(VECTOR).zip(packed.as_chunks::<WORD>().0) {
        for (place, number) in vector.iter_mut().enumerate() {
            let (k, byte) = (place / WORD, word[place % WORD]);
            *number = (byte << k) & 0x80 | *number << 1 | (byte >> k) & 1;
        }
    }
}

/// Whether the bits beyond those of `elements` elements are zero.
pub(super) fn ends_in_zeros(packed: &[u8], elements: u64) -> bool {
    let used = crate::int::index(elements % VECTOR as u64);
    let Some(last) = packed.as_chunks::<WORD>().0.last().filter(|_| used > 0) else { return true };
    let mut numbers = [0; VECTOR];
    unpack_onto(last, &mut numbers);
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
            let mut packed = vec![0; packed_bytes(len as u64) as usize];
            pack(data, &mut packed);
            let mut expected = vec![0u8; packed.len()];
            for (place, number) in data.iter().enumerate() {
                let (k, j) = (place % 16 / 4, place % 4);
                expected[place / 16 * 4 + j] |= (number >> 7) << (7 - k) | (number & 1) << k;
            }
            assert_eq!(packed, expected, "{len}");
            assert!(ends_in_zeros(&packed, len as u64));
            let mut out: Vec<u8> = data.iter().map(|byte| byte >> 1 & 63).collect();
            unpack_onto(&packed, &mut out);
            assert_eq!(out, data);
        }
    }

    #[test]
    fn a_bit_after_the_last_element_is_noticed() {
        for len in 1..16u64 {
            let mut packed = vec![0; packed_bytes(len) as usize];
            pack(&vec![0xff; len as usize], &mut packed);
            let noticed = (0..8 * packed.len()).filter(|bit| {
                let mut damaged = packed.clone();
                damaged[bit / 8] |= 1 << (bit % 8);
                !ends_in_zeros(&damaged, len)
            });
            assert_eq!(noticed.count() as u64, 32 - 2 * len, "{len}");
        }
    }
}
