//! A vector: the symbols of 16 numbers looked up, and put together to words.

use super::columns::Columns;
use super::table::{Decoder, Symbol};
use crate::lang::{V, Var, byte_permute, device, funnel_left};

/// Numbers of a vector, which one lane decodes and stores at once.
pub(super) const VECTOR: u32 = 16;

/// Where the exponent of each of four numbers is.
const EXPONENTS: u32 = 0x7878_7878;

/// Bits that may be looked at while a vector is decoded.
pub(super) fn reach(symbol: Symbol, max_len: u32) -> u32 {
    VECTOR / symbol.elements() * max_len + 32
}

/// The entries of the symbols of one vector, and the position after them.
#[device]
pub(super) fn look_up_vector(
    symbol: Symbol,
    decoder: &Decoder,
    columns: &Columns,
    position: &mut Var<u32>,
) -> Vec<V<u32>> {
    let symbols = (VECTOR / symbol.elements()) as usize;
    #[host]
    let mut entries: Vec<V<u32>> = Vec::new();
    for first in (0..symbols).step_by(decoder.per_window()) {
        let number = decoder.per_window().min(symbols - first);
        let window = columns.window(position);
        entries.extend(look_up_window(decoder, window, number));
        let lengths = entries[first + 1..].iter().fold(entries[first], |sum, &entry| sum + entry);
        position += lengths;
    }
    entries
}

/// The entries of the symbols that a window begins with.
#[device]
fn look_up_window(decoder: &Decoder, window: V<u32>, number: usize) -> Vec<V<u32>> {
    let entry = decoder.look_up(window);
    if number == 1 {
        vec![entry]
    } else {
        // Shifts count modulo 32, so what stands above the length does no harm.
        let rest = funnel_left(window, 0, entry);
        [vec![entry], look_up_window(decoder, rest, number - 1)].concat()
    }
}

/// The four words of a vector: what the symbols contribute.
#[device]
pub(super) fn assemble(symbol: Symbol, entries: &[V<u32>]) -> Vec<V<u32>> {
    match symbol {
        Symbol::Quad => entries
            .chunks_exact(2)
            .flat_map(|two| {
                let nibbles = byte_permute(two[0], two[1], 0x7632);
                let high = (nibbles >> 1) & EXPONENTS;
                let low = (nibbles << 3) & EXPONENTS;
                [byte_permute(high, low, 0x5410), byte_permute(high, low, 0x7632)]
            })
            .collect(),
        Symbol::Pair => entries.chunks_exact(2).map(|two| byte_permute(two[0], two[1], 0x7632)).collect(),
        Symbol::Byte => entries
            .chunks_exact(4)
            .map(|four| {
                let low = byte_permute(four[0], four[1], 0x0062);
                let high = byte_permute(four[2], four[3], 0x0062);
                byte_permute(low, high, 0x5410)
            })
            .collect(),
    }
}
