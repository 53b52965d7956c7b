//! Writing the files of others. A format is a file here that implements `ExportFormat`, and its line in `FORMATS`.
//!
//! - `blocks`: which tensors are coded together, and how runtimes find them.
//! - `huffman`: the codes that these formats have.

mod blocks;
mod dfloat11;
mod ecf8_paper;
mod huffman;

pub(crate) use blocks::{PlannedBlock, blocks, patterns};
#[cfg(test)]
pub(super) use huffman::Code;

use super::as_library;
use crate::error::{IoContext, Result};
use crate::header::{Entry, header_json};
use safetensors::Dtype;
use serde_json::{Map, Value};
use std::path::Path;

/// A format that is written.
pub(crate) trait ExportFormat: Sync {
    /// Its name on the command line.
    fn name(&self) -> &'static str;

    /// What weights it is for.
    fn dtype(&self) -> Dtype;

    /// The name of the file that has a block.
    fn file_name(&self, block: &str) -> String;

    /// The stored tensors of a block, whose weights are `bytes`, one after the other; each ends at one of `ends`, in elements.
    /// It was decoded again and compared.
    ///
    /// # Errors
    /// Why the format cannot have it.
    fn encode(&self, block: &str, bytes: &[u8], ends: &[u64]) -> Result<Vec<Stored>, String>;

    /// What the configuration has under which key, for these patterns of blocks' names.
    fn config(&self, patterns: &Map<String, Value>) -> (&'static str, Value);

    /// A file that runtimes want besides, if there is one.
    fn beside(&self, _patterns: &Map<String, Value>) -> Option<(&'static str, Value)> {
        None
    }

    /// The file that has the configuration where the model has no `config.json`, if that is another one.
    fn config_file(&self) -> Option<&'static str> {
        None
    }
}

static FORMATS: [&dyn ExportFormat; 2] = [&ecf8_paper::Ecf8Paper, &dfloat11::DFloat11];

/// The names of the formats that are written.
pub fn names() -> impl Iterator<Item = &'static str> {
    FORMATS.iter().map(|format| format.name())
}

/// The format of this name.
pub(crate) fn format(name: &str) -> Option<&'static dyn ExportFormat> {
    FORMATS.iter().copied().find(|format| format.name() == name)
}

/// A tensor to be written.
pub(crate) struct Stored {
    pub(crate) name: String,
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<u64>,
    pub(crate) bytes: Vec<u8>,
}

impl Stored {
    /// Bytes under a name in a block.
    fn bytes(block: &str, part: &str, bytes: Vec<u8>) -> Self {
        let shape = vec![bytes.len() as u64];
        Self { name: format!("{block}.{part}"), dtype: Dtype::U8, shape, bytes }
    }
}

/// The places at which a block's weights are split: where all but the last end.
fn split_positions(block: &str, part: &str, ends: &[u64]) -> Stored {
    let inner = ends.split_last().map_or(&[][..], |(_, inner)| inner);
    let bytes = inner.iter().flat_map(|end| end.to_le_bytes()).collect();
    Stored { name: format!("{block}.{part}"), dtype: Dtype::I64, shape: vec![inner.len() as u64], bytes }
}

/// Orders tensors as the safetensors library does, and gives the beginning of a file that has them.
pub(crate) fn file_start<T>(
    path: &Path,
    metadata: &[(String, String)],
    tensors: &mut [T],
    entry: impl Fn(&T) -> Entry,
) -> Result<Vec<u8>> {
    tensors.sort_by(|a, b| {
        let (a, b) = (entry(a), entry(b));
        b.dtype.bitsize().cmp(&a.dtype.bitsize()).then_with(|| a.name.cmp(&b.name))
    });
    let entries: Vec<Entry> = tensors.iter().map(entry).collect();
    let json =
        header_json(metadata, &entries).map_err(std::io::Error::from).at(path, "describe what becomes of")?;
    let json = as_library(json, metadata.is_empty());
    Ok([&(json.len() as u64).to_le_bytes()[..], &json].concat())
}
