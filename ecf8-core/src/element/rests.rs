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

/// The signs of a word's four numbers.
const SIGNS: u32 = 0x8080_8080;

/// The last bits of their mantissas.
const LAST: u32 = 0x0101_0101;

/// Packs the raw bits of `data` into `out`, which has [`packed_bytes`]. What no element fills is zero.
pub(super) fn pack(data: &[u8], out: &mut [u8]) {
    let words = out.as_chunks_mut::<WORD>().0;
    let (vectors, rest) = data.as_chunks::<VECTOR>();
    for (vector, word) in vectors.iter().zip(words.iter_mut()) {
        *word = pack_vector(vector);
    }
    if let Some(word) = words.get_mut(vectors.len()).filter(|_| !rest.is_empty()) {
        let mut whole = [0; VECTOR];
        whole[..rest.len()].copy_from_slice(rest);
        *word = pack_vector(&whole);
    }
}

#[inline]
fn pack_vector(vector: &[u8; VECTOR]) -> [u8; WORD] {
    let fours = vector.as_chunks::<WORD>().0.iter().enumerate();
    let word = fours.fold(0, |word, (k, four)| {
        let four = u32::from_le_bytes(*four);
        word | (four & SIGNS) >> k | (four & LAST) << k
    });
    word.to_le_bytes()
}

/// Puts the raw bits of a tensor's numbers, from the first of a vector on, to their fields, which are in `out`; `packed`
/// begins with the first one's.
pub(super) fn unpack_onto(packed: &[u8], out: &mut [u8]) {
    let words = packed.as_chunks::<WORD>().0;
    let (vectors, rest) = out.as_chunks_mut::<VECTOR>();
    for (vector, word) in vectors.iter_mut().zip(words) {
        unpack_vector(*word, vector);
    }
    if let Some(word) = words.get(vectors.len()) {
        let mut whole = [0; VECTOR];
        whole[..rest.len()].copy_from_slice(rest);
        unpack_vector(*word, &mut whole);
        rest.copy_from_slice(&whole[..rest.len()]);
    }
}

#[inline]
fn unpack_vector(word: [u8; WORD], vector: &mut [u8; VECTOR]) {
    let word = u32::from_le_bytes(word);
    for (k, four) in vector.as_chunks_mut::<WORD>().0.iter_mut().enumerate() {
        // Fields have six bits, so none is shifted into its neighbour.
        let fields = u32::from_le_bytes(*four) << 1;
        *four = (word << k & SIGNS | fields | word >> k & LAST).to_le_bytes();
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
