//! The way back: from the last symbol of a stream to its first, as an encoder goes.

use super::table::owners;
use crate::codebook::Codebook;

/// What leads from a symbol's state to the state after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The number of the state, from 0.
    pub state: u16,
    /// The bits that lead on from it, as a number.
    pub value: u16,
    /// How many.
    pub bits: u8,
}

/// The states of each symbol.
#[derive(Debug, Clone)]
pub struct Steps {
    /// L.
    bits: u8,
    /// By symbol.
    symbols: Vec<Own>,
    /// All states, by symbol and number.
    states: Vec<u16>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Own {
    frequency: u16,
    /// The most bits that lead on from one of its states.
    bits: u8,
    /// Where its states begin.
    first: u16,
}

impl Steps {
    /// Those of a codebook of frequencies.
    #[must_use]
    pub fn new(codebook: &Codebook) -> Self {
        let bits = codebook.max_len();
        let frequencies: Vec<(usize, u16)> = codebook.frequencies().collect();
        let mut symbols = vec![Own::default(); codebook.symbols()];
        let mut next = Vec::with_capacity(frequencies.len());
        let mut first = 0;
        for &(symbol, frequency) in &frequencies {
            let most = u32::from(bits).saturating_sub(frequency.max(1).ilog2());
            symbols[symbol] = Own { frequency, bits: most.to_le_bytes()[0], first };
            next.push(usize::from(first));
            first = first.saturating_add(frequency);
        }
        let mut states = vec![0; usize::from(first)];
        if !frequencies.is_empty() {
            for (state, owner) in (0..=u16::MAX).zip(owners(&frequencies, bits)) {
                states[next[owner]] = state;
                next[owner] += 1;
            }
        }
        Self { bits, symbols, states }
    }

    /// L.
    #[must_use]
    pub fn bits(&self) -> u8 {
        self.bits
    }

    /// Whether a symbol has states.
    #[must_use]
    #[inline]
    pub fn has(&self, symbol: usize) -> bool {
        self.symbols[symbol].frequency > 0
    }

    /// The state of the last symbol of a stream: nothing is read after it, so any of its states would do, and from the
    /// first the fewest bits lead back.
    #[must_use]
    #[inline]
    pub fn last(&self, symbol: usize) -> u16 {
        self.states.get(usize::from(self.symbols[symbol].first)).copied().unwrap_or_default()
    }

    /// The state of `symbol` from which some bits lead to state `next`, which was one of this table.
    #[must_use]
    #[inline]
    pub fn before(&self, symbol: usize, next: u16) -> Step {
        let Own { frequency, bits, first } = self.symbols[symbol];
        let next = u32::from(next) | 1 << self.bits;
        let bits = bits - u8::from(next >> bits < u32::from(frequency) && bits > 0);
        let place = (next >> bits).wrapping_sub(frequency.into()) as usize + usize::from(first);
        let [low, high, ..] = (next & ((1 << bits) - 1)).to_le_bytes();
        Step {
            state: self.states.get(place).copied().unwrap_or_default(),
            value: u16::from_le_bytes([low, high]),
            bits,
        }
    }
}
