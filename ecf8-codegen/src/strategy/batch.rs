//! The tensors of a launch: which go together, which codebook its kernel is made for, and where each of them goes.

use super::{Inlined, StrategyError};
use crate::launch::OutputSlot;
use ecf8_core::{Codebook, Encoded, Scheme};

/// What the tensors of a batch start at in its output, in bytes.
pub const BATCH_ALIGNMENT: u64 = 256;

/// Where each tensor of a batch starts in the output, and where the output ends, in bytes.
#[must_use]
pub fn batch_offsets(batch: &[&Encoded<'_>]) -> Vec<u64> {
    let mut end = 0u64;
    let starts = batch.iter().map(|encoded| {
        let start = end.checked_next_multiple_of(BATCH_ALIGNMENT).unwrap_or(u64::MAX);
        end = start.saturating_add(encoded.elements);
        start
    });
    let mut offsets: Vec<u64> = starts.collect();
    offsets.push(end);
    offsets
}

/// The output of a batch: each tensor is written where [`batch_offsets`] says, and what lies between them by nobody.
///
/// # Errors
/// If it is more than a buffer on this machine can have.
pub fn batch_output(batch: &[&Encoded<'_>]) -> Result<OutputSlot, StrategyError> {
    let offsets = batch_offsets(batch);
    let bytes = offsets.last().copied().unwrap_or_default();
    let (what, limit) = ("the number of bytes of the output", usize::MAX as u64);
    usize::try_from(bytes).map_err(|_| StrategyError::TooLarge { what, needed: bytes, limit })?;
    let ranges =
        batch.iter().zip(offsets).map(|(encoded, start)| start..start.saturating_add(encoded.elements));
    Ok(OutputSlot { bytes, written: ranges.filter(|range| !range.is_empty()).collect() })
}

impl Inlined {
    /// What tensors have in common that one launch of a variant can decode: their scheme, and the codebook if it is compiled in.
    #[must_use]
    pub fn in_common<'a>(
        self,
        scheme: &dyn Scheme,
        codebook: &'a Codebook,
    ) -> (&'static str, Option<&'a Codebook>) {
        (scheme.name(), (self == Self::Codebook).then_some(codebook))
    }
}

/// The codebook of a batch with the longest codewords, for which its kernel is made.
#[must_use]
pub fn widest_codebook<'a>(batch: &[&'a Encoded<'_>]) -> Option<&'a Codebook> {
    batch.iter().map(|encoded| &encoded.codebook).max_by_key(|codebook| codebook.max_len())
}

/// The tensor of a launch that decodes one.
///
/// # Errors
/// If there is another number of them.
pub fn only<'a>(batch: &[&'a Encoded<'a>]) -> Result<&'a Encoded<'a>, StrategyError> {
    match batch {
        [encoded] => Ok(encoded),
        _ => Err(StrategyError::OneByOne { tensors: batch.len() }),
    }
}
