//! The paper's cascaded lookup tables (§3.1; `LUT` in Algorithm 1 and table 11), which DFloat11 has with more levels.

use super::{Codebook, CodebookError};

/// The smallest table value that is a pointer; smaller ones are symbols.
pub const FIRST_POINTER: usize = 240;

/// Entries of one table: one per byte value.
pub const ROW: usize = 256;

/// Bits that index one table.
const ROW_BITS: u8 = 8;

/// Levels of 256-entry tables and a row of code lengths, `rows` rows in all.
///
/// Row 0 is indexed by the next 8 bits of the stream. An entry below 240 is the symbol; an entry `v` from 240 says to
/// look up the following 8 bits in row `256 - v`. The last row holds the code length of each symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CascadeTables {
    /// `rows` × 256 entries, row after row.
    pub lut: Vec<u8>,
    /// Number of rows, the row of lengths included: at least 2.
    pub rows: usize,
}

impl CascadeTables {
    /// Builds the tables of `codebook`, of two levels.
    ///
    /// Every entry is defined: what no codeword reaches decodes as the entries before it. With no symbol at all, all
    /// entries are 0 and nothing may be decoded.
    ///
    /// # Errors
    /// If a codeword is longer than 16 bits, if codewords longer than 8 bits start with more than 16 different bytes,
    /// or if a symbol from 240 has a codeword.
    pub fn new(codebook: &Codebook) -> Result<Self, CodebookError> {
        let codewords = codebook.canonical();
        let max_len = codebook.max_len();
        if max_len > 2 * ROW_BITS {
            let prefixes = prefixes(&codewords).len() - 1;
            return Err(CodebookError::CascadeTooLarge { max_len, prefixes });
        }
        Self::of_codewords(&codewords)
    }

    /// Builds tables of as many levels as the longest codeword needs: of symbols, each with its codeword in the low bits and the
    /// length of it. Subtables follow each other by level, and within one in the order in which their codewords are given.
    ///
    /// # Errors
    /// As [`CascadeTables::new`], but for the length of codewords.
    pub fn of_codewords(codewords: &[(usize, u32, u8)]) -> Result<Self, CodebookError> {
        if let Some(&(symbol, ..)) = codewords.iter().find(|(symbol, ..)| *symbol >= FIRST_POINTER) {
            return Err(CodebookError::SymbolTooLarge { symbol });
        }
        let prefixes = prefixes(codewords);
        let subtables = prefixes.len() - 1;
        if subtables > ROW - FIRST_POINTER {
            let max_len = codewords.iter().map(|(.., length)| *length).max().unwrap_or(0);
            return Err(CodebookError::CascadeTooLarge { max_len, prefixes: subtables });
        }
        let row_of = |prefix: Prefix| prefixes.iter().position(|own| *own == prefix).unwrap_or(0);
        // The first entry of each codeword, and the pointers.
        let mut reached = vec![[None; ROW]; prefixes.len()];
        for (row, &(bits, prefix)) in prefixes.iter().enumerate().skip(1) {
            let above = row_of((bits - ROW_BITS, prefix >> ROW_BITS));
            reached[above][usize::from(prefix.to_le_bytes()[0])] = Some((ROW - row).to_le_bytes()[0]);
        }
        let mut lengths = [0; ROW];
        for &(symbol, code, length) in codewords {
            lengths[symbol] = length;
            let prefix = prefix_of(code, length);
            let rest = length - prefix.0;
            let entry = u64::from(code) << (ROW_BITS - rest);
            reached[row_of(prefix)][usize::from(entry.to_le_bytes()[0])] = Some(symbol.to_le_bytes()[0]);
        }
        // What comes before the first codeword must have a length, too: a decoder that meets a length of 0 never ends.
        let symbols = codewords.iter().map(|(symbol, ..)| symbol.to_le_bytes()[0]);
        let before = if lengths[0] > 0 { 0 } else { symbols.min().unwrap_or(0) };
        let mut lut = Vec::with_capacity((prefixes.len() + 1) * ROW);
        for row in reached {
            let filled = row.into_iter().scan(before, |value, own| {
                *value = own.unwrap_or(*value);
                Some(*value)
            });
            lut.extend(filled);
        }
        lut.extend(lengths);
        Ok(Self { lut, rows: prefixes.len() + 1 })
    }
}

/// The bits before those that index a row, and how many they are.
type Prefix = (u8, u32);

