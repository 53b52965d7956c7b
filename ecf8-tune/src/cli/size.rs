//! Numbers of bytes as people write them.

/// Reads `512M`.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let wrong = || "a size is a number of bytes such as 8M or 1G".to_owned();
    let (digits, factor) = match text.char_indices().next_back() {
        Some((at, 'k' | 'K')) => (&text[..at], 1 << 10),
        Some((at, 'm' | 'M')) => (&text[..at], 1 << 20),
        Some((at, 'g' | 'G')) => (&text[..at], 1 << 30),
        _ => (text, 1u64),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    number.checked_mul(factor).filter(|size| (1..=64 << 30).contains(size)).ok_or_else(wrong)
}

/// Writes `512 MiB`, to a tenth.
pub(super) fn in_words(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..0x400 => (1, "bytes"),
        0x400..0x10_0000 => (1 << 10, "KiB"),
        0x10_0000..0x4000_0000 => (1 << 20, "MiB"),
        _ => (1 << 30, "GiB"),
    };
    let number = format!("{:.1}", bytes as f64 / f64::from(unit));
    format!("{} {name}", number.strip_suffix(".0").unwrap_or(&number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_powers_of_1024_and_written_so() {
        assert_eq!(["1", "8k", "64M", "2G"].map(|text| size(text).unwrap()), [1, 8 << 10, 64 << 20, 2 << 30]);
        for wrong in ["", "M", "-1", "0", "1.5M", "65G", "99999999999999999999", "8MB", "8é"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
        assert_eq!(
            [7, 8 << 10, 218 << 20, 3 << 29].map(in_words),
            ["7 bytes", "8 KiB", "218 MiB", "1.5 GiB"]
        );
    }
}
