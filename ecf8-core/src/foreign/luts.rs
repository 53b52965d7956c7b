//! Codewords out of the cascaded tables that ECF8's authors and DFloat11 store, see [`CascadeTables`].

use crate::codebook::Codebook;
use crate::codebook::cascade::{FIRST_POINTER, ROW};

/// Levels of tables at most, so that codewords have at most 32 bits.
const LEVELS: u8 = 4;

/// The code of stored tables: `lut` is rows of 256 bytes, the last of which is the lengths. Symbols from `alphabet` on have none.
///
/// Not every entry belongs to a codeword of its writer: what none reaches has the value of the entries before it, or 0 at the beginning of a
/// row. Decoders cannot tell, so all entries of a symbol that are as many as one of its codewords has are taken for one.
pub(super) fn codebook(lut: &[u8], alphabet: usize) -> Result<Codebook, String> {
    let (rows, rest) = lut.as_chunks::<ROW>();
    let Some((lengths, rows)) = rows.split_last().filter(|(_, rows)| rest.is_empty() && !rows.is_empty())
    else {
        return Err(format!("its tables have {} bytes, not two or more rows of {ROW}", lut.len()));
    };
    if let Some(symbol) = (alphabet..ROW).find(|symbol| lengths[*symbol] > 0) {
        return Err(format!("its tables give symbol {symbol} a codeword, and there are {alphabet} symbols"));
    }
    let mut found = Found { codewords: Vec::new(), lengths, rows, seen: vec![false; rows.len()] };
    found.walk(0, 0, 0)?;
    let has = |symbol: usize| found.codewords.iter().any(|own| own.0 == symbol);
    if let Some(symbol) = (0..alphabet).find(|symbol| lengths[*symbol] > 0 && !has(*symbol)) {
        let length = lengths[symbol];
        return Err(format!("its tables have no codeword of {length} bits for symbol {symbol}"));
    }
    Codebook::from_codewords(alphabet, &found.codewords)
        .map_err(|error| format!("its tables make no code: {error}"))
}

struct Found<'a> {
    codewords: Vec<(usize, u32, u8)>,
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

    /// Takes the codewords of a symbol among the entries from `index` on, `same` of which have it.
    fn take(&mut self, symbol: usize, index: usize, same: usize, level: u8, before: u32) {
        let length = self.lengths[symbol];
        let Some(own) = length.checked_sub(8 * level).filter(|own| (1..=8).contains(own)) else { return };
        let entries = 1usize << (8 - own);
        let starts = (index.next_multiple_of(entries)..).step_by(entries);
        for start in starts.take_while(|start| start + entries <= index + same) {
            let last = u32::try_from(start >> (8 - own)).unwrap_or_default();
            // A level has 8 bits, and there are at most four.
            let code = before.checked_shl(u32::from(own)).unwrap_or(0) | last;
            self.codewords.push((symbol, code, length));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codebook::CodebookError;
    use crate::codebook::cascade::CascadeTables;
    use crate::foreign::export::Code;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn tables_give_back_the_codewords_that_they_were_made_of(
            weights in prop::collection::vec(0u64..1 << 20, 1..60), skew in 0..40u32, first in 0..3usize
        ) {
            let skewed = weights.iter().zip(0u32..).map(|(own, place)| (own >> (place * skew / 40).min(63)) + 1);
            let frequencies: Vec<(usize, u64)> = (first..).zip(skewed).collect();
            let code = Code::new(&frequencies, 32);
            let tables = CascadeTables::of_codewords(&code.symbols);
            // Some codes need more tables than there may be.
            prop_assume!(!matches!(tables, Err(CodebookError::CascadeTooLarge { .. })));
            let tables = tables.unwrap();
            let found = codebook(&tables.lut, 64).unwrap().canonical();
            // What the end begins with decodes to something, whatever it is; everything else to what it stands for.
            let (end, length) = code.end;
            for own in &found {
                let at_end = own.2 <= length && end >> (length - own.2) == own.1;
                let is_longer = own.2 > length && own.1 >> (own.2 - length) == end;
                prop_assert!(code.symbols.contains(own) || at_end || is_longer, "{own:?}");
            }
            prop_assert!(code.symbols.iter().all(|own| found.contains(own)));
            for (symbol, length) in tables.lut[tables.lut.len() - ROW..].iter().enumerate() {
                let own = code.symbols.iter().find(|own| own.0 == symbol);
                prop_assert_eq!(*length, own.map_or(0, |own| own.2));
            }
        }

        #[test]
        fn no_tables_at_all_make_it_panic(rows in 0..5usize, bytes in prop::collection::vec(any::<u8>(), 1..40), seed: usize) {
            let lut: Vec<u8> = (0..rows * ROW).map(|i| bytes[(i * 7 + i / 256 + seed % 97) % bytes.len()]).collect();
            let _ = codebook(&lut, 16);
            let _ = codebook(&lut, 256);
        }
    }
}
