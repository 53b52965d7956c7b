//! A lane's turn: the symbols of one or more vectors of 16 numbers looked up, and put together to words.

use super::columns::Columns;
use super::table::{Decoder, Symbol};
use crate::lang::{V, Var, byte_permute, device, funnel_left};

/// Numbers of a vector, which one lane decodes and stores at once.
pub(super) const VECTOR: u32 = 16;

/// Where the exponent of each of four numbers is.
const EXPONENTS: u32 = 0x7878_7878;

/// Symbols of a turn.
pub(super) fn symbols(symbol: Symbol) -> u32 {
    VECTOR * symbol.vectors() / symbol.elements()
}

/// Bits that may be looked at in a turn.
pub(super) fn reach(symbol: Symbol, max_len: u32) -> u32 {
    symbols(symbol) * max_len + 32
}

/// What the symbols of one turn contribute, two to a word, and the position after them.
#[device]
pub(super) fn look_up_turn(
    symbol: Symbol,
    decoder: &Decoder,
    columns: &Columns,
    position: &mut Var<u32>,
) -> Vec<V<u32>> {
    let symbols = symbols(symbol) as usize;
    #[host]
    let mut entries: Vec<V<u32>> = Vec::new();
    #[host]
    let mut outputs: Vec<V<u32>> = Vec::new();
    for first in (0..symbols).step_by(decoder.per_window()) {
        let number = decoder.per_window().min(symbols - first);
        let window = columns.window(position);
        entries.extend(look_up_window(decoder, window, number));
        let lengths = entries[first + 1..].iter().fold(entries[first], |sum, &entry| sum + entry);
        position += lengths;
        // As soon as may be, so that registers are free again.
        outputs.extend(
            entries[2 * outputs.len()..].chunks_exact(2).map(|two| byte_permute(two[0], two[1], 0x7632)),
        );
    }
    outputs
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

/// The four words of one vector of a turn: what the symbols contribute.
#[device]
pub(super) fn assemble(symbol: Symbol, outputs: &[V<u32>], vector: u32) -> Vec<V<u32>> {
    match symbol {
        Symbol::Quad => outputs
            .iter()
            .flat_map(|&nibbles| {
                let high = (nibbles >> 1) & EXPONENTS;
                let low = (nibbles << 3) & EXPONENTS;
                [byte_permute(high, low, 0x5410), byte_permute(high, low, 0x7632)]
            })
            .collect(),
        Symbol::Triple => outputs
            .chunks_exact(2)
            .map(|two| match vector {
                0 => byte_permute(two[0], two[1], 0x7531),
                1 => (byte_permute(two[0], two[1], 0x6420) >> 1) & EXPONENTS,
                _ => (byte_permute(two[0], two[1], 0x6420) << 3) & EXPONENTS,
            })
            .collect(),
        Symbol::Pair => outputs.to_vec(),
        Symbol::Byte => outputs.chunks_exact(2).map(|two| byte_permute(two[0], two[1], 0x6420)).collect(),
    }
}
