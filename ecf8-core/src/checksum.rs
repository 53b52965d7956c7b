//! XXH3-64 checksums and their text form, 16 lower-case hexadecimal digits.

use crate::map::passing;
use xxhash_rust::xxh3;

/// XXH3-64 of `bytes`, with seed 0.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u64 {
    let mut pieces = passing(bytes, 1);
    match (pieces.next(), pieces.next()) {
        (first, None) => xxh3::xxh3_64(first.unwrap_or_default()),
        (first, second) => {
            let mut sum = Checksum::default();
            first.into_iter().chain(second).chain(pieces).for_each(|piece| sum.add(piece));
            sum.finish()
        }
    }
}

/// XXH3-64 of bytes that come piece by piece.
#[derive(Clone, Default)]
pub(crate) struct Checksum(xxh3::Xxh3Default);

impl Checksum {
    /// Goes on with `bytes`.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The checksum of all bytes added.
    pub(crate) fn finish(&self) -> u64 {
        self.0.digest()
    }
}

/// The text form.
#[must_use]
pub fn to_hex(checksum: u64) -> String {
    format!("{checksum:016x}")
}

/// Reads the text form; `None` if it is anything else.
#[must_use]
pub fn from_hex(text: &str) -> Option<u64> {
    let digits = text.len() == 16 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    digits.then(|| u64::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_checksum_is_the_published_one() {
        assert_eq!(to_hex(checksum(b"")), "2d06800538d394c2");
    }

    #[test]
    fn only_the_text_form_itself_is_read() {
        let sum = checksum(b"losslessly");
        assert_eq!(from_hex(&to_hex(sum)), Some(sum));
        for wrong in ["", "2D06800538D394C2", "+d06800538d394c2", "2d06800538d394c2f"] {
            assert_eq!(from_hex(wrong), None);
        }
    }
}
