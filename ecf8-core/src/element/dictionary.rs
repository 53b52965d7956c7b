//! Dictionaries: the distinct numbers of a tensor, where these are few beside all its numbers.
//!
//! A table of sines or a codebook of weights has every number several times, but no byte of it is frequent. Then what
//! is split into planes is not the numbers but their places in a list of the distinct ones.

use crate::int;
use crate::map::passing;
use rayon::prelude::*;
use std::fmt;

/// The most entries: two bytes tell them apart.
const MOST: usize = 1 << 16;

/// Numbers that are looked at to find out whether it is worth the time to look at all.
const SAMPLE: usize = 1 << 14;

/// A sample may have this many distinct numbers of a hundred. Of at most [`MOST`] that are equally frequent, it has 89.
const DISTINCT_PERCENT: usize = 90;

/// Numbers that one task sorts.
const SORTED: usize = 1 << 16;

/// The distinct numbers of a tensor, in ascending order of their bits. Neighbours are similar, so that the upper byte
/// of a place is as unevenly distributed as the numbers are.
#[derive(Clone, PartialEq, Eq)]
pub struct Dictionary {
    /// Bytes of a number.
    width: usize,
    entries: Vec<u64>,
}

impl fmt::Debug for Dictionary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Dictionary of {} numbers of {} bytes", self.entries.len(), self.width)
    }
}

/// Distinct numbers in ascending order, and how often each occurs.
type Counted = Vec<(u64, u64)>;

impl Dictionary {
    /// One that is not known yet, of numbers of `width` bytes.
    pub(crate) fn unknown(width: usize) -> Self {
        Self { width, entries: Vec::new() }
    }

    /// The distinct ones of these numbers of `width` bytes, and how often each occurs; `None` if they are too many to
    /// gain by it.
    pub(crate) fn of(width: usize, numbers: &[u8]) -> Option<(Self, Vec<u64>)> {
        // Of numbers of two bytes, the places must fit one.
        let most = if width > 2 { MOST } else { 1 << 8 };
        let count = numbers.len() / width;
        if width < 2 || count == 0 {
            return None;
        }
        let apart = count.div_ceil(SAMPLE);
        let sampled = |piece: &[u8]| piece.chunks_exact(width).step_by(apart).map(number).collect::<Vec<_>>();
        let sample = distinct(passing(numbers, width * apart).flat_map(sampled).collect());
        let sampled = count.div_ceil(apart);
        if sample.len() > most || 100 * sample.len() > DISTINCT_PERCENT * sampled {
            return None;
        }
        let few = |a: Counted, b: Counted| Some(merged(a, &b)).filter(|all| all.len() <= most);
        let counted = |piece: &[u8]| {
            let own = |piece: &[u8]| Some(distinct(piece.chunks_exact(width).map(number).collect()));
            piece.par_chunks(width * SORTED).map(own).try_reduce(Vec::new, few)
        };
        let mut pieces = passing(numbers, width * SORTED);
        let all = pieces.try_fold(Vec::new(), |all, piece| few(all, counted(piece)?))?;
        let (entries, counts): (Vec<u64>, Vec<u64>) = all.into_iter().unzip();
        (entries.len() <= most).then_some((Self { width, entries }, counts))
    }

    /// The one with these entries, as they are stored; `None` if they are no dictionary.
    pub(crate) fn from_bytes(width: usize, bytes: &[u8]) -> Option<Self> {
        let entries: Vec<u64> = bytes.chunks_exact(width.max(1)).map(number).collect();
        let is_one = width >= 2
            && bytes.len().is_multiple_of(width)
            && (1..=MOST).contains(&entries.len())
            && entries.is_sorted_by(|a, b| a < b);
        is_one.then_some(Self { width, entries })
    }

    /// Its entries as they are stored: little endian, one after the other.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.entries.iter().flat_map(|entry| entry.to_le_bytes().into_iter().take(self.width)).collect()
    }

    /// How many entries it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of a number.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Bytes that its entries take.
    pub(crate) fn bytes(&self) -> u64 {
        (self.entries.len() * self.width) as u64
    }

    /// Puts the places of numbers in place of them: whole numbers of as many bytes. What is none of its entries becomes
    /// another's place.
    pub(crate) fn replace_by_places(&self, numbers: &mut [u8]) {
        let most = self.entries.len().saturating_sub(1);
        self.replace(numbers, |number| {
            self.entries.binary_search(&number).unwrap_or_else(|place| place.min(most)) as u64
        });
    }

    /// Puts numbers in place of their places. A place beyond the last entry, which only damage brings about, is taken
    /// for the last one, as kernels do.
    pub(crate) fn look_up(&self, places: &mut [u8]) {
        let last = self.entries.last().copied().unwrap_or_default();
        self.replace(places, |place| self.entries.get(int::index(place)).copied().unwrap_or(last));
    }

    fn replace(&self, numbers: &mut [u8], by: impl Fn(u64) -> u64) {
        for bytes in numbers.chunks_exact_mut(self.width.max(1)) {
            let new = by(number(bytes)).to_le_bytes();
            bytes.iter_mut().zip(new).for_each(|(byte, new)| *byte = new);
        }
    }
}

