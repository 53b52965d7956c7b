//! Symbol kinds as data: what one codeword stands for.
//!
//! A symbol is made of the [fields](crate::element) of one or more elements, the first element's in the highest bits.
//! They are neighbours, or equally far apart.

mod count;
mod spread;

pub use count::histogram;
pub use spread::Number;
pub(crate) use spread::{join, part};

use crate::element::Shape;
use std::fmt::Debug;

/// What one codeword stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SymbolKind {
    /// A word for it, for example `pair`.
    pub name: &'static str,
    /// Elements in a symbol.
    pub elements: usize,
    /// How far apart they are: 1 for neighbours. Where it is more, as many symbols interleave, and the elements of all
    /// of them are neighbours.
    pub stride: usize,
    /// Bits of each element's field: 4, of an exponent; 6, of an exponent and the two highest bits of its mantissa; or 8,
    /// all of a byte.
    pub bits: u32,
}

/// One exponent.
pub const EXPONENT: SymbolKind = SymbolKind { name: "exponent", elements: 1, stride: 1, bits: 4 };

/// The exponents of two consecutive numbers, the first in the high nibble.
pub const PAIR: SymbolKind = SymbolKind { name: "pair", elements: 2, stride: 1, bits: 4 };

/// The exponents of three numbers, each 512 after the one before, the first in the highest nibble.
pub const TRIPLE: SymbolKind = SymbolKind { name: "triple", elements: 3, stride: 512, bits: 4 };

/// The exponents of four consecutive numbers, the first in the highest nibble.
pub const QUAD: SymbolKind = SymbolKind { name: "quad", elements: 4, stride: 1, bits: 4 };

/// The exponents of two consecutive numbers, each with the two highest bits of its mantissa, the first in the high bits.
pub const PAIR6: SymbolKind = SymbolKind { name: "pair6", elements: 2, stride: 1, bits: 6 };

/// One byte.
pub const BYTE: SymbolKind = SymbolKind { name: "byte", elements: 1, stride: 1, bits: 8 };

/// A symbol kind as a type, so that loops over symbols are compiled for it.
pub trait Symbols: Debug + Clone + Copy + Send + Sync + 'static {
    /// The kind.
    const KIND: SymbolKind;
    /// What holds the number of any symbol.
    type Number: Number;
}

/// [`PAIR`] as a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair;

impl Symbols for Pair {
    const KIND: SymbolKind = PAIR;
    type Number = u8;
}

/// [`TRIPLE`] as a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Triple;

impl Symbols for Triple {
    const KIND: SymbolKind = TRIPLE;
    type Number = u16;
}

/// [`QUAD`] as a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quad;

impl Symbols for Quad {
    const KIND: SymbolKind = QUAD;
    type Number = u16;
}

/// [`PAIR6`] as a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair6;

impl Symbols for Pair6 {
    const KIND: SymbolKind = PAIR6;
    type Number = u16;
}

/// [`BYTE`] as a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Byte;

impl Symbols for Byte {
    const KIND: SymbolKind = BYTE;
    type Number = u8;
}

/// [`BYTE`] as a type, for codebooks of frequencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnsByte;

impl Symbols for AnsByte {
    const KIND: SymbolKind = BYTE;
    type Number = u8;
}

impl SymbolKind {
    /// How many symbols there are.
    #[must_use]
    pub const fn alphabet(&self) -> usize {
        1 << (self.bits * narrow(self.elements))
    }

    /// Whether numbers whose bits stand together like this have fields of this kind.
    #[must_use]
    pub fn takes(&self, shape: Shape) -> bool {
        match self.bits {
            8 => true,
            4 => shape != Shape::Bytes,
            _ => shape == Shape::Nibble,
        }
    }

    /// Elements of as many symbols as interleave.
    #[must_use]
    pub const fn block(&self) -> usize {
        self.elements * self.stride
    }

    /// Where element `index` of a symbol is among the elements of a tensor.
    #[must_use]
    #[inline]
    pub const fn place(&self, symbol: usize, index: usize) -> usize {
        symbol / self.stride * self.block() + symbol % self.stride + index * self.stride
    }

