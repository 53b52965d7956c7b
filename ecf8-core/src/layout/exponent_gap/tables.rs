//! Flat lookup tables for the processor: one symbol per look-up, or as many as a few bits hold.

use super::FORMAT;
use crate::codebook::Codebook;

/// Bits that index [`Tables::multi`]; the table then has 16 KiB and stays in the first-level cache.
const MULTI_BITS: u32 = 11;

/// Symbols that one entry of [`Tables::multi`] holds at most.
const MULTI_SYMBOLS: usize = 6;

/// Decode tables of one codebook.
#[derive(Debug)]
pub(super) struct Tables {
    /// Indexed by the next `max_len` bits; entries without a codeword have length 0.
    single: Vec<Single>,
    max_len: u32,
    /// Indexed by the next [`MULTI_BITS`] bits.
    multi: Vec<Multi>,
}

/// One codeword.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Single {
    /// The number that has this exponent and no raw bits.
    pub(super) exponent: u8,
    /// Bits of the codeword; 0 if no codeword starts like this.
    pub(super) len: u8,
}

/// All codewords that lie whole within the bits of the index, up to [`MULTI_SYMBOLS`].
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Multi(u64);

impl Multi {
    /// Eight bytes of which the first [`Multi::count`] are numbers with the exponents in place.
    #[inline]
    pub(super) fn exponents(self) -> [u8; 8] {
        self.0.to_le_bytes()
    }

    /// How many codewords.
    #[inline]
    pub(super) fn count(self) -> usize {
        usize::from(self.0.to_le_bytes()[6])
    }

    /// Bits that they take together; 0 if the first codeword is longer than the index.
    #[inline]
    pub(super) fn bits(self) -> u64 {
        self.0 >> 56
    }
}

impl Tables {
    /// For a codebook with codewords of at most 16 bits.
    pub(super) fn new(codebook: &Codebook) -> Self {
        let max_len = u32::from(codebook.max_len());
        let mut single = vec![Single::default(); 1 << max_len];
        for (exponent, code, len) in codebook.canonical() {
            let spare = max_len - u32::from(len);
            let first = (code as usize) << spare;
            let exponent = FORMAT.merge(exponent.to_le_bytes()[0], 0);
            single[first..first + (1 << spare)].fill(Single { exponent, len });
        }
        let mut tables = Self { single, max_len, multi: Vec::new() };
        tables.multi = (0..1 << MULTI_BITS).map(|index| tables.multi_entry(index)).collect();
        tables
    }

    /// The codeword at the top of `window`.
    #[inline]
    pub(super) fn single(&self, window: u64) -> Single {
        // Two shifts, because an empty codebook would shift by all 64 bits.
        let index = window >> 1 >> (63 - self.max_len);
        self.single.get(usize::try_from(index).unwrap_or(usize::MAX)).copied().unwrap_or_default()
    }

    /// The codewords at the top of `window`.
    #[inline]
    pub(super) fn multi(&self, window: u64) -> Multi {
        let index = window >> (64 - MULTI_BITS);
        self.multi.get(usize::try_from(index).unwrap_or(usize::MAX)).copied().unwrap_or_default()
    }

    fn multi_entry(&self, index: u64) -> Multi {
        let mut entry = [0; 8];
        let mut window = index << (64 - MULTI_BITS);
        let mut left = MULTI_BITS;
        for place in 0..MULTI_SYMBOLS {
            let Single { exponent, len } = self.single(window);
            if len == 0 || u32::from(len) > left {
                break;
            }
            entry[place] = exponent;
            entry[6] += 1;
            entry[7] += len;
            window <<= len;
            left -= u32::from(len);
        }
        Multi(u64::from_le_bytes(entry))
    }
}
