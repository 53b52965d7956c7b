//! The text form: [`MARK`], a base-36 digit for L, and a character for each symbol.
//!
//! A character tells a frequency to four significant bits, as a number with a fraction of three bits and an exponent: a
//! codebook then takes hardly more room than one of code lengths, and symbols less than a hundredth of a percent more
//! than with exact frequencies. One symbol, the most frequent, takes what the others leave of 2^L.

use super::MAX_STATE_BITS;
use crate::codebook::{Builder, Codebook, CodebookError};

/// What the text form begins with. That of code lengths never does.
pub(in super::super) const MARK: char = '=';

/// Stands for the frequency that the others leave.
const REST: char = '!';

/// The character of level 0, which is no frequency. Those of higher levels follow it, but for the backslash, which JSON
/// would write as two.
const NONE: u8 = b'#';

/// The highest level: frequencies are below 2^13.
const MOST: u8 = 87;

/// The frequency of a level: 0 to 7, then eight numbers for each power of two.
pub(super) fn frequency(level: u8) -> u16 {
    let fraction = u16::from(level % 8);
    match level / 8 {
        0 => fraction,
        exponent => (8 + fraction) << (exponent - 1),
    }
}

/// The highest level whose frequency is at most this one.
pub(super) fn level_below(frequency: u16) -> u8 {
    let bits = 16 - frequency.leading_zeros();
    let exponent = bits.saturating_sub(4);
    let [fraction, _] = (frequency >> exponent).to_le_bytes();
    let [exponent, ..] = exponent.to_le_bytes();
    (8 * exponent + fraction).min(MOST)
}

fn character(level: u8) -> char {
    let code = NONE + level;
    char::from(if code < b'\\' { code } else { code + 1 })
}

fn level(character: char) -> Option<u8> {
    let code = u8::try_from(character).ok().filter(|code| *code != b'\\')?;
    let level = code.checked_sub(NONE)? - u8::from(code > b'\\');
    (level <= MOST).then_some(level)
}

/// Writes a codebook of frequencies.
pub(in super::super) fn write(codebook: &Codebook) -> String {
    let frequencies: Vec<(usize, u16)> = codebook.frequencies().collect();
    // The last of those that have no level, or else of the largest.
    let rest = frequencies.iter().max_by_key(|(_, own)| (frequency(level_below(*own)) != *own, *own));
    let rest = rest.map_or(0, |(symbol, _)| *symbol);
    let mut text = vec![character(0); codebook.symbols()];
    for (symbol, own) in frequencies {
        text[symbol] = if symbol == rest { REST } else { character(level_below(own)) };
    }
    let bits = char::from_digit(codebook.max_len().into(), 36).unwrap_or('?');
    [MARK, bits].into_iter().chain(text).collect()
}

/// Reads what [`write`] writes, without its mark.
pub(in super::super) fn read(text: &str) -> Result<Codebook, CodebookError> {
    let mut characters = text.chars();
    let bits =
        characters.next().and_then(|digit| digit.to_digit(36)).and_then(|bits| u8::try_from(bits).ok());
    let bits = bits.filter(|bits| (1..=MAX_STATE_BITS).contains(bits)).ok_or(CodebookError::StateBits)?;
    let mut builder = Builder::default();
    let (mut frequencies, mut left, mut rest) = (Vec::new(), 1u16 << bits, None);
    for (place, found) in (2..).zip(characters) {
        let own = if found == REST && rest.is_none() {
            rest = Some(frequencies.len());
            0
        } else {
            level(found).map(frequency).ok_or(CodebookError::BadFrequency { found, place })?
        };
        left = left.checked_sub(own).ok_or(CodebookError::Frequencies)?;
        let is_present = found == REST || own > 0;
        builder.push(u8::from(is_present), 1)?;
        frequencies.extend(is_present.then_some(own));
    }
    let rest = rest.and_then(|rest| frequencies.get_mut(rest)).filter(|_| left > 0);
    *rest.ok_or(CodebookError::Frequencies)? = left;
    Ok(builder.finish_with(bits, frequencies))
}
