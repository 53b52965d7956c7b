//! The states of a codebook and what leads from one to the next.

use crate::codebook::Codebook;

/// What a decoder does in a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct State {
    /// The symbol that the state stands for.
    pub symbol: u16,
    /// How many bits of the stream lead to the next state.
    pub bits: u8,
    /// To these bits as a number is added, for the number of the next state.
    pub base: u16,
}

/// The states of a codebook with L bits, by number, from 0 to 2^L - 1. None, if it is not one of frequencies.
///
/// States are dealt out to the symbols in order, each as many in a row as its frequency says. Next to state `i` comes
/// `i` + 2^(L-1) + 2^(L-3) + 3 modulo 2^L, or one more where that is even, so that each symbol's states lie all over the
/// table. The `k`-th of a symbol's `f` states, by number, counts `x` = `f` + `k`: L - ⌊log2 `x`⌋ bits lead on from it, to
/// the states from `x`·2^bits - 2^L on.
#[must_use]
pub fn states(codebook: &Codebook) -> Vec<State> {
    let bits = codebook.max_len();
    let frequencies: Vec<(usize, u16)> = codebook.frequencies().collect();
    if frequencies.is_empty() {
        return Vec::new();
    }
    let mut counters: Vec<u32> = frequencies.iter().map(|(_, own)| u32::from(*own)).collect();
    let state = |owner: usize| {
        let x = counters[owner];
        counters[owner] += 1;
        let on = u32::from(bits).saturating_sub(x.ilog2());
        let base = (x << on).wrapping_sub(1 << bits);
        State {
            symbol: u16::try_from(frequencies[owner].0).unwrap_or(u16::MAX),
            bits: on.to_le_bytes()[0],
            base: u16::try_from(base).unwrap_or(u16::MAX),
        }
    };
    owners(&frequencies, bits).into_iter().map(state).collect()
}

/// Whose each state is, as a place among the symbols.
pub(super) fn owners(frequencies: &[(usize, u16)], bits: u8) -> Vec<usize> {
    let size = 1usize << bits;
    let step = ((size >> 1) + (size >> 3) + 3) | 1;
    let mut owners = vec![0; size];
    let mut state = 0;
    for (owner, (_, own)) in frequencies.iter().enumerate() {
        for _ in 0..*own {
            owners[state] = owner;
            state = (state + step) & (size - 1);
        }
    }
    owners
}
