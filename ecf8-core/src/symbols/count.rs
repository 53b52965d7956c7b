//! Counting the symbols of a tensor, in parallel.

use super::Symbols;
use crate::element::{Numbers, SLOTS};
use crate::histogram::{Histogram, add};
use crate::map::passing;
use rayon::prelude::*;
use std::cmp::Reverse;

/// Bytes that one task counts, about: few enough for 32-bit counters.
const CHUNK: usize = 1 << 20;

/// Counters that take turns, since equal neighbours would otherwise wait for each other's increments.
const TURNS: usize = 4;

/// Tensors are short that have fewer elements than one for this many symbols of the alphabet.
const FEW: usize = 4;

/// How often each symbol occurs. A symbol at the end that lacks elements counts as the most frequent of those that
/// begin like it.
#[must_use]
pub fn histogram<S: Symbols>(numbers: &Numbers<'_>) -> Histogram {
    let is_few = numbers.units() < (S::KIND.alphabet() / FEW) as u64;
    if is_few { few::<S>(numbers) } else { many::<S>(numbers) }
}

/// The fields of some numbers.
fn with_fields<S: Symbols, T>(
    numbers: &Numbers<'_>,
    memory: &mut Vec<u8>,
    work: impl FnOnce(&[u8]) -> T,
) -> T {
    work(numbers.split.fields(S::KIND.bits, &numbers.coded(), memory))
}

/// How often each symbol occurs, with a counter for each.
fn many<S: Symbols>(numbers: &Numbers<'_>) -> Histogram {
    let kind = S::KIND;
    let (split, width) = (numbers.split, numbers.split.element.bytes);
    // Whole symbols, and as many as are reordered together.
    let block = width * kind.block().max(SLOTS);
    let (whole, rest) = numbers.bytes.split_at(numbers.bytes.len() - numbers.bytes.len() % block);
    let (chunk, none) = (CHUNK - CHUNK % block, || vec![0; kind.alphabet()]);
    let counted = |bytes: &[u8]| {
        let counted = bytes.par_chunks(chunk).map_init(Vec::new, |memory, bytes| {
            with_fields::<S, _>(&Numbers { split, bytes }, memory, count::<S>)
        });
        counted.reduce(none, add)
    };
    let mut counts = passing(whole, chunk).map(counted).fold(none(), add);
    with_fields::<S, _>(&Numbers { split, bytes: rest }, &mut Vec::new(), |rest| {
        let (whole, rest) = rest.split_at(rest.len() - rest.len() % kind.block());
        (0..whole.len() / kind.elements).for_each(|number| counts[kind.symbol_at(whole, number)] += 1);
        for number in 0..rest.len().min(kind.stride) {
            let candidates = kind.beginning_with(&kind.known(rest, number));
            let likely = candidates.rev().max_by_key(|symbol| counts[*symbol]);
            likely.into_iter().for_each(|symbol| counts[symbol] += 1);
        }
    });
    Histogram::from_counts(&counts)
}

/// The same, for data so short that most symbols do not occur: sorting them takes less than looking at a counter for
/// each.
fn few<S: Symbols>(numbers: &Numbers<'_>) -> Histogram {
    with_fields::<S, _>(numbers, &mut Vec::new(), few_fields::<S>)
}

fn few_fields<S: Symbols>(fields: &[u8]) -> Histogram {
    let kind = S::KIND;
    let (whole, rest) = fields.split_at(fields.len() - fields.len() % kind.block());
    let mut symbols: Vec<usize> =
        (0..whole.len() / kind.elements).map(|number| kind.symbol_at(whole, number)).collect();
    symbols.sort_unstable();
    let runs = symbols.chunk_by(|a, b| a == b);
    let mut present: Vec<(usize, u64)> = runs.map(|run| (run[0], run.len() as u64)).collect();
    for number in 0..rest.len().min(kind.stride) {
        let candidates = kind.beginning_with(&kind.known(rest, number));
        let first = present.partition_point(|(symbol, _)| *symbol < candidates.start);
        let those = present[first..].iter().take_while(|(symbol, _)| candidates.contains(symbol));
        // Of several that are equally frequent, the first.
        let likely = those.enumerate().min_by_key(|(_, (_, count))| Reverse(*count));
        match likely.map(|(place, _)| first + place) {
            Some(likely) => present[likely].1 += 1,
            None => present.insert(first, (candidates.start, 1)),
        }
    }
    Histogram::from_present(kind.alphabet(), present)
}

