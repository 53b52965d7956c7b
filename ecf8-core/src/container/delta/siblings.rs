//! Tensors of a folder's files that were compressed before: what is in one of them need not be stored in another.

use super::base::Held;
use crate::error::Result;
use crate::header::{Header, TensorRecord};
use crate::int;
use crate::map::{MappedFile, give_back};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Tensors of fewer bytes are stored in each file: needing another file takes more than they do.
const LEAST_BYTES: u64 = 16 << 10;

/// A tensor of a file that was compressed before.
#[derive(Debug, Clone)]
struct Sibling {
    /// The original file, and what it is called in its model.
    path: PathBuf,
    name: PathBuf,
    record: TensorRecord,
    /// Where its bytes are there.
    start: u64,
}

/// Those of all files so far, by what they hold.
#[derive(Debug, Default)]
pub(in crate::container) struct Siblings(Mutex<BTreeMap<Held, Sibling>>);

impl Siblings {
    /// The name of the file beside `name`, and of the tensor in it, that has these bytes.
    pub(super) fn find(&self, name: &Path, held: Held, bytes: &[u8]) -> Result<Option<(String, String)>> {
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&held).cloned();
        let Some(Sibling { path, name: theirs, record, start }) = found else { return Ok(None) };
        let Some(file) = theirs.file_name().and_then(|file| file.to_str()) else { return Ok(None) };
        if theirs.parent() != name.parent() {
            return Ok(None);
        }
        let map = MappedFile::open(&path)?;
        let range = int::index(start + record.begin)..int::index(start + record.end);
        let is_same = map.get(range).is_some_and(|theirs| theirs == bytes);
        give_back(&map);
        Ok(is_same.then(|| (file.to_owned(), record.name)))
    }

    /// Adds tensors of a file that is compressed now, with the checksums of their bytes; the first of equals stays.
    pub(super) fn add<'r>(
        &self,
        (path, name): (&Path, &Path),
        header: &Header,
        tensors: impl Iterator<Item = (&'r TensorRecord, u64)>,
    ) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (record, sum) in tensors.filter(|(record, _)| record.bytes() >= LEAST_BYTES) {
            all.entry((record.dtype, record.bytes(), sum)).or_insert_with(|| Sibling {
                path: path.to_owned(),
                name: name.to_owned(),
                record: record.clone(),
                start: header.data_start(),
            });
        }
    }
}
