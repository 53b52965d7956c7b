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
    Ok(OutputSlot::of_parts(bytes, ranges.filter(|range| !range.is_empty()).collect()))
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

#[cfg(test)]
mod tests {
    use crate::launch::Gather;
    use crate::strategy::strategies;
    use ecf8_core::element::Numbers;
    use ecf8_core::{Encoded, scheme};

    #[test]
    fn parts_of_several_tensors_are_given_to_their_launch_as_they_lie_in_the_file() {
        let bytes: Vec<u8> = (0..9000_u32).map(|i| ((i * i) >> 3).to_le_bytes()[0]).collect();
        for strategy in strategies() {
            let scheme = scheme(strategy.schemes()[0]).unwrap();
            let codebook = scheme.codebook(&scheme.symbol_histogram(Numbers::e4m3(&bytes)));
            let encode = |count| scheme.encode(Numbers::e4m3(&bytes[..count]), &codebook).unwrap();
            let tensors = [9000, 5001, 7000].map(encode);
            let batch: Vec<&Encoded<'_>> = tensors.iter().collect();
            let launch = strategy.launch(&strategy.params(&[]).unwrap(), &batch).unwrap();
            let is_there = |part: &[u8]| {
                let mut pieces = launch.inputs().flat_map(Gather::pieces);
                pieces.any(|(_, piece)| piece.as_ptr_range() == part.as_ptr_range())
            };
            for part in tensors.iter().flat_map(|encoded| &encoded.parts) {
                // Those are made anew for the threads of the variant.
                let is_made = ["gaps", "output_positions"].contains(&part.name);
                assert!(
                    is_made || part.bytes.is_empty() || is_there(&part.bytes),
                    "{} {}",
                    strategy.name(),
                    part.name
                );
            }
        }
    }
}
