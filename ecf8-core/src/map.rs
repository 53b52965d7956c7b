//! Files mapped into memory.

use crate::error::{Error, IoContext};
use std::fs::File;
use std::ops::Deref;
use std::path::{Path, PathBuf};

/// A file, mapped for reading.
#[derive(Debug)]
pub struct MappedFile {
    path: PathBuf,
    map: Option<memmap2::Mmap>,
}

impl MappedFile {
    /// Maps the file at `path`.
    ///
    /// # Errors
    /// If it cannot be opened or mapped, or is not a regular file.
    pub fn open(path: &Path) -> Result<Self, Error> {
        // Looked at before it is opened, because opening a pipe would wait for its writer.
        if !path.metadata().at(path, "open")?.is_file() {
            return Err(Error::NotAFile { path: path.to_owned() });
        }
        let file = File::open(path).at(path, "open")?;
        let is_empty = file.metadata().at(path, "examine")?.len() == 0;
        let map = if is_empty { None } else { Some(map(&file).at(path, "map")?) };
        Ok(Self { path: path.to_owned(), map })
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Deref for MappedFile {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.map.as_deref().unwrap_or_default()
    }
}

#[allow(unsafe_code)]
fn map(file: &File) -> std::io::Result<memmap2::Mmap> {
    // SAFETY: the map is private and read-only. What could break it is another process that changes or shortens the
    // file meanwhile, which safetensors readers everywhere take as given that nobody does; what we derive from the bytes
    // is checked before use, so that changed bytes give errors or wrong data but no access out of bounds.
    unsafe { memmap2::Mmap::map(file) }
}
