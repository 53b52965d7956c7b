//! Conversions between integer widths, in one place so that each cast is argued once.

const _: () = assert!(usize::BITS == 64, "files are mapped whole, so a 64-bit address space is needed");

/// A 64-bit count or offset as an index.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "usize has 64 bits, as asserted above")]
pub(crate) const fn index(value: u64) -> usize {
    value as usize
}

/// The least significant byte.
#[inline]
pub(crate) const fn low_byte(value: u64) -> u8 {
    value.to_le_bytes()[0]
}

/// The low half of 32 bits.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the low half is wanted")]
pub(crate) const fn low_half(bits: u32) -> u16 {
    bits as u16
}

/// The low half.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the low half is wanted")]
pub(crate) const fn low(bits: u64) -> u32 {
    bits as u32
}
