//! The codebook for symbols that are decoded by one look-up each.

use super::patch;
use super::{LEAST_LIMIT, MAX_CODEWORDS, MAX_LEN};
use crate::codebook::Codebook;
use crate::histogram::Histogram;
use crate::symbols::SymbolKind;

/// Which part of the codewords' bits may be given away for a table of half the size.
const TOLERANCE: u64 = 2048;

/// What a codebook for a histogram costs, and how many symbols are left without a codeword.
#[derive(Debug, Clone)]
pub(super) struct CodebookCost {
    /// The codebook.
    pub(super) codebook: Codebook,
    /// Bits of all codewords and patches.
    pub(super) bits: u64,
}

/// Bits that symbols take under a codebook, those included that have no codeword: another's, and patches.
#[must_use]
pub(super) fn cost_bits(kind: &SymbolKind, histogram: &Histogram, codebook: &Codebook) -> u64 {
    let stand_ins = codebook.uncovered(histogram).saturating_mul(codebook.min_len().into());
    let patches = patches(kind, histogram, codebook).saturating_mul(32);
    codebook.cost_bits(histogram).saturating_add(stand_ins).saturating_add(patches)
}

/// Bits of all codewords, at their longest, those included that stand in for symbols which have none.
pub(super) fn stream_bits(histogram: &Histogram, codebook: &Codebook) -> u64 {
    let bits = codebook
        .lengths_of(histogram)
        .map(|(_, count, own)| count.saturating_mul(if own == 0 { codebook.min_len() } else { own }.into()));
    bits.fold(0, u64::saturating_add)
}

/// How many patches symbols without a codeword need: one for each group of elements in which they differ from the
/// symbol that stands in. Where a group has elements of two symbols, they may share one.
pub(super) fn patches(kind: &SymbolKind, histogram: &Histogram, codebook: &Codebook) -> u64 {
    let stand_in = codebook.first_symbol().unwrap_or(0);
    let missing = codebook.lengths_of(histogram).filter(|(_, _, length)| *length == 0);
    let patches = missing.map(|(symbol, count, _)| count.saturating_mul(patches_of(kind, symbol, stand_in)));
    patches.fold(0, u64::saturating_add)
}

/// Patches that a symbol needs where another stands in for it.
pub(super) fn patches_of(kind: &SymbolKind, symbol: usize, stand_in: usize) -> u64 {
    let differs = |element: usize| kind.field(symbol, element) != kind.field(stand_in, element);
    let shared = patch::shared(kind);
    let groups = (0..kind.elements).step_by(shared);
    groups.filter(|first| (*first..kind.elements.min(first + shared)).any(differs)).count() as u64
}

/// The cheapest code found whose limit is the shortest, of 10 to 13 bits, that costs at most 0.05 % more than the
/// longest. Tables have 2^limit entries, and small ones decode faster.
#[must_use]
pub(super) fn choose(histogram: &Histogram, within: impl Fn(&Histogram, u8) -> CodebookCost) -> Codebook {
    let best = within(histogram, MAX_LEN);
    let accepted = best.bits.saturating_add(best.bits / TOLERANCE);
    let shorter = (LEAST_LIMIT..best.codebook.max_len()).map(|limit| within(histogram, limit));
    shorter.into_iter().find(|choice| choice.bits <= accepted).unwrap_or(best).codebook
}

/// The cheapest code found with at most `limit` bits to a codeword. The rarest symbols have none where that makes room
/// for shorter codewords worth more than the patches: tried are as many codewords as possible, and as many as seem
/// best.
#[must_use]
pub(super) fn within(kind: &SymbolKind, histogram: &Histogram, limit: u8) -> CodebookCost {
    let mut by_count = histogram.present().to_vec();
    by_count.sort_unstable_by_key(|&(symbol, count)| (std::cmp::Reverse(count), symbol));
    let keep = |number: usize| {
        let mut kept = by_count[..number].to_vec();
        let dropped = by_count[number..].iter().fold(0u64, |sum, (_, count)| sum.saturating_add(*count));
        // The most frequent symbol stands in for those that are dropped.
        if let Some((_, count)) = kept.first_mut() {
            *count = count.saturating_add(dropped);
        }
        kept.sort_unstable();
        let codebook = Codebook::huffman(&Histogram::from_present(histogram.alphabet(), kept), limit);
        CodebookCost { bits: cost_bits(kind, histogram, &codebook), codebook }
    };
    let most = by_count.len().min(MAX_CODEWORDS).min(1 << limit);
    let stand_in = by_count.first().map_or(0, |(symbol, _)| *symbol);
    let counts: Vec<(u64, u64)> = by_count
        .iter()
        .map(|&(symbol, count)| (count, count.saturating_mul(patches_of(kind, symbol, stand_in))))
        .collect();
    let all = keep(most);
    let number = seemingly_best(&counts, most, limit);
    if number == most {
        return all;
    }
    let fewer = keep(number);
    if fewer.bits < all.bits { fewer } else { all }
}

