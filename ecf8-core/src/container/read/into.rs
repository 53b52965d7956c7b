//! Original bytes, all or some of a tensor's, put into memory that the caller has.

use crate::checksum::checksum;
use crate::container::{CompressedFile, CompressedTensor};
use crate::error::{Error, Result};
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::Ordering;

impl CompressedFile {
    /// Puts the original bytes of a tensor, compressed or kept, into `out`, and checks what lies there then. After an
    /// error, `out` holds bytes without meaning.
    ///
    /// # Errors
    /// If there is no such tensor, `out` has another length than it, or its stored bytes are damaged.
    pub fn read_into(&self, name: &str, out: &mut [u8]) -> Result<()> {
        if let Some(tensor) = self.tensor(name) {
            return tensor.decode_into(out);
        }
        let index = self.kept_index(name).ok_or_else(|| self.unreadable(name))?;
        require_length(self.path(), name, out, self.header.tensors[index].bytes())?;
        out.copy_from_slice(self.data(index));
        self.map.or_changed(self.expect_stored(index, checksum(out)))
    }

    /// Puts as many original bytes of a tensor as `out` has room for into it, from byte `first` on. Decodes little more
    /// than these, where the scheme's layout permits. What is stored of the tensor is checked the first time that a part of
    /// it is asked for, since there is no checksum of a part.
    ///
    /// # Errors
    /// If there is no such tensor, it ends before these bytes do, they are not whole units of its number type (see
    /// [`Element`](crate::element::Element)), or its stored bytes are damaged.
    pub fn read_range(&self, name: &str, first: u64, out: &mut [u8]) -> Result<()> {
        let (tensor, kept) = (self.tensor(name), self.kept_index(name));
        let stored: Vec<usize> = match tensor {
            Some(tensor) => tensor.stored.parts.iter().map(|part| part.tensor).collect(),
            None => kept.into_iter().collect(),
        };
        let checked = stored.into_iter().try_for_each(|index| self.verify_once(index));
        self.map.or_changed(checked)?;
        if let Some(tensor) = tensor {
            let unit = tensor.split().element.bytes as u64;
            let refused = || self.no_such_range(name, tensor.original_bytes(), first, out.len());
            let is_whole = first.is_multiple_of(unit) && (out.len() as u64).is_multiple_of(unit);
            let end = first.checked_add(out.len() as u64);
            if !is_whole || end.is_none_or(|end| end > tensor.original_bytes()) {
                return Err(refused());
            }
            return tensor.decode_range(first / unit, out);
        }
        let data = self.data(kept.ok_or_else(|| self.unreadable(name))?);
        let range = usize::try_from(first).ok().and_then(|first| Some(first..first.checked_add(out.len())?));
        let part = range.and_then(|range: Range<usize>| data.get(range));
        out.copy_from_slice(
            part.ok_or_else(|| self.no_such_range(name, data.len() as u64, first, out.len()))?,
        );
        Ok(())
    }

    /// Checks a tensor of this file's own header against its checksum, unless it was right before.
    fn verify_once(&self, index: usize) -> Result<()> {
        if !self.was_right[index].load(Ordering::Relaxed) {
            self.verify_stored(index)?;
            self.was_right[index].store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    fn no_such_range(&self, name: &str, bytes: u64, first: u64, count: usize) -> Error {
        Error::Range {
            path: self.path().to_owned(),
            tensor: name.to_owned(),
            first,
            count: count as u64,
            bytes,
        }
    }
}

impl CompressedTensor<'_> {
    /// Its original bytes, decoded fast into `out` and checked there against their checksum. After an error, `out` holds
    /// bytes without meaning.
    ///
    /// # Errors
    /// If `out` has another length than it, or its parts are damaged.
    pub fn decode_into(&self, out: &mut [u8]) -> Result<()> {
        require_length(self.file.path(), self.name(), out, self.original_bytes())?;
        let encoded = self.encoded();
        let decoded = encoded.scheme.decode(&encoded, out).map_err(|source| self.undecodable(source));
        self.or_changed(decoded.and_then(|()| self.check(out)))
    }
}

/// Refuses a buffer that is not as long as the tensor for it.
fn require_length(path: &Path, tensor: &str, out: &[u8], expected: u64) -> Result<()> {
    let found = out.len() as u64;
    if found == expected {
        return Ok(());
    }
    Err(Error::Buffer { path: path.to_owned(), tensor: tensor.to_owned(), found, expected })
}
