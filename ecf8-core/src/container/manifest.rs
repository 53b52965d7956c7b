//! The manifest: the JSON under the key `ecf8` of `__metadata__`. FORMAT.md specifies every key.

use crate::histogram::Histogram;
use crate::layout::Encoded;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Read;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) format_version: u64,
    /// Prefix of the container's own tensors, where it is not the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) prefix: Option<String>,
    pub(super) header: OriginalHeader,
    /// Whether the first compressed tensor also has an entry under its own name, which makes loaders that do not know the format
    /// refuse the file.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) guard: bool,
    /// Where `codebooks` and `tensors` are, if not here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) continued: Option<Continuation>,
    /// Text forms, shared between tensors.
    pub(super) codebooks: Vec<String>,
    pub(super) tensors: Vec<TensorEntry>,
}

/// The lists of a manifest as a text of their own, which is stored deflated, right after the original header.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Continuation {
    /// Bytes of the JSON.
    pub(super) length: u64,
    /// Of the JSON.
    pub(super) checksum: String,
}

/// What a continuation holds.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Lists {
    pub(super) codebooks: Vec<String>,
    pub(super) tensors: Vec<TensorEntry>,
}

/// The same to be written.
#[derive(Debug, Serialize)]
pub(super) struct ListsOf<'a> {
    pub(super) codebooks: &'a [&'a str],
    pub(super) tensors: Vec<&'a TensorEntry>,
}

/// The original file's header, which is stored deflated.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct OriginalHeader {
    /// Its bytes, without the 8 bytes of its length.
    pub(super) length: u64,
    /// Bytes that it takes deflated, without padding.
    pub(super) deflated: u64,
    /// Of the original bytes.
    pub(super) checksum: String,
}

/// One compressed tensor.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct TensorEntry {
    pub(super) name: String,
    pub(super) dtype: String,
    pub(super) shape: Vec<u64>,
    pub(super) scheme: String,
    /// Parameters that differ from the scheme's defaults.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) params: BTreeMap<String, u64>,
    /// Index into the codebooks.
    pub(super) codebook: usize,
    /// Prefix of the parts' names, where it is not the tensor's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) prefix: Option<String>,
    /// Whether its parts are in the pool, and not under names of their own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) pooled: bool,
    /// Bytes of each part, without padding.
    pub(super) lengths: Vec<u64>,
    /// Of the original bytes.
    pub(super) checksum: String,
    /// How often each exponent occurs.
    pub(super) exponents: Histogram,
    /// Entropy of the bytes, in bits per byte.
    pub(super) byte_entropy: f64,
}

impl TensorEntry {
    /// Takes over how the tensor was encoded: the parts' lengths, and parameters that are not the scheme's defaults.
    pub(super) fn describe(&mut self, encoded: &Encoded<'_>) {
        self.lengths = encoded.parts.iter().map(|part| part.bytes.len() as u64).collect();
        let defaults = encoded.scheme.default_params();
        let params =
            encoded.params.iter().filter(|(name, value)| !defaults.contains(&(name.as_str(), **value)));
        self.params = params.map(|(name, value)| (name.clone(), *value)).collect();
    }
}

/// Whether a metadata value is a manifest of ours, of whatever version.
pub(super) fn is_manifest(text: &str) -> bool {
    #[derive(Deserialize)]
    struct Outline {
        format_version: serde_json::Value,
        tensors: serde_json::Value,
    }
    serde_json::from_str::<Outline>(text)
        .is_ok_and(|outline| outline.format_version.is_u64() && outline.tensors.is_array())
}

/// The first `limit` bytes of what was deflated; all, if there are fewer.
pub(super) fn inflate(deflated: &[u8], limit: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    flate2::read::DeflateDecoder::new(deflated).take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}
