//! The codebook for symbols that are decoded by one look-up each.

use super::MAX_LEN;
use crate::codebook::Codebook;
use crate::histogram::Histogram;

/// The shortest length limit that is tried: 2^10 entries already fit every memory.
const LEAST_LIMIT: u8 = 10;

/// Which part of the codewords' bits may be given away for a table of half the size.
const TOLERANCE: u64 = 2048;

/// An optimal code whose limit is the shortest, of 10 to 13 bits, that costs at most 0.05 % more than the longest. Tables
/// have 2^limit entries, and small ones decode faster.
#[must_use]
pub fn choose(histogram: &Histogram) -> Codebook {
    let best = Codebook::huffman(histogram, MAX_LEN);
    let bits = best.cost_bits(histogram);
    let accepted = bits.saturating_add(bits / TOLERANCE);
    let shorter = (LEAST_LIMIT..best.max_len()).map(|limit| Codebook::huffman(histogram, limit));
    shorter.into_iter().find(|codebook| codebook.cost_bits(histogram) <= accepted).unwrap_or(best)
}
