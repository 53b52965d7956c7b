//! Which tensors are kept as they are, and why.

use crate::header::TensorRecord;
use serde::Serialize;
use std::collections::BTreeMap;

/// Tensors of one dtype that have one fate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DtypeSummary {
    /// The dtype, as safetensors calls it.
    pub dtype: String,
    /// How many tensors.
    pub tensors: usize,
    /// Their bytes in the original.
    pub bytes: u64,
    /// Whether they are compressed.
    pub compressed: bool,
    /// Why that is so, for people.
    pub why: String,
}

/// The dtypes that are compressed.
const COMPRESSED: &str = "F8_E4M3";

/// Sums up tensors that are kept, by dtype.
pub(super) fn kept_by_dtype<'a>(records: impl IntoIterator<Item = &'a TensorRecord>) -> Vec<DtypeSummary> {
    let mut sums: BTreeMap<String, (usize, u64, bool)> = BTreeMap::new();
    for record in records {
        let sum = sums.entry(record.dtype.to_string()).or_default();
        *sum = (sum.0 + 1, sum.1.saturating_add(record.bytes()), record.dtype.to_string() == COMPRESSED);
    }
    let summary = |(dtype, (tensors, bytes, is_takable)): (String, (usize, u64, bool))| DtypeSummary {
        dtype,
        tensors,
        bytes,
        compressed: false,
        why: if is_takable {
            WOULD_NOT_GAIN.to_owned()
        } else {
            format!("ecf8 compresses {COMPRESSED} only")
        },
    };
    sums.into_iter().map(summary).collect()
}

/// Adds up summaries of several files.
pub(super) fn merged(summaries: impl IntoIterator<Item = DtypeSummary>) -> Vec<DtypeSummary> {
    let mut merged: Vec<DtypeSummary> = Vec::new();
    for one in summaries {
        let is_alike = |other: &&mut DtypeSummary| (&other.dtype, &other.why) == (&one.dtype, &one.why);
        if let Some(sum) = merged.iter_mut().find(is_alike) {
            sum.tensors += one.tensors;
            sum.bytes = sum.bytes.saturating_add(one.bytes);
        } else {
            merged.push(one);
        }
    }
    merged.sort_by(|a, b| (!a.compressed, &a.dtype, &a.why).cmp(&(!b.compressed, &b.dtype, &b.why)));
    merged
}

const WOULD_NOT_GAIN: &str = "they would not get smaller";

/// Sums up tensors that are compressed, of which there are some.
pub(super) fn compressed<'a>(records: impl IntoIterator<Item = &'a TensorRecord>) -> Option<DtypeSummary> {
    let mut sum: Option<DtypeSummary> = None;
    for record in records {
        let sum = sum.get_or_insert_with(|| DtypeSummary {
            dtype: record.dtype.to_string(),
            tensors: 0,
            bytes: 0,
            compressed: true,
            why: "they get smaller".to_owned(),
        });
        sum.tensors += 1;
        sum.bytes = sum.bytes.saturating_add(record.bytes());
    }
    sum
}