/// A number as the integer that its bits are.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn distinct(mut numbers: Vec<u64>) -> Counted {
    numbers.sort_unstable();
    numbers.chunk_by(|a, b| a == b).map(|run| (run[0], run.len() as u64)).collect()
}

/// The sum of both.
fn merged(a: Counted, b: &[(u64, u64)]) -> Counted {
    if a.is_empty() {
        return b.to_vec();
    }
    let mut sum = Vec::with_capacity(a.len().max(b.len()));
    let mut rest = b.iter().copied().peekable();
    for (number, mut count) in a {
        while let Some(smaller) = rest.next_if(|(other, _)| *other < number) {
            sum.push(smaller);
        }
        if let Some((_, more)) = rest.next_if(|(other, _)| *other == number) {
            count += more;
        }
        sum.push((number, count));
    }
    sum.extend(rest);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::{gaussian, noise, stored_as};

    /// Numbers of which there are `count`, of `distinct` values, none of which is small.
    fn few(width: usize, count: usize, distinct: u64) -> Vec<u8> {
        let number = |i: u64| (i * i % distinct).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17);
        (0..count as u64).flat_map(|i| number(i).to_le_bytes().into_iter().take(width)).collect()
    }

    #[test]
    fn numbers_come_back_from_their_places() {
        for (width, count, distinct) in [(2, 5000, 97), (4, 200_000, 9973), (8, 70_000, 20_011), (4, 1, 1)] {
            let numbers = few(width, count, distinct);
            let Some((dictionary, counts)) = Dictionary::of(width, &numbers) else {
                assert_eq!(count, 1, "one number is one distinct number");
                continue;
            };
            assert_eq!(counts.iter().sum::<u64>(), count as u64);
            let mut places = numbers.clone();
            dictionary.replace_by_places(&mut places);
            let largest = places.chunks_exact(width).map(number).max().unwrap();
            assert_eq!(largest + 1, dictionary.len() as u64);
            let ones = places.chunks_exact(width).filter(|place| number(place) == 1).count();
            assert_eq!(counts[1], ones as u64);
            dictionary.look_up(&mut places);
            assert!(places == numbers);
            assert_eq!(Dictionary::from_bytes(width, &dictionary.to_bytes()), Some(dictionary));
        }
    }

    #[test]
    fn tensors_of_many_values_have_none() {
        let weights = stored_as("F32", &gaussian(1, 100_000, 0.02)).unwrap();
        assert_eq!(Dictionary::of(4, &weights), None);
        assert_eq!(Dictionary::of(2, &noise(2, 4000)), None, "257 and more values of two bytes");
        assert_eq!((Dictionary::of(1, &[1; 500]), Dictionary::of(4, &[])), (None, None));
        // Few in the sample, too many in all.
        let mut late = few(4, 400_000, 5);
        let after = late.len() / 2;
        late[after..].copy_from_slice(&(0..200_000u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>());
        assert_eq!(Dictionary::of(4, &late), None);
    }

    #[test]
    fn what_is_stored_must_be_ascending_and_a_place_beyond_it_is_the_last_one() {
        for bytes in [&[][..], &[1, 0, 0, 0, 1, 0, 0, 0], &[2, 0, 0, 0, 1, 0, 0, 0], &[1, 0, 0]] {
            assert_eq!(Dictionary::from_bytes(4, bytes), None, "{bytes:?}");
        }
        assert_eq!(Dictionary::from_bytes(1, &[1, 2]), None);
        let dictionary = Dictionary::from_bytes(2, &[5, 0, 1, 1]).unwrap();
        let mut places = [0, 0, 1, 0, 2, 0, 255, 255];
        dictionary.look_up(&mut places);
        assert_eq!(places, [5, 0, 1, 1, 1, 1, 1, 1]);
        let mut unknown = [9, 9, 0, 0];
        dictionary.replace_by_places(&mut unknown);
        assert_eq!(unknown, [1, 0, 0, 0], "a number that changed meanwhile has some place");
    }
}
