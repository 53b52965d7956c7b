//! Symbol kinds as data: what one codeword stands for.
//!
//! A symbol is made of the coded fields of one or more elements, the first element's in the highest bits. They are neighbours, or
//! equally far apart. What of an element is not coded is its raw bits, which are stored beside the codewords.

mod count;

pub use count::histogram;

use crate::format::{E4M3, FloatFormat};
use std::fmt::Debug;

/// What of each element is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coded {
    /// The exponent; sign and mantissa are raw.
    Exponent,
    /// All of it; nothing is raw.
    Whole,
}

/// What one codeword stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SymbolKind {
    /// A word for it, for example `pair`.
    pub name: &'static str,
    /// The float format of the elements; of at most 8 bits.
    pub format: FloatFormat,
    /// Elements in a symbol.
    pub elements: usize,
    /// How far apart they are: 1 for neighbours. Where it is more, so many symbols interleave, and the elements of all of them
    /// are neighbours.
    pub stride: usize,
    /// What of each is coded.
    pub coded: Coded,
}

/// One exponent of an E4M3 number.
pub const EXPONENT: SymbolKind =
    SymbolKind { name: "exponent", format: E4M3, elements: 1, stride: 1, coded: Coded::Exponent };

/// The exponents of two consecutive E4M3 numbers, the first in the high nibble.
pub const PAIR: SymbolKind =
    SymbolKind { name: "pair", format: E4M3, elements: 2, stride: 1, coded: Coded::Exponent };

/// The exponents of three E4M3 numbers, each 512 after the one before, the first in the highest nibble.
pub const TRIPLE: SymbolKind =
    SymbolKind { name: "triple", format: E4M3, elements: 3, stride: 512, coded: Coded::Exponent };

/// The exponents of four consecutive E4M3 numbers, the first in the highest nibble.
pub const QUAD: SymbolKind =
    SymbolKind { name: "quad", format: E4M3, elements: 4, stride: 1, coded: Coded::Exponent };

/// One whole E4M3 number.
pub const BYTE: SymbolKind =
    SymbolKind { name: "byte", format: E4M3, elements: 1, stride: 1, coded: Coded::Whole };

/// A symbol kind as a type, so that loops over symbols are compiled for it.
pub trait Symbols: Debug + Clone + Copy + Send + Sync + 'static {
    /// The kind.
    const KIND: SymbolKind;
}

/// [`PAIR`] as a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair;

impl Symbols for Pair {
    const KIND: SymbolKind = PAIR;
}

/// [`TRIPLE`] as a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Triple;

impl Symbols for Triple {
    const KIND: SymbolKind = TRIPLE;
}

/// [`QUAD`] as a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quad;

impl Symbols for Quad {
    const KIND: SymbolKind = QUAD;
}

/// [`BYTE`] as a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Byte;

impl Symbols for Byte {
    const KIND: SymbolKind = BYTE;
}

impl SymbolKind {
    /// Coded bits of one element.
    #[must_use]
    pub const fn coded_bits(&self) -> u32 {
        match self.coded {
            Coded::Exponent => self.format.exponent_bits,
            Coded::Whole => self.format.bits(),
        }
    }

    /// Raw bits of one element.
    #[must_use]
    pub const fn raw_bits(&self) -> u32 {
        self.format.bits() - self.coded_bits()
    }

