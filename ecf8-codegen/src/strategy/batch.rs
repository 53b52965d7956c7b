//! Where each tensor of a launch goes.

use super::StrategyError;
use crate::launch::OutputSlot;
use ecf8_core::Encoded;

/// What the tensors of a batch start at in its output, in bytes.
pub const BATCH_ALIGNMENT: u64 = 256;

/// Where each tensor of a batch starts in the output, and where the output ends, in bytes.
#[must_use]
pub fn batch_offsets(batch: &[&Encoded<'_>]) -> Vec<u64> {
    let mut end = 0u64;
    let starts = batch.iter().map(|encoded| {
        let start = end.checked_next_multiple_of(BATCH_ALIGNMENT).unwrap_or(u64::MAX);
        end = start.saturating_add(bytes_of(encoded));
        start
    });
    let mut offsets: Vec<u64> = starts.collect();
    offsets.push(end);
    offsets
}

/// Bytes of a decoded tensor, however damaged it is.
fn bytes_of(encoded: &Encoded<'_>) -> u64 {
    encoded.elements.saturating_mul(encoded.split.element.bytes as u64)
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
        batch.iter().zip(offsets).map(|(encoded, start)| start..start.saturating_add(bytes_of(encoded)));
    Ok(OutputSlot { bytes, written: ranges.filter(|range| !range.is_empty()).collect() })
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
