//! One symbol per look-up: entry `i` is for a stream whose next bits, as many as the longest codeword has, are `i`.
//!
//! The low byte of an entry is the length of the codeword; the bytes above are what the symbol contributes to the output.

use crate::lang::{Global, Shared, Table, V, WARP, device, lane_idx, shared, table, thread_idx};
use crate::strategy::tunables::tunable_enum;
use ecf8_core::Codebook;
use ecf8_core::format::E4M3;

/// What a codeword stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Symbol {
    /// The exponents of two numbers, the first in the upper nibble.
    Pair,
    /// A byte.
    Byte,
}

impl Symbol {
    /// Numbers that one symbol stands for.
    pub(super) fn elements(self) -> u32 {
        match self {
            Self::Pair => 2,
            Self::Byte => 1,
        }
    }

    /// Whether signs and mantissas are packed apart.
    pub(super) fn is_split(self) -> bool {
        self == Self::Pair
    }

    /// The bytes of an entry above the length.
    fn output(self, symbol: u32) -> u32 {
        match self {
            Self::Pair => (((symbol >> 4) | ((symbol & 15) << 8)) << E4M3.mantissa_bits) << 8,
            Self::Byte => symbol << 8,
        }
    }
}

tunable_enum! {
    /// Where the look-up table comes from and lies.
    pub(in super::super) enum Placement {
        /// Compiled into the kernel, read through the L1 cache.
        Inlined = "inlined",
        /// Compiled into the kernel, copied to shared memory by each block.
        Shared = "shared",
        /// Passed to the kernel, copied to shared memory by each block.
        Argument = "argument",
    }
}

/// Bits that index the table of a codebook: as many as its longest codeword has.
pub(super) fn index_bits(codebook: &Codebook) -> u32 {
    u32::from(codebook.max_len()).max(1)
}

/// The entries of the table.
pub(super) fn entries(symbol: Symbol, codebook: &Codebook) -> Vec<u32> {
    let bits = index_bits(codebook);
    let mut entries = vec![0; 1 << bits];
    for (value, &(code, length)) in (0_u32..).zip(&codebook.codewords()) {
        let length = u32::from(length);
        if length == 0 {
            continue;
        }
        let entry = symbol.output(value) | length;
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
    place: Place,
    bits: u32,
    copies: u32,
}

#[derive(Clone, Copy)]
enum Place {
    Inlined(Table<u32>),
    Shared(Shared<u32>),
}

impl Decoder {
    /// The entry for what `window` begins with.
    #[device]
    pub(super) fn look_up(&self, window: V<u32>) -> V<u32> {
        let index = window >> (32 - self.bits);
        match self.place {
            Place::Inlined(table) => table[index],
            Place::Shared(table) if self.copies == 1 => table[index],
            // Lanes that use different copies meet in no bank.
            Place::Shared(table) => table[index * self.copies + (lane_idx() & (self.copies - 1))],
        }
    }

    /// Look-ups that a window of 32 bits suffices for.
    pub(super) fn per_window(&self) -> usize {
        (WARP / self.bits) as usize
    }

    /// Bits of the longest codeword.
    pub(super) fn max_len(&self) -> u32 {
        self.bits
    }
}

/// Puts the table where it belongs. A barrier must follow before it is used.
#[device]
pub(super) fn place_table(
    placement: Placement,
    copies: u32,
    symbol: Symbol,
    codebook: &Codebook,
    argument: Global<u32>,
    threads: u32,
) -> Decoder {
    let bits = index_bits(codebook);
    let place = match placement {
        Placement::Inlined => {
            let decode_table = table(&entries(symbol, codebook));
            Place::Inlined(decode_table)
        }
        Placement::Shared => {
            let decode_table = table(&entries(symbol, codebook));
            let decode = shared::<u32>(copies << bits);
            for i in (thread_idx()..copies << bits).step_by(threads) {
                decode[i] = decode_table[i / copies];
            }
            Place::Shared(decode)
        }
        Placement::Argument => {
            let decode = shared::<u32>(copies << bits);
            for i in (thread_idx()..copies << bits).step_by(threads) {
                decode[i] = argument[i / copies];
            }
            Place::Shared(decode)
        }
    };
    Decoder { place, bits, copies }
}