    /// How many symbols there are.
    #[must_use]
    pub const fn alphabet(&self) -> usize {
        1 << (self.coded_bits() * narrow(self.elements))
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

    /// The symbol of these elements; fewer than [`SymbolKind::elements`] give the upper bits of one.
    #[must_use]
    #[inline]
    pub fn symbol(&self, elements: &[u8]) -> usize {
        self.join(elements.iter().copied())
    }

    /// Symbol `number` of a tensor, which has all its elements.
    #[must_use]
    #[inline]
    pub(crate) fn symbol_at(&self, tensor: &[u8], number: usize) -> usize {
        self.join((0..self.elements).map(|index| tensor[self.place(number, index)]))
    }

    /// The elements of symbol `number` of a tensor, as far as they exist.
    pub(crate) fn known(&self, tensor: &[u8], number: usize) -> Vec<u8> {
        (0..self.elements).map_while(|index| tensor.get(self.place(number, index)).copied()).collect()
    }

    #[inline]
    fn join(&self, elements: impl Iterator<Item = u8>) -> usize {
        elements.fold(0, |symbol, element| symbol << self.coded_bits() | usize::from(self.field(element)))
    }

    /// Element `index` of a symbol, its raw bits zero.
    #[must_use]
    #[inline]
    pub fn element(&self, symbol: usize, index: usize) -> u8 {
        let after = narrow(self.elements - 1 - index);
        let field = (symbol >> (self.coded_bits() * after)).to_le_bytes()[0];
        match self.coded {
            Coded::Exponent => self.format.merge(field, 0),
            Coded::Whole => field,
        }
    }

    /// The symbols that begin with these elements, of which there are at most [`SymbolKind::elements`].
    #[must_use]
    pub fn beginning_with(&self, elements: &[u8]) -> std::ops::Range<usize> {
        let free = self.coded_bits() * narrow(self.elements - elements.len());
        let prefix = self.symbol(elements);
        prefix << free..(prefix + 1) << free
    }

    /// What of an element is coded, its raw bits zero.
    #[must_use]
    #[inline]
    pub fn coded_part(&self, element: u8) -> u8 {
        match self.coded {
            Coded::Exponent => self.format.merge(self.field(element), 0),
            Coded::Whole => element,
        }
    }

    #[inline]
    fn field(&self, element: u8) -> u8 {
        match self.coded {
            Coded::Exponent => self.format.split(element).0,
            Coded::Whole => element,
        }
    }
}

/// A number of elements in a symbol, of which there are a few.
#[expect(clippy::cast_possible_truncation, reason = "a few")]
const fn narrow(elements: usize) -> u32 {
    elements as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_is_split_and_merged_element_by_element() {
        assert_eq!((PAIR.alphabet(), PAIR.raw_bits()), (256, 4));
        assert_eq!((BYTE.alphabet(), BYTE.raw_bits()), (256, 0));
        // Exponents 7 and 8; sign and mantissa are not part of the symbol.
        assert_eq!(PAIR.symbol(&[0xbf, 0x41]), 0x78);
        assert_eq!([0, 1].map(|index| PAIR.element(0x78, index)), [0x38, 0x40]);
        for byte in 0..=255 {
            assert_eq!(BYTE.element(BYTE.symbol(&[byte]), 0), byte);
        }
        assert_eq!((QUAD.alphabet(), QUAD.symbol(&[8, 16, 0, 24])), (65_536, 0x1203));
        assert_eq!([0, 1, 2, 3].map(|index| QUAD.element(0x1203, index)), [8, 16, 0, 24]);
        assert_eq!((TRIPLE.alphabet(), TRIPLE.symbol(&[8, 16, 24])), (4096, 0x123));
        assert_eq!((PAIR.coded_part(0xbf), BYTE.coded_part(0xbf)), (0x38, 0xbf));
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
        let mut tensor = vec![0; 1536];
        (tensor[7], tensor[519], tensor[1031]) = (8, 16, 24);
        assert_eq!(TRIPLE.symbol_at(&tensor, 7), 0x123);
        assert_eq!(
            (TRIPLE.known(&tensor[..1031], 7), TRIPLE.known(&tensor[..512], 7)),
            (vec![8, 16], vec![8])
        );
    }

    #[test]
    fn the_first_elements_narrow_the_symbols_down() {
        assert_eq!(PAIR.beginning_with(&[0x38]), 0x70..0x80);
        assert_eq!(PAIR.beginning_with(&[]), 0..256);
        assert_eq!(BYTE.beginning_with(&[9]), 9..10);
    }
}
