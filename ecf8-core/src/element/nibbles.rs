//! Raw bits of E4M3 numbers, sign and mantissa, eight elements to four bytes: byte `i` holds those of element `i` in
//! its high nibble and those of element `i + 4` in its low one. So a 32-bit word unpacks to the bytes of four
//! neighbours, twice, by a shift and masks.

/// Elements whose nibbles make a word.
const GROUP: usize = 8;

const LOW_NIBBLES: u32 = 0x0f0f_0f0f;

/// Bytes that the nibbles of `elements` elements take.
pub(super) const fn packed_bytes(elements: u64) -> u64 {
    elements.div_ceil(GROUP as u64).saturating_mul(GROUP as u64 / 2)
}

/// Packs the raw bits of `data` into `out`, which has [`packed_bytes`]. What no element fills is zero.
pub(super) fn pack(data: &[u8], out: &mut [u8]) {
    for (group, packed) in data.chunks(GROUP).zip(out.as_chunks_mut::<{ GROUP / 2 }>().0) {
        *packed = match group.as_array() {
            Some(group) => pack_group(*group),
            None => {
                let mut whole = [0; GROUP];
                whole[..group.len()].copy_from_slice(group);
                pack_group(whole)
            }
        };
    }
}

/// Puts the raw bits of a tensor's numbers, from one whose place is a multiple of eight on, to their exponents, which
/// are in `out`; `packed` begins with the first one's.
pub(super) fn unpack_onto(packed: &[u8], out: &mut [u8]) {
    let packed = packed.as_chunks::<{ GROUP / 2 }>().0;
    let (groups, rest) = out.as_chunks_mut::<GROUP>();
    for (group, packed) in groups.iter_mut().zip(packed) {
        // Exponents are below 16, so none is shifted into its neighbour.
        *group = (u64::from_le_bytes(*group) << 3 | u64::from_le_bytes(unpack_group(*packed))).to_le_bytes();
    }
    if let Some(packed) = packed.get(groups.len()) {
        for (byte, raw) in rest.iter_mut().zip(unpack_group(*packed)) {
            *byte = *byte << 3 | raw;
        }
    }
}

/// Whether the nibbles beyond those of `elements` elements are zero.
pub(super) fn ends_in_zeros(packed: &[u8], elements: u64) -> bool {
    let used = crate::int::index(elements % GROUP as u64);
    let last = packed.as_chunks().0.last().filter(|_| used > 0);
    last.is_none_or(|last| unpack_group(*last)[used..].iter().all(|raw| *raw == 0))
}

fn pack_group(elements: [u8; GROUP]) -> [u8; GROUP / 2] {
    let word = u64::from_le_bytes(elements);
    let raw = (word >> 4 & 0x0808_0808_0808_0808) | (word & 0x0707_0707_0707_0707);
    let [a, b, c, d, ..] = (raw << 4 | raw >> 32).to_le_bytes();
    [a, b, c, d]
}

fn unpack_group(packed: [u8; GROUP / 2]) -> [u8; GROUP] {
    let word = u32::from_le_bytes(packed);
    let raw = u64::from(word & LOW_NIBBLES) << 32 | u64::from(word >> 4 & LOW_NIBBLES);
    ((raw & 0x0808_0808_0808_0808) << 4 | raw & 0x0707_0707_0707_0707).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::element::format::E4M3 as FORMAT;

    fn data() -> Vec<u8> {
        (0..1003u32).map(|i| (i * 37 + i / 256) as u8).collect()
    }

    #[test]
    fn packing_follows_the_format_element_by_element() {
        for len in [0usize, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 1003] {
            let data = &data()[..len];
            let mut packed = vec![0; packed_bytes(len as u64) as usize];
            pack(data, &mut packed);
            for place in 0..2 * packed.len() {
                let (group, within) = (place / 8, place % 8);
                let nibble = packed[group * 4 + within % 4] >> (4 - 4 * (within / 4)) & 15;
                assert_eq!(nibble, data.get(place).map_or(0, |byte| FORMAT.split(*byte).1), "{len}: {place}");
            }
            assert!(ends_in_zeros(&packed, len as u64));
        }
    }

    #[test]
    fn unpacking_restores_the_bytes() {
        for len in (0..70).chain([1003]) {
            let data = &data()[..len];
            let mut packed = vec![0; packed_bytes(len as u64) as usize];
            pack(data, &mut packed);
            let mut out: Vec<u8> = data.iter().map(|byte| FORMAT.split(*byte).0).collect();
            unpack_onto(&packed, &mut out);
            assert_eq!(out, data);
        }
    }

    #[test]
    fn a_nibble_after_the_last_element_is_noticed() {
        for len in 1..16u64 {
            let mut packed = vec![0; packed_bytes(len) as usize];
            pack(&vec![0; len as usize], &mut packed);
            for place in 0..2 * packed.len() {
                let mut damaged = packed.clone();
                damaged[place / 8 * 4 + place % 4] |= 1 << (4 - 4 * (place % 8 / 4));
                assert_eq!(ends_in_zeros(&damaged, len), (place as u64) < len, "{len}: {place}");
            }
        }
    }
}
