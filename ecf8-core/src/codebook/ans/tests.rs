//! Streams by hand, and frequencies against entropies.

use super::*;
use crate::codebook::{Codebook, CodebookError};
use crate::histogram::Histogram;
use proptest::prelude::*;

/// Encodes symbols from the last to the first, and decodes them from the first to the last.
fn there_and_back(codebook: &Codebook, symbols: &[usize]) {
    let steps = Steps::new(codebook);
    let byte = |symbol: usize| u8::try_from(symbol).unwrap();
    let mut state = steps.last(byte(symbols[symbols.len() - 1]));
    let mut bits = Vec::new();
    for &symbol in symbols[..symbols.len() - 1].iter().rev() {
        let step = steps.before(byte(symbol), state);
        bits.push((step.low, step.bits));
        state = step.state;
    }
    let states = states(codebook);
    assert_eq!(states.len(), 1 << codebook.max_len());
    for (place, &symbol) in symbols.iter().enumerate() {
        let own = states[state as usize - states.len()];
        assert_eq!(usize::from(own.symbol), symbol);
        if place + 1 < symbols.len() {
            let (value, read) = bits.pop().unwrap();
            assert!(read == u32::from(own.bits) && read <= u32::from(codebook.length(symbol)));
            assert!(value >> read == 0, "nothing above the bits");
            state = u32::from(own.base) + value + (1 << codebook.max_len());
        }
    }
    assert!(bits.is_empty());
}

#[test]
fn levels_are_frequencies_of_four_significant_bits() {
    let all: Vec<u16> = (0..=87).map(text::frequency).collect();
    assert_eq!(all[..18], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18]);
    assert_eq!(all[87], 15 << 9);
    for (level, frequency) in (0..=87).zip(&all) {
        assert_eq!(text::level_below(*frequency), level);
    }
    assert_eq!([17, 8000, 8191].map(text::level_below), [16, 87, 87]);
}

#[test]
fn a_table_by_hand() {
    // Frequencies 5, 2 and 1 of eight: the first takes the rest.
    let codebook = Codebook::from_text("=3!%#$").unwrap();
    assert_eq!(codebook.frequencies().collect::<Vec<_>>(), [(0, 5), (1, 2), (3, 1)]);
    assert_eq!((codebook.max_len(), codebook.lengths()), (3, vec![1, 2, 0, 3]));
    assert_eq!(codebook.to_text(), "=3!%#$");
    // The step is 4 + 1 + 3, one more for an odd one, which is 1 modulo 8.
    let table: Vec<(u16, u8, u16)> =
        states(&codebook).into_iter().map(|own| (own.symbol, own.bits, own.base)).collect();
    assert_eq!(
        table,
        [(0, 1, 2), (0, 1, 4), (0, 1, 6), (0, 0, 0), (0, 0, 1), (1, 2, 0), (1, 2, 4), (3, 3, 0)]
    );
}

#[test]
fn one_symbol_takes_no_bits_and_none_has_no_states() {
    let one = Codebook::of_frequencies(&Histogram::from_counts(&[0, 7, 0]), 12);
    assert_eq!((one.to_text().as_str(), one.max_len(), one.only_symbol()), ("=1#!#", 1, Some(1)));
    assert_eq!(Codebook::from_text("=1#!#").as_ref(), Ok(&one));
    assert!(states(&one).iter().all(|own| own.bits == 0));
    assert_eq!(one.cost_bits(&Histogram::from_counts(&[0, 7, 0])), 0);
    let none = Codebook::of_frequencies(&Histogram::zero(256), 12);
    assert!(none.is_empty() && states(&none).is_empty() && none.to_text() == "JW");
}

#[test]
fn what_is_no_text_form_is_refused() {
    for bits in ["=", "=0!", "=e!", "=-!"] {
        assert_eq!(Codebook::from_text(bits), Err(CodebookError::StateBits));
    }
    assert_eq!(Codebook::from_text("=3!\\"), Err(CodebookError::BadFrequency { found: '\\', place: 3 }));
    assert_eq!(Codebook::from_text("=3!!"), Err(CodebookError::BadFrequency { found: '!', place: 3 }));
    assert_eq!(Codebook::from_text("=3!~"), Err(CodebookError::BadFrequency { found: '~', place: 3 }));
    // Nothing is left; more than all; nobody takes it.
    for sum in ["=3!+", "=3++", "=3$$", "=3"] {
        assert_eq!(Codebook::from_text(sum), Err(CodebookError::Frequencies), "{sum}");
    }
    let many = "=d!".to_owned() + &"#".repeat(65_536);
    assert_eq!(Codebook::from_text(&many), Err(CodebookError::TooManySymbols));
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(
        counts in prop::collection::vec(prop_oneof![Just(0u64), 1..4u64, 1..1_000_000u64], 1..=256),
        bits in 1..=13u8,
        picks in prop::collection::vec(any::<prop::sample::Index>(), 1..500),
    ) {
        let histogram = Histogram::from_counts(&counts);
        let codebook = Codebook::of_frequencies(&histogram, bits);
        prop_assert_eq!(Codebook::from_text(&codebook.to_text()), Ok(codebook.clone()));
        let present: Vec<usize> = histogram.present().iter().map(|(symbol, _)| *symbol).collect();
        if !present.is_empty() {
            let symbols: Vec<usize> = picks.iter().map(|pick| present[pick.index(present.len())]).collect();
            there_and_back(&codebook, &symbols);
        }
    }

    #[test]
    fn frequencies_cost_little_more_than_entropy(
        counts in prop::collection::vec(1000..1_000_000u64, 2..256)
    ) {
        let histogram = Histogram::from_counts(&counts);
        let codebook = Codebook::of_frequencies(&histogram, 13);
        let least = histogram.entropy_bits() * histogram.total() as f64;
        let cost = codebook.cost_bits(&histogram) as f64;
        prop_assert!(cost >= least - 1.0 && cost <= least * 1.002 + 1.0, "{} {}", cost, least);
    }
}
