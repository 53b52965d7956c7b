//! Codebooks: canonical prefix codes, kept as code lengths only; or frequencies of symbols, see [`ans`].
//!
//! Codewords follow from the lengths: shorter codewords come first, equally long ones in the order of their
//! symbols, each being the previous one plus one (shifted left where the length grows). Only codebooks of other programs'
//! files name their codewords instead, see [`Codebook::from_codewords`]; no container has such.

pub mod ans;
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

/// Code lengths per symbol, or frequencies. A length of 0 means that the symbol has no codeword, and such symbols take no room.
///
/// In a codebook of frequencies, the "codeword" of a symbol is what leads on from one of its states, and its "length" the most
/// bits that this may be.
///
/// Valid codebooks are: none of the symbols (for data with no elements), one symbol with a codeword of one bit, or
/// a complete code (Kraft sum exactly 1), so that every long enough sequence of bits decodes to something. One that names its
/// codewords may leave some unused.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Codebook {
    alphabet: usize,
    /// Symbols that have a codeword, in order, and its length. Many tensors may have one codebook, which is in memory
    /// once.
    present: Arc<[(u16, u8)]>,
    /// The first of the symbols with the shortest codeword, and its length; in a codebook of frequencies, of those with the
    /// highest.
    shortest: Option<(u16, u8)>,
    /// In a codebook of frequencies, which add up to a power of two, those of the symbols that are present.
    frequencies: Option<Arc<[u16]>>,
    /// The codewords, if they are not the canonical ones: as [`Codebook::canonical`] gives them.
    named: Option<Arc<[(usize, u32, u8)]>>,
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
    /// A codeword that another begins with.
    #[error("the codewords of symbols {first} and {second} begin alike, so bits would decode to either")]
    NoPrefixCode {
        /// The symbol with the shorter codeword.
        first: usize,
        /// The other symbol.
        second: usize,
    },
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
    /// In the text form, no number of bits that states may have.
    #[error("frequencies begin with '=' and a digit from 1 to d, for tables of 2 to 2^13 states")]
    StateBits,
    /// A character in the text form that is not a frequency.
    #[error(
        "'{found}' at place {place} is not a frequency; they are written as one character each, from '#' to '{{'"
    )]
    BadFrequency {
        /// The character.
        found: char,
        /// Where it stands, from 0.
        place: usize,
    },
    /// Frequencies that do not add up to the number of states.
    #[error("the frequencies leave nothing for one symbol, marked '!', to fill the table of states")]
    Frequencies,
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

