//! The words of a PTX text.

use super::PtxError;

/// A word, number or sign, with the line where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind<'a>,
    /// From 1.
    pub(super) line: u32,
    /// Where it begins in the text, in bytes.
    pub(super) start: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    /// `ld.global.nc.u32`, `%rd5`, `$L__BB0_2`, `.align`: dots belong to the word.
    Word(&'a str),
    /// As it is written, without a sign.
    Number(u64),
    /// Text in quotes, which only pragmas have.
    Quoted,
    Sign(char),
}

/// All tokens, without comments.
pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, PtxError> {
    let mut found = Vec::new();
    let (mut line, mut at) = (1, 0);
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"_$%.".contains(&byte);
    let bytes = text.as_bytes();
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        let rest = &text[at..];
        let kind = if byte.is_ascii_whitespace() {
            line += u32::from(byte == b'\n');
            at += 1;
            continue;
        } else if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
            continue;
        } else if rest.starts_with("/*") {
            let length = rest.find("*/").map_or(rest.len(), |end| end + 2);
            line += rest[..length].bytes().filter(|byte| *byte == b'\n').map(|_| 1).sum::<u32>();
            at += length;
            continue;
        } else if byte == b'"' {
            at += 1 + rest[1..].find('"').map_or(rest.len() - 1, |end| end + 1);
            Kind::Quoted
        } else if byte.is_ascii_digit() {
            at += rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric()).count();
            let word = &text[start..at];
            let number = match word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
                Some(digits) => u64::from_str_radix(digits.trim_end_matches('U'), 16),
                None => word.trim_end_matches('U').parse(),
            };
            Kind::Number(number.map_err(|_| PtxError::at(line, format!("`{word}` is no whole number")))?)
        } else if is_word(byte) {
            // `.L2::128B` is one word; the colon of a label is a sign.
            while bytes.get(at).is_some_and(|byte| is_word(*byte)) || text[at..].starts_with("::") {
                at += if bytes[at] == b':' { 2 } else { 1 };
            }
            Kind::Word(&text[start..at])
        } else {
            at += 1;
            Kind::Sign(char::from(byte))
        };
        found.push(Token { kind, line, start });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

    use super::*;

    #[test]
    fn words_keep_their_dots_and_labels_lose_their_colon() {
        let text = "$L: @!%p1 ld.global.L2::128B.u8 %rs1, [%rd2+-0x10]; // no\n/* nor\n */ .pragma \"x y\";";
        let found = tokens(text).unwrap();
        let kinds: Vec<Kind<'_>> = found.iter().map(|token| token.kind).collect();
        use Kind::{Number, Quoted, Sign, Word};
        let sign = Sign;
        assert_eq!(
            kinds,
            [
                Word("$L"),
                sign(':'),
                sign('@'),
                sign('!'),
                Word("%p1"),
                Word("ld.global.L2::128B.u8"),
                Word("%rs1"),
                sign(','),
                sign('['),
                Word("%rd2"),
                sign('+'),
                sign('-'),
                Number(16),
                sign(']'),
                sign(';'),
                Word(".pragma"),
                Quoted,
                sign(';')
            ]
        );
        assert_eq!(found.last().map(|token| token.line), Some(3));
        assert!(tokens("0f3F800000").unwrap_err().to_string().contains("no whole number"));
    }
}
