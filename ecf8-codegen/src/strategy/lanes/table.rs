//! One symbol per look-up. Of codewords, entry `i` is for a stream whose next bits, as many as the longest codeword has, are `i`.
//!
//! The lower half of an entry is the length of the codeword, the upper half what the symbol contributes to the output.
//! So an entry can be added to a position, of which only the lower half counts. Of states, see [`PerEntry::State`].

use super::columns::POSITION_BITS;
use super::join::Join;
use crate::lang::{Global, Shared, V, Var, WARP, device, rt, table, thread_idx};
use crate::strategy::Inlined;
use crate::strategy::tunables::tunable_enum;
use ecf8_core::Codebook;
use ecf8_core::codebook::ans::states;
use ecf8_core::symbols::SymbolKind;

/// What a symbol contributes to the output: the upper half of an entry. Fields of four bits begin at bit `shift` of
/// their bytes, where they are bytes.
fn output(kind: &SymbolKind, shift: u32, symbol: usize) -> u32 {
    let field = |index: usize| u32::from(kind.field(symbol, index));
    match kind.elements {
        // Fields 0 and 2 in one byte, 1 and 3 in the other: so high nibbles are neighbours, and so are low ones.
        4 => (field(0) << 4 | field(2)) | (field(1) << 4 | field(3)) << 8,
        // The first where it belongs in a byte, the others as the nibbles of the other byte.
        3 => (field(0) << shift) << 8 | field(1) << 4 | field(2),
        2 => (field(0) | field(1) << 8) << shift,
        _ => field(0),
    }
}

tunable_enum! {
    /// Where the look-up table comes from. It lies in shared memory.
    pub(in super::super) enum Placement {
        /// Compiled into the kernel.
        Inlined = "inlined",
        /// Passed to the kernel, which then serves every codebook.
        Argument = "argument",
    }
}

impl Placement {
    /// What of a codebook is compiled into the kernel.
    pub(in super::super) fn inlined(self) -> Inlined {
        match self {
            Self::Inlined => Inlined::Codebook,
            Self::Argument => Inlined::MaxLen,
        }
    }
}

/// The fewest bits that index a table: it is copied four entries at a time.
const LEAST_BITS: u32 = 2;

/// Bits that index the table of a codebook: as many as its longest codeword has.
pub(in super::super) fn index_bits(codebook: &Codebook) -> u32 {
    u32::from(codebook.max_len()).max(LEAST_BITS)
}

/// The entries of a codebook's tables that `bits` index.
pub(in super::super) fn entries(
    kind: &SymbolKind,
    per_entry: PerEntry,
    join: Join,
    codebook: &Codebook,
    bits: u32,
) -> Vec<u32> {
    if per_entry == PerEntry::State {
        return of_states(codebook, bits);
    }
    let mut entries = vec![0; 1 << bits];
    for (symbol, code, length) in codebook.canonical() {
        let length = u32::from(length);
        let entry = output(kind, join.shift(), symbol) << 16 | length;
        let first = (code as usize) << (bits - length);
        entries[first..first + (1 << (bits - length))].fill(entry);
        if codebook.only_symbol().is_some() {
            entries.fill(entry);
        }
    }
    match per_entry {
        PerEntry::One | PerEntry::State => entries,
        PerEntry::Two => {
            let after = entries.iter().map(|entry| entry | AFTER);
            two_to_an_entry(&entries, bits).chain(after).collect()
        }
    }
}

/// The entries of a codebook's states, and one that leads to the first state, for which all bits of a state are read.
fn of_states(codebook: &Codebook, bits: u32) -> Vec<u32> {
    let entry = |base: u16, symbol: u32, length: u8| u32::from(base) << 16 | symbol << 8 | u32::from(length);
    let mut entries: Vec<u32> = states(codebook)
        .into_iter()
        .map(|state| entry(state.base, u32::from(state.symbol) & 0xff, state.bits))
        .collect();
    entries.resize(PerEntry::State.words(bits) as usize, 0);
    entries[1 << bits] = entry(0, 0, codebook.max_len());
    entries
}

