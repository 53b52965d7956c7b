//! Files mapped into memory, which other processes may change or shorten meanwhile.
//!
//! A mapped file is read where it lies, so its bytes can differ from one reading to the next, and where it has become
//! shorter there is nothing to read: the system then sends a signal that ends the process. [`survive_truncation`] turns
//! that into zeros, and [`MappedFile::check_unchanged`] tells whether the bytes that were read were one state of the
//! file. Whoever promises something about a file asks this first.

mod pages;
mod seen;
#[cfg(unix)]
mod watch;
#[cfg(not(unix))]
#[path = "map/unwatched.rs"]
mod watch;

pub use pages::give_back;
pub(crate) use pages::{in_batches, passing};
pub use seen::Seen;
pub use watch::survive_truncation;

use crate::error::{Error, IoContext, Result};
use crate::header::Header;
use std::fs::File;
use std::ops::{Deref, Range};
use std::path::Path;
use std::sync::Arc;
use watch::Watch;

/// A file, mapped for reading.
#[derive(Debug)]
pub struct MappedFile {
    seen: Seen,
    // Before the map, because fields are dropped in this order: what is watched exists.
    watch: Watch,
    _listed: Option<pages::Listed>,
    map: Option<Arc<memmap2::Mmap>>,
}

impl MappedFile {
    /// Maps the file at `path`.
    ///
    /// # Errors
    /// If it cannot be opened or mapped, or is not a regular file.
    pub fn open(path: &Path) -> Result<Self> {
        Self::of(Seen::at_once(path)?)
    }

    /// The same for a file without checksums of its own. Waits a moment if the file was written to just now, see
    /// [`Seen::of`], so that [`MappedFile::check_unchanged`] notices every write that comes later.
    ///
    /// # Errors
    /// As [`MappedFile::open`].
    pub fn open_settled(path: &Path) -> Result<Self> {
        Self::of(Seen::open(path)?)
    }

    fn of(seen: Seen) -> Result<Self> {
        let path = seen.path().to_owned();
        let map = match (seen.file(), seen.bytes()) {
            (_, 0) | (None, _) => None,
            (Some(file), bytes) => Some(Arc::new(map(file, crate::int::index(bytes)).at(&path, "map")?)),
        };
        let watch = Watch::new(map.as_deref().map_or(&[], |map| map));
        let listed = map.as_ref().map(pages::Listed::new);
        Ok(Self { seen, watch, _listed: listed, map })
    }

    /// Without the handle to the file, for those who have many files open at once. From then on, nothing is known of a
    /// file that was removed; what is mapped of it stays.
    #[must_use]
    pub fn without_handle(mut self) -> Self {
        self.seen.close();
        self
    }

    /// The header of a safetensors file, and a copy of its JSON, which is what was read.
    ///
    /// # Errors
    /// [`Error::Header`], whatever is wrong with it.
    pub(crate) fn header(&self) -> Result<(Header, Vec<u8>)> {
        Header::copied_from(self).map_err(|source| Error::Header { path: self.path().to_owned(), source })
    }

    /// As many of these bytes as the file has.
    pub(crate) fn within(&self, bytes: Range<u64>) -> &[u8] {
        let [begin, end] = [bytes.start, bytes.end].map(|at| crate::int::index(at).min(self.len()));
        self.get(begin..end).unwrap_or_default()
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.seen.path()
    }

    /// Checks that all bytes which were read so far are of one state of the file, as far as the system tells: it has
    /// the size and times that it had when it was opened, no other file has its name, and no part of it could not be
    /// read.
    ///
    /// What the system does not tell is what another process writes through a writable map of its own.
    ///
    /// # Errors
    /// [`Error::Changed`] if not; [`Error::Io`] if that cannot be found out.
    pub fn check_unchanged(&self) -> Result<()> {
        self.seen.check()?;
        if self.watch.is_cut() {
            let how = "a part of it could not be read".to_owned();
            return Err(Error::Changed { path: self.path().to_owned(), how });
        }
        Ok(())
    }

    /// The same result, or [`Error::Changed`] instead of an error with the bytes, if that is because the file changed.
    ///
    /// # Errors
    /// That of `result`, or [`Error::Changed`].
    pub fn or_changed<T>(&self, result: Result<T>) -> Result<T> {
        match result {
            Err(error) if error.is_of_bytes() => match self.check_unchanged() {
                Err(changed @ Error::Changed { .. }) => Err(changed),
                _ => Err(error),
            },
            result => result,
        }
    }
}

impl Deref for MappedFile {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.map.as_deref().map_or(&[], |map| map)
    }
}

#[allow(unsafe_code)]
fn map(file: &File, bytes: usize) -> std::io::Result<memmap2::Mmap> {
    let mut options = memmap2::MmapOptions::new();
    options.len(bytes);
    // SAFETY: the map is private and read-only. What could break it is another process that changes or shortens the
    // file meanwhile. Where that matters, bytes are copied before they are looked at twice; no index or length that was
    // checked is read again from the map; and a read beyond a shortened file's end gives zeros, see `watch`.
    unsafe { options.map(file) }
}

#[cfg(test)]
mod tests;
