//! What a delta says about itself: a list of tensors in a tensor of its own, deflated, since names repeat each other. FORMAT.md
//! specifies every key.

use crate::checksum::{checksum, from_hex, to_hex};
use crate::container::limits::has_few_values;
use crate::container::manifest::inflate;
use crate::header::MAX_HEADER;
use crate::transform::{Form, transform};
use flate2::Compression;
use flate2::write::DeflateEncoder;
use serde::{Deserialize, Serialize};
use std::io::Write;

/// What the tensor with the description is called, unless another has that name.
pub(super) const DESCRIPTION: &str = "__delta__";

/// The list of tensors.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Description {
    pub(super) header: HeaderEntry,
    /// Those that are not in the delta as they are.
    pub(super) tensors: Vec<TensorEntry>,
}

/// The header of the file that the delta is of.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct HeaderEntry {
    pub(super) length: u64,
    pub(super) checksum: String,
    /// Its JSON; none where a file of the base has the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<String>,
}

/// A tensor that is told from another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TensorEntry {
    pub(super) name: String,
    /// The tensor of the same file, or of another delta of the same folder, whose bytes it has, if it is told from that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) same_as: Option<String>,
    /// That other delta, which lies beside this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) elsewhere: Option<Elsewhere>,
    /// The tensor of the base that it is told from, if that has another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) base: Option<String>,
    /// Of the bytes of that tensor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) base_checksum: Option<String>,
    /// How it differs; not at all, where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) change: Option<Change>,
}

/// Where a tensor is whose bytes another one has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Elsewhere {
    /// The name of the file.
    pub(super) file: String,
    /// Of the tensor's bytes.
    pub(super) checksum: String,
}

/// How a tensor differs from one of the base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    /// The transform.
    pub(super) by: String,
    /// Whether only numbers that have changed are told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) sparse: bool,
    /// What the names of its streams begin with, if that is not its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) prefix: Option<String>,
    /// Of the tensor's own bytes.
    pub(super) checksum: String,
}

impl Change {
    /// How the tensor's streams are made and put together, if its transform is known.
    pub(super) fn form(&self, width: usize) -> Option<Form> {
        Some(Form { transform: transform(&self.by)?, is_sparse: self.sparse, width })
    }
}

impl HeaderEntry {
    /// The entry of a header; `is_known` if a file of the base has the same.
    pub(super) fn new(json: &[u8], is_known: bool) -> Self {
        let text = (!is_known).then(|| String::from_utf8_lossy(json).into_owned());
        Self { length: json.len() as u64, checksum: to_hex(checksum(json)), text }
    }

    /// Whether this is the header.
    pub(super) fn is(&self, json: &[u8]) -> bool {
        self.length == json.len() as u64 && from_hex(&self.checksum) == Some(checksum(json))
    }
}

/// One checksum for all tensors of a base that are needed: of their checksums, little endian, in the order of the list.
pub(super) fn base_checksum(tensors: &[TensorEntry]) -> u64 {
    let each = tensors.iter().filter_map(|tensor| from_hex(tensor.base_checksum.as_ref()?));
    checksum(&each.flat_map(u64::to_le_bytes).collect::<Vec<u8>>())
}

impl Description {
    pub(super) fn deflated(&self) -> std::io::Result<Vec<u8>> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&serde_json::to_vec(self)?)?;
        encoder.finish()
    }

    /// Reads what [`Description::deflated`] gave, from a container of `file_bytes` bytes.
    pub(super) fn inflated(deflated: &[u8], file_bytes: u64) -> Result<Self, String> {
        let most = MAX_HEADER.saturating_mul(4);
        let json = inflate(deflated, most).map_err(|error| error.to_string())?;
        // The header is in it as a text, whose commas are not counted.
        if !has_few_values(&json, &[], file_bytes) {
            return Err("it lists more than the file can have".to_owned());
        }
        serde_json::from_slice(&json).map_err(|error| error.to_string())
    }
}
