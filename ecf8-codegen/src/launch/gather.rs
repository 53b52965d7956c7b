//! The bytes of a buffer before they are copied together.

use std::borrow::Cow;

/// Bytes of several pieces, each at a multiple of an alignment, with zeros in between; not yet copied together.
#[derive(Debug, Clone, Default)]
pub struct Gather<'a> {
    /// Where each starts, ascending; none is empty.
    pieces: Vec<(u64, Cow<'a, [u8]>)>,
    len: u64,
}

impl<'a> Gather<'a> {
    /// Puts a piece at the next multiple of `alignment` bytes, and gives where that is.
    pub fn add(&mut self, alignment: usize, piece: impl Into<Cow<'a, [u8]>>) -> u64 {
        let piece = piece.into();
        let start = self.len.next_multiple_of(alignment as u64);
        self.len = start + piece.len() as u64;
        if !piece.is_empty() {
            self.pieces.push((start, piece));
        }
        start
    }

    /// Puts zeros up to a length in bytes, if it is shorter.
    pub fn fill_to(&mut self, len: u64) {
        self.len = self.len.max(len);
    }

    /// Bytes in all.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where each piece starts, and its bytes, in ascending order; none is empty.
    pub fn pieces(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.pieces.iter().map(|(start, piece)| (*start, &**piece))
    }

    /// Copies the bytes from `start` on to `out`; zeros where there are none.
    pub fn fill(&self, start: u64, out: &mut [u8]) {
        let first = self.pieces.partition_point(|(at, piece)| at + piece.len() as u64 <= start);
        let mut filled = 0;
        for (at, piece) in &self.pieces[first..] {
            let (skipped, to) = (index(start.saturating_sub(*at)), index(at.saturating_sub(start)));
            if to >= out.len() {
                break;
            }
            let count = (piece.len() - skipped).min(out.len() - to);
            out[filled..to].fill(0);
            out[to..to + count].copy_from_slice(&piece[skipped..skipped + count]);
            filled = to + count;
        }
        out[filled..].fill(0);
    }

    /// All of it in one piece: copied together, unless it is one already.
    #[must_use]
    pub fn bytes(&self) -> Cow<'_, [u8]> {
        match &self.pieces[..] {
            [(0, piece)] if piece.len() as u64 == self.len => Cow::Borrowed(piece),
            _ => Cow::Owned(self.copied()),
        }
    }

    /// A copy of all of it.
    #[must_use]
    pub fn copied(&self) -> Vec<u8> {
        let mut all = vec![0; index(self.len)];
        self.fill(0, &mut all);
        all
    }
}

impl<'a> From<&'a [u8]> for Gather<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Cow::Borrowed(bytes).into()
    }
}

impl From<Vec<u8>> for Gather<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Cow::<[u8]>::Owned(bytes).into()
    }
}

impl<'a> From<Cow<'a, [u8]>> for Gather<'a> {
    fn from(bytes: Cow<'a, [u8]>) -> Self {
        let mut gather = Self::default();
        gather.add(1, bytes);
        gather
    }
}

/// A place among bytes that are all in memory.
fn index(byte: u64) -> usize {
    usize::try_from(byte).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_start_at_multiples_of_the_alignment_and_one_alone_is_not_copied() {
        let mut gather = Gather::default();
        assert_eq!((gather.add(32, &[][..]), gather.add(32, &[1, 2, 3][..])), (0, 0));
        assert!(matches!(gather.bytes(), Cow::Borrowed([1, 2, 3])));
        assert_eq!((gather.add(8, vec![4]), gather.add(4, &[5][..])), (8, 12));
        assert_eq!(gather.bytes(), [1, 2, 3, 0, 0, 0, 0, 0, 4, 0, 0, 0, 5].as_slice());
        assert_eq!(gather.add(8, vec![]), 16);
        assert_eq!((gather.len(), gather.bytes().len()), (16, 16));
        assert_eq!(
            gather.pieces().map(|(start, piece)| (start, piece.len())).collect::<Vec<_>>(),
            [(0, 3), (8, 1), (12, 1)]
        );
    }

    #[test]
    fn any_part_of_it_can_be_copied_and_beyond_its_end_are_zeros() {
        let mut gather = Gather::default();
        for (alignment, piece) in [(1, vec![1, 2, 3]), (8, vec![4]), (4, vec![5, 6]), (16, vec![])] {
            gather.add(alignment, piece);
        }
        let mut all = gather.copied();
        assert_eq!(all, [1, 2, 3, 0, 0, 0, 0, 0, 4, 0, 0, 0, 5, 6, 0, 0]);
        all.resize(40, 0);
        for start in 0..20 {
            for end in start..40 {
                let mut part = vec![9; end - start];
                gather.fill(start as u64, &mut part);
                assert_eq!(part, all[start..end], "{start}..{end}");
            }
        }
    }
}
