//! Codebooks of asymmetric numeral systems (tANS; Duda, arXiv:1311.2540): symbols have frequencies instead of codewords.
//!
//! The frequencies of all symbols add up to 2^L. A decoder has a state, one of 2^L, and each state stands for a symbol:
//! as many states as its frequency says. The bits of a stream lead from state to state. So a symbol of frequency `f`
//! takes close to L - log2 `f` bits, fractions of a bit included, where a codeword has a whole number of bits.

mod fit;
mod steps;
mod table;
mod text;

pub(super) use fit::fit;
pub use steps::{Step, Steps};
pub use table::{State, states};
pub(super) use text::{MARK, read, write};

/// The largest L, in bits: a table of 2^13 states takes a GPU as much shared memory as one of codewords.
pub const MAX_STATE_BITS: u8 = 13;

#[cfg(test)]
mod tests;
