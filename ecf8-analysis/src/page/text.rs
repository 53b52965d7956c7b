//! Words and numbers as pages have them.

/// Harmless in HTML and SVG, whatever it is made of; lines stay lines.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c if c.is_control() && c != '\n' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Without characters that no font has and XML forbids; what writes it escapes it.
pub(super) fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A text of at most `most` characters; of a longer one, the beginning and the end.
pub(super) fn ends(text: &str, most: usize) -> String {
    let count = text.chars().count();
    if count <= most {
        return text.to_owned();
    }
    let (first, last) = (most.div_ceil(2).saturating_sub(1), most / 2);
    let beginning = text.chars().take(first);
    beginning.chain(['…']).chain(text.chars().skip(count - last)).collect()
}

/// All together; headers of sparse files can name more bytes than numbers have room for.
pub(super) fn sum(numbers: impl IntoIterator<Item = u64>) -> u64 {
    numbers.into_iter().fold(0, u64::saturating_add)
}

/// Bytes in the unit that suits them.
pub(super) fn bytes(bytes: u64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} bytes") } else { format!("{value:.1} {}", units[unit]) }
}

/// A number with all its digits, in groups of three.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_harmless_short_and_readable() {
        assert_eq!(escaped("<b a=\"'&\u{1b}\n"), "&lt;b a=&quot;&#39;&amp;\u{fffd}\n");
        assert_eq!(shown("a\n<"), "a\u{fffd}<");
        assert_eq!(
            (ends("short", 5), ends("longer than that", 8)),
            ("short".to_owned(), "lon…that".to_owned())
        );
        assert_eq!([7, 1536, 5 << 30].map(bytes), ["7 bytes", "1.5 KiB", "5.0 GiB"]);
        assert_eq!(grouped(1_234_567), "1,234,567");
    }
}