/// The prefix of the row in which a codeword ends.
fn prefix_of(code: u32, length: u8) -> Prefix {
    let bits = length.saturating_sub(1) / ROW_BITS * ROW_BITS;
    (bits, code.checked_shr(u32::from(length - bits)).unwrap_or(0))
}

/// The prefixes of all rows, that of the first coming first, which is empty.
fn prefixes(codewords: &[(usize, u32, u8)]) -> Vec<Prefix> {
    let mut prefixes = vec![(0, 0)];
    let add = |prefixes: &mut Vec<Prefix>, prefix| {
        if !prefixes.contains(&prefix) {
            prefixes.push(prefix);
        }
    };
    for &(_, code, length) in codewords {
        add(&mut prefixes, prefix_of(code, length));
    }
    // Where all codewords under a prefix are longer than the next row takes, its own row is still to come.
    for index in 0..prefixes.len() {
        let (mut bits, mut prefix) = prefixes[index];
        while bits > ROW_BITS {
            (bits, prefix) = (bits - ROW_BITS, prefix >> ROW_BITS);
            add(&mut prefixes, (bits, prefix));
        }
    }
    prefixes.sort_by_key(|(bits, _)| *bits);
    prefixes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes the first symbol of 16 bits as Algorithm 1 does (lines 7 to 10).
    fn look_up(tables: &CascadeTables, window: u16) -> (u8, u8) {
        let [high, low] = window.to_be_bytes().map(usize::from);
        let mut value = usize::from(tables.lut[high]);
        if value >= FIRST_POINTER {
            value = usize::from(tables.lut[ROW * (ROW - value) + low]);
        }
        (value as u8, tables.lut[ROW * (tables.rows - 1) + value])
    }

    fn assert_every_window_decodes(codebook: &Codebook) {
        let tables = CascadeTables::new(codebook).unwrap();
        assert_eq!(tables.lut.len(), tables.rows * ROW);
        for window in 0..=u16::MAX {
            let (symbol, length) = look_up(&tables, window);
            let (code, expected_len) = codebook.codewords()[usize::from(symbol)];
            assert_eq!(length, expected_len);
            assert_eq!(u32::from(window) >> (16 - length), code, "window {window:016b}");
        }
    }

    #[test]
    fn every_16_bit_window_decodes_to_the_codeword_it_starts_with() {
        assert_every_window_decodes(&Codebook::from_lengths(&[1, 1]).unwrap());
        assert_every_window_decodes(&Codebook::from_lengths(&[4; 16]).unwrap());
        let mut deep: Vec<u8> = (1..=15).collect();
        deep.push(15);
        assert_every_window_decodes(&Codebook::from_lengths(&deep).unwrap());
        assert_every_window_decodes(&with_nine_bit_codewords(16));
    }

    #[test]
    fn one_symbol_is_found_whatever_the_bits_say() {
        let mut lengths = vec![0; 16];
        lengths[9] = 1;
        let tables = CascadeTables::new(&Codebook::from_lengths(&lengths).unwrap()).unwrap();
        assert_eq!(tables.rows, 2);
        assert!((0..=u16::MAX).all(|window| look_up(&tables, window) == (9, 1)));
    }

    #[test]
    fn what_does_not_fit_the_tables_is_refused() {
        let mut lengths = vec![0; 241];
        lengths[3] = 1;
        lengths[240] = 1;
        let pointer_like = Codebook::from_lengths(&lengths).unwrap();
        assert_eq!(CascadeTables::new(&pointer_like), Err(CodebookError::SymbolTooLarge { symbol: 240 }));

        let mut deep: Vec<u8> = (1..=17).collect();
        deep.push(17);
        let too_deep = Codebook::from_lengths(&deep).unwrap();
        assert!(matches!(
            CascadeTables::new(&too_deep),
            Err(CodebookError::CascadeTooLarge { max_len: 17, .. })
        ));

        let too_broad = CascadeTables::new(&with_nine_bit_codewords(17));
        assert_eq!(too_broad, Err(CodebookError::CascadeTooLarge { max_len: 9, prefixes: 17 }));
    }

    /// A complete code whose 9-bit codewords start with this many (16 or 17) different bytes.
    fn with_nine_bit_codewords(prefixes: usize) -> Codebook {
        let mut lengths = vec![1, 2, 3, 5, 6, 7, 8];
        lengths.extend(vec![8; 17 - prefixes]);
        lengths.extend(vec![9; 2 * prefixes]);
        Codebook::from_lengths(&lengths).unwrap()
    }
}
