//! What becomes of tensors, by dtype: which get smaller, which are kept, and why.

use crate::container::CompressedFile;
use crate::element::element;
use crate::header::TensorRecord;
use crate::layout::Scheme;
use serde::Serialize;

/// Tensors of one dtype that have one role and one fate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DtypeSummary {
    /// The dtype, as safetensors calls it.
    pub dtype: String,
    /// What they are in a quantised model, as far as their names tell.
    pub role: Role,
    /// How many tensors.
    pub tensors: usize,
    /// Their bytes in the original.
    pub bytes: u64,
    /// Their bytes where they are stored, with padding and without what the header says of them; if that is known.
    pub stored_bytes: Option<u64>,
    /// Whether they are compressed.
    pub compressed: bool,
    /// Why that is so, for people.
    pub why: String,
}

/// What a tensor is in a quantised model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Numbers that stand for themselves.
    Weights,
    /// Codes of 4 bits, two to a byte, that scales belong to.
    Codes,
    /// Scales of others.
    Scales,
}

impl Role {
    /// What the name and dtype of a tensor tell. FP4 checkpoints have codes as `X_blocks`, `X_packed`, or `X` of bytes
    /// beside `X_scale`; scales as `X_scale`, `X_scales`, `X_scale_inv`, `X_scale_2`.
    #[must_use]
    pub fn of(name: &str, dtype: &str) -> Self {
        let last = name.rsplit('.').next().unwrap_or(name);
        let is_scale = last.split('_').any(|word| word == "scale" || word == "scales");
        let is_codes = dtype == "F4"
            || dtype == "U8" && ["weight", "_packed", "_blocks"].iter().any(|ending| last.ends_with(ending));
        match (is_scale, is_codes) {
            (true, _) => Self::Scales,
            (_, true) => Self::Codes,
            _ => Self::Weights,
        }
    }

    /// The word for people, after a dtype; empty for weights.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Weights => "",
            Self::Codes => " codes",
            Self::Scales => " scales",
        }
    }
}

/// Why tensors are kept that some scheme takes.
const WOULD_NOT_GAIN: &str = "they would not get smaller";

/// Why tensors are compressed.
const GET_SMALLER: &str = "they get smaller";

/// Tensors that are kept, one by one; `only` is the scheme if there was a choice of one.
pub(in crate::container) fn kept<'a>(
    records: impl IntoIterator<Item = &'a TensorRecord>,
    only: Option<&'static dyn Scheme>,
) -> Vec<DtypeSummary> {
    let summary = |record: &TensorRecord| {
        let dtype = record.dtype.to_string();
        let takes = |scheme: &&dyn Scheme| element(&dtype).is_some_and(|element| scheme.takes(element));
        let why = match only.filter(|scheme| !takes(scheme)) {
            Some(scheme) => format!("{} does not take them", scheme.name()),
            None => WOULD_NOT_GAIN.to_owned(),
        };
        DtypeSummary {
            role: Role::of(&record.name, &dtype),
            dtype,
            tensors: 1,
            bytes: record.bytes(),
            stored_bytes: Some(record.bytes()),
            compressed: false,
            why,
        }
    };
    merged(records.into_iter().map(summary))
}

/// Tensors that would be compressed; what they would take is not told one by one.
pub(in crate::container) fn compressed<'a>(
    records: impl IntoIterator<Item = &'a TensorRecord>,
) -> Vec<DtypeSummary> {
    let summary = |record: &TensorRecord| {
        let dtype = record.dtype.to_string();
        DtypeSummary {
            role: Role::of(&record.name, &dtype),
            dtype,
            tensors: 1,
            bytes: record.bytes(),
            stored_bytes: None,
            compressed: true,
            why: GET_SMALLER.to_owned(),
        }
    };
    merged(records.into_iter().map(summary))
}

/// The tensors of a container.
pub(in crate::container) fn of_container(file: &CompressedFile) -> Vec<DtypeSummary> {
    let compressed = file.tensors().map(|tensor| DtypeSummary {
        dtype: tensor.dtype().to_owned(),
        role: Role::of(tensor.name(), tensor.dtype()),
        tensors: 1,
        bytes: tensor.original_bytes(),
        stored_bytes: Some(tensor.stored_bytes()),
        compressed: true,
        why: GET_SMALLER.to_owned(),
    });
    // A scheme that is taken only where it is named was the only one there was.
    let only = file.tensors().map(|tensor| tensor.scheme()).find(|scheme| scheme.rank().is_none());
    let kept = kept(file.kept().map(|kept| kept.record), only);
    let unknown = file.unknown().iter().map(|unknown| DtypeSummary {
        dtype: unknown.dtype.clone(),
        role: Role::of(&unknown.name, &unknown.dtype),
        tensors: 1,
        bytes: 0,
        stored_bytes: None,
        compressed: true,
        why: format!("unknown to this version: {}", unknown.why),
    });
    merged(compressed.chain(kept).chain(unknown))
}

/// Adds up summaries of several tensors or files.
pub(in crate::container) fn merged(summaries: impl IntoIterator<Item = DtypeSummary>) -> Vec<DtypeSummary> {
    let mut merged: Vec<DtypeSummary> = Vec::new();
    for one in summaries {
        let is_alike = |other: &&mut DtypeSummary| {
            (&other.dtype, other.role, other.compressed, &other.why)
                == (&one.dtype, one.role, one.compressed, &one.why)
        };
        if let Some(sum) = merged.iter_mut().find(is_alike) {
            sum.tensors += one.tensors;
            sum.bytes = sum.bytes.saturating_add(one.bytes);
            sum.stored_bytes = sum.stored_bytes.zip(one.stored_bytes).map(|(a, b)| a.saturating_add(b));
        } else {
            merged.push(one);
        }
    }
    merged.sort_by(|a, b| {
        (!a.compressed, &a.dtype, a.role, &a.why).cmp(&(!b.compressed, &b.dtype, b.role, &b.why))
    });
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_codes_from_scales() {
        let role = Role::of;
        assert_eq!(role("model.layers.0.mlp.down_proj.weight_packed", "U8"), Role::Codes);
        assert_eq!(role("model.layers.0.mlp.experts.gate_up_proj_blocks", "U8"), Role::Codes);
        assert_eq!(role("model.layers.0.mlp.experts.gate_up_proj_scales", "U8"), Role::Scales);
        assert_eq!(role("a.weight", "U8"), Role::Codes);
        assert_eq!(role("a.weight_scale", "F8_E4M3"), Role::Scales);
        assert_eq!([role("a.weight_scale_inv", "F32"), role("a.weight_scale_2", "F32")], [Role::Scales; 2]);
        assert_eq!((role("a.weight", "F8_E4M3"), role("upscaled", "U8")), (Role::Weights, Role::Weights));
    }
}
