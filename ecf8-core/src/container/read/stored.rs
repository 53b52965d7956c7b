//! Compressed tensors as a manifest describes them.

use crate::element::{self, Shape, Split};
use crate::histogram::Histogram;
use crate::layout::{Codebooks, Scheme};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A compressed tensor as the manifest describes it, checked.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) name: String,
    pub(super) dtype: String,
    pub(super) shape: Vec<u64>,
    pub(super) scheme: &'static dyn Scheme,
    pub(super) split: Split,
    /// One map in memory for all tensors that have the same.
    pub(super) params: Arc<BTreeMap<String, u64>>,
    pub(super) codebooks: Codebooks,
    /// Which of the file's codebooks each of these is.
    pub(super) codebook_indices: Vec<usize>,
    pub(super) parts: Vec<StoredPart>,
    /// Numbers in it.
    pub(super) elements: u64,
    /// Units of its number type, see [`Element::units`](crate::element::Element::units).
    pub(super) units: u64,
    pub(super) checksum: u64,
    /// Whether its parts are another's as well, which comes before.
    pub(super) is_repeat: bool,
    /// What the manifest tells of its numbers, if it does.
    pub(super) statistics: Option<Statistics>,
}

/// How a tensor's numbers are distributed.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    /// How often each exponent of 4 bits occurs; none for numbers of other types.
    pub exponents: Option<Histogram>,
    /// Entropy of the exponents in bits per number; none if the numbers are no floats.
    pub exponent_entropy_bits: Option<f64>,
    /// Entropy of the bytes in bits per byte.
    pub byte_entropy_bits: f64,
}

impl Statistics {
    /// Counts what a tensor decodes to.
    pub(super) fn of(split: &Split, data: &[u8]) -> Self {
        let counts = element::counts(split.element, data);
        Self {
            exponent_entropy_bits: counts.exponents.as_ref().map(Histogram::entropy_bits),
            exponents: counts.exponents.filter(|_| split.element.shape == Shape::Nibble),
            byte_entropy_bits: counts.bytes.entropy_bits(),
        }
    }
}

/// Where a part's bytes are.
#[derive(Debug, Clone, Copy)]
pub(super) struct StoredPart {
    /// Index into the header's tensors.
    pub(super) tensor: usize,
    /// Its first byte in that tensor.
    pub(super) begin: u64,
    /// Bytes without padding.
    pub(super) length: u64,
    /// Bytes with padding.
    pub(super) padded: u64,
}

/// A compressed tensor that this version cannot read: it was written by a later one, or what describes it is damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownTensor {
    /// Its name.
    pub name: String,
    /// Its dtype in the original.
    pub dtype: String,
    /// Its dimensions.
    pub shape: Vec<u64>,
    /// What of it is unknown, for people.
    pub why: String,
    /// Whether that is damage, in a file opened by [`CompressedFile::open_damaged`](super::CompressedFile::open_damaged).
    pub is_damaged: bool,
}
