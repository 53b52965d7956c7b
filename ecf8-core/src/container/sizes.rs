//! What things take in a container, known or estimated before it is written.

use super::manifest::TensorEntry;
use super::{ALIGNMENT, POOL_ALIGNMENT};
use crate::header::{Entry, TensorRecord, entry_json_len};
use crate::layout::{PartSpec, PartType};
use flate2::Compression;
use flate2::write::DeflateEncoder;
use safetensors::Dtype;
use std::io::{self, Write};

/// Bytes of a checksum.
pub(super) const CHECKSUM_BYTES: u64 = 8;

/// Bytes of a text beyond which it is not deflated as a whole to know how small it becomes.
const LONG: usize = 2 << 20;

/// Pieces of a long text that are deflated instead, each [`LONG`] / `PIECES` bytes.
const PIECES: usize = 4;

/// Bytes with the zeros that fill them up to a multiple of an alignment.
pub(super) fn padded_to(alignment: u64, bytes: u64) -> u64 {
    bytes.checked_next_multiple_of(alignment).unwrap_or(u64::MAX)
}

/// Bytes with the zeros that fill them up to what tensors with parts start at.
pub(super) fn padded(bytes: u64) -> u64 {
    padded_to(ALIGNMENT, bytes)
}

/// What parts start at and fill multiples of, in the pool or under names of their own.
pub(super) fn part_alignment(is_pooled: bool) -> u64 {
    if is_pooled { POOL_ALIGNMENT } else { ALIGNMENT }
}

/// Bytes of a tensor's parts with the zeros that fill them up.
pub(super) fn parts_bytes(entry: &TensorEntry) -> u64 {
    let parts = entry.lengths.iter().map(|length| padded_to(part_alignment(entry.pooled), *length));
    parts.fold(0, u64::saturating_add)
}

/// The dtype that a part is stored as.
pub(super) fn stored_dtype(part: PartType) -> Dtype {
    match part {
        PartType::U8 => Dtype::U8,
        PartType::U32 => Dtype::U32,
        PartType::U64 => Dtype::U64,
    }
}

/// The tensors that a compressed tensor's parts are stored as, if not in the pool.
pub(super) fn part_entries(specs: &[PartSpec], prefix: &str, lengths: &[u64]) -> Vec<Entry> {
    let entries = specs.iter().zip(lengths).map(|(spec, length)| {
        let bytes = padded(*length);
        Entry {
            name: format!("{prefix}.{}", spec.name),
            dtype: stored_dtype(spec.dtype),
            shape: vec![bytes / spec.dtype.bytes()],
            bytes,
        }
    });
    entries.collect()
}

/// The tensor that a kept tensor is stored as.
pub(super) fn kept_entry(record: &TensorRecord) -> Entry {
    Entry {
        name: record.name.clone(),
        dtype: record.dtype,
        shape: record.shape.clone(),
        bytes: record.bytes(),
    }
}

/// What storing a tensor takes: data, header entry and checksum.
pub(super) fn stored_bytes(entry: &Entry) -> u64 {
    entry.bytes.saturating_add(entry_json_len(entry) + CHECKSUM_BYTES)
}

/// What a compressed tensor takes, without its codebook: parts, header entries, checksums, and about what the manifest
/// says of it. `parts` are the bytes of all parts, if that is not the sum of its lengths.
pub(super) fn compressed_bytes(
    specs: &[PartSpec],
    entry: &TensorEntry,
    parts: Option<u64>,
    deflated: Deflated,
) -> u64 {
    let described = if entry.pooled {
        deflated.bytes(serde_json::to_string(entry).map_or(0, |json| json.len() as u64 + 1))
    } else {
        let stored = part_entries(specs, &entry.name, &entry.lengths);
        let names = stored.iter().map(|part| entry_json_len(part) + CHECKSUM_BYTES).sum::<u64>();
        manifest_bytes(entry).saturating_add(names)
    };
    parts.unwrap_or_else(|| parts_bytes(entry)).saturating_add(described)
}

/// How much smaller entries of the manifest become by deflating them, one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deflated {
    from: u64,
    to: u64,
}

impl Default for Deflated {
    /// Not at all.
    fn default() -> Self {
        Self { from: 1, to: 1 }
    }
}

impl Deflated {
    /// As it is for these entries, a sample of them all.
    pub(super) fn of(sample: &[TensorEntry]) -> Self {
        let json = serde_json::to_vec(sample).unwrap_or_default();
        match deflated_bytes(&[&json]) {
            Ok(to) => Self { from: json.len() as u64, to },
            Err(_) => Self::default(),
        }
    }

    fn bytes(self, json: u64) -> u64 {
        json.saturating_mul(self.to) / self.from.max(1)
    }
}

/// Bytes that texts take deflated one after the other.
fn deflated_bytes(texts: &[&[u8]]) -> io::Result<u64> {
    let mut deflated = DeflateEncoder::new(Vec::new(), Compression::best());
    texts.iter().try_for_each(|text| deflated.write_all(text))?;
    Ok(deflated.finish()?.len() as u64)
}

/// The same, about, where the second is long: then even pieces of it are deflated and stand for the others.
pub(super) fn about_deflated(first: &[u8], second: &[u8]) -> io::Result<u64> {
    if first.len().max(second.len()) <= LONG {
        return deflated_bytes(&[first, second]);
    }
    let about = |text: &[u8]| -> io::Result<u64> {
        if text.len() <= LONG {
            return deflated_bytes(&[text]);
        }
        let (apart, piece) = (text.len() / PIECES, LONG / PIECES);
        let pieces: Vec<&[u8]> = text.chunks(apart).map(|part| &part[..piece.min(part.len())]).collect();
        let looked_at: u64 = pieces.iter().map(|piece| piece.len() as u64).sum();
        let deflated = u128::from(deflated_bytes(&pieces)?);
        let whole = deflated * text.len() as u128 / u128::from(looked_at.max(1));
        Ok(u64::try_from(whole).unwrap_or(u64::MAX))
    };
    Ok(about(first)?.saturating_add(about(second)?))
}

/// What an entry takes in the manifest, where quotes are escaped because it is a text in the header.
fn manifest_bytes(entry: &TensorEntry) -> u64 {
    let json = serde_json::to_string(entry).unwrap_or_default();
    (json.len() + json.bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count() + 1) as u64
}
