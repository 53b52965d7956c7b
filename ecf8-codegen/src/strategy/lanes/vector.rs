//! A lane's turn: the symbols of one or more vectors of 16 numbers looked up, and put together to words of fields.

use super::columns::{Columns, TwoWords};
use super::join::Join;
use super::table::LanesTable;
use super::units::symbols;
use crate::lang::{V, Var, byte_permute, device, funnel_left};
use ecf8_core::symbols::SymbolKind;

/// A field of four bits in each byte of a word.
const FIELDS: u32 = 0x0f0f_0f0f;

/// Bits that may be looked at in a turn.
pub(in super::super) fn reach(kind: &SymbolKind, max_len: u32) -> u32 {
    symbols(kind) * max_len + 32
}

/// What the symbols of one turn contribute, two to a word, and the position after them.
#[device]
pub(in super::super) fn look_up_turn(
    kind: &SymbolKind,
    join: Join,
    decoder: &LanesTable,
    columns: &Columns,
    position: &mut Var<u32>,
) -> Vec<V<u32>> {
    let symbols = symbols(kind) as usize;
    // Pairs are two bytes of a word as they come, so this is where they are crossed.
    let two_entries = if kind.elements == 2 && join.is_crossed() { 0x7362u32 } else { 0x7632u32 };
    #[host]
    let mut entries: Vec<V<u32>> = Vec::new();
    #[host]
    let mut outputs: Vec<V<u32>> = Vec::new();
    #[host]
    let words = holds_words(kind).then(|| TwoWords::nothing(["word", "next_word"]));
    #[host]
    let mut before: Option<V<u32>> = None;
    for first in (0..symbols).step_by(decoder.per_window()) {
        let number = decoder.per_window().min(symbols - first);
        #[host]
        let here: V<u32> = position;
        #[host]
        let window = window(columns, here, before.replace(here), words);
        entries.extend(look_up_window(decoder, window, number));
        let lengths = entries[first + 1..].iter().fold(entries[first], |sum, &entry| sum + entry);
        position += lengths;
        // As soon as may be, so that registers are free again.
        outputs.extend(
            entries[2 * outputs.len()..].chunks_exact(2).map(|two| byte_permute(two[0], two[1], two_entries)),
        );
    }
    outputs
}

/// Whether the words of a window are held for the next one. That saves a pass over the banks of shared memory for a window, and
/// takes two instructions more and two registers. Where every byte takes a look-up, passes are what a kernel waits for.
fn holds_words(kind: &SymbolKind) -> bool {
    kind.elements == 1
}

/// The 32 bits from `here` on. The window `before` began at most 32 bits earlier.
#[track_caller]
fn window(columns: &Columns, here: V<u32>, before: Option<V<u32>>, words: Option<TwoWords>) -> V<u32> {
    let Some(held) = words else { return columns.window(here) };
    match before {
        None => columns.hold(here, held),
        Some(before) => columns.hold_next(here, before, held),
    }
    let [word, next] = held.words();
    funnel_left(word, next, here)
}

/// The entries of the symbols that a window begins with.
#[device]
fn look_up_window(decoder: &LanesTable, window: V<u32>, number: usize) -> Vec<V<u32>> {
    let entry = decoder.look_up(window);
    if number == 1 {
        vec![entry]
    } else {
        // Shifts count modulo 32, so what stands above the length does no harm.
        let rest = funnel_left(window, 0, entry);
        [vec![entry], look_up_window(decoder, rest, number - 1)].concat()
    }
}

/// The fields of one vector of a turn, four to a word, from what the symbols contribute.
#[device]
pub(in super::super) fn assemble(
    kind: &SymbolKind,
    join: Join,
    outputs: &[V<u32>],
    vector: u32,
) -> Vec<V<u32>> {
    let is_crossed = join.is_crossed();
    match kind.elements {
        4 => outputs
            .iter()
            .flat_map(|&nibbles| {
                let [high, low] = halves(join, nibbles);
                if is_crossed {
                    [byte_permute(high, low, 0x5140), byte_permute(high, low, 0x7362)]
                } else {
                    [byte_permute(high, low, 0x5410), byte_permute(high, low, 0x7632)]
                }
            })
            .collect(),
        3 => outputs
            .chunks_exact(2)
            .map(|two| {
                let nibbles = || byte_permute(two[0], two[1], if is_crossed { 0x6240u32 } else { 0x6420u32 });
                match vector {
                    0 => byte_permute(two[0], two[1], if is_crossed { 0x7351u32 } else { 0x7531u32 }),
                    1 => high(join, nibbles()),
                    _ => low(join, nibbles()),
                }
            })
            .collect(),
        2 => outputs.to_vec(),
        _ => outputs
            .chunks_exact(2)
            .map(|two| byte_permute(two[0], two[1], if is_crossed { 0x6240u32 } else { 0x6420u32 }))
            .collect(),
    }
}

/// The fields in the high nibbles of bytes, and those in the low ones.
#[device]
fn halves(join: Join, nibbles: V<u32>) -> [V<u32>; 2] {
    let high = high(join, nibbles);
    let low = low(join, nibbles);
    [high, low]
}

/// The fields in the high nibbles of bytes, where they belong in bytes.
#[track_caller]
fn high(join: Join, nibbles: V<u32>) -> V<u32> {
    (nibbles >> (4 - join.shift())) & (FIELDS << join.shift())
}

/// The fields in the low nibbles.
#[track_caller]
fn low(join: Join, nibbles: V<u32>) -> V<u32> {
    let nibbles = if join.shift() > 0 { nibbles << join.shift() } else { nibbles };
    nibbles & (FIELDS << join.shift())
}
