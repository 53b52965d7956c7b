//! Package-merge (Larmore and Hirschberg, 1990): optimal code lengths under a length limit.
//!
//! A codeword of length l is bought as l coins, one of each width 1/2 … 1/2^l, each costing the symbol's count.
//! The cheapest coins of total width n-1 give the optimal lengths. Level by level from the narrowest coins up, the
//! list of a level is the symbols' own coins merged with the pairs ("packages") of the list below it.

/// Code lengths per symbol for `counts`, at most `max_len` bits each (raised if the alphabet needs more).
pub(super) fn code_lengths(counts: &[u64], max_len: u8) -> Vec<u8> {
    let mut lengths = vec![0; counts.len()];
    let mut symbols: Vec<usize> = (0..counts.len()).filter(|&symbol| counts[symbol] > 0).collect();
    symbols.sort_by_key(|&symbol| (counts[symbol], symbol));
    if let [only] = symbols[..] {
        lengths[only] = 1;
    }
    if symbols.len() < 2 {
        return lengths;
    }
    let needed = usize::BITS - (symbols.len() - 1).leading_zeros();
    let leaves: Vec<u128> = symbols.iter().map(|&symbol| u128::from(counts[symbol])).collect();
    let levels = coin_lists(&leaves, u32::from(max_len).max(needed));

    // From the widest coins down: of the cheapest `wanted` entries, the leaves lengthen their symbols' codewords
    // by one bit, and each package asks for two entries of the level below.
    let mut wanted = 2 * (symbols.len() - 1);
    for level in levels.iter().rev() {
        let own = level[..wanted].iter().filter(|is_leaf| **is_leaf).count();
        symbols[..own].iter().for_each(|&symbol| lengths[symbol] += 1);
        wanted = 2 * (wanted - own);
    }
    lengths
}

/// For each level, narrowest coins first: whether each entry of its list, cheapest first, is a symbol's own coin.
fn coin_lists(leaves: &[u128], levels: u32) -> Vec<Vec<bool>> {
    let mut lists = Vec::new();
    let mut packages: Vec<u128> = Vec::new();
    for _ in 0..levels {
        let mut prices: Vec<u128> = Vec::with_capacity(leaves.len() + packages.len());
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