    /// The symbol of these fields; fewer than [`SymbolKind::elements`] give the upper bits of one.
    #[must_use]
    #[inline]
    pub fn symbol(&self, fields: &[u8]) -> usize {
        self.join(fields.iter().copied())
    }

    /// Symbol `number` of a tensor, which has all its elements.
    #[must_use]
    #[inline]
    pub(crate) fn symbol_at(&self, fields: &[u8], number: usize) -> usize {
        self.join((0..self.elements).map(|index| fields[self.place(number, index)]))
    }

    /// The fields of symbol `number` of a tensor, as far as they exist.
    pub(crate) fn known(&self, fields: &[u8], number: usize) -> Vec<u8> {
        (0..self.elements).map_while(|index| fields.get(self.place(number, index)).copied()).collect()
    }

    #[inline]
    fn join(&self, fields: impl Iterator<Item = u8>) -> usize {
        fields.fold(0, |symbol, field| symbol << self.bits | usize::from(field))
    }

    /// The field of element `index` of a symbol.
    #[must_use]
    #[inline]
    pub const fn field(&self, symbol: usize, index: usize) -> u8 {
        let after = narrow(self.elements - 1 - index);
        (symbol >> (self.bits * after)).to_le_bytes()[0] & (0xff >> (8 - self.bits))
    }

    /// The symbols that begin with these fields, of which there are at most [`SymbolKind::elements`].
    #[must_use]
    pub fn beginning_with(&self, fields: &[u8]) -> std::ops::Range<usize> {
        let free = self.bits * narrow(self.elements - fields.len());
        let prefix = self.symbol(fields);
        prefix << free..(prefix + 1) << free
    }
}

/// A number of elements in a symbol, or of bytes in a number, of which there are a few.
#[expect(clippy::cast_possible_truncation, reason = "a few")]
pub(crate) const fn narrow(elements: usize) -> u32 {
    elements as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_is_split_and_merged_element_by_element() {
        assert_eq!((PAIR.alphabet(), BYTE.alphabet()), (256, 256));
        assert_eq!(PAIR.symbol(&[7, 8]), 0x78);
        assert_eq!([0, 1].map(|index| PAIR.field(0x78, index)), [7, 8]);
        for byte in 0..=255 {
            assert_eq!(BYTE.field(BYTE.symbol(&[byte]), 0), byte);
        }
        assert_eq!((QUAD.alphabet(), QUAD.symbol(&[1, 2, 0, 3])), (65_536, 0x1203));
        assert_eq!([0, 1, 2, 3].map(|index| QUAD.field(0x1203, index)), [1, 2, 0, 3]);
        assert_eq!((TRIPLE.alphabet(), TRIPLE.symbol(&[1, 2, 3])), (4096, 0x123));
    }

    #[test]
    fn elements_are_neighbours_or_equally_far_apart() {
        let places =
            |kind: &SymbolKind, symbol| (0..kind.elements).map(|i| kind.place(symbol, i)).collect::<Vec<_>>();
        assert_eq!((places(&QUAD, 3), places(&BYTE, 9)), (vec![12, 13, 14, 15], vec![9]));
        assert_eq!(
            (places(&TRIPLE, 511), places(&TRIPLE, 512)),
            (vec![511, 1023, 1535], vec![1536, 2048, 2560])
        );
        let mut fields = vec![0; 1536];
        (fields[7], fields[519], fields[1031]) = (1, 2, 3);
        assert_eq!(TRIPLE.symbol_at(&fields, 7), 0x123);
        assert_eq!(
            (TRIPLE.known(&fields[..1031], 7), TRIPLE.known(&fields[..512], 7)),
            (vec![1, 2], vec![1])
        );
    }

    #[test]
    fn the_first_elements_narrow_the_symbols_down() {
        assert_eq!(PAIR.beginning_with(&[7]), 0x70..0x80);
        assert_eq!(PAIR.beginning_with(&[]), 0..256);
        assert_eq!(BYTE.beginning_with(&[9]), 9..10);
    }
}
