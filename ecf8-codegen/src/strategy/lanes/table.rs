//! One symbol per look-up: entry `i` is for a stream whose next bits, as many as the longest codeword has, are `i`.
//!
//! The lower half of an entry is the length of the codeword, the upper half what the symbol contributes to the output. So an
//! entry can be added to a position, of which only the lower half counts.

use crate::lang::{Global, Shared, V, WARP, device, table, thread_idx};
use crate::strategy::Inlined;
use crate::strategy::lanes_ring::LanesRing;
use crate::strategy::tunables::tunable_enum;
use ecf8_core::Codebook;
use ecf8_core::format::E4M3;

/// What a codeword stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Symbol {
    /// The exponents of four numbers, the first in the highest nibble.
    Quad,
    /// The exponents of three numbers, one of each of three vectors, the first in the highest nibble.
    Triple,
    /// The exponents of two numbers, the first in the upper nibble.
    Pair,
    /// A byte.
    Byte,
}

impl Symbol {
    /// Numbers that one symbol stands for.
    pub(super) fn elements(self) -> u32 {
        match self {
            Self::Quad => 4,
            Self::Triple => 3,
            Self::Pair => 2,
            Self::Byte => 1,
        }
    }

    /// Vectors of a turn: what a lane decodes before others come to what follows.
    pub(super) fn vectors(self) -> u32 {
        match self {
            Self::Triple => 3,
            Self::Quad | Self::Pair | Self::Byte => 1,
        }
    }

    /// Whether signs and mantissas are packed apart.
    pub(super) fn is_split(self) -> bool {
        self != Self::Byte
    }

    /// The upper half of an entry.
    fn output(self, symbol: u32) -> u32 {
        match self {
            // Nibbles 0 and 2 in one byte, 1 and 3 in the other: so high nibbles are neighbours, and so are low ones.
            Self::Quad => {
                let nibble = |index: u32| symbol >> (12 - 4 * index) & 15;
                (nibble(0) << 4 | nibble(2)) | (nibble(1) << 4 | nibble(3)) << 8
            }
            // The first where it belongs in a byte, the others as the nibbles of the other byte.
            Self::Triple => (symbol >> 8) << E4M3.mantissa_bits << 8 | symbol & 0xff,
            Self::Pair => ((symbol >> 4) | ((symbol & 15) << 8)) << E4M3.mantissa_bits,
            Self::Byte => symbol,
        }
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
pub(super) fn index_bits(codebook: &Codebook) -> u32 {
    u32::from(codebook.max_len()).max(LEAST_BITS)
}

/// The entries of a codebook's table that `bits` index.
pub(super) fn entries(symbol: Symbol, codebook: &Codebook, bits: u32) -> Vec<u32> {
    let mut entries = vec![0; 1 << bits];
    for (value, code, length) in codebook.canonical() {
        let (value, length) = (u32::try_from(value).unwrap_or(u32::MAX), u32::from(length));
        let entry = symbol.output(value) << 16 | length;
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
pub(super) struct Decoder {
    memory: Shared<u32>,
    bits: u32,
}

impl Decoder {
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
    pub(super) fn max_len(&self) -> u32 {
        self.bits
    }

    /// Words of shared memory that the table takes.
    pub(super) fn words(&self) -> u32 {
        1 << self.bits
    }
}

/// Copies the table to the beginning of shared memory. A barrier must follow before it is used.
#[device]
pub(super) fn copy_table(
    t: &LanesRing,
    symbol: Symbol,
    codebook: &Codebook,
    model: Global<u32>,
    at: V<u64>,
    memory: Shared<u32>,
) -> Decoder {
    let bits = index_bits(codebook);
    let vectors = (1 << bits) / 4;
    let step = t.warps_per_block * WARP;
    match t.table {
        Placement::Inlined => {
            let decode_table = table(&entries(symbol, codebook, bits));
            for i in (thread_idx()..vectors).step_by(step) {
                memory.store4(i, decode_table.load4(i));
            }
        }
        Placement::Argument => {
            for i in (thread_idx()..vectors).step_by(step) {
                memory.store4(i, model.load4(at + (i as u64)));
            }
        }
    }
    Decoder { memory, bits }
}
