//! Which elements depend on some bytes of the parts: those of whole chunks, or some beside each other in `packed`.

use super::{CHUNKS, ChunkEntry, DICTIONARY, ELEMENTS_PER_LANE, LANES, PACKED, ROWS};
use crate::layout::{DamagedPart, DecodeError, Encoded};
use std::ops::Range;

/// Bytes of a row: a word of each lane.
const ROW: u64 = 4 * LANES as u64;

/// Numbers of several bytes change places within as many of them.
const BLOCK: u64 = 512;

/// The units that depend on these bytes; `None` where that is not known, so that it may be all.
pub(super) fn affected(encoded: &Encoded<'_>, bits: u32, damaged: &[DamagedPart]) -> Option<Vec<Range<u64>>> {
    // Entries that are wrong themselves do not tell which chunk a row belongs to.
    let has_entries = damaged.iter().all(|part| part.name != CHUNKS || damaged.len() == 1);
    let units = |part: &DamagedPart| match part.name {
        DICTIONARY => None,
        PACKED => packed(encoded, bits, &part.bytes),
        CHUNKS if has_entries => {
            let (first, end) = (part.bytes.start / 8, part.bytes.end.div_ceil(8));
            // An entry says where a chunk starts, and the one before it ends.
            chunks(encoded, first.saturating_sub(1)..end).ok()
        }
        _ if !has_entries => None,
        name => {
            let (width, is_rows) = if name == ROWS { (ROW, true) } else { (4, false) };
            let (first, end) = (part.bytes.start / width, part.bytes.end.div_ceil(width));
            let starts = starts(encoded, is_rows).ok()?;
            let last = starts.partition_point(|start| *start < end) as u64;
            // Of several chunks that start there, all but the last have nothing.
            let first = starts.partition_point(|start| *start <= first) as u64;
            chunks(encoded, first.saturating_sub(1)..last).ok()
        }
    };
    damaged.iter().map(units).collect()
}

/// Where chunks start in one of the parts, in rows or in words of tails.
fn starts(encoded: &Encoded<'_>, is_rows: bool) -> Result<Vec<u64>, DecodeError> {
    let (entries, _) = encoded.part(CHUNKS)?.as_chunks::<8>();
    let entries = entries.iter().map(|bits| ChunkEntry::from_bits(u64::from_le_bytes(*bits)));
    Ok(entries.map(|entry| u64::from(if is_rows { entry.first_row } else { entry.first_tail })).collect())
}

fn chunks(encoded: &Encoded<'_>, chunks: Range<u64>) -> Result<Range<u64>, DecodeError> {
    let chunk = encoded.param(ELEMENTS_PER_LANE)?.saturating_mul(LANES as u64);
    let [start, end] = [chunks.start, chunks.end].map(|at| at.saturating_mul(chunk).min(encoded.elements));
    Ok(start..end)
}

/// The units of some bytes of part `packed`.
fn packed(encoded: &Encoded<'_>, bits: u32, bytes: &Range<u64>) -> Option<Range<u64>> {
    let grouped = |bytes: &Range<u64>, from: u64, to: u64| {
        (bytes.start / from).saturating_mul(to)
            ..bytes.end.div_ceil(from).saturating_mul(to).min(encoded.elements)
    };
    if encoded.split.element.bytes == 1 {
        return Some(grouped(bytes, 4, if bits == 4 { 8 } else { 16 }));
    }
    let plane = encoded.elements.checked_next_multiple_of(16)?;
    let number = bytes.start / plane.max(1);
    let is_within = bytes.end <= (number + 1).saturating_mul(plane);
    let within = bytes.start - number * plane..bytes.end.saturating_sub(number * plane);
    is_within.then(|| grouped(&within, BLOCK, BLOCK))
}
