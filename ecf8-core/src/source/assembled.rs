//! Tensors that are in memory, as the safetensors file that they would be.

use super::Source;
use crate::error::{Error, IoContext, Result};
use crate::header::{Entry, Header, LENGTH_BYTES, TensorRecord, header_json};
use safetensors::Dtype;
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// A tensor in memory.
#[derive(Debug, Clone)]
pub struct AssembledTensor<'a> {
    /// Its name, which no other has.
    pub name: String,
    /// Type of its elements.
    pub dtype: Dtype,
    /// Its dimensions; none for a scalar.
    pub shape: Vec<u64>,
    /// Its bytes, little endian, rows first.
    pub bytes: Cow<'a, [u8]>,
}

/// Tensors in memory, which lie one after the other in the order given.
#[derive(Debug)]
pub struct Assembled<'a> {
    path: PathBuf,
    header: Header,
    json: Vec<u8>,
    /// By where they begin; an empty tensor has no bytes to be looked for.
    bytes: HashMap<u64, Cow<'a, [u8]>>,
}

impl<'a> Assembled<'a> {
    /// Tensors and metadata; `path` is what messages call them.
    ///
    /// # Errors
    /// [`Error::Header`] if two tensors have one name, or the bytes of one are not as many as its dtype and shape say.
    pub fn new(
        path: &Path,
        metadata: &[(String, String)],
        tensors: Vec<AssembledTensor<'a>>,
    ) -> Result<Self> {
        let entry = |tensor: &AssembledTensor<'_>| Entry {
            name: tensor.name.clone(),
            dtype: tensor.dtype,
            shape: tensor.shape.clone(),
            bytes: tensor.bytes.len() as u64,
        };
        let entries: Vec<Entry> = tensors.iter().map(entry).collect();
        let json = header_json(metadata, &entries).map_err(std::io::Error::from);
        let mut json = json.at(path, "describe what becomes of")?;
        // As the format's own writers do, so that tensors are aligned in a file.
        json.resize(
            (json.len() as u64).next_multiple_of(LENGTH_BYTES).try_into().unwrap_or(json.len()),
            b' ',
        );
        let data_bytes = tensors.iter().map(|tensor| tensor.bytes.len() as u64).sum();
        let header = Header::of_json(&json, data_bytes);
        let header = header.map_err(|source| Error::Header { path: path.to_owned(), source })?;
        let mut begin = 0;
        let placed = tensors.into_iter().filter(|tensor| !tensor.bytes.is_empty()).map(|tensor| {
            let place = begin;
            begin += tensor.bytes.len() as u64;
            (place, tensor.bytes)
        });
        Ok(Self { path: path.to_owned(), bytes: placed.collect(), header, json })
    }
}

impl Source for Assembled<'_> {
    fn path(&self) -> &Path {
        &self.path
    }

    fn header(&self) -> &Header {
        &self.header
    }

    fn json(&self) -> &[u8] {
        &self.json
    }

    fn bytes(&self, record: &TensorRecord) -> Result<Cow<'_, [u8]>> {
        let bytes = self.bytes.get(&record.begin).filter(|_| record.bytes() > 0);
        Ok(Cow::Borrowed(bytes.map_or(&[], AsRef::as_ref)))
    }
}
