//! How often each symbol occurs, and the entropy that follows from it.

use crate::format::FloatFormat;
use crate::map::passing;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// Symbol counts. Symbols that do not occur take no room, however large the alphabet is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<u64>", into = "Vec<u64>")]
pub struct Histogram {
    alphabet: usize,
    /// Symbols that occur, in order, and how often.
    present: Vec<(usize, u64)>,
}

impl From<Vec<u64>> for Histogram {
    fn from(counts: Vec<u64>) -> Self {
        Self::from_counts(&counts)
    }
}

impl From<Histogram> for Vec<u64> {
    fn from(histogram: Histogram) -> Self {
        histogram.counts()
    }
}

/// Bytes that one task counts: many tasks for a large tensor, one for a small one.
const CHUNK: usize = 1 << 20;

impl Histogram {
    /// All counts zero, for an alphabet of `symbols` symbols.
    #[must_use]
    pub fn zero(symbols: usize) -> Self {
        Self { alphabet: symbols, present: Vec::new() }
    }

    /// From counts, one per symbol.
    #[must_use]
    pub fn from_counts(counts: &[u64]) -> Self {
        let present = counts.iter().copied().enumerate().filter(|(_, count)| *count > 0).collect();
        Self { alphabet: counts.len(), present }
    }

    /// The sum of histograms, counter by counter: adding them to a growing list of symbols would take longer the longer it
    /// is. Saturates.
    pub(crate) fn sum<'a>(alphabet: usize, histograms: impl Iterator<Item = &'a Self>) -> Self {
        let mut counts = vec![0u64; alphabet];
        histograms.for_each(|histogram| histogram.add_to(&mut counts));
        Self::from_counts(&counts)
    }

    /// Adds the counts to those of as many symbols. Saturates.
    pub(crate) fn add_to(&self, counts: &mut [u64]) {
        for &(symbol, count) in &self.present {
            counts[symbol] = counts[symbol].saturating_add(count);
        }
    }

    /// From the symbols that occur, in order, each once.
    pub(crate) fn from_present(alphabet: usize, present: Vec<(usize, u64)>) -> Self {
        Self { alphabet, present }
    }

    /// Counts the 256 byte values of `data`, in parallel.
    #[must_use]
    pub fn of_bytes(data: &[u8]) -> Self {
        let count =
            |chunk: &[u8]| sum(256, count_by_place(chunk, |word| word).iter().map(|counts| &counts[..]));
        let counted = |data: &[u8]| data.par_chunks(CHUNK).map(count).reduce(|| vec![0; 256], add);
        Self::from_counts(&passing(data, CHUNK).map(counted).fold(vec![0; 256], add))
    }

    /// Counts the exponents of `data`, numbers in an 8-bit `format`, in parallel.
    #[must_use]
    pub fn of_exponents(data: &[u8], format: &FloatFormat) -> Self {
        Self::of_bytes(data).exponents(format, 0)
    }

    /// The exponent counts that follow from counts of bytes (`self`, 256 symbols), which are numbers of a `format`
    /// without their lowest `dropped` bits.
    #[must_use]
    pub fn exponents(&self, format: &FloatFormat, dropped: u32) -> Self {
        let mut exponents = vec![0; format.exponents()];
        for &(byte, count) in &self.present {
            exponents[format.exponent((byte as u64) << dropped)] += count;
        }
        Self::from_counts(&exponents)
    }

    /// Counts the exponents of numbers, in parallel.
    #[must_use]
    pub fn of_numbers(data: &[u8], format: &FloatFormat) -> Self {
        let width = format.bytes_per_element();
        let count = |piece: &[u8]| {
            let mut counts = vec![0u64; format.exponents()];
            for number in piece.chunks_exact(width) {
                let bits = number.iter().rev().fold(0, |bits, byte| bits << 8 | u64::from(*byte));
                counts[format.exponent(bits)] += 1;
            }
            counts
        };
        let none = || vec![0; format.exponents()];
        let counted = |data: &[u8]| data.par_chunks(CHUNK).map(count).reduce(none, add);
        Self::from_counts(&passing(data, CHUNK).map(counted).fold(none(), add))
    }

    /// How many symbols there are, those that do not occur included.
    #[must_use]
    pub fn alphabet(&self) -> usize {
        self.alphabet
    }

    /// The symbols that occur, in order, and how often.
    #[must_use]
    pub fn present(&self) -> &[(usize, u64)] {
        &self.present
    }

    /// The counts, one per symbol.
    #[must_use]
    pub fn counts(&self) -> Vec<u64> {
        let mut counts = vec![0; self.alphabet];
        self.present.iter().for_each(|&(symbol, count)| counts[symbol] = count);
        counts
    }

    /// The sum of the counts. Saturates, which only invented counts can reach.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.present.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// Adds the counts of `other`, symbol by symbol; the alphabet becomes the larger of the two.
    pub fn add(&mut self, other: &Self) {
        let mut own = std::mem::take(&mut self.present).into_iter().peekable();
        let mut others = other.present.iter().copied().peekable();
        self.alphabet = self.alphabet.max(other.alphabet);
        loop {
            let next = match (own.peek(), others.peek()) {
                (Some((mine, _)), Some((theirs, _))) => Some(mine.cmp(theirs)),
                (Some(_), None) => Some(Ordering::Less),
                (None, Some(_)) => Some(Ordering::Greater),
                (None, None) => None,
            };
            let Some(next) = next else { return };
            let mine = if next.is_le() { own.next() } else { None };
            let theirs = if next.is_ge() { others.next() } else { None };
            let sum = mine.iter().chain(&theirs).fold(0, |sum: u64, (_, count)| sum.saturating_add(*count));
            self.present.extend(mine.or(theirs).map(|(symbol, _)| (symbol, sum)));
        }
    }

    /// Shannon entropy in bits per symbol; 0 for no symbols at all.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    pub fn entropy_bits(&self) -> f64 {
        let total = self.total() as f64;
        let bits: f64 =
            self.present.iter().map(|&(_, count)| count as f64 * (total / count as f64).log2()).sum();
        if bits > 0.0 { bits / total } else { 0.0 }
    }
}

