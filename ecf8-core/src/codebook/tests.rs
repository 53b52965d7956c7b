//! Codebooks against independent references: an ordinary Huffman tree, exhaustive search, Kraft's sum.

use super::*;
use proptest::prelude::*;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Cost of an ordinary, unlimited Huffman tree: the sum of its inner nodes' counts.
fn huffman_cost(counts: &[u64]) -> u64 {
    let mut heap: BinaryHeap<Reverse<u64>> = counts.iter().filter(|c| **c > 0).map(|c| Reverse(*c)).collect();
    let mut cost = 0;
    if heap.len() == 1 {
        return counts.iter().sum();
    }
    while let (Some(Reverse(a)), Some(Reverse(b))) = (heap.pop(), heap.pop()) {
        cost += a + b;
        heap.push(Reverse(a + b));
        if heap.len() == 1 {
            break;
        }
    }
    cost
}

/// The least cost over all complete codes with lengths up to `max_len`, by trying every assignment.
fn exhaustive_cost(counts: &[u64], max_len: u8) -> u64 {
    fn search(counts: &[u64], max_len: u8, room: u64) -> Option<u64> {
        let Some((first, rest)) = counts.split_first() else { return Some(0) };
        let options = (1..=max_len).filter_map(|length| {
            let left = room.checked_sub(1 << (max_len - length))?;
            Some(first * u64::from(length) + search(rest, max_len, left)?)
        });
        options.min()
    }
    search(counts, max_len, 1 << max_len).unwrap()
}

fn assert_valid(codebook: &Codebook) {
    assert_eq!(Codebook::from_lengths(&codebook.lengths()).as_ref(), Ok(codebook));
    let order = codebook.canonical_order();
    let codewords = codebook.codewords();
    for pair in order.windows(2) {
        let ((a, a_len), (b, b_len)) = (codewords[pair[0]], codewords[pair[1]]);
        assert!(a_len <= b_len);
        assert!(u64::from(a) << (32 - a_len) < u64::from(b) << (32 - b_len), "codewords ascend");
        assert_ne!(u64::from(b) >> (b_len - a_len), u64::from(a), "no codeword starts with another");
    }
}

proptest! {
    #[test]
    fn with_a_generous_limit_the_cost_is_that_of_huffmans_tree(
        counts in prop::collection::vec(prop_oneof![Just(0u64), 1..50u64, 1..1_000_000u64], 1..64)
    ) {
        let histogram = Histogram::from_counts(&counts);
        let codebook = Codebook::huffman(&histogram, 32);
        assert_valid(&codebook);
        prop_assert!(codebook.uncovered(&histogram) == 0);
        prop_assert_eq!(codebook.cost_bits(&histogram), huffman_cost(&counts));
    }

    #[test]
    fn under_a_tight_limit_no_code_is_cheaper(
        counts in prop::collection::vec(prop_oneof![1..4u64, 1..2000u64], 2..7), limit in 3..6u8
    ) {
        let histogram = Histogram::from_counts(&counts);
        let codebook = Codebook::huffman(&histogram, limit);
        assert_valid(&codebook);
        prop_assert!(codebook.max_len() <= limit);
        prop_assert_eq!(codebook.cost_bits(&histogram), exhaustive_cost(&counts, limit));
    }

    #[test]
    fn lengths_are_those_of_the_symbols_one_by_one(
        counts in prop::collection::vec(prop_oneof![Just(0), 1..9u64], 0..200),
        asked in prop::collection::vec(prop_oneof![Just(0), 1..9u64], 0..200),
    ) {
        let codebook = Codebook::huffman(&Histogram::from_counts(&counts), 12);
        let asked = Histogram::from_counts(&asked);
        let expected = asked.present().iter().map(|&(symbol, count)| (symbol, count, codebook.length(symbol)));
        prop_assert!(codebook.lengths_of(&asked).eq(expected));
    }

    #[test]
    fn counts_a_million_million_times_as_high_have_the_same_codewords(
        counts in prop::collection::vec(0..1_000_000u64, 2..60), limit in 6..14u8
    ) {
        let high: Vec<u64> = counts.iter().map(|count| count << 43).collect();
        let [low, high] = [counts, high].map(|counts| Codebook::huffman(&Histogram::from_counts(&counts), limit));
        prop_assert_eq!(low, high);
    }

    #[test]
    fn text_brings_the_codebook_back(counts in prop::collection::vec(0..9u64, 0..40), limit in 6..20u8) {
        let codebook = Codebook::huffman(&Histogram::from_counts(&counts), limit);
        prop_assert_eq!(Codebook::from_text(&codebook.to_text()), Ok(codebook));
    }
}

