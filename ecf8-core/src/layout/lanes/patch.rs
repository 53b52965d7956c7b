//! Patches: what stands where a symbol has no codeword.
//!
//! Rare symbols would lengthen all codewords, or be escaped by a codeword that every decoder asks for at every symbol.
//! Here another symbol stands in for them, and a chunk's tails end with the bytes that are wrong then: two neighbours
//! to a patch. Decoders put them right when the chunk is done (after the patched coding of Zukowski et al.,
//! "Super-Scalar RAM-CPU Cache Compression", 2006).

use super::words::Word;
use crate::symbols::SymbolKind;

/// Elements that one patch is for.
pub(super) const GROUP: usize = 2;

/// How many elements of one symbol a patch is for, at most.
pub(super) fn shared(kind: &SymbolKind) -> usize {
    if kind.stride < GROUP { kind.elements.min(GROUP) } else { 1 }
}

/// The right coded bytes of two neighbours in a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Patch {
    /// Which two: elements 2·`group` and 2·`group` + 1 of the chunk. A chunk has at most 2^16 such groups.
    pub(super) group: usize,
    /// Their bytes; 0 for one that does not exist.
    pub(super) bytes: [u8; GROUP],
}

impl Patch {
    /// The patch of one group, with these coded bytes of all.
    pub(super) fn of(coded: &[u8], group: usize) -> Self {
        let byte = |place: usize| coded.get(place).copied().unwrap_or_default();
        Self { group, bytes: [byte(GROUP * group), byte(GROUP * group + 1)] }
    }

    /// The group in the upper half of the word, then the second byte, then the first.
    #[expect(clippy::cast_possible_truncation, reason = "a chunk has at most 2^16 groups")]
    pub(super) fn to_word(self) -> Word {
        (u32::from(u16::from_le_bytes(self.bytes)) | (self.group as u32) << 16).to_le_bytes()
    }

    pub(super) fn from_word(word: Word) -> Self {
        let [first, second, ..] = word;
        Self { group: usize::from(u16::from_le_bytes([word[2], word[3]])), bytes: [first, second] }
    }
}

/// Puts the bytes right that patches are for.
pub(super) fn apply(patches: &[Word], out: &mut [u8]) {
    for patch in patches.iter().map(|word| Patch::from_word(*word)) {
        let place = out.iter_mut().skip(GROUP * patch.group);
        place.zip(patch.bytes).for_each(|(place, byte)| *place = byte);
    }
}

/// Whether each patch is for other elements than those before it, all in a chunk of `elements`, and gives no element
/// that does not exist a byte.
pub(super) fn are_possible(patches: &[Word], elements: usize) -> bool {
    let mut next = 0;
    patches.iter().map(|word| Patch::from_word(*word)).all(|patch| {
        let first = GROUP * patch.group;
        let is_possible = patch.group >= next
            && first < elements
            && patch.bytes.iter().skip(elements.saturating_sub(first)).all(|byte| *byte == 0);
        next = patch.group + 1;
        is_possible
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_where_the_format_says() {
        let patch = Patch { group: 0xfffe, bytes: [0x38, 0xb8] };
        assert_eq!(u32::from_le_bytes(patch.to_word()), 0xfffe_b838);
        assert_eq!(Patch::from_word(patch.to_word()), patch);
    }

    #[test]
    fn patches_rise_and_stay_within_the_chunk() {
        let possible = |patches: &[(usize, [u8; 2])], elements| {
            let words: Vec<Word> =
                patches.iter().map(|&(group, bytes)| Patch { group, bytes }.to_word()).collect();
            are_possible(&words, elements)
        };
        assert!(possible(&[], 0) && possible(&[(0, [1, 2]), (2, [3, 4])], 6));
        assert!(possible(&[(2, [3, 0])], 5) && !possible(&[(2, [3, 1])], 5) && !possible(&[(2, [0, 0])], 4));
        assert!(!possible(&[(1, [1, 2]), (1, [1, 2])], 6) && !possible(&[(1, [1, 2]), (0, [1, 2])], 6));
    }
}
