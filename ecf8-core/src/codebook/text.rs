//! The text form of a codebook: a base-36 digit (`0` to `9`, `a` to `z`) per symbol, its code length.
//!
//! Alphabets of tuples are large and mostly unused, so symbols without a codeword may be written as a number of capitals, in
//! base 26 from `A` for 0 to `Z` for 25: that many zeros. It goes on as long as capitals follow each other.

use super::{Builder, Codebook, CodebookError};

/// So many zeros in a row are written one by one.
const SHORT_RUN: usize = 16;

pub(super) fn write(codebook: &Codebook) -> String {
    let mut text = String::new();
    let mut next = 0;
    for (symbol, length) in codebook.present() {
        zeros(symbol - next, &mut text);
        text.push(char::from_digit(u32::from(length), 36).unwrap_or('?'));
        next = symbol + 1;
    }
    zeros(codebook.symbols().saturating_sub(next), &mut text);
    text
}

fn zeros(number: usize, text: &mut String) {
    if number > SHORT_RUN {
        let digit = |power: u32| (number / 26usize.pow(power) % 26).to_le_bytes()[0];
        text.extend((0..=number.ilog(26)).rev().map(|power| char::from(b'A' + digit(power))));
    } else {
        text.extend(std::iter::repeat_n('0', number));
    }
}

pub(super) fn read(text: &str) -> Result<Codebook, CodebookError> {
    let mut codebook = Builder::default();
    let mut zeros = 0usize;
    for (place, found) in text.chars().enumerate() {
        if found.is_ascii_uppercase() {
            zeros = zeros.saturating_mul(26).saturating_add(found as usize - 'A' as usize);
        } else {
            codebook.push(0, std::mem::take(&mut zeros))?;
            let length = found.to_digit(36).and_then(|length| u8::try_from(length).ok());
            codebook.push(length.ok_or(CodebookError::BadDigit { found, place })?, 1)?;
        }
    }
    codebook.push(0, zeros)?;
    codebook.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_runs_of_zeros_are_numbers() {
        for (zeros, text) in
            [(3, "210002"), (16, "2100000000000000002"), (17, "21R2"), (26, "21BA2"), (61_234, "21DMPE2")]
        {
            let lengths = [vec![2, 1], vec![0; zeros], vec![2]].concat();
            let codebook = Codebook::from_lengths(&lengths).unwrap();
            assert_eq!(write(&codebook), text);
            assert_eq!(read(text), Ok(codebook));
        }
        let none = Codebook::from_lengths(&[0; 256]).unwrap();
        assert_eq!(write(&none), "JW");
        assert_eq!(read("JW"), Ok(none));
        assert_eq!(read("").map(|codebook| codebook.symbols()), Ok(0));
    }

    #[test]
    fn what_is_no_text_form_is_refused() {
        assert_eq!(read("1-1"), Err(CodebookError::BadDigit { found: '-', place: 1 }));
        assert_eq!(read("1é"), Err(CodebookError::BadDigit { found: 'é', place: 1 }));
        assert_eq!(read("1x"), Err(CodebookError::TooLong { symbol: 1, length: 33 }));
        assert_eq!(read("1DSYP1"), Err(CodebookError::TooManySymbols));
        assert_eq!(read(&"Z".repeat(1000)), Err(CodebookError::TooManySymbols));
        assert_eq!(read(&"0".repeat(65_537)), Err(CodebookError::TooManySymbols));
    }
}