fn fibonacci(symbols: usize) -> Histogram {
    let mut counts = vec![1, 1];
    while counts.len() < symbols {
        counts.push(counts[counts.len() - 1] + counts[counts.len() - 2]);
    }
    Histogram::from_counts(&counts)
}

#[test]
fn fibonacci_counts_reach_every_limit_below_their_natural_depth() {
    for limit in 4..=15 {
        let codebook = Codebook::huffman(&fibonacci(16), limit);
        assert_valid(&codebook);
        assert_eq!(codebook.max_len(), limit);
    }
    assert_eq!(Codebook::huffman(&fibonacci(16), 16).max_len(), 15);
    assert_eq!(Codebook::huffman(&fibonacci(40), 16).max_len(), 16);
}

#[test]
fn a_limit_too_small_for_the_alphabet_is_raised() {
    let codebook = Codebook::huffman(&Histogram::from_counts(&[100, 1, 1, 1, 1]), 1);
    assert_eq!(codebook.max_len(), 3);
    assert_valid(&codebook);
}

#[test]
fn one_symbol_gets_one_bit_and_none_gets_nothing() {
    let one = Codebook::huffman(&Histogram::from_counts(&[0, 0, 7]), 16);
    assert_eq!((one.lengths(), one.only_symbol()), (vec![0, 0, 1], Some(2)));
    assert_eq!(one.codewords(), [(0, 0), (0, 0), (0, 1)]);
    let none = Codebook::huffman(&Histogram::zero(16), 16);
    assert!(none.is_empty() && none.uncovered(&Histogram::from_counts(&[0, 3])) == 3);
    assert_eq!((none.max_len(), none.min_len()), (0, 0));
}

#[test]
fn canonical_codewords_are_those_of_the_worked_example() {
    // Lengths 2 1 3 3: the classic example of RFC 1951, §3.2.2.
    let codebook = Codebook::from_text("2133").unwrap();
    assert_eq!(codebook.codewords(), [(0b10, 2), (0b0, 1), (0b110, 3), (0b111, 3)]);
    let apart = Codebook::from_text("21BA33").unwrap().canonical();
    assert_eq!(Codebook::from_text("21BA33").unwrap().first_symbol(), Some(1));
    assert_eq!(apart, [(1, 0b0, 1), (0, 0b10, 2), (28, 0b110, 3), (29, 0b111, 3)]);
}

#[test]
fn invalid_lengths_are_named() {
    use CodebookError::*;
    let invalid = |lengths: &[u8]| Codebook::from_lengths(lengths).unwrap_err();
    assert_eq!(invalid(&[1, 1, 1]), Oversubscribed);
    assert_eq!(invalid(&[1, 2]), Incomplete);
    assert_eq!(invalid(&[2]), Incomplete);
    assert_eq!(invalid(&[1, 33]), TooLong { symbol: 1, length: 33 });
    assert_eq!(Codebook::from_text("1-").unwrap_err(), BadDigit { found: '-', place: 1 });
    assert!(Codebook::from_lengths(&[32; 65536]).is_err());
}

#[test]
fn a_codeword_of_the_greatest_length_is_possible() {
    let mut lengths: Vec<u8> = (1..=32).collect();
    lengths.push(32);
    let codebook = Codebook::from_lengths(&lengths).unwrap();
    assert_valid(&codebook);
    assert_eq!(codebook.codewords()[32], (u32::MAX, 32));
}
