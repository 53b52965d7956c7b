//! The manifest: the JSON under the key `ecf8` of `__metadata__`. FORMAT.md specifies every key.

use super::piece_sums::PiecesEntry;
use super::verbatim::Verbatim;
use super::{ALIGNMENT, DELTA_FORMAT_VERSION, FORMAT_VERSION};
use crate::element::{Dictionary, Element, Plane, Split};
use crate::header::TensorRecord;
use crate::histogram::Histogram;
use crate::layout::{Encoded, Scheme};
use crate::source::DeltaMark;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) format_version: u64,
    /// Prefix of the container's own tensors, where it is not the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) prefix: Option<String>,
    pub(super) header: OriginalHeader,
    /// What the difference is from, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) delta: Option<DeltaMark>,
    /// Whether the first compressed tensor also has an entry under its own name, which makes loaders that do not know
    /// the format refuse the file.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) guard: bool,
    /// What there is to say of a file in which nothing is compressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) verbatim: Option<Verbatim>,
    /// Checksums of pieces of the data section, up to the container's own tensor with the original header; none where
    /// that would be one piece, or `verbatim` has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) pieces: Option<PiecesEntry>,
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
    /// What parts in the pool start at and fill multiples of, in bytes.
    #[serde(default = "usual_alignment", skip_serializing_if = "is_usual_alignment")]
    pub(super) alignment: u64,
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
    /// Index into the codebooks; that of the first run, if there are runs.
    pub(super) codebook: usize,
    /// Which codebook each run of elements has, if not all have the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) runs: Option<RunsEntry>,
    /// Prefix of the parts' names, where it is not the tensor's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) prefix: Option<String>,
    /// Whether its parts are in the pool, and not under names of their own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) pooled: bool,
    /// Bytes of each part, without padding; none of a tensor that is the same as another.
    pub(super) lengths: Vec<u64>,
    /// The compressed tensor whose parts are its own as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) same_as: Option<String>,
    /// The exponent that the field 0 stands for, where four bits of exponents of eight are coded.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) least_exponent: u8,
    /// What becomes of each byte of its numbers, the most significant first, where the first is not coded or others are
    /// not stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) planes: Option<Vec<PlaneEntry>>,
    /// How many entries the dictionary has whose places are split instead of numbers; 0 where there is none.
    #[serde(default, skip_serializing_if = "is_none")]
    pub(super) dictionary: u64,
    /// Of the original bytes.
    pub(super) checksum: String,
    /// How often each exponent of 4 bits occurs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) exponents: Option<Histogram>,
    /// Entropy of longer or shorter exponents, in bits per number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) exponent_entropy: Option<f64>,
    /// Entropy of the bytes, in bits per byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) byte_entropy: Option<f64>,
    /// Keys that this version does not know, and which may change the meaning of all others.
    #[serde(flatten, skip_serializing)]
    pub(super) further: BTreeMap<String, IgnoredAny>,
}

/// The codebooks of a tensor that has several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RunsEntry {
    /// Elements of a run; the last may have fewer.
    pub(super) elements: u64,
    /// Of each run, an index into the codebooks.
    pub(super) codebooks: Vec<usize>,
}

/// What becomes of one byte of each number: a word, or the byte itself where all have the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum PlaneEntry {
    Constant(u8),
    Other(String),
}

const CODED: &str = "coded";
const STORED: &str = "stored";

fn usual_alignment() -> u64 {
    ALIGNMENT
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_usual_alignment(alignment: &u64) -> bool {
    *alignment == ALIGNMENT
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_none(number: &u64) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u8) -> bool {
    *number == 0
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

/// The version of a container that holds a model, or the difference from one.
pub(super) fn format_version(delta: Option<&DeltaMark>) -> u64 {
    if delta.is_some() { DELTA_FORMAT_VERSION } else { FORMAT_VERSION }
}

impl TensorEntry {
    /// The entry of a tensor that has the same bytes as the one of this entry.
    pub(super) fn repeated(&self, record: &TensorRecord) -> Self {
        Self {
            name: record.name.clone(),
            shape: record.shape.clone(),
            same_as: Some(self.name.clone()),
            lengths: Vec::new(),
            params: Params::default(),
            prefix: None,
            pooled: false,
            least_exponent: 0,
            planes: None,
            dictionary: 0,
            exponents: None,
            exponent_entropy: None,
            byte_entropy: None,
            runs: None,
            ..self.clone()
        }
    }

    /// Notes how its numbers are split, as far as that is not usual.
    pub(super) fn describe_split(&mut self, split: &Split) {
        self.least_exponent = split.least_exponent;
        self.dictionary = split.dictionary.as_ref().map_or(0, |dictionary| dictionary.len() as u64);
        let entry = |plane: &Plane| match plane {
            Plane::Coded => PlaneEntry::Other(CODED.to_owned()),
            Plane::Stored => PlaneEntry::Other(STORED.to_owned()),
            Plane::Constant(byte) => PlaneEntry::Constant(*byte),
        };
        let is_usual = split.planes == Split::usual(split.element).planes;
        self.planes = (!is_usual).then(|| split.planes.iter().map(entry).collect());
    }

    /// How its numbers of this type are split, if that is known and possible. What the entries of a dictionary are is
    /// in a part.
    pub(super) fn split(&self, element: &'static Element) -> Option<Split> {
        let mut split = Split { least_exponent: self.least_exponent, ..Split::usual(element) };
        if let Some(planes) = &self.planes {
            let plane = |plane: &PlaneEntry| match plane {
                PlaneEntry::Constant(byte) => Some(Plane::Constant(*byte)),
                PlaneEntry::Other(word) if word == CODED => Some(Plane::Coded),
                PlaneEntry::Other(word) if word == STORED => Some(Plane::Stored),
                PlaneEntry::Other(_) => None,
            };
            split.planes = planes.iter().map(plane).collect::<Option<_>>()?;
        }
        if self.dictionary > 0 {
            split.dictionary = Some(Arc::new(Dictionary::unknown(element.bytes)));
        }
        split.is_possible().then_some(split)
    }

    /// Takes over how the tensor was encoded: the parts' lengths, and parameters that are not the scheme's defaults.
    pub(super) fn describe(&mut self, encoded: &Encoded<'_>) {
        let lengths = encoded.parts.iter().map(|part| part.bytes.len() as u64).collect();
        self.describe_parts(encoded.scheme, lengths, &encoded.params);
    }

    /// The same of parts with these lengths.
    pub(super) fn describe_parts(
        &mut self,
        scheme: &dyn Scheme,
        lengths: Vec<u64>,
        params: &BTreeMap<String, u64>,
    ) {
        self.lengths = lengths;
        let specs = scheme.params();
        let differing = params.iter().filter_map(|(name, value)| {
            let spec = specs.iter().find(|spec| spec.name == name)?;
            (*value != spec.usual).then_some((spec.name, *value))
        });
        self.params = Params::of(differing);
    }
}

/// The most bytes that one byte of DEFLATE stands for, rounded up: 258 for two bits.
const MOST_INFLATED: u64 = 1040;

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
    // As many as there can be, at once: a vector that grows is for a moment three times as large.
    let most = limit.min((deflated.len() as u64).saturating_mul(MOST_INFLATED) + 1);
    bytes.try_reserve_exact(usize::try_from(most).unwrap_or(usize::MAX))?;
    flate2::read::DeflateDecoder::new(deflated).take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}