/// How many of the symbols, whose counts fall, should have codewords, at most `most` of them; beside its count stands
/// how many patches a symbol needs without one. Codewords are estimated as long as information theory has it, but for
/// those that would be above the limit: they take the limit, and all others are a little longer for it.
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn seemingly_best(counts: &[(u64, u64)], most: usize, limit: u8) -> usize {
    let total: f64 = counts.iter().map(|(count, _)| *count as f64).sum();
    let mut patches: f64 = counts.iter().map(|(_, patches)| *patches as f64).sum();
    let limit = f64::from(limit);
    let least_share = (-limit).exp2();
    // Sums over the symbols before each: counts, and counts times their logarithms.
    let sums: Vec<(f64, f64)> = std::iter::once((0.0, 0.0))
        .chain(counts[..most].iter().scan((0.0, 0.0), |(sum, logs), (count, _)| {
            let count = *count as f64;
            *sum += count;
            *logs += count * count.log2();
            Some((*sum, *logs))
        }))
        .collect();
    let mut best = (f64::INFINITY, most);
    // Symbols whose codewords are below the limit.
    let mut free = 0;
    for number in 1..=most {
        patches -= counts[number - 1].1 as f64;
        if free + 1 == number {
            free = number;
        }
        let share_of_all = |free: usize| sums[free].0 / (1.0 - (number - free) as f64 * least_share);
        while free > 0 && (counts[free - 1].0 as f64) < share_of_all(free) * least_share {
            free -= 1;
        }
        let (sum, logs) = sums[free];
        let whole = share_of_all(free);
        let shortest = (whole / counts[0].0 as f64).log2().max(1.0);
        let coded = if free > 0 { sum * whole.log2() - logs } else { 0.0 };
        let at_limit = limit * (sums[number].0 - sum);
        let cost = coded + at_limit + (total - sums[number].0) * shortest + 32.0 * patches;
        if cost < best.0 {
            best = (cost, number);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symbols::{BYTE, PAIR, QUAD};
    use proptest::prelude::*;

    fn choose(kind: &SymbolKind, histogram: &Histogram) -> Codebook {
        super::choose(histogram, |histogram, limit| within(kind, histogram, limit))
    }

    /// Counts that fall by a fifth from symbol to symbol.
    fn geometric(symbols: usize) -> Histogram {
        let counts: Vec<u64> = (0..symbols).map(|i| (1e9 * 0.8f64.powi(i as i32)) as u64 + 1).collect();
        Histogram::from_counts(&counts)
    }

    #[test]
    fn rare_symbols_go_without_where_that_costs_less() {
        let histogram = geometric(256);
        let (all, chosen) = (Codebook::huffman(&histogram, 10), within(&BYTE, &histogram, 10));
        assert!(chosen.bits < all.cost_bits(&histogram));
        assert_eq!(chosen.bits, cost_bits(&BYTE, &histogram, &chosen.codebook));
        let missing = chosen.codebook.uncovered(&histogram);
        assert!(missing > 0 && missing < histogram.total() / 1000);
        // Kept are the most frequent.
        assert_eq!(
            chosen.codebook.present().map(|(symbol, _)| symbol).max(),
            Some(chosen.codebook.present().len() - 1)
        );
    }

    #[test]
    fn where_all_fit_none_goes_without() {
        let flat = Histogram::from_counts(&[1000; 256]);
        for limit in LEAST_LIMIT..=MAX_LEN {
            let choice = within(&BYTE, &flat, limit);
            assert_eq!((choice.codebook.uncovered(&flat), choice.codebook.max_len()), (0, 8));
        }
        assert!(choose(&BYTE, &Histogram::zero(256)).is_empty());
        let one = Histogram::from_counts(&[0, 5]);
        assert_eq!(choose(&BYTE, &one).only_symbol(), Some(1));
    }

    #[test]
    fn large_alphabets_are_bounded() {
        let histogram = Histogram::from_counts(&vec![3; 1 << 16]);
        let codebook = choose(&QUAD, &histogram);
        assert!(codebook.present().len() <= MAX_CODEWORDS && codebook.max_len() <= MAX_LEN);
    }

    proptest! {
        #[test]
        fn leaving_symbols_out_never_costs_more_than_coding_all(
            counts in prop::collection::vec(prop_oneof![0..4u64, 0..1_000_000u64], 256), limit in 8..=13u8
        ) {
            let histogram = Histogram::from_counts(&counts);
            let all = Codebook::huffman(&histogram, limit);
            prop_assert!(within(&PAIR, &histogram, limit).bits <= all.cost_bits(&histogram));
        }
    }
}
