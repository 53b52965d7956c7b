//! The parts of a launch's tensors in common buffers, and the tables of their codebooks, each once.

use super::Arg;
use ecf8_core::Codebook;
use std::borrow::Cow;

/// Parts in one buffer.
#[derive(Debug, Default)]
pub(super) struct Parts<'a> {
    bytes: Cow<'a, [u8]>,
}

impl<'a> Parts<'a> {
    /// Puts a part at the next multiple of `alignment`, and gives where that is. If it is the only one, it is not copied.
    pub(super) fn add(&mut self, alignment: usize, part: impl Into<Cow<'a, [u8]>>) -> u64 {
        let part = part.into();
        if self.bytes.is_empty() {
            self.bytes = part;
            return 0;
        }
        let start = self.bytes.len().next_multiple_of(alignment);
        let bytes = self.bytes.to_mut();
        bytes.resize(start, 0);
        bytes.extend_from_slice(&part);
        start as u64
    }

    /// What is there so far.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The buffer as an argument.
    pub(super) fn into_arg(self) -> Arg<'a> {
        Arg::Input(self.bytes)
    }
}

/// Where the tables of codebooks are.
#[derive(Debug, Default)]
pub(super) struct Tables<'a> {
    known: Vec<(&'a Codebook, u64)>,
}

impl<'a> Tables<'a> {
    /// Where the table of this codebook is, which `put` puts somewhere if it is not there yet.
    pub(super) fn place(&mut self, codebook: &'a Codebook, put: impl FnOnce() -> u64) -> u64 {
        if let Some(&(_, at)) = self.known.iter().find(|(known, _)| *known == codebook) {
            return at;
        }
        let at = put();
        self.known.push((codebook, at));
        at
    }
}

/// A buffer of these numbers.
pub(super) fn numbers<'a, T, const N: usize>(
    numbers: impl IntoIterator<Item = T>,
    le: impl Fn(T) -> [u8; N],
) -> Cow<'a, [u8]> {
    Cow::Owned(numbers.into_iter().flat_map(le).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_start_at_multiples_of_the_alignment_and_one_alone_is_not_copied() {
        let mut parts = Parts::default();
        assert_eq!((parts.add(32, &[][..]), parts.add(32, &[1, 2, 3][..])), (0, 0));
        assert!(matches!(parts.bytes, Cow::Borrowed([1, 2, 3])));
        assert_eq!((parts.add(8, vec![4]), parts.add(4, &[5][..])), (8, 12));
        assert_eq!(parts.bytes(), [1, 2, 3, 0, 0, 0, 0, 0, 4, 0, 0, 0, 5]);
    }

    #[test]
    fn a_codebook_has_its_table_once() {
        let [a, b] = [1, 2].map(|length| {
            let mut lengths = [0; 16];
            lengths[..1 << length].fill(length);
            Codebook::from_lengths(&lengths).unwrap()
        });
        let (mut tables, mut put) = (Tables::default(), 0);
        let at = [&a, &b, &a.clone(), &b].map(|codebook| {
            tables.place(codebook, || {
                put += 10;
                put
            })
        });
        assert_eq!(at, [10, 20, 10, 20]);
    }
}
