//! One tensor encoded as it was planned, and proven to come back.

use super::plan::{self, Planned};
use crate::checksum::{Checksum, from_hex};
use crate::container::batch::batches;
use crate::container::manifest::TensorEntry;
use crate::container::sizes::{Deflated, compressed_bytes, kept_entry, stored_bytes};
use crate::container::{BATCH_BYTES, CompressOptions, Progress};
use crate::element::Numbers;
use crate::error::{Error, Result};
use crate::layout::{Aim, EncodeError, Encoded, TakePiece};
use crate::map::give_back;
use crate::source::Source;
use rayon::prelude::*;
use std::collections::HashMap;
use std::ops::ControlFlow;

/// Encodes the tensors of a source in memory, as a container of them would have them: those of one dtype by one scheme,
/// each decoded again and compared. Gives one for each tensor, in the order of their data; `None` for one that would not
/// get smaller.
///
/// # Errors
/// Whatever is wrong with the source, or if there is no memory.
pub fn encode_source(
    source: &dyn Source,
    options: &CompressOptions,
    progress: &dyn Progress,
) -> Result<Vec<Option<Encoded<'static>>>> {
    let data_bytes = source.header().data_bytes();
    progress.start("encoding", 2 * data_bytes + plan::sharing_steps(data_bytes));
    let plan = plan::plan(source, options, progress)?;
    let mut by_name: HashMap<&str, Encoded<'static>> = HashMap::new();
    for batch in batches(&plan.tensors, BATCH_BYTES, |planned| planned.record.bytes()) {
        progress.go_on(source.path())?;
        let encoded: Result<Vec<_>> =
            batch.par_iter().map(|planned| encode(source, planned, plan.aim)).collect();
        for (encoded, planned) in encoded?.into_iter().zip(batch) {
            progress.advance(planned.record.bytes());
            by_name.extend(encoded.map(|(_, encoded)| (planned.record.name.as_str(), encoded)));
        }
    }
    for plan::Repeat { record, of } in &plan.repeats {
        if let Some(same) = by_name.get(of.name.as_str()).cloned() {
            by_name.insert(record.name.as_str(), same);
        }
    }
    progress.finish();
    Ok(source.header().tensors.iter().map(|record| by_name.remove(record.name.as_str())).collect())
}

/// Encodes a tensor and proves that it comes back; gives `None` if it takes more than it did, else also its entry in a
/// manifest.
pub(super) fn encode(
    source: &dyn Source,
    planned: &Planned,
    aim: Aim,
) -> Result<Option<(TensorEntry, Encoded<'static>)>> {
    let Planned { record, scheme, split, codebooks, entry, .. } = planned;
    let data = source.bytes(record)?;
    let encoded = match scheme.encode_for(Numbers { split, bytes: &data }, codebooks, aim) {
        // What a scheme cannot point into is kept as it is.
        Err(EncodeError::TooLarge { .. }) => return Ok(None),
        encoded => encoded,
    };
    let (path, tensor) = (source.path().to_owned(), record.name.clone());
    let encoded = encoded.map_err(|source| Error::of_encoding(path, tensor, source))?;
    give_back(&data);
    prove(source, planned, &encoded)?;
    let mut described = entry.clone();
    described.describe(&encoded);
    Ok(if gains(source, planned, &described)? { Some((described, encoded)) } else { None })
}

/// Whether a tensor that was encoded like this takes less than it did.
///
/// # Errors
/// If a part is longer than was promised.
pub(super) fn gains(source: &dyn Source, planned: &Planned, described: &TensorEntry) -> Result<bool> {
    if !planned.allows(&described.lengths) {
        return Err(broken_promise(source, Some(planned)));
    }
    // What is in the pool has no entry in the header, so there may be no room for one of a kept tensor.
    let is_certain = described.pooled;
    let specs = planned.scheme.part_specs(&planned.split);
    Ok(is_certain
        || compressed_bytes(specs, described, None, Deflated::default())
            < stored_bytes(&kept_entry(&planned.record)))
}

/// Checks that what is to be written decodes to the bytes whose checksum was recorded: to those that were read first, and
/// not to those that may be in their place by now.
fn prove(source: &dyn Source, planned: &Planned, encoded: &Encoded<'_>) -> Result<()> {
    let mut sum = Checksum::default();
    decode(source, planned, encoded, &mut |piece| {
        sum.add(piece);
        ControlFlow::Continue(())
    })?;
    let difference = || first_difference(source, planned, encoded, &source.bytes(&planned.record)?);
    expect_planned(source, planned, sum.finish(), difference)
}

/// Checks that what a tensor decodes to has the checksum that was planned. If not, `difference` tells where it differs from
/// what the source has now, if it does.
pub(super) fn expect_planned(
    source: &dyn Source,
    planned: &Planned,
    found: u64,
    difference: impl FnOnce() -> Result<Option<usize>>,
) -> Result<()> {
    if from_hex(&planned.entry.checksum) == Some(found) {
        return Ok(());
    }
    let (path, tensor) = (source.path().to_owned(), planned.record.name.clone());
    match difference()? {
        Some(offset) => Err(Error::NotLossless { path, tensor, offset: offset as u64 }),
        // Encoded rightly, so what was counted before was something else.
        None => Err(Error::Changed { path, how: format!("tensor `{tensor}` is not what it was") }),
    }
}

/// The first byte of `data`, what the source has now, that is another one decoded, if any is.
fn first_difference(
    source: &dyn Source,
    planned: &Planned,
    encoded: &Encoded<'_>,
    data: &[u8],
) -> Result<Option<usize>> {
    let (mut offset, mut is_same) = (0, true);
    decode(source, planned, encoded, &mut |piece| {
        let same = piece.iter().zip(&data[offset..]).take_while(|(a, b)| a == b).count();
        (offset, is_same) = (offset + same, same == piece.len());
        if is_same { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok((!is_same).then_some(offset))
}

pub(super) fn decode(
    source: &dyn Source,
    planned: &Planned,
    encoded: &Encoded<'_>,
    take: &mut TakePiece<'_>,
) -> Result<()> {
    encoded.decode_pieces(take).map_err(|error| {
        let (path, tensor) = (source.path().to_owned(), planned.record.name.clone());
        Error::of_decoding(path, tensor, error)
    })
}

/// The error that a tensor, or the header, became larger than was promised.
pub(super) fn broken_promise(source: &dyn Source, planned: Option<&Planned>) -> Error {
    Error::Promise {
        path: source.path().to_owned(),
        tensor: planned.map_or_else(String::new, |planned| planned.record.name.clone()),
        scheme: planned.map_or("", |planned| planned.scheme.name()),
    }
}