/// Symbols that are counted in one go: one for each of the counters, or all that interleave.
const fn at_once<S: Symbols>() -> usize {
    if S::KIND.stride > TURNS { S::KIND.stride } else { TURNS }
}

/// Counts whole symbols, none of which lacks elements.
fn count<S: Symbols>(chunk: &[u8]) -> Vec<u64> {
    let kind = S::KIND;
    let mut counters = vec![[0u32; TURNS]; kind.alphabet()];
    let mut groups = chunk.chunks_exact(kind.elements * at_once::<S>());
    for group in &mut groups {
        for number in 0..at_once::<S>() {
            counters[kind.symbol_at(group, number)][number % TURNS] += 1;
        }
    }
    let rest = groups.remainder();
    for number in 0..rest.len() / kind.elements {
        counters[kind.symbol_at(rest, number)][0] += 1;
    }
    counters.into_iter().map(|turns| turns.into_iter().map(u64::from).sum()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symbols::{Byte, PAIR, Pair, Quad, TRIPLE, Triple};

    #[test]
    fn whole_symbols_are_counted_and_a_last_one_completed_by_frequency() {
        let data: Vec<u8> = (0..2 * CHUNK + 6).map(|i| (i * i / 7 % 256) as u8).collect();
        let mut expected = vec![0; 256];
        let exponent = |byte: &u8| byte >> 3 & 15;
        data.chunks_exact(2)
            .for_each(|pair| expected[PAIR.symbol(&[exponent(&pair[0]), exponent(&pair[1])])] += 1);
        assert_eq!(histogram::<Pair>(&Numbers::e4m3(&data)).counts(), expected);
        assert_eq!(histogram::<Byte>(&Numbers::e4m3(&data)), Histogram::of_bytes(&data));
        let odd = histogram::<Pair>(&Numbers::e4m3(&[0x38, 0x10, 0x38, 0x20, 0x38, 0x20, 0x38]));
        assert_eq!((odd.counts()[0x72], odd.counts()[0x74]), (1, 3));
        assert_eq!(histogram::<Pair>(&Numbers::e4m3(&[0x38])).counts()[0x70], 1);
        assert_eq!(histogram::<Pair>(&Numbers::e4m3(&[])).total(), 0);
    }

    #[test]
    fn few_symbols_are_counted_as_many_are() {
        let data: Vec<u8> = (0..9000u32).map(|i| (i * i / 7 % 251 * (i % 3)).to_le_bytes()[0]).collect();
        for len in [0, 1, 2, 3, 5, 64, 511, 513, 1023, 1025, 1536, 1600, 2600, 4099, 9000] {
            let data = &Numbers::e4m3(&data[..len]);
            assert_eq!(few::<Quad>(data), many::<Quad>(data), "{len}");
            assert_eq!(few::<Triple>(data), many::<Triple>(data), "{len}");
            assert_eq!(few::<Pair>(data), many::<Pair>(data), "{len}");
        }
    }

    #[test]
    fn symbols_of_elements_far_apart_are_counted_round_by_round() {
        let data: Vec<u8> = (0..3 * CHUNK + 700).map(|i| (i * i / 7 % 256) as u8).collect();
        for len in [0, 1, 511, 512, 513, 1024, 1535, 1536, 1537, 2600, CHUNK, data.len()] {
            let data = &data[..len];
            let exponent = |byte: u8| byte >> 3 & 15;
            let (mut whole, mut incomplete) = (vec![0; 4096], 0);
            for round in data.chunks(1536) {
                for first in 0..round.len().min(512) {
                    match (round.get(first + 512), round.get(first + 1024)) {
                        (Some(second), Some(third)) => {
                            whole[TRIPLE.symbol(&[
                                exponent(round[first]),
                                exponent(*second),
                                exponent(*third),
                            ])] += 1;
                        }
                        _ => incomplete += 1,
                    }
                }
            }
            let counts = histogram::<Triple>(&Numbers::e4m3(data)).counts();
            assert!(counts.iter().zip(&whole).all(|(count, whole)| count >= whole), "{len}");
            assert_eq!(counts.iter().sum::<u64>(), whole.iter().sum::<u64>() + incomplete, "{len}");
        }
        let mut round = vec![0x38; 1536];
        round[1024..1524].fill(0x40);
        let counts = histogram::<Triple>(&Numbers::e4m3(&[&round[..], &[0x38; 600]].concat())).counts();
        assert_eq!((counts[0x778], counts[0x777]), (500 + 512, 12));
    }
}