/// The sums of counts, symbol by symbol.
pub(crate) fn add(mut sums: Vec<u64>, counts: Vec<u64>) -> Vec<u64> {
    sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
    sums
}

/// Bytes of a word.
const WORD: usize = 8;

/// How often each byte occurs at each place of the words that `arrange` makes of `bytes`, eight at a time; a last word that
/// lacks bytes has zeros there, which are not counted. Neighbours are counted apart because equal ones would wait for each
/// other's increments, too. There are at most 2^32 words.
#[inline]
pub(crate) fn count_by_place(bytes: &[u8], arrange: impl Fn(u64) -> u64) -> [[u32; 256]; WORD] {
    let mut counts = [[0; 256]; WORD];
    let (words, rest) = bytes.as_chunks::<WORD>();
    let mut count = |word: [u8; WORD], bytes: usize| {
        let arranged = arrange(u64::from_le_bytes(word)).to_le_bytes();
        for (counts, byte) in counts.iter_mut().zip(arranged).take(bytes) {
            counts[usize::from(byte)] += 1;
        }
    };
    words.iter().for_each(|word| count(*word, WORD));
    if !rest.is_empty() {
        let mut last = [0; WORD];
        last[..rest.len()].copy_from_slice(rest);
        count(last, rest.len());
    }
    counts
}

/// The sums of some counters, each of which are `symbols`, symbol by symbol.
pub(crate) fn sum<'a>(symbols: usize, counts: impl Iterator<Item = &'a [u32]>) -> Vec<u64> {
    let mut sums = vec![0; symbols];
    counts.for_each(|counts| sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += u64::from(*count)));
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::E4M3;

    #[test]
    fn counting_in_parallel_equals_counting_one_by_one() {
        let data: Vec<u8> = (0..3 * CHUNK + 5).map(|i| (i * i / 7 % 256) as u8).collect();
        let mut expected = vec![0u64; 256];
        data.iter().for_each(|&byte| expected[usize::from(byte)] += 1);
        assert_eq!(Histogram::of_bytes(&data).counts(), expected);
        assert_eq!(Histogram::of_bytes(&data).total(), data.len() as u64);
    }

    #[test]
    fn exponents_are_counted_by_the_format() {
        let data = [0x00, 0x38, 0x3f, 0xb8, 0xff];
        let exponents = Histogram::of_exponents(&data, &E4M3);
        assert_eq!(exponents.counts(), [1, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 1]);
    }

    #[test]
    fn entropy_is_zero_for_one_symbol_and_full_for_a_uniform_alphabet() {
        assert_eq!(Histogram::zero(16).entropy_bits(), 0.0);
        assert_eq!(Histogram::from_counts(&[0, 9]).entropy_bits(), 0.0);
        assert_eq!(Histogram::from_counts(&[5; 16]).entropy_bits(), 4.0);
        let quarter = Histogram::from_counts(&[2, 1, 1]).entropy_bits();
        assert!((quarter - 1.5).abs() < 1e-12);
    }

    #[test]
    fn adding_widens_the_alphabet() {
        let mut sum = Histogram::from_counts(&[1, 2]);
        sum.add(&Histogram::from_counts(&[10, 0, 5]));
        assert_eq!(sum.counts(), [11, 2, 5]);
        assert_eq!((sum.alphabet(), sum.total()), (3, 18));
    }

    #[test]
    fn what_does_not_occur_is_counted_but_not_kept() {
        let histogram = Histogram::from_counts(&[0, 7, 0, 1]);
        assert_eq!(histogram.present(), [(1, 7), (3, 1)]);
        assert_eq!(serde_json::to_string(&histogram).unwrap(), "[0,7,0,1]");
        assert_eq!(serde_json::from_str::<Histogram>("[0,7,0,1]").unwrap(), histogram);
    }
}
