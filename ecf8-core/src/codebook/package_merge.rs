//! Package-merge (Larmore and Hirschberg, 1990): optimal code lengths under a length limit.
//!
//! A codeword of length l is bought as l coins, one of each width 1/2 … 1/2^l, each costing the symbol's count.
//! The cheapest coins of total width n-1 give the optimal lengths. Level by level from the narrowest coins up, the
//! list of a level is the symbols' own coins merged with the pairs ("packages") of the list below it.

use crate::histogram::Histogram;
use std::ops::Add;

/// The symbols that occur in `histogram`, in order, and the lengths of their codewords: at most `max_len` bits each (raised
/// if the alphabet needs more).
pub(super) fn code_lengths(histogram: &Histogram, max_len: u8) -> Vec<(u16, u8)> {
    let mut symbols: Vec<(usize, u64)> = histogram.present().to_vec();
    symbols.sort_by_key(|&(symbol, count)| (count, symbol));
    let mut lengths = vec![u8::from(symbols.len() == 1); symbols.len()];
    if symbols.len() > 1 {
        lengthen(&symbols, histogram.total(), max_len, &mut lengths);
    }
    let narrow = |((symbol, _), length)| u16::try_from(symbol).ok().map(|symbol| (symbol, length));
    let mut lengths: Vec<(u16, u8)> = symbols.into_iter().zip(lengths).filter_map(narrow).collect();
    lengths.sort_unstable();
    lengths
}

/// Lengths from zero on, for two symbols or more, the rarest first, whose counts add up to `total`.
fn lengthen(symbols: &[(usize, u64)], total: u64, max_len: u8, lengths: &mut [u8]) {
    let needed = usize::BITS - (symbols.len() - 1).leading_zeros();
    let levels = u32::from(max_len).max(needed);
    // No package costs more than all coins.
    let levels = if total.checked_mul(levels.into()).is_some() {
        let leaves: Vec<u64> = symbols.iter().map(|(_, count)| *count).collect();
        coin_lists(&leaves, levels)
    } else {
        let leaves: Vec<u128> = symbols.iter().map(|(_, count)| u128::from(*count)).collect();
        coin_lists(&leaves, levels)
    };

    // From the widest coins down: of the cheapest `wanted` entries, the leaves lengthen their symbols' codewords
    // by one bit, and each package asks for two entries of the level below.
    let mut wanted = 2 * (symbols.len() - 1);
    for level in levels.iter().rev() {
        let own = level[..wanted].iter().filter(|is_leaf| **is_leaf).count();
        lengths[..own].iter_mut().for_each(|length| *length += 1);
        wanted = 2 * (wanted - own);
    }
}

/// For each level, narrowest coins first: whether each entry of its list, cheapest first, is a symbol's own coin.
fn coin_lists<P: Copy + Ord + Add<Output = P>>(leaves: &[P], levels: u32) -> Vec<Vec<bool>> {
    let mut lists = Vec::new();
    let mut packages: Vec<P> = Vec::new();
    for _ in 0..levels {
        let mut prices: Vec<P> = Vec::with_capacity(leaves.len() + packages.len());
        let mut is_leaf = Vec::with_capacity(prices.capacity());
        let (mut own, mut paired) = (leaves.iter().peekable(), packages.iter().peekable());
        loop {
            // On equal prices the leaf comes first, which keeps codewords short.
            let take_leaf = match (own.peek(), paired.peek()) {
                (Some(leaf), Some(package)) => leaf <= package,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (None, None) => break,
            };
            let price = if take_leaf { own.next() } else { paired.next() };
            prices.extend(price);
            is_leaf.push(take_leaf);
        }
        packages = prices.chunks_exact(2).map(|pair| pair[0] + pair[1]).collect();
        lists.push(is_leaf);
    }
    lists
}