/// How many symbols on [`Codebook::lengths_of`] looks for a symbol before it searches them all.
const NEAR: usize = 8;

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
        Self { alphabet, present: present.into(), shortest, frequencies: None, named: None }
    }

    /// Frequencies for `histogram` that add up to 2^`bits`, or to the smallest power of two that gives each symbol one,
    /// under which its symbols take the fewest bits, nearly.
    ///
    /// One present symbol has a table of two states; no present symbol gives the codebook with no codewords, and so do more
    /// symbols than 2^[`ans::MAX_STATE_BITS`].
    #[must_use]
    pub fn of_frequencies(histogram: &Histogram, bits: u8) -> Self {
        let present = histogram.present();
        let counts: Vec<u64> = present.iter().map(|(_, count)| *count).collect();
        let symbols = present.iter().map_while(|(symbol, _)| u16::try_from(*symbol).ok()).collect();
        match ans::fit(&counts, bits) {
            Some((bits, frequencies)) if !counts.is_empty() => {
                Self::with_frequencies(histogram.alphabet(), symbols, bits, frequencies)
            }
            _ => Self::new(histogram.alphabet(), Vec::new()),
        }
    }

    /// Of symbols with these frequencies, which add up to 2^`bits`.
    fn with_frequencies(alphabet: usize, symbols: Vec<u16>, bits: u8, frequencies: Vec<u16>) -> Self {
        let length = |own: u16| bits.saturating_sub(own.max(1).ilog2().to_le_bytes()[0]).max(1);
        let present: Vec<(u16, u8)> =
            symbols.into_iter().zip(&frequencies).map(|(symbol, own)| (symbol, length(*own))).collect();
        let most = present.iter().zip(&frequencies).min_by_key(|(_, own)| std::cmp::Reverse(**own));
        let shortest = most.map(|(present, _)| *present);
        let frequencies = Some(frequencies.into());
        Self { alphabet, present: present.into(), shortest, frequencies, named: None }
    }

    /// From the codewords themselves: symbols, each with a codeword in the low bits and the length of it. So codes can be decoded, and
    /// written, that are not canonical, and that leave codewords unused. A symbol may come again with another codeword of the same
    /// length, which decodes to it, too.
    ///
    /// # Errors
    /// If a symbol is `alphabet` or more, or a codeword is too long, has bits beyond its length, or is what another one
    /// begins with.
    pub fn from_codewords(alphabet: usize, codewords: &[(usize, u32, u8)]) -> Result<Self, CodebookError> {
        let mut lengths = vec![0; alphabet.min(MAX_ALPHABET)];
        for &(symbol, _, length) in codewords {
            match lengths.get_mut(symbol) {
                Some(_) if length > MAX_CODE_LEN => return Err(CodebookError::TooLong { symbol, length }),
                Some(own) => *own = length,
                None => return Err(CodebookError::TooManySymbols),
            }
        }
        let mut builder = Builder::default();
        lengths.iter().try_for_each(|length| builder.push(*length, 1))?;
        let mut named = codewords.to_vec();
        // Left-justified, a codeword is followed at once by those that begin with it.
        let start = |&(_, code, length): &(usize, u32, u8)| u64::from(code) << (MAX_CODE_LEN - length);
        named.sort_by_key(|own| (start(own), own.2));
        let (mut first, mut taken) = (0, 0);
        for own in &named {
            let end = start(own) + (1 << (MAX_CODE_LEN - own.2));
            if own.2 == 0 || start(own) < taken || end > 1 << MAX_CODE_LEN {
                return Err(CodebookError::NoPrefixCode { first, second: own.0 });
            }
            (first, taken) = (own.0, end);
        }
        let Builder { alphabet, present } = builder;
        Ok(Self { named: Some(named.into()), ..Self::new(alphabet, present) })
    }

    /// Whether it names its codewords: then they need not be canonical, and some may be unused.
    #[must_use]
    pub fn is_named(&self) -> bool {
        self.named.is_some()
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

    /// The symbols of a histogram, in order: each with its count and the length of its codeword, 0 if it has none.
    pub fn lengths_of(&self, histogram: &Histogram) -> impl Iterator<Item = (usize, u64, u8)> {
        let mut rest = &self.present[..];
        histogram.present().iter().map(move |&(symbol, count)| {
            let is_before = |(own, _): &(u16, u8)| usize::from(*own) < symbol;
            // Mostly it is among the next.
            let near = &rest[..rest.len().min(NEAR)];
            let searched = if near.last().is_some_and(is_before) { rest } else { near };
            rest = &rest[searched.partition_point(is_before)..];
            let own = rest.first().filter(|(own, _)| usize::from(*own) == symbol);
            (symbol, count, own.map_or(0, |(_, length)| *length))
        })
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

    /// The symbols which have a frequency, in order, and it; none in a codebook of code lengths.
    pub fn frequencies(&self) -> impl Iterator<Item = (usize, u16)> + '_ {
        let frequencies = self.frequencies.iter().flat_map(|frequencies| frequencies.iter().copied());
        self.present().map(|(symbol, _)| symbol).zip(frequencies)
    }

    /// Whether symbols have frequencies.
    #[must_use]
    pub fn has_frequencies(&self) -> bool {
        self.frequencies.is_some()
    }

    /// Length of the longest codeword; 0 for a codebook without codewords. In one of frequencies, the bits of a state.
    #[must_use]
    pub fn max_len(&self) -> u8 {
        if let Some(frequencies) = &self.frequencies {
            let all: u32 = frequencies.iter().map(|own| u32::from(*own)).sum();
            return all.max(1).ilog2().to_le_bytes()[0];
        }
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

    /// The symbols which have codewords, in the order of their codewords: by length, then by symbol, unless codewords are named.
    #[must_use]
    pub fn canonical_order(&self) -> Vec<usize> {
        self.canonical().into_iter().map(|(symbol, ..)| symbol).collect()
    }

    /// The symbols which have codewords, in the order of these, each with its codeword (in the low bits) and the length
    /// of it.
    #[must_use]
    pub fn canonical(&self) -> Vec<(usize, u32, u8)> {
        if let Some(named) = &self.named {
            return named.to_vec();
        }
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

    /// Bits that the symbols of `histogram` take together, if they have frequencies about; symbols without a codeword count
    /// nothing. Saturates.
    #[must_use]
    pub fn cost_bits(&self, histogram: &Histogram) -> u64 {
        if self.has_frequencies() {
            return self.frequency_bits(histogram);
        }
        let costs = self.lengths_of(histogram).map(|(_, count, length)| count.saturating_mul(length.into()));
        costs.fold(0, u64::saturating_add)
    }

    /// The same under frequencies: for each symbol what information theory has it.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "about"
    )]
    fn frequency_bits(&self, histogram: &Histogram) -> u64 {
        let mut frequencies = vec![0u16; self.alphabet];
        self.frequencies().for_each(|(symbol, own)| frequencies[symbol] = own);
        let present = histogram.present().iter().filter_map(|&(symbol, count)| {
            let own = frequencies.get(symbol).copied().filter(|own| *own > 0)?;
            Some(count as f64 * (f64::from(self.max_len()) - f64::from(own).log2()))
        });
        present.sum::<f64>().ceil() as u64
    }

    /// How often symbols without a codeword occur in `histogram`. Saturates.
    #[must_use]
    pub fn uncovered(&self, histogram: &Histogram) -> u64 {
        let uncovered = self.lengths_of(histogram).filter(|(_, _, length)| *length == 0);
        uncovered.fold(0, |sum, (_, count, _)| sum.saturating_add(count))
    }

    /// The text form: a base-36 digit per symbol, or a number of capitals for many without a codeword; or a
    /// character for each frequency (FORMAT.md, §3.1).
    #[must_use]
    pub fn to_text(&self) -> String {
        if self.has_frequencies() { ans::write(self) } else { text::write(self) }
    }

    /// Reads the text form, checking it as [`Codebook::from_lengths`] does.
    ///
    /// # Errors
    /// If it is not a text form, or not one of a valid codebook.
    pub fn from_text(text: &str) -> Result<Self, CodebookError> {
        text.strip_prefix(ans::MARK).map_or_else(|| text::read(text), ans::read)
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

    /// The symbols that have been pushed with a length, with these frequencies instead, which add up to 2^`bits`.
    fn finish_with(self, bits: u8, frequencies: Vec<u16>) -> Codebook {
        let symbols = self.present.into_iter().map(|(symbol, _)| symbol).collect();
        Codebook::with_frequencies(self.alphabet, symbols, bits, frequencies)
    }
}

#[cfg(test)]
mod tests;
