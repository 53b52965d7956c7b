//! Many symbols at once: from their fields and back, by loops that compilers turn into wide operations.

use super::Symbols;
use crate::wide::wide;

/// A symbol's number in memory.
pub trait Number: Copy + Default + Send + Sync + 'static {
    /// From the low bits of a number that is small enough.
    fn of(number: u16) -> Self;
    /// As a number.
    fn number(self) -> u16;
}

impl Number for u8 {
    #[inline]
    fn of(number: u16) -> Self {
        number.to_le_bytes()[0]
    }

    #[inline]
    fn number(self) -> u16 {
        self.into()
    }
}

impl Number for u16 {
    #[inline]
    fn of(number: u16) -> Self {
        number
    }

    #[inline]
    fn number(self) -> u16 {
        self
    }
}

/// Joins fields, which are of whole [blocks](super::SymbolKind::block), to as many symbols.
pub(crate) fn join<S: Symbols>(fields: &[u8], symbols: &mut [S::Number]) {
    wide(
        #[inline(always)]
        || join_in_loops::<S>(fields, symbols),
    );
}

#[inline(always)]
fn join_in_loops<S: Symbols>(fields: &[u8], symbols: &mut [S::Number]) {
    const { assert!(S::KIND.stride > 1 || matches!(S::KIND.elements, 1 | 2 | 4)) };
    let (kind, bits) = (S::KIND, S::KIND.bits);
    if kind.stride > 1 {
        for (fields, symbols) in fields.chunks_exact(kind.block()).zip(symbols.chunks_exact_mut(kind.stride))
        {
            for (number, symbol) in symbols.iter_mut().enumerate() {
                let own = (0..kind.elements).map(|index| fields[number + index * kind.stride]);
                *symbol = S::Number::of(own.fold(0, |symbol, field| symbol << bits | u16::from(field)));
            }
        }
    } else if kind.elements == 2 {
        for (pair, symbol) in fields.as_chunks::<2>().0.iter().zip(symbols) {
            let both = u16::from_le_bytes(*pair);
            *symbol = S::Number::of((both & 0xff) << bits | both >> 8);
        }
    } else if kind.elements == 4 {
        for (four, symbol) in fields.as_chunks::<4>().0.iter().zip(symbols) {
            let all = u32::from_le_bytes(*four);
            let [a, b, c, d] = [all & 0xff, all >> 8 & 0xff, all >> 16 & 0xff, all >> 24];
            *symbol = S::Number::of(low(((a << bits | b) << bits | c) << bits | d));
        }
    } else {
        for (field, symbol) in fields.iter().zip(symbols) {
            *symbol = S::Number::of((*field).into());
        }
    }
}

/// Takes symbols of whole blocks apart into their fields: the inverse of [`join`].
pub(crate) fn part<S: Symbols>(symbols: &[S::Number], fields: &mut [u8]) {
    wide(
        #[inline(always)]
        || part_in_loops::<S>(symbols, fields),
    );
}

#[inline(always)]
fn part_in_loops<S: Symbols>(symbols: &[S::Number], fields: &mut [u8]) {
    let (kind, bits, mask) = (S::KIND, S::KIND.bits, 0xff >> (8 - S::KIND.bits));
    if kind.stride == 1 && kind.elements == 2 {
        for (pair, symbol) in fields.as_chunks_mut::<2>().0.iter_mut().zip(symbols) {
            let symbol = symbol.number();
            *pair = (symbol >> bits | (symbol & mask) << 8).to_le_bytes();
        }
        return;
    }
    for (fields, symbols) in fields.chunks_exact_mut(kind.block()).zip(symbols.chunks_exact(kind.stride)) {
        for (index, fields) in fields.chunks_exact_mut(kind.stride).enumerate() {
            for (field, symbol) in fields.iter_mut().zip(symbols) {
                *field = kind.field(symbol.number().into(), index);
            }
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "symbols have at most 16 bits")]
fn low(symbol: u32) -> u16 {
    symbol as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symbols::{Byte, Pair, Pair6, Quad, Triple};

    fn come_back<S: Symbols>() {
        let kind = S::KIND;
        let mask = 0xffu8 >> (8 - kind.bits);
        let fields: Vec<u8> =
            (0..kind.block() * 37).map(|i| (i * i / 3 + i * 7).to_le_bytes()[0] & mask).collect();
        let mut symbols = vec![S::Number::default(); fields.len() / kind.elements];
        join::<S>(&fields, &mut symbols);
        for (number, symbol) in symbols.iter().enumerate() {
            assert_eq!(usize::from(symbol.number()), kind.symbol_at(&fields, number));
        }
        let mut back = vec![0; fields.len()];
        part::<S>(&symbols, &mut back);
        assert_eq!(back, fields);
    }

    #[test]
    fn fields_that_are_joined_come_apart_again() {
        come_back::<Byte>();
        come_back::<Pair>();
        come_back::<Pair6>();
        come_back::<Triple>();
        come_back::<Quad>();
    }
}
