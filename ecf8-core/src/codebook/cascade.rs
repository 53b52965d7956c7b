//! The paper's cascaded lookup tables (§3.1; `LUT` in Algorithm 1 and table 11).

use super::{Codebook, CodebookError};

/// The smallest table value that is a pointer; smaller ones are symbols.
pub const FIRST_POINTER: usize = 240;

/// Entries of one table: one per byte value.
pub const ROW: usize = 256;

/// Two levels of 256-entry tables and a row of code lengths, `rows` rows in all.
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
    /// Builds the tables of `codebook`.
    ///
    /// Every entry that bits can reach is defined. With one symbol, the unused one-bit codeword decodes to it too; with
    /// none, all entries are 0 and nothing may be decoded.
    ///
    /// # Errors
    /// If a codeword is longer than 16 bits, if codewords longer than 8 bits start with more than 16 different bytes,
    /// or if a symbol from 240 has a codeword.
    pub fn new(codebook: &Codebook) -> Result<Self, CodebookError> {
        let codewords = codebook.codewords();
        let order = codebook.canonical_order();
        if let Some(&symbol) = order.iter().find(|symbol| **symbol >= FIRST_POINTER) {
            return Err(CodebookError::SymbolTooLarge { symbol });
        }
        let long = order.iter().map(|&symbol| codewords[symbol]).filter(|(_, length)| *length > 8);
        let mut prefixes: Vec<u32> = long.map(|(code, length)| code >> (length - 8)).collect();
        prefixes.dedup();
        let (max_len, subtables) = (codebook.max_len(), prefixes.len());
        if max_len > 16 || subtables > ROW - FIRST_POINTER {
            return Err(CodebookError::CascadeTooLarge { max_len, prefixes: subtables });
        }

        let rows = subtables + 2;
        let mut lut = vec![0; rows * ROW];
        for (row, prefix) in (1..).zip(&prefixes) {
            lut[*prefix as usize] = (ROW - row).to_le_bytes()[0];
        }
        for symbol in order {
            let (code, length) = codewords[symbol];
            let value = symbol.to_le_bytes()[0];
            lut[(rows - 1) * ROW + symbol] = length;
            let (row, code, length) = if length <= 8 {
                (0, code, length)
            } else {
                let low = code & ((1 << (length - 8)) - 1);
                let row = prefixes.iter().position(|prefix| *prefix == code >> (length - 8));
                (row.map_or(0, |row| row + 1), low, length - 8)
            };
            let first = row * ROW + ((code as usize) << (8 - length));
            lut[first..first + (1 << (8 - length))].fill(value);
        }
        if let Some(symbol) = codebook.only_symbol() {
            lut[..ROW].fill(symbol.to_le_bytes()[0]);
        }
        Ok(Self { lut, rows })
    }
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
