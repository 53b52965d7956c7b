//! The original's header, found to be that of the tensors that are here.

use crate::container::folder::is_weights_name;
use crate::container::{CompressedFile, KeptTensor, MANIFEST_KEY, manifest};
use crate::error::{Error, IoContext, Result};
use crate::header::{Header, HeaderError, LENGTH_BYTES, TensorRecord};
use crate::map::MappedFile;
use std::path::Path;

/// Whether a file is a container, as far as its header tells; a folder, if a file of weights in it is one.
///
/// # Errors
/// If it cannot be read, or its header is damaged.
pub fn is_container(path: &Path) -> Result<bool> {
    if path.is_dir() {
        let entries = std::fs::read_dir(path).at(path, "list")?;
        let names = entries.map(|entry| Ok(entry.at(path, "list")?.path()));
        let names = names.collect::<Result<Vec<_>>>()?;
        let mut weights = names.iter().filter(|name| is_weights_name(name) && name.is_file());
        return weights.try_fold(false, |is_one, weights| Ok(is_one || is_container(weights)?));
    }
    let map = MappedFile::open(path)?;
    match map.header() {
        Ok((header, _)) => Ok(header.metadata(MANIFEST_KEY).is_some_and(manifest::is_manifest)),
        Err(Error::Header {
            source: HeaderError::NotSafetensors { .. } | HeaderError::SomethingElse { .. },
            ..
        }) => Ok(false),
        Err(error) => map.or_changed(Err(error)),
    }
}

impl CompressedFile {
    /// The header of the original: its tensors in the order of their data, each found here with the same dtype and shape,
    /// and its metadata, in which there is nothing of ours.
    ///
    /// # Errors
    /// If it is damaged, is that of other tensors, or [`Error::UnknownTensor`] if this version cannot read one.
    pub fn original(&self) -> Result<Header> {
        let read = self.original_layout();
        self.map.or_changed(read).map(|(_, header)| header)
    }

    /// The same, with its JSON, and every tensor in it found here with the same dtype and shape.
    pub(in crate::container) fn original_layout(&self) -> Result<(Vec<u8>, Header)> {
        self.require_known()?;
        let path = self.path().to_owned();
        let json = self.original_header()?;
        let data_bytes = self.original_bytes().saturating_sub(LENGTH_BYTES + json.len() as u64);
        let header = match Header::of_json(&json, data_bytes) {
            Ok(header) => header,
            Err(source) => {
                return Err(Error::Container { path, problem: format!("in the original header, {source}") });
            }
        };
        if let Some(record) = header.tensors.iter().find(|record| !self.has(record)) {
            let problem =
                format!("tensor `{}` is not there as the original header describes it", record.name);
            return Err(Error::Container { path, problem });
        }
        if header.tensors.len() != self.tensors().len() + self.kept().len() {
            return Err(Error::Container {
                path,
                problem: "it holds tensors that the original did not have".to_owned(),
            });
        }
        Ok((json, header))
    }

    /// Whether it has a tensor of this name, dtype and shape.
    pub(in crate::container) fn has(&self, record: &TensorRecord) -> bool {
        let is_kept =
            |kept: KeptTensor<'_>| kept.record.dtype == record.dtype && kept.record.shape == record.shape;
        match self.tensor(&record.name) {
            Some(tensor) => tensor.dtype() == record.dtype.to_string() && tensor.shape() == record.shape,
            None => self.kept_tensor(&record.name).is_some_and(is_kept),
        }
    }
}
