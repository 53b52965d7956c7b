//! What a model is tuned with: what loading it launches, and of that as much as the device can try.

use crate::cli::answer::Failure;
use crate::executor::Timing;
use crate::model::{Compressed, Model};
use crate::tuner::Problem;
use ecf8_core::Encoded;
use ecf8_core::element::Numbers;
use std::collections::BTreeMap;

/// Elements that the emulator decodes of a tensor at most, from its start: it is slow. Predictions are for launches as small.
const EMULATED_ELEMENTS: u64 = 1 << 16;

/// Elements that it decodes of a layer at most, as far as there are this many tensors with at least [`EMULATED_LEAST`].
const EMULATED_IN_ALL: u64 = 1 << 18;

/// Elements of a tensor that are worth a prediction.
const EMULATED_LEAST: u64 = 1 << 12;

/// All launches of a shape, as loading the model makes them.
pub(super) struct Group {
    pub(super) problem: Problem,
    /// The tensors of each, as indices in the model.
    pub(super) batches: Vec<Vec<usize>>,
    /// Bytes of all tensors.
    pub(super) bytes: u64,
}

/// Gives the first bytes of a tensor, as many as it is told: decoded on the CPU by all its cores, never by the
/// reference decoder.
pub(super) type Decode<'a> = dyn FnMut(&Compressed<'_>, u64) -> ecf8_core::Result<Vec<u8>> + 'a;

/// All of a tensor is checked by its checksum; a beginning by what the emulator makes of it.
pub(super) fn decode(tensor: &Compressed<'_>, elements: u64) -> ecf8_core::Result<Vec<u8>> {
    if elements == tensor.encoded().elements {
        return tensor.decode();
    }
    let bytes = elements.saturating_mul(bytes_per_element(tensor));
    let mut bytes = vec![0; usize::try_from(bytes).unwrap_or(usize::MAX)];
    tensor.decode_beginning(&mut bytes)?;
    Ok(bytes)
}

/// What loading a model launches by shape, those with the most bytes first.
pub(super) fn groups(model: &Model) -> Vec<Group> {
    let mut groups: BTreeMap<Problem, Group> = BTreeMap::new();
    for batch in (0..model.layers().len()).flat_map(|layer| model.batches(layer)) {
        let Some(problem) = model.problem(&batch) else { continue };
        let empty = Group { problem: problem.clone(), batches: Vec::new(), bytes: 0 };
        let group = groups.entry(problem).or_insert(empty);
        for &index in &batch {
            group.bytes = group.bytes.saturating_add(model.tensors()[index].bytes);
        }
        group.batches.push(batch);
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.bytes));
    groups
}

/// The tensors of a launch to tune with, and their bytes.
pub(super) fn samples<'a>(
    model: &'a Model,
    batch: &[usize],
    timing: Timing,
    decode: &mut Decode<'_>,
) -> Result<Vec<(Encoded<'a>, Vec<u8>)>, Failure> {
    let most = match timing {
        Timing::Measured => u64::MAX,
        Timing::Predicted => {
            (EMULATED_IN_ALL / batch.len().max(1) as u64).clamp(EMULATED_LEAST, EMULATED_ELEMENTS)
        }
    };
    let tensors = batch.iter().filter_map(|&index| model.compressed(index));
    let tried = match timing {
        Timing::Measured => usize::MAX,
        Timing::Predicted => usize::try_from(EMULATED_IN_ALL / most).unwrap_or(usize::MAX),
    };
    let sample = |tensor: Compressed<'a>| {
        let (whole, elements) = (tensor.encoded(), tensor.encoded().elements.min(most));
        let bytes = decode(&tensor, elements)?;
        // A beginning under the codebook that it has in the tensor, or most of it.
        let encoded = match elements == whole.elements {
            true => whole,
            false => whole
                .scheme
                .encode(Numbers { split: &whole.split, bytes: &bytes }, whole.codebooks.first())
                .map_err(Failure::data)?,
        };
        Ok((encoded, bytes))
    };
    tensors.take(tried).map(sample).collect()
}

pub(super) fn bytes_per_element(tensor: &Compressed<'_>) -> u64 {
    tensor.split().element.bytes as u64
}
