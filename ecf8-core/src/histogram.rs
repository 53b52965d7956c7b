//! How often each symbol occurs, and the entropy that follows from it.

use crate::format::FloatFormat;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Symbol counts; the index is the symbol.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Histogram {
    counts: Vec<u64>,
}

/// Bytes that one task counts: many tasks for a large tensor, one for a small one.
const CHUNK: usize = 1 << 20;

impl Histogram {
    /// All counts zero, for an alphabet of `symbols` symbols.
    #[must_use]
    pub fn zero(symbols: usize) -> Self {
        Self { counts: vec![0; symbols] }
    }

    /// From counts, one per symbol.
    #[must_use]
    pub fn from_counts(counts: Vec<u64>) -> Self {
        Self { counts }
    }

    /// Counts the 256 byte values of `data`, in parallel.
    #[must_use]
    pub fn of_bytes(data: &[u8]) -> Self {
        let counts = data.par_chunks(CHUNK).map(count_bytes).reduce(
            || vec![0; 256],
            |mut sum, counts| {
                add_counts(&mut sum, &counts);
                sum
            },
        );
        Self { counts }
    }

    /// Counts the exponents of `data`, numbers in an 8-bit `format`, in parallel.
    #[must_use]
    pub fn of_exponents(data: &[u8], format: &FloatFormat) -> Self {
        Self::of_bytes(data).exponents(format)
    }

    /// The exponent counts that follow from byte counts (`self`, 256 symbols), for an 8-bit `format`.
    #[must_use]
    pub fn exponents(&self, format: &FloatFormat) -> Self {
        let mut exponents = Self::zero(format.exponents());
        for (byte, &count) in (0..=255u8).zip(&self.counts) {
            exponents.counts[usize::from(format.split(byte).0)] += count;
        }
        exponents
    }

    /// The counts, one per symbol.
    #[must_use]
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// The sum of the counts. Saturates, which only invented counts can reach.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().fold(0, |sum, &count| sum.saturating_add(count))
    }

    /// Adds the counts of `other`, symbol by symbol; the alphabet becomes the larger of the two.
    pub fn add(&mut self, other: &Self) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        add_counts(&mut self.counts, &other.counts);
    }

    /// Shannon entropy in bits per symbol; 0 for no symbols at all.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    pub fn entropy_bits(&self) -> f64 {
        let total = self.total() as f64;
        let present = self.counts.iter().filter(|&&count| count > 0);
        let bits: f64 = present.map(|&count| count as f64 * (total / count as f64).log2()).sum();
        if bits > 0.0 { bits / total } else { 0.0 }
    }
}

fn add_counts(sum: &mut [u64], counts: &[u64]) {
    for (sum, count) in sum.iter_mut().zip(counts) {
        *sum = sum.saturating_add(*count);
    }
}

/// Counts into eight tables in turn, since neighbouring equal bytes would otherwise wait for each other's
/// increments; `chunk` is at most [`CHUNK`] bytes, so 32-bit counters are enough.
fn count_bytes(chunk: &[u8]) -> Vec<u64> {
    let mut tables = [[0u32; 256]; 8];
    let (words, tail) = chunk.as_chunks::<8>();
    for word in words {
        for (table, &byte) in tables.iter_mut().zip(word) {
            table[usize::from(byte)] += 1;
        }
    }
    for &byte in tail {
        tables[0][usize::from(byte)] += 1;
    }
    (0..256).map(|byte| tables.iter().map(|table| u64::from(table[byte])).sum()).collect()
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
        assert_eq!(Histogram::from_counts(vec![0, 9]).entropy_bits(), 0.0);
        assert_eq!(Histogram::from_counts(vec![5; 16]).entropy_bits(), 4.0);
        let quarter = Histogram::from_counts(vec![2, 1, 1]).entropy_bits();
        assert!((quarter - 1.5).abs() < 1e-12);
    }

    #[test]
    fn adding_widens_the_alphabet() {
        let mut sum = Histogram::from_counts(vec![1, 2]);
        sum.add(&Histogram::from_counts(vec![10, 0, 5]));
        assert_eq!(sum.counts(), [11, 2, 5]);
    }
}
