//! One symbol per look-up: entry `i` is for a stream whose next bits, as many as the longest codeword has, are `i`.
//!
//! The lower half of an entry is the length of the codeword, the upper half what the symbol contributes to the output.
//! So an entry can be added to a position, of which only the lower half counts.

use super::join::Join;
use crate::lang::{Global, Shared, V, WARP, device, table, thread_idx};
use crate::strategy::Inlined;
use crate::strategy::tunables::tunable_enum;
use ecf8_core::Codebook;
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

/// The entries of a codebook's table that `bits` index.
pub(in super::super) fn entries(kind: &SymbolKind, join: Join, codebook: &Codebook, bits: u32) -> Vec<u32> {
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
    entries
}

/// The table in a kernel.
#[derive(Clone, Copy)]
pub(in super::super) struct LanesTable {
    memory: Shared<u32>,
    bits: u32,
}

impl LanesTable {
    /// The entry for what `window` begins with.
    #[device]
    pub(super) fn look_up(&self, window: V<u32>) -> V<u32> {
        self.memory[window >> (32 - self.bits)]
    }

    /// Look-ups that a window of 32 bits suffices for.
    pub(super) fn per_window(&self) -> usize {
        (WARP / self.bits) as usize
    }

    /// Bits of the longest codeword.
    pub(in super::super) fn max_len(&self) -> u32 {
        self.bits
    }

    /// Words of shared memory that the table takes.
    pub(in super::super) fn words(&self) -> u32 {
        1 << self.bits
    }
}

/// Copies the table to the beginning of shared memory, by a block of `warps` warps: from `inlined` entries, or from
/// vector `at` of `model`. A barrier must follow before it is used.
#[device]
pub(in super::super) fn copy_table(
    inlined: Option<Vec<u32>>,
    bits: u32,
    warps: u32,
    model: Global<u32>,
    at: V<u64>,
    memory: Shared<u32>,
) -> LanesTable {
    let vectors = (1 << bits) / 4;
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
    LanesTable { memory, bits }
}
