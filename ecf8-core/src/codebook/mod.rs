//! Codebooks: canonical prefix codes, kept as code lengths only.
//!
//! Codewords follow from the lengths: shorter codewords come first, equally long ones in the order of their
//! symbols, each being the previous one plus one (shifted left where the length grows).

pub mod cascade;
pub mod cluster;
mod package_merge;

use crate::histogram::Histogram;

/// The longest codeword that a codebook may have, in bits.
pub const MAX_CODE_LEN: u8 = 32;

/// Code lengths per symbol; 0 means that the symbol has no codeword.
///
/// Valid codebooks are: none of the symbols (for data with no elements), one symbol with a codeword of one bit, or
/// a complete code (Kraft sum exactly 1), so that every long enough sequence of bits decodes to something.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Codebook {
    lengths: Vec<u8>,
}

/// What is wrong with a codebook.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodebookError {
    /// A length above [`MAX_CODE_LEN`].
    #[error(
        "symbol {symbol} has a codeword of {length} bits, more than the {MAX_CODE_LEN} that are possible"
    )]
    TooLong {
        /// The symbol.
        symbol: usize,
        /// Its code length in bits.
        length: u8,
    },
    /// More codewords than there is room for.
    #[error("the code lengths claim more codewords than exist (Kraft sum above 1)")]
    Oversubscribed,
    /// Bit sequences which decode to nothing.
    #[error("the code lengths leave codewords unused (Kraft sum below 1)")]
    Incomplete,
    /// A character in the text form that is not a base-36 digit.
    #[error(
        "'{found}' at place {place} is not a code length; lengths are written as one digit 0-9 or a-z each"
    )]
    BadDigit {
        /// The character.
        found: char,
        /// Where it stands, from 0.
        place: usize,
    },
    /// A symbol that a cascaded table cannot hold, since it would read as a pointer.
    #[error("symbol {symbol} cannot stand in a cascaded table, where values from 240 are pointers")]
    SymbolTooLarge {
        /// The symbol.
        symbol: usize,
    },
    /// Codewords too long for two table levels, or with more prefixes than there are pointers.
    #[error(
        "codewords of {max_len} bits under {prefixes} prefixes do not fit cascaded tables (16 bits, 16 prefixes)"
    )]
    CascadeTooLarge {
        /// The longest codeword in bits.
        max_len: u8,
        /// Distinct first bytes of codewords longer than 8 bits.
        prefixes: usize,
    },
}

impl Codebook {
    /// The optimal code for `histogram` whose codewords have at most `max_len` bits, found by package-merge.
    ///
    /// One present symbol gets a codeword of one bit; no present symbol gives the codebook with no codewords. A
    /// limit that cannot hold the alphabet is raised to the smallest that can, one above [`MAX_CODE_LEN`] lowered to it.
    #[must_use]
    pub fn huffman(histogram: &Histogram, max_len: u8) -> Self {
        Self { lengths: package_merge::code_lengths(histogram.counts(), max_len.min(MAX_CODE_LEN)) }
    }

    /// From code lengths, one per symbol, checked to be a valid codebook (see [`Codebook`]).
    pub fn from_lengths(lengths: Vec<u8>) -> Result<Self, CodebookError> {
        if let Some((symbol, &length)) =
            lengths.iter().enumerate().find(|(_, length)| **length > MAX_CODE_LEN)
        {
            return Err(CodebookError::TooLong { symbol, length });
        }
        let present = || lengths.iter().filter(|length| **length > 0);
        let one_bit_alone = present().eq([&1]);
        let claimed: u64 = present().map(|&length| 1u64 << (MAX_CODE_LEN - length)).sum();
        match claimed.cmp(&(1 << MAX_CODE_LEN)) {
            _ if claimed == 0 || one_bit_alone => Ok(Self { lengths }),
            std::cmp::Ordering::Equal => Ok(Self { lengths }),
            std::cmp::Ordering::Less => Err(CodebookError::Incomplete),
            std::cmp::Ordering::Greater => Err(CodebookError::Oversubscribed),
        }
    }

    /// Code lengths in bits, one per symbol; 0 means no codeword.
    #[must_use]
    pub fn lengths(&self) -> &[u8] {
        &self.lengths
    }

    /// Size of the alphabet, symbols without a codeword included.
    #[must_use]
    pub fn symbols(&self) -> usize {
        self.lengths.len()
    }

    /// Whether no symbol has a codeword.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.max_len() == 0
    }

    /// The one symbol which has a codeword, if it is one alone.
    #[must_use]
    pub fn only_symbol(&self) -> Option<usize> {
        let mut present = self.canonical_order().into_iter();
        present.next().filter(|_| present.next().is_none())
    }

    /// Length of the longest codeword; 0 for a codebook without codewords.
    #[must_use]
    pub fn max_len(&self) -> u8 {
        self.lengths.iter().copied().max().unwrap_or(0)
    }

    /// Length of the shortest codeword; 0 for a codebook without codewords.
    #[must_use]
    pub fn min_len(&self) -> u8 {
        self.lengths.iter().copied().filter(|length| *length > 0).min().unwrap_or(0)
    }

    /// The symbols which have codewords, in the order of their codewords: by length, then by symbol.
    #[must_use]
    pub fn canonical_order(&self) -> Vec<usize> {
        let mut symbols: Vec<usize> =
            (0..self.symbols()).filter(|&symbol| self.lengths[symbol] > 0).collect();
        symbols.sort_by_key(|&symbol| (self.lengths[symbol], symbol));
        symbols
    }

    /// Codeword (in the low bits) and its length per symbol; (0, 0) for a symbol without one.
    #[must_use]
    pub fn codewords(&self) -> Vec<(u32, u8)> {
        let mut codewords = vec![(0, 0); self.symbols()];
        let mut code = 0u32;
        let mut previous_len = 0;
        for symbol in self.canonical_order() {
            let length = self.lengths[symbol];
            code = code.checked_shl(u32::from(length - previous_len)).unwrap_or(0);
            codewords[symbol] = (code, length);
            code = code.wrapping_add(1);
            previous_len = length;
        }
        codewords
    }

    /// Bits that the symbols of `histogram` take together; symbols without a codeword count nothing. Saturates.
    #[must_use]
    pub fn cost_bits(&self, histogram: &Histogram) -> u64 {
        let costs = self.lengths.iter().zip(histogram.counts());
        costs.fold(0, |sum, (&length, &count)| sum.saturating_add(count.saturating_mul(u64::from(length))))
    }

    /// Whether every symbol that occurs in `histogram` has a codeword.
    #[must_use]
    pub fn covers(&self, histogram: &Histogram) -> bool {
        let counts = histogram.counts();
        counts
            .iter()
            .enumerate()
            .all(|(symbol, &count)| count == 0 || self.lengths.get(symbol).is_some_and(|l| *l > 0))
    }

    /// The text form: one base-36 digit per symbol.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.lengths.iter().map(|&length| char::from_digit(u32::from(length), 36).unwrap_or('?')).collect()
    }

    /// Reads the text form, checking it as [`Codebook::from_lengths`] does.
    pub fn from_text(text: &str) -> Result<Self, CodebookError> {
        let digit = |(place, found): (usize, char)| {
            let length = found.to_digit(36).filter(|_| !found.is_ascii_uppercase());
            length
                .and_then(|length| u8::try_from(length).ok())
                .ok_or(CodebookError::BadDigit { found, place })
        };
        Self::from_lengths(text.chars().enumerate().map(digit).collect::<Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests;
