//! Where a header's JSON has room for one more entry of its metadata, so that all the rest can stay as it is.

use super::entries::METADATA;
use std::ops::Range;

/// A place in the JSON of a valid header for a value under a key of `__metadata__`.
pub(crate) struct Slot {
    /// What the value replaces together with the texts around it; empty if it is only inserted.
    pub(crate) replaced: Range<usize>,
    /// What comes before the value.
    pub(crate) before: String,
    /// What comes after it.
    pub(crate) after: &'static str,
}

impl Slot {
    /// The place in a header that has been read, for a key that needs no escapes.
    pub(crate) fn of(json: &[u8], key: &str) -> Option<Self> {
        let open = json.iter().position(|byte| *byte == b'{')?;
        let Some((_, metadata)) = Members::of(json, open).find(|(name, _)| is(json, name, METADATA)) else {
            let after = if Members::of(json, open).next().is_some() { "}," } else { "}" };
            let before = format!("\"{METADATA}\":{{\"{key}\":");
            return Some(Self { replaced: open + 1..open + 1, before, after });
        };
        if json.get(metadata.start) != Some(&b'{') {
            // It is null.
            return Some(Self { replaced: metadata, before: format!("{{\"{key}\":"), after: "}" });
        }
        let mut members = Members::of(json, metadata.start);
        let is_empty = Members::of(json, metadata.start).next().is_none();
        // Of equal keys the last one counts.
        if let Some((_, value)) = members.by_ref().filter(|(name, _)| is(json, name, key)).last() {
            return Some(Self { replaced: value, before: String::new(), after: "" });
        }
        let at = metadata.start + 1;
        let after = if is_empty { "" } else { "," };
        Some(Self { replaced: at..at, before: format!("\"{key}\":"), after })
    }
}

/// Whether a text of the JSON, with its quotes, is this one.
fn is(json: &[u8], place: &Range<usize>, text: &str) -> bool {
    let raw = json.get(place.clone()).unwrap_or_default();
    if !raw.contains(&b'\\') {
        return raw.get(1..raw.len().saturating_sub(1)) == Some(text.as_bytes());
    }
    serde_json::from_slice::<String>(raw).is_ok_and(|found| found == text)
}

/// The members of an object in valid JSON: where their keys and values are.
struct Members<'a> {
    json: &'a [u8],
    at: usize,
}

impl<'a> Members<'a> {
    /// Of the object that opens there.
    fn of(json: &'a [u8], open: usize) -> Self {
        Self { json, at: open + 1 }
    }

    /// The first place from `at` on with a byte that is none of `bytes`.
    fn after(&self, at: usize, bytes: &[u8]) -> usize {
        let rest = self.json.get(at..).unwrap_or_default();
        at + rest.iter().position(|byte| !bytes.contains(byte)).unwrap_or(rest.len())
    }

    /// The end of the text whose quote is at `at`.
    fn end_of_text(&self, mut at: usize) -> usize {
        loop {
            at += 1;
            match self.json.get(at) {
                Some(b'\\') => at += 1,
                Some(b'"') => return at + 1,
                Some(_) => {}
                None => return self.json.len(),
            }
        }
    }

    fn end_of_value(&self, mut at: usize) -> usize {
        let mut depth = 0usize;
        loop {
            at = match self.json.get(at) {
                Some(b'"') => self.end_of_text(at),
                Some(b'{' | b'[') => {
                    depth += 1;
                    at + 1
                }
                Some(b'}' | b']') => {
                    depth = depth.saturating_sub(1);
                    at + 1
                }
                Some(b',' | b':' | b' ' | b'\t' | b'\n' | b'\r') => at + 1,
                // A number or a word goes on until something else comes.
                Some(_) => {
                    let word = self.json.get(at..).unwrap_or_default();
                    let ends = |byte: &u8| b",:]} \t\n\r".contains(byte);
                    at + word.iter().position(ends).unwrap_or(word.len())
                }
                None => return self.json.len(),
            };
            if depth == 0 {
                return at;
            }
        }
    }
}

impl Iterator for Members<'_> {
    type Item = (Range<usize>, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        let key = self.after(self.at, b", \t\n\r");
        if self.json.get(key) != Some(&b'"') {
            return None;
        }
        let end_of_key = self.end_of_text(key);
        let value = self.after(end_of_key, b": \t\n\r");
        self.at = self.end_of_value(value);
        Some((key..end_of_key, value..self.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_put_where_the_metadata_are_and_nothing_else_changes() {
        let cases = [
            ("{}", r#"{"__metadata__":{"k":V}}"#),
            (" { } ", r#" {"__metadata__":{"k":V} } "#),
            (r#"{"t":1}"#, r#"{"__metadata__":{"k":V},"t":1}"#),
            (r#"{"t":[{"__metadata__":{}}]}"#, r#"{"__metadata__":{"k":V},"t":[{"__metadata__":{}}]}"#),
            (
                r#"{"t":{"k":"}\"{"}, "__metadata__" : null }"#,
                r#"{"t":{"k":"}\"{"}, "__metadata__" : {"k":V} }"#,
            ),
            (r#"{"__metadata__":{}}"#, r#"{"__metadata__":{"k":V}}"#),
            (r#"{"__metadata__":{ },"t":1}"#, r#"{"__metadata__":{"k":V },"t":1}"#),
            (r#"{"a":"\\","__metadata__":{"b":"{"}}"#, r#"{"a":"\\","__metadata__":{"k":V,"b":"{"}}"#),
            (r#"{"\u005f_metadata__":{"b":""},"k":2}"#, r#"{"\u005f_metadata__":{"k":V,"b":""},"k":2}"#),
            (r#"{"__metadata__":{"k":"1","\u006b" : "2" }}"#, r#"{"__metadata__":{"k":"1","\u006b" : V }}"#),
        ];
        for (json, expected) in cases {
            let Slot { replaced, before, after } = Slot::of(json.as_bytes(), "k").unwrap();
            let found = format!("{}{before}V{after}{}", &json[..replaced.start], &json[replaced.end..]);
            assert_eq!(found, expected);
        }
    }
}
