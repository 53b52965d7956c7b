//! Codewords out of the cascaded tables that ECF8's authors and DFloat11 store, see [`CascadeTables`].

use crate::codebook::Codebook;
use crate::codebook::cascade::{FIRST_POINTER, ROW};

/// Levels of tables at most, so that codewords have at most 32 bits.
const LEVELS: u8 = 4;

/// The code of stored tables: `lut` is rows of 256 bytes, the last of which is the lengths. Symbols from `alphabet` on have none.
///
/// Not every entry belongs to a codeword: what no codeword reaches has the value of the entries before it. So the codeword of a
/// symbol is the first one of its length all of whose entries are the symbol.
pub(super) fn codebook(lut: &[u8], alphabet: usize) -> Result<Codebook, String> {
    let (rows, rest) = lut.as_chunks::<ROW>();
    let Some((lengths, rows)) = rows.split_last().filter(|(_, rows)| rest.is_empty() && !rows.is_empty())
    else {
        return Err(format!("its tables have {} bytes, not two or more rows of {ROW}", lut.len()));
    };
    if let Some(symbol) = (alphabet..ROW).find(|symbol| lengths[*symbol] > 0) {
        return Err(format!("its tables give symbol {symbol} a codeword, and there are {alphabet} symbols"));
    }
    let mut found = Found { codewords: vec![(0, 0); alphabet], lengths, rows, seen: vec![false; rows.len()] };
    found.walk(0, 0, 0)?;
    let missing = (0..alphabet).find(|symbol| lengths[*symbol] > 0 && found.codewords[*symbol].1 == 0);
    if let Some(symbol) = missing {
        let length = lengths[symbol];
        return Err(format!("its tables have no codeword of {length} bits for symbol {symbol}"));
    }
    Codebook::from_codewords(&found.codewords).map_err(|error| format!("its tables make no code: {error}"))
}

struct Found<'a> {
    codewords: Vec<(u32, u8)>,
    lengths: &'a [u8; ROW],
    rows: &'a [[u8; ROW]],
    /// Which rows were pointed to.
    seen: Vec<bool>,
}

impl Found<'_> {
    /// Looks through the row that comes after these bits: 8 for each level above.
    fn walk(&mut self, row: usize, level: u8, before: u32) -> Result<(), String> {
        let entries = &self.rows[row];
        let mut index = 0;
        while index < ROW {
            let value = entries[index];
            let same = entries[index..].iter().take_while(|own| **own == value).count();
            if usize::from(value) >= FIRST_POINTER {
                // Only the first of them is a pointer; the others follow it because no codeword reaches them.
                self.follow(value, index, level, before)?;
            } else {
                self.take(usize::from(value), index, same, level, before);
            }
            index += same;
        }
        Ok(())
    }

    /// Follows the pointer at entry `index`.
    fn follow(&mut self, value: u8, index: usize, level: u8, before: u32) -> Result<(), String> {
        let row = ROW - usize::from(value);
        if level + 1 >= LEVELS || self.seen.get(row) != Some(&false) {
            let rows = self.rows.len();
            return Err(format!(
                "its tables point from level {level} to row {row}, and they have {rows} rows in at most {LEVELS} levels, to each of \
                 which one pointer leads"
            ));
        }
        self.seen[row] = true;
        self.walk(row, level + 1, before << 8 | u32::try_from(index).unwrap_or_default())
    }

    /// Takes the first codeword of a symbol among the entries from `index` on, `same` of which have it.
    fn take(&mut self, symbol: usize, index: usize, same: usize, level: u8, before: u32) {
        let length = self.lengths[symbol];
        let Some(own) = length.checked_sub(8 * level).filter(|own| (1..=8).contains(own)) else { return };
        let entries = 1usize << (8 - own);
        let start = index.next_multiple_of(entries);
        let is_first = self.codewords.get(symbol).is_some_and(|known| known.1 == 0);
        if is_first && start + entries <= index + same {
            let last = u32::try_from(start >> (8 - own)).unwrap_or_default();
            // A level has 8 bits, and there are at most four.
            self.codewords[symbol] = (before.checked_shl(u32::from(own)).unwrap_or(0) | last, length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codebook::cascade::CascadeTables;
    use proptest::prelude::*;

    /// A code that is not canonical and leaves a codeword unused: the tree of some weights, whose branches are swapped at will.
    fn code(weights: &[u32], swaps: u64) -> Vec<(u32, u8)> {
        let mut nodes: Vec<(u64, Vec<(usize, u32, u8)>)> = weights
            .iter()
            .enumerate()
            .map(|(symbol, own)| (u64::from(*own) + 1, vec![(symbol, 0, 0)]))
            .collect();
        let mut turn = 0;
        while nodes.len() > 1 {
            nodes.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
            let (mut a, mut b) = (nodes.pop().unwrap(), nodes.pop().unwrap());
            if swaps >> (turn % 64) & 1 == 1 {
                std::mem::swap(&mut a, &mut b);
            }
            turn += 1;
            let branch = |(_, leaves): &(u64, Vec<_>), bit: u32| {
                leaves
                    .iter()
                    .map(|&(symbol, code, len): &(usize, u32, u8)| (symbol, bit << len | code, len + 1))
                    .collect::<Vec<_>>()
            };
            let leaves = [branch(&a, 0), branch(&b, 1)].concat();
            nodes.push((a.0 + b.0, leaves));
        }
        let mut codewords = vec![(0, 0); weights.len()];
        for (symbol, code, len) in nodes.pop().unwrap().1 {
            codewords[symbol] = (code, len);
        }
        // The last symbol's codeword stands for nothing.
        codewords.pop();
        codewords
    }

    proptest! {
        #[test]
        fn tables_give_back_the_codewords_that_they_were_made_of(
            weights in prop::collection::vec(0u32..1 << 20, 2..60), skew in 0..20u32, swaps: u64
        ) {
            let skewed: Vec<u32> = (0u32..).zip(&weights).map(|(i, own)| own >> (i * skew / 20).min(31)).collect();
            let codewords = code(&skewed, swaps);
            prop_assume!(codewords.iter().all(|(_, len)| *len <= 32));
            let codebook = Codebook::from_codewords(&codewords).unwrap();
            let tables = CascadeTables::of_codewords(&codebook.canonical()).unwrap();
            prop_assert_eq!(super::codebook(&tables.lut, weights.len()).unwrap().codewords()[..codewords.len()].to_vec(), codewords);
        }

        #[test]
        fn no_tables_at_all_make_it_panic(rows in 0..5usize, bytes in prop::collection::vec(any::<u8>(), 1..40), seed: usize) {
            let lut: Vec<u8> = (0..rows * ROW).map(|i| bytes[(i * 7 + i / 256 + seed % 97) % bytes.len()]).collect();
            let _ = codebook(&lut, 16);
            let _ = codebook(&lut, 256);
        }
    }
}
