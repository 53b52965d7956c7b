//! Codebooks: canonical prefix codes, kept as code lengths only.
//!
//! Codewords follow from the lengths: shorter codewords come first, equally long ones in the order of their
//! symbols, each being the previous one plus one (shifted left where the length grows).

pub mod cascade;
pub mod cluster;
mod package_merge;
mod text;

use crate::histogram::Histogram;
use std::sync::Arc;

/// The longest codeword that a codebook may have, in bits.
pub const MAX_CODE_LEN: u8 = 32;

/// The largest alphabet.
pub const MAX_ALPHABET: usize = 1 << 16;

/// Code lengths per symbol; 0 means that the symbol has no codeword, and such symbols take no room.
///
/// Valid codebooks are: none of the symbols (for data with no elements), one symbol with a codeword of one bit, or
/// a complete code (Kraft sum exactly 1), so that every long enough sequence of bits decodes to something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Codebook {
    alphabet: usize,
    /// Symbols that have a codeword, in order, and its length. Many tensors may have one codebook, which is in memory
    /// once.
    present: Arc<[(u16, u8)]>,
    /// The first of the symbols with the shortest codeword, and its length.
    shortest: Option<(u16, u8)>,
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
        "'{found}' at place {place} is not a code length; lengths are written as one digit 0-9 or a-z each, and many \
         missing ones as a number of capitals"
    )]
    BadDigit {
        /// The character.
        found: char,
        /// Where it stands, from 0.
        place: usize,
    },
    /// More symbols in the text form than any alphabet has.
    #[error("the code lengths are for more than {MAX_ALPHABET} symbols, the largest alphabet")]
    TooManySymbols,
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
    /// One present symbol gets a codeword of one bit; no present symbol gives the codebook with no codewords. A limit
    /// that cannot hold the alphabet is raised to the smallest that can, one above [`MAX_CODE_LEN`] lowered to it.
    #[must_use]
    pub fn huffman(histogram: &Histogram, max_len: u8) -> Self {
        Self::new(histogram.alphabet(), package_merge::code_lengths(histogram, max_len.min(MAX_CODE_LEN)))
    }

    fn new(alphabet: usize, present: Vec<(u16, u8)>) -> Self {
        let shortest = present.iter().copied().min_by_key(|(_, length)| *length);
        Self { alphabet, present: present.into(), shortest }
    }

    /// From code lengths, one per symbol, checked to be a valid codebook (see [`Codebook`]).
    ///
    /// # Errors
    /// If they are not one.
    pub fn from_lengths(lengths: &[u8]) -> Result<Self, CodebookError> {
        let mut builder = Builder::default();
        lengths.iter().try_for_each(|length| builder.push(*length, 1))?;
        builder.finish()
    }

    /// Code lengths in bits, one per symbol; 0 means no codeword.
    #[must_use]
    pub fn lengths(&self) -> Vec<u8> {
        let mut lengths = vec![0; self.alphabet];
        self.present().for_each(|(symbol, length)| lengths[symbol] = length);
        lengths
    }

    /// The symbols which have codewords, in order, and the lengths of these in bits.
    pub fn present(&self) -> impl DoubleEndedIterator<Item = (usize, u8)> + ExactSizeIterator + '_ {
        self.present.iter().map(|&(symbol, length)| (symbol.into(), length))
    }

    /// Length of a symbol's codeword; 0 if it has none.
    #[must_use]
    pub fn length(&self, symbol: usize) -> u8 {
        let place = self.present.binary_search_by_key(&symbol, |(symbol, _)| usize::from(*symbol));
        place.map_or(0, |place| self.present[place].1)
    }

    /// Size of the alphabet, symbols without a codeword included.
    #[must_use]
    pub fn symbols(&self) -> usize {
        self.alphabet
    }

    /// Whether no symbol has a codeword.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.present.is_empty()
    }

    /// The one symbol which has a codeword, if it is one alone.
    #[must_use]
    pub fn only_symbol(&self) -> Option<usize> {
        if let [(symbol, _)] = self.present[..] { Some(symbol.into()) } else { None }
    }

    /// Length of the longest codeword; 0 for a codebook without codewords.
    #[must_use]
    pub fn max_len(&self) -> u8 {
        self.present().map(|(_, length)| length).max().unwrap_or(0)
    }

    /// Length of the shortest codeword; 0 for a codebook without codewords.
    #[must_use]
    pub fn min_len(&self) -> u8 {
        self.shortest.map_or(0, |(_, length)| length)
    }

    /// The symbol of the first codeword: the first of those with the shortest.
    #[must_use]
    pub fn first_symbol(&self) -> Option<usize> {
        self.shortest.map(|(symbol, _)| symbol.into())
    }

    /// The symbols which have codewords, in the order of their codewords: by length, then by symbol.
    #[must_use]
    pub fn canonical_order(&self) -> Vec<usize> {
        self.canonical().into_iter().map(|(symbol, ..)| symbol).collect()
    }

    /// The symbols which have codewords, in the order of these, each with its codeword (in the low bits) and the length
    /// of it.
    #[must_use]
    pub fn canonical(&self) -> Vec<(usize, u32, u8)> {
        let mut present: Vec<(usize, u8)> = self.present().collect();
        present.sort_by_key(|&(symbol, length)| (length, symbol));
        let (mut code, mut previous_len) = (0u32, 0);
        let codeword = |(symbol, length)| {
            code = code.checked_shl(u32::from(length - previous_len)).unwrap_or(0);
            let own = code;
            code = code.wrapping_add(1);
            previous_len = length;
            (symbol, own, length)
        };
        present.into_iter().map(codeword).collect()
    }

    /// Codeword (in the low bits) and its length per symbol; (0, 0) for a symbol without one.
    #[must_use]
    pub fn codewords(&self) -> Vec<(u32, u8)> {
        let mut codewords = vec![(0, 0); self.alphabet];
        self.canonical().into_iter().for_each(|(symbol, code, length)| codewords[symbol] = (code, length));
        codewords
    }

    /// Bits that the symbols of `histogram` take together; symbols without a codeword count nothing. Saturates.
    #[must_use]
    pub fn cost_bits(&self, histogram: &Histogram) -> u64 {
        let costs = histogram
            .present()
            .iter()
            .map(|&(symbol, count)| count.saturating_mul(u64::from(self.length(symbol))));
        costs.fold(0, u64::saturating_add)
    }

    /// How often symbols without a codeword occur in `histogram`. Saturates.
    #[must_use]
    pub fn uncovered(&self, histogram: &Histogram) -> u64 {
        let present = histogram.present().iter();
        let uncovered = present.filter(|(symbol, _)| self.length(*symbol) == 0);
        uncovered.fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// The text form: a base-36 digit per symbol, or a number of capitals for many without a codeword (FORMAT.md,
    /// §3.1).
    #[must_use]
    pub fn to_text(&self) -> String {
        text::write(self)
    }

    /// Reads the text form, checking it as [`Codebook::from_lengths`] does.
    ///
    /// # Errors
    /// If it is not a text form, or not one of a valid codebook.
    pub fn from_text(text: &str) -> Result<Self, CodebookError> {
        text::read(text)
    }
}

