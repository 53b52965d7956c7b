//! A lane's turn: the symbols of one or more vectors of 16 numbers looked up, and put together to words of fields.

use super::columns::{Columns, TwoWords};
use super::join::Join;
use super::table::{ALONE, LanesTable, PerEntry};
use super::units::{VECTOR, symbols};
use crate::lang::{V, Var, byte_permute, device, funnel_left};
use ecf8_core::symbols::SymbolKind;

/// A field of four bits in each byte of a word.
const FIELDS: u32 = 0x0f0f_0f0f;

/// Bits that may be looked at in a turn.
pub(in super::super) fn reach(kind: &SymbolKind, max_len: u32) -> u32 {
    symbols(kind) * max_len + 32
}

/// What the symbols of one turn contribute, two to a word, and the position after them.
#[track_caller]
pub(in super::super) fn look_up_turn(
    kind: &SymbolKind,
    join: Join,
    decoder: &LanesTable,
    columns: &Columns,
    position: &mut Var<u32>,
    state: Option<Var<u32>>,
) -> Vec<V<u32>> {
    match (decoder.per_entry, state) {
        (PerEntry::Two, _) => look_up_twos(kind, join, decoder, columns, position),
        (PerEntry::State, Some(mut state)) => look_up_states(kind, decoder, columns, position, &mut state),
        _ => look_up_ones(kind, join, decoder, columns, position),
    }
}

/// The same where the bits between two symbols lead from the state of the one to that of the other.
#[device]
fn look_up_states(
    kind: &SymbolKind,
    decoder: &LanesTable,
    columns: &Columns,
    position: &mut Var<u32>,
    state: &mut Var<u32>,
) -> Vec<V<u32>> {
    let symbols = symbols(kind) as usize;
    #[host]
    let before: V<u32> = state;
    #[host]
    let mut entries = vec![before];
    #[host]
    let mut outputs: Vec<V<u32>> = Vec::new();
    #[host]
    let mut windows = Windows::of(kind);
    for first in (0..symbols).step_by(decoder.per_window()) {
        let number = decoder.per_window().min(symbols - first);
        #[host]
        let here: V<u32> = position;
        #[host]
        let window = windows.next(columns, here);
        entries.extend(walk(decoder, window, entries[first], number));
        let read = entries[first + 1..first + number].iter().fold(entries[first], |sum, &entry| sum + entry);
        // The lowest bytes hold the numbers of bits, and so their sum.
        position += read & 0xff;
        // The symbols are the second bytes of the entries. As soon as may be, so that registers are free again.
        let whole = entries[1 + 2 * outputs.len()..].chunks_exact(2);
        outputs.extend(whole.map(|two| byte_permute(two[0], two[1], 0x5511)));
    }
    state = entries[symbols];
    outputs
}

/// The entries of the states to which a window leads from that of an entry.
#[device]
fn walk(decoder: &LanesTable, window: V<u32>, from: V<u32>, number: usize) -> Vec<V<u32>> {
    // Shifts count modulo 32, so what stands above the number of bits does no harm.
    let bits = funnel_left(0, window, from);
    let entry = decoder.state((from >> 16) + bits);
    if number == 1 {
        vec![entry]
    } else {
        let rest = funnel_left(window, 0, from);
        [vec![entry], walk(decoder, rest, entry, number - 1)].concat()
    }
}

/// The same, a symbol to an entry.
#[device]
fn look_up_ones(
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
    let mut windows = Windows::of(kind);
    for first in (0..symbols).step_by(decoder.per_window()) {
        let number = decoder.per_window().min(symbols - first);
        #[host]
        let here: V<u32> = position;
        #[host]
        let window = windows.next(columns, here);
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

/// The same where an entry may be for two symbols.
#[device]
fn look_up_twos(
    kind: &SymbolKind,
    join: Join,
    decoder: &LanesTable,
    columns: &Columns,
    position: &mut Var<u32>,
) -> Vec<V<u32>> {
    #[host]
    let mut twos: Vec<V<u32>> = Vec::new();
    #[host]
    let mut windows = Windows::of(kind);
    for _ in 0..symbols(kind) / 2 {
        #[host]
        let here: V<u32> = position;
        #[host]
        let window = windows.next(columns, here);
        twos.push(look_up_two(decoder, window, &mut position));
    }
    twos.chunks_exact(2)
        .map(|two| byte_permute(two[0], two[1], if join.is_crossed() { 0x7362u32 } else { 0x7632u32 }))
        .collect()
}

/// The two symbols that a window begins with, in the upper bytes.
#[device]
fn look_up_two(decoder: &LanesTable, window: V<u32>, position: &mut Var<u32>) -> V<u32> {
    let entry = decoder.look_up(window);
    let mut two = entry;
    position += entry;
    if entry & ALONE != 0 {
        let next = decoder.look_up_one(funnel_left(window, 0, entry));
        two = byte_permute(entry, next, 0x6210);
        position += next;
    }
    two
}

/// The windows of a turn, one after the other.
struct Windows {
    /// The words of a window are held for the next one, where this is some. That saves a pass over the banks of shared memory for
    /// a window, and takes two instructions more and two registers. Where every byte takes a look-up, passes are what a
    /// kernel waits for.
    held: Option<TwoWords>,
    before: Option<V<u32>>,
}

impl Windows {
    #[track_caller]
    fn of(kind: &SymbolKind) -> Self {
        let held = (kind.elements == 1).then(|| TwoWords::nothing(["word", "next_word"]));
        Self { held, before: None }
    }

    /// The 32 bits from `here` on. The window before began at most 32 bits earlier.
    #[track_caller]
    fn next(&mut self, columns: &Columns, here: V<u32>) -> V<u32> {
        let Some(held) = self.held else { return columns.window(here) };
        match self.before.replace(here) {
            None => columns.hold(here, held),
            Some(before) => columns.hold_next(here, before, held),
        }
        let [word, next] = held.words();
        funnel_left(word, next, here)
    }
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
        2 => outputs.to_vec(),
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
        // Bytes of which two come together are as pairs.
        _ if outputs.len() < VECTOR as usize / 2 => outputs.to_vec(),
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
