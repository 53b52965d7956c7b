//! What is good of a damaged container, as a file of its own; where nothing is lost, the original.

use super::decompress::restore;
use super::examine::Examined;
use super::validate::HeldAs;
use crate::container::look::dtypes;
use crate::container::output::PendingFile;
use crate::container::read::pieces::{Take, copy_pieces};
use crate::container::report::{FileReport, Lost};
use crate::container::{CompressedFile, Damage, MANIFEST_KEY, Progress};
use crate::error::{Error, Result};
use crate::header::{Entry, Header, TensorRecord, header_json};
use safetensors::Dtype;
use std::cmp::Reverse;
use std::collections::HashSet;
use std::path::Path;

/// What the data section of a file starts at a multiple of.
const START: usize = 8;

/// Writes all tensors of `input` that are good into `output`, which gets its name when it is whole. Damaged ones are left out;
/// the report names them. If none is, and the original header is right, `output` is the original.
pub(in crate::container) fn salvage_file(
    input: &Path,
    output: PendingFile,
    progress: &dyn Progress,
) -> Result<FileReport> {
    let file = CompressedFile::open_damaged(input).map_err(|source| match source {
        source if source.is_data_error() => {
            Error::BeyondRepair { path: input.to_owned(), source: Box::new(source) }
        }
        source => source,
    })?;
    file.require_no_base()?;
    file.map.or_changed(salvage(&file, output, progress))
}

fn salvage(file: &CompressedFile, output: PendingFile, progress: &dyn Progress) -> Result<FileReport> {
    let (damage, examined) = file.examine(progress)?;
    let (json, header) = match &examined.original {
        Some(original) if damage.tensors.is_empty() && damage.unknown.is_empty() => original.clone(),
        original => partial(file, &damage, original.as_ref().map(|(_, header)| header))?,
    };
    let lost = lost(&damage, &examined);
    if header.tensors.is_empty() && lost.iter().any(|lost| lost.tensor.is_some()) {
        return Err(Error::NothingGood { path: file.path().to_owned(), what: "tensors" });
    }
    let read = |record: &TensorRecord, take: &mut Take<'_>| file.read_examined(record, &examined, take);
    restore(file, (&json, &header), &read, output, progress)?;
    let is_kept = |record: &&TensorRecord| file.kept_tensor(&record.name).is_some();
    let kept: Vec<&TensorRecord> = header.tensors.iter().filter(is_kept).collect();
    Ok(FileReport {
        name: String::new(),
        input_bytes: file.bytes(),
        output_bytes: header.data_start() + header.data_bytes(),
        compressed_tensors: header.tensors.len() - kept.len(),
        kept_tensors: kept.len(),
        kept: dtypes::kept(kept, None),
        lost,
    })
}

/// The header of what is good.
fn partial(file: &CompressedFile, damage: &Damage, original: Option<&Header>) -> Result<(Vec<u8>, Header)> {
    let good: HashSet<&str> = damage.good.iter().map(String::as_str).collect();
    let mut entries: Vec<Entry> = match original {
        Some(original) => original.tensors.iter().map(entry).collect(),
        None => damage.good.iter().filter_map(|name| file.entry(name)).collect(),
    };
    entries.retain(|entry| good.contains(entry.name.as_str()));
    // Where others are left out, each stays aligned to its own elements only in this order.
    entries.sort_by_key(|entry| Reverse(entry.dtype.bitsize()));
    let mut metadata = original.unwrap_or(&file.header).metadata.clone();
    metadata.retain(|(key, _)| original.is_some() || key != MANIFEST_KEY);
    let contradiction = |problem: String| Error::Container { path: file.path().to_owned(), problem };
    let mut json = header_json(&metadata, &entries).map_err(|error| contradiction(error.to_string()))?;
    json.resize(json.len().next_multiple_of(START), b' ');
    let header = Header::alone(&json).map_err(|error| contradiction(error.to_string()))?;
    Ok((json, header))
}

fn entry(record: &TensorRecord) -> Entry {
    let TensorRecord { name, dtype, shape, .. } = record;
    Entry { name: name.clone(), dtype: *dtype, shape: shape.clone(), bytes: record.bytes() }
}

/// What the output lacks of the original.
fn lost(damage: &Damage, examined: &Examined) -> Vec<Lost> {
    let tensors = damage.tensors.iter().map(|tensor| (&tensor.name, tensor.why.clone()));
    let unknown =
        damage.unknown.iter().map(|name| (name, "only a newer version of ecf8 reads it".to_owned()));
    let lost = tensors.chain(unknown).map(|(name, why)| Lost { tensor: Some(name.clone()), why });
    let mut lost: Vec<Lost> = lost.collect();
    if examined.original.is_none() {
        let mut why = "the original header is damaged, and with it the order of the tensors".to_owned();
        if !examined.has_header {
            why += "; names, dtypes, shapes and metadata are as the damaged file has them, and nothing proves them";
        }
        lost.push(Lost { tensor: None, why });
    }
    lost
}

impl CompressedFile {
    /// What a tensor is in a file that has it, as manifest and header of this one tell.
    fn entry(&self, name: &str) -> Option<Entry> {
        let Some(tensor) = self.tensor(name) else {
            return self.kept_tensor(name).map(|kept| entry(kept.record));
        };
        let dtype: Dtype = serde_json::from_value(tensor.dtype().into()).ok()?;
        Some(Entry {
            name: name.to_owned(),
            dtype,
            shape: tensor.shape().to_vec(),
            bytes: tensor.original_bytes(),
        })
    }

    /// The bytes of a tensor that was found to be good, which they are if they still are what they were then.
    fn read_examined(&self, record: &TensorRecord, examined: &Examined, take: &mut Take<'_>) -> Result<()> {
        let index = self.kept_index(&record.name);
        match (index, &self.form) {
            (Some(index), HeldAs::Own(_)) => {
                let (found, expected) = (copy_pieces(self.data(index), take)?, examined.found(index));
                match expected {
                    Some(expected) if expected != found => {
                        let (path, what) = (self.path().to_owned(), format!("tensor `{}`", record.name));
                        Err(Error::Checksum { path, what, expected, found })
                    }
                    _ => Ok(()),
                }
            }
            _ => self.read_pieces(&record.name, take),
        }
    }
}