/// What an entry is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum PerEntry {
    /// A symbol.
    One,
    /// Two bytes, where their codewords fit. Where they do not, the second is looked up in another table, of one byte to an entry,
    /// which stands behind. So most look-ups are made once for two symbols; those made twice are made by few lanes, which meet in
    /// few banks.
    Two,
    /// A state of an asymmetric numeral system: how many bits lead on from it in the lowest byte, its symbol in the next, and
    /// the number to add to those bits in the upper half. An entry behind all others leads to the first state.
    State,
}

impl PerEntry {
    /// Words of the tables that `bits` index.
    pub(super) fn words(self, bits: u32) -> u32 {
        match self {
            Self::One => 1 << bits,
            Self::Two => 2 << bits,
            // Tables are copied four words at a time.
            Self::State => (1 << bits) + 4,
        }
    }
}

/// Set in the length of an entry for one symbol, where others are for two. The entry for the symbol after it has [`AFTER`]
/// in its length. Together they are beyond the bits of a position that count.
pub(super) const ALONE: u32 = 1 << (POSITION_BITS - 2);
const AFTER: u32 = (1 << POSITION_BITS) - ALONE;

/// The same, each entry for two symbols where their codewords fit.
fn two_to_an_entry(entries: &[u32], bits: u32) -> impl Iterator<Item = u32> {
    let length = |entry: u32| entry & 0xffff;
    entries.iter().enumerate().map(move |(i, &first)| {
        let second = entries[(i << length(first)) & (entries.len() - 1)];
        if length(first) + length(second) <= bits {
            first + length(second) + ((second >> 16) << 24)
        } else {
            first | ALONE
        }
    })
}

/// The table in a kernel.
#[derive(Clone, Copy)]
pub(in super::super) struct LanesTable {
    memory: Shared<u32>,
    bits: u32,
    /// What an entry is for.
    pub(super) per_entry: PerEntry,
}

impl LanesTable {
    /// The entry for what `window` begins with.
    #[device]
    pub(super) fn look_up(&self, window: V<u32>) -> V<u32> {
        self.memory[window >> (32 - self.bits)]
    }

    /// The entry for the one symbol that `window` begins with, where entries may be for two.
    #[device]
    pub(super) fn look_up_one(&self, window: V<u32>) -> V<u32> {
        self.memory[(window >> (32 - self.bits)) + (1u32 << self.bits)]
    }

    /// A variable for the entry of the last symbol, where there are states: at first the one that leads to the first state.
    #[track_caller]
    pub(in super::super) fn open_state(&self) -> Option<Var<u32>> {
        (self.per_entry == PerEntry::State)
            .then(|| rt::declare("state", rt::at(&self.memory, 1u32 << self.bits)))
    }

    /// The entry of a state.
    #[device]
    pub(super) fn state(&self, number: V<u32>) -> V<u32> {
        self.memory[number]
    }

    /// Look-ups that a window of 32 bits suffices for; eight at most, since each keeps a register until the window's are added up.
    pub(super) fn per_window(&self) -> usize {
        (WARP / self.bits).min(8) as usize
    }

    /// Bits of the longest codeword.
    pub(in super::super) fn max_len(&self) -> u32 {
        self.bits
    }

    /// Words of shared memory that the table takes.
    pub(in super::super) fn words(&self) -> u32 {
        self.per_entry.words(self.bits)
    }
}

/// Copies the table to the beginning of shared memory, by a block of `warps` warps: from `inlined` entries, or from
/// vector `at` of `model`. A barrier must follow before it is used.
#[device]
pub(in super::super) fn copy_table(
    per_entry: PerEntry,
    inlined: Option<Vec<u32>>,
    bits: u32,
    warps: u32,
    model: Global<u32>,
    at: V<u64>,
    memory: Shared<u32>,
) -> LanesTable {
    let vectors = per_entry.words(bits) / 4;
    let step = warps * WARP;
    match inlined {
        Some(entries) => {
            let decode_table = table(&entries);
            for i in (thread_idx()..vectors).step_by(step) {
                memory.store4(i, decode_table.load4(i));
            }
        }
        None => {
            for i in (thread_idx()..vectors).step_by(step) {
                memory.store4(i, model.load4(at + (i as u64)));
            }
        }
    }
    LanesTable { memory, bits, per_entry }
}
