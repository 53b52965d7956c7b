//! The manifest: the JSON under the key `ecf8` of `__metadata__`. FORMAT.md specifies every key.

use super::verbatim::Verbatim;
use crate::histogram::Histogram;
use crate::layout::Encoded;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
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
    /// What there is to say of a file in which nothing is compressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) verbatim: Option<Verbatim>,
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

/// The original file's header, which is stored deflated, or within the container's.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct OriginalHeader {
    /// Its bytes, without the 8 bytes of its length.
    pub(super) length: u64,
    /// Bytes that it takes deflated, without padding; none if the file's own header is nearly the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) deflated: Option<u64>,
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
    #[serde(default, skip_serializing_if = "Params::is_empty")]
    pub(super) params: Params,
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

/// Parameters of a scheme, by name: a few, in order. A list, because a file may have very many tensors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Params(Vec<(Cow<'static, str>, u64)>);

impl Params {
    /// Those of a list, which need not be in order.
    pub(super) fn of(params: impl IntoIterator<Item = (&'static str, u64)>) -> Self {
        let mut list: Vec<_> = params.into_iter().map(|(name, value)| (Cow::Borrowed(name), value)).collect();
        list.sort();
        list.shrink_to_fit();
        Self(list)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn into_iter(self) -> impl Iterator<Item = (String, u64)> {
        self.0.into_iter().map(|(name, value)| (name.into_owned(), value))
    }
}

impl Serialize for Params {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de> Deserialize<'de> for Params {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let params = BTreeMap::<String, u64>::deserialize(deserializer)?;
        Ok(Self(params.into_iter().map(|(name, value)| (Cow::Owned(name), value)).collect()))
    }
}

impl TensorEntry {
    /// Takes over how the tensor was encoded: the parts' lengths, and parameters that are not the scheme's defaults.
    pub(super) fn describe(&mut self, encoded: &Encoded<'_>) {
        self.lengths = encoded.parts.iter().map(|part| part.bytes.len() as u64).collect();
        let defaults = encoded.scheme.default_params();
        let differing = encoded.params.iter().filter_map(|(name, value)| {
            let (known, usual) = defaults.iter().find(|(known, _)| known == name)?;
            (value != usual).then_some((*known, *value))
        });
        self.params = Params::of(differing);
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
