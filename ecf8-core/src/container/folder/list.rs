//! What lies in a folder.

use super::is_temporary;
use crate::error::{Error, IoContext, Result};
use crate::header::Header;
use crate::map::MappedFile;
use std::fs::{self, FileType};
use std::path::{Path, PathBuf};

/// A file in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::container) struct Found {
    /// Its path within the folder.
    pub(in crate::container) name: PathBuf,
    /// Its bytes.
    pub(in crate::container) bytes: u64,
    /// Whether it holds weights, as far as its name tells; of a hidden file, also its content.
    pub(in crate::container) is_weights: bool,
    /// Whether it has the name of weights and is hidden and something else.
    pub(in crate::container) is_no_weights_after_all: bool,
}

/// Everything in a folder. Links are followed.
#[derive(Debug, Default)]
pub(in crate::container) struct Listing {
    /// Files, in order.
    pub(in crate::container) files: Vec<Found>,
    /// Folders that hold nothing, in order.
    pub(in crate::container) empty_folders: Vec<PathBuf>,
    /// What unfinished outputs left, which is no part of a model.
    pub(in crate::container) leftovers: Vec<PathBuf>,
}

/// A folder to be listed.
struct Pending {
    name: PathBuf,
    /// The folders that lead to it and itself, links followed.
    ancestors: Vec<PathBuf>,
}

impl Listing {
    /// Lists a folder.
    ///
    /// # Errors
    /// If it cannot be listed, or holds something that is neither a file nor a folder, or a link that leads nowhere or back.
    pub(in crate::container) fn of(root: &Path) -> Result<Self> {
        let mut listing = Self::default();
        let ancestors = vec![fs::canonicalize(root).at(root, "list")?];
        let mut folders = vec![Pending { name: PathBuf::new(), ancestors }];
        while let Some(folder) = folders.pop() {
            let path = root.join(&folder.name);
            let mut is_empty = true;
            for entry in fs::read_dir(&path).at(&path, "list")? {
                let entry = entry.at(&path, "list")?;
                let name = folder.name.join(entry.file_name());
                is_empty = false;
                listing.add(&folder, name, &entry, &mut folders)?;
            }
            if is_empty && !folder.name.as_os_str().is_empty() {
                listing.empty_folders.push(folder.name);
            }
        }
        listing.files.sort_by(|one, other| one.name.cmp(&other.name));
        listing.empty_folders.sort();
        listing.leftovers.sort();
        Ok(listing)
    }

    fn add(
        &mut self,
        folder: &Pending,
        name: PathBuf,
        entry: &fs::DirEntry,
        folders: &mut Vec<Pending>,
    ) -> Result<()> {
        let path = entry.path();
        let kind = entry.file_type().at(&path, "examine")?;
        if is_temporary(&path) && !kind.is_symlink() {
            self.leftovers.push(name);
            return Ok(());
        }
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(_) if kind.is_symlink() => {
                let to = fs::read_link(&path).unwrap_or_default();
                return Err(Error::BrokenLink { path, to });
            }
            Err(error) => return Err(error).at(&path, "examine"),
        };
        if metadata.is_file() {
            self.files.push(Found::new(name, &path, metadata.len()));
            return Ok(());
        }
        if !metadata.is_dir() {
            return Err(Error::Special { path, kind: kind_of(metadata.file_type()) });
        }
        let real = fs::canonicalize(&path).at(&path, "list")?;
        // Only a link can lead back to a folder that it lies in.
        if folder.ancestors.contains(&real) {
            return Err(Error::LinkCircle { path, to: real });
        }
        let ancestors = folder.ancestors.iter().cloned().chain([real]).collect();
        folders.push(Pending { name, ancestors });
        Ok(())
    }
}

impl Found {
    fn new(name: PathBuf, path: &Path, bytes: u64) -> Self {
        let is_named = is_weights_name(&name);
        // What other programs hide beside weights has their names: macOS's `._model.safetensors`, for example.
        let is_hidden = name.components().any(|part| part.as_os_str().as_encoded_bytes().starts_with(b"."));
        let is_weights = is_named && (!is_hidden || is_safetensors(path));
        Self { name, bytes, is_weights, is_no_weights_after_all: is_named && !is_weights }
    }
}

/// Whether a file's content is safetensors.
fn is_safetensors(path: &Path) -> bool {
    MappedFile::open(path).is_ok_and(|file| Header::of_file(&file).is_ok())
}

/// Whether a file has a name of weights: its extension is one of those that safetensors files have.
pub(in crate::container) fn is_weights_name(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default();
    ["safetensors", "sft"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}

#[cfg(unix)]
fn kind_of(kind: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    match () {
        () if kind.is_fifo() => "a pipe",
        () if kind.is_socket() => "a socket",
        () if kind.is_block_device() || kind.is_char_device() => "a device",
        () => "neither a file nor a folder",
    }
}

#[cfg(not(unix))]
fn kind_of(_kind: FileType) -> &'static str {
    "neither a file nor a folder"
}
