//! What the `lanes` layout and its kernels count in.

use ecf8_core::symbols::SymbolKind;

/// Numbers that one lane decodes before other lanes come to what follows: a vector of the layout.
pub(in super::super) const VECTOR: u32 = 16;
const _: () = assert!(VECTOR as usize == ecf8_core::layout::lanes::VECTOR);

/// Bytes that a lane loads or stores at once.
pub(super) const ACCESS: u32 = 16;

/// Bits of a word.
pub(super) const WORD: u32 = 32;

/// Bytes of a word.
pub(super) const WORD_BYTES: u32 = WORD / 8;

/// Rows of words that are staged at once.
pub(super) const BATCH: u32 = 4;

/// Numbers in a symbol.
pub(super) fn elements(symbol: &SymbolKind) -> u32 {
    narrow(symbol.elements)
}

/// Vectors of a turn: what a lane decodes in one go. Where the numbers of a symbol are far apart, one vector has one of
/// each.
pub(in super::super) fn vectors(symbol: &SymbolKind) -> u32 {
    if symbol.stride > 1 { elements(symbol) } else { 1 }
}

/// Symbols of a turn.
pub(super) fn symbols(symbol: &SymbolKind) -> u32 {
    VECTOR * vectors(symbol) / elements(symbol)
}

/// A number of bytes, numbers or planes, of which there are a few.
pub(super) fn narrow(few: usize) -> u32 {
    u32::try_from(few).unwrap_or(u32::MAX)
}
