//! Counting the symbols of a tensor, in parallel.

use super::Symbols;
use crate::histogram::Histogram;
use rayon::prelude::*;

/// Bytes that one task counts; even, and few enough for 32-bit counters.
const CHUNK: usize = 1 << 20;

/// Counters that take turns, since equal neighbours would otherwise wait for each other's increments.
const TURNS: usize = 4;

/// How often each symbol occurs in `data`. If the last symbol lacks elements, it counts as the most frequent of those
/// that begin like it.
#[must_use]
pub fn histogram<S: Symbols>(data: &[u8]) -> Histogram {
    const { assert!(CHUNK.is_multiple_of(S::KIND.elements)) };
    let (kind, width) = (S::KIND, S::KIND.elements);
    let (whole, rest) = data.split_at(data.len() - data.len() % width);
    let mut counts = whole.par_chunks(CHUNK).map(count::<S>).reduce(
        || vec![0; kind.alphabet()],
        |mut sum, counts| {
            sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
            sum
        },
    );
    if !rest.is_empty() {
        let likely = kind.beginning_with(rest).rev().max_by_key(|symbol| counts[*symbol]);
        likely.into_iter().for_each(|symbol| counts[symbol] += 1);
    }
    Histogram::from_counts(&counts)
}

fn count<S: Symbols>(chunk: &[u8]) -> Vec<u64> {
    let width = S::KIND.elements;
    let mut counters = vec![[0u32; TURNS]; S::KIND.alphabet()];
    let mut groups = chunk.chunks_exact(TURNS * width);
    for group in &mut groups {
        for (turn, elements) in group.chunks_exact(width).enumerate() {
            counters[S::KIND.symbol(elements)][turn] += 1;
        }
    }
    for elements in groups.remainder().chunks_exact(width) {
        counters[S::KIND.symbol(elements)][0] += 1;
    }
    counters.into_iter().map(|turns| turns.into_iter().map(u64::from).sum()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symbols::{Byte, PAIR, Pair};

    #[test]
    fn whole_symbols_are_counted_and_a_last_one_completed_by_frequency() {
        let data: Vec<u8> = (0..2 * CHUNK + 6).map(|i| (i * i / 7 % 256) as u8).collect();
        let mut expected = vec![0; 256];
        data.chunks_exact(2).for_each(|pair| expected[PAIR.symbol(pair)] += 1);
        assert_eq!(histogram::<Pair>(&data).counts(), expected);
        assert_eq!(histogram::<Byte>(&data), Histogram::of_bytes(&data));
        let odd = histogram::<Pair>(&[0x38, 0x10, 0x38, 0x20, 0x38, 0x20, 0x38]);
        assert_eq!((odd.counts()[0x72], odd.counts()[0x74]), (1, 3));
        assert_eq!(histogram::<Pair>(&[0x38]).counts()[0x70], 1);
        assert_eq!(histogram::<Pair>(&[]).total(), 0);
    }
}