/// A codebook as it is read, symbol after symbol.
#[derive(Default)]
struct Builder {
    alphabet: usize,
    present: Vec<(u16, u8)>,
}

impl Builder {
    /// Adds a number of symbols with codewords of one length.
    fn push(&mut self, length: u8, symbols: usize) -> Result<(), CodebookError> {
        let first = self.alphabet;
        self.alphabet = first
            .checked_add(symbols)
            .filter(|all| *all <= MAX_ALPHABET)
            .ok_or(CodebookError::TooManySymbols)?;
        if length > MAX_CODE_LEN {
            return Err(CodebookError::TooLong { symbol: first, length });
        }
        if length > 0 {
            let symbols = (first..self.alphabet).map_while(|symbol| u16::try_from(symbol).ok());
            self.present.extend(symbols.map(|symbol| (symbol, length)));
        }
        Ok(())
    }

    fn finish(self) -> Result<Codebook, CodebookError> {
        let Self { alphabet, present } = self;
        let claimed: u64 = present.iter().map(|(_, length)| 1u64 << (MAX_CODE_LEN - length)).sum();
        match claimed.cmp(&(1 << MAX_CODE_LEN)) {
            _ if matches!(present[..], [] | [(_, 1)]) => {}
            std::cmp::Ordering::Equal => {}
            std::cmp::Ordering::Less => return Err(CodebookError::Incomplete),
            std::cmp::Ordering::Greater => return Err(CodebookError::Oversubscribed),
        }
        Ok(Codebook::new(alphabet, present))
    }
}

#[cfg(test)]
mod tests;
