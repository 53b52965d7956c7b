//! The way back: from the last symbol of a stream to its first, as an encoder goes.

use super::MAX_STATE_BITS;
use super::table::owners;
use crate::codebook::Codebook;

/// What leads from a symbol's state to the state after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The number of the state, from 0, and 2^L more.
    pub state: u32,
    /// The bits that lead on from it.
    pub low: u32,
    /// How many.
    pub bits: u32,
}

/// The states of each symbol, of which there are at most 256. Tables have all the room that there may be, so that a step needs
/// not check whether it stays within them.
#[derive(Debug, Clone)]
pub struct Steps {
    /// L.
    bits: u32,
    /// By symbol.
    symbols: Box<[Own; 256]>,
    /// The numbers of all states, and 2^L more, by symbol and number.
    states: Box<[u16; STATES]>,
}

/// The most states.
const STATES: usize = 1 << MAX_STATE_BITS;

/// How to find a symbol's state, in as few operations as there can be: there is a step for each element.
#[derive(Debug, Clone, Copy, Default)]
struct Own {
    /// The most bits that lead on from one of its states, times 2^16, less the least next state, 2^L more than its number, that
    /// they are needed for. So one that is added to this tells in the upper half how many bits lead to it.
    bits: u32,
    /// What the place of the state before is more than a next state, 2^L more than its number, without those bits.
    place: u32,
}

impl Steps {
    /// Those of a codebook of frequencies. A symbol that has none has the states of the most frequent, and so has one that is
    /// not a byte.
    #[must_use]
    pub fn new(codebook: &Codebook) -> Self {
        let bits = codebook.max_len();
        let frequencies: Vec<(usize, u16)> = codebook.frequencies().collect();
        let mut next = Vec::with_capacity(frequencies.len());
        let mut first = 0u32;
        let owns: Vec<Own> = frequencies
            .iter()
            .map(|(_, frequency)| {
                let frequency = u32::from(*frequency);
                let most = u32::from(bits).saturating_sub(frequency.max(1).ilog2());
                let own = Own {
                    bits: (most << 16).wrapping_sub(frequency << most),
                    place: first.wrapping_sub(frequency),
                };
                next.push(first as usize);
                first += frequency;
                own
            })
            .collect();
        let stand_in = frequencies.iter().position(|(symbol, _)| Some(*symbol) == codebook.first_symbol());
        let stand_in = stand_in.map(|place| owns[place]).unwrap_or_default();
        let mut symbols = Box::new([stand_in; 256]);
        for ((symbol, _), own) in frequencies.iter().zip(owns) {
            if let Some(symbol) = symbols.get_mut(*symbol) {
                *symbol = own;
            }
        }
        let mut states = Box::new([0; STATES]);
        if !frequencies.is_empty() {
            for (state, owner) in (0..=u16::MAX).zip(owners(&frequencies, bits)) {
                states[next[owner]] = state | 1 << bits;
                next[owner] += 1;
            }
        }
        Self { bits: bits.into(), symbols, states }
    }

    /// L.
    #[must_use]
    pub fn bits(&self) -> u32 {
        self.bits
    }

    /// The state of the last symbol of a stream: nothing is read after it, so any of its states would do.
    #[must_use]
    #[inline]
    pub fn last(&self, symbol: u8) -> u32 {
        self.before(symbol, 1 << self.bits).state
    }

    /// The state of `symbol` from which some bits lead to state `next`, which was one of this table.
    #[must_use]
    #[inline]
    pub fn before(&self, symbol: u8, next: u32) -> Step {
        let own = self.symbols[usize::from(symbol)];
        let bits = next.wrapping_add(own.bits) >> 16;
        let above = next >> (bits & 31);
        let place = above.wrapping_add(own.place) as usize;
        Step { state: self.states[place % STATES].into(), low: next & !(u32::MAX << (bits & 31)), bits }
    }
}
