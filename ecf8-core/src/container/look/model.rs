//! A compressed model: one file, or a folder of shards with an index.

use crate::container::folder::{Content, Copied, FileList, Folder, copy_file, prepared};
use crate::container::tuning_cache;
use crate::container::{BaseNeeded, CompressedFile, Progress};
use crate::error::{Error, Result};
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A compressed model, opened.
#[derive(Debug)]
pub struct CompressedModel {
    /// The file or folder; of an entry of a hub's cache, its snapshot.
    pub root: PathBuf,
    /// Its `.safetensors` files, ordered by path.
    pub files: Vec<CompressedFile>,
    /// Files of the folder that hold no weights, as paths within it and their bytes, ordered by path.
    pub others: Vec<(PathBuf, u64)>,
    /// What the user should know about the folder, a line each.
    pub notes: Vec<String>,
    /// Folders in it that held nothing when it was compressed, or hold nothing now.
    pub(in crate::container) empty_folders: BTreeSet<PathBuf>,
    list: Option<FileList>,
}

/// What was checked of the files of a folder that are no containers.
#[derive(Debug, Default, Serialize)]
pub struct OtherFiles {
    /// Files that have the bytes which they had when the folder was compressed.
    pub checked: usize,
    /// Files that came later or are not listed, of which nothing is known: by path within the folder.
    pub unknown: Vec<String>,
    /// What is wrong with others.
    #[serde(skip)]
    pub damaged: Vec<Error>,
}

impl CompressedModel {
    /// Opens a container, or all containers of a folder.
    ///
    /// # Errors
    /// If one of them is not a valid container, or an index names a shard that is missing.
    pub fn open(path: &Path) -> Result<Self> {
        if !path.is_dir() {
            return CompressedFile::open(path).map(Self::of_file);
        }
        let folder = Folder::open(path, Content::Compressed)?;
        folder.require_shards()?;
        folder.require_weights(path)?;
        let files = folder.weights().map(|found| CompressedFile::open(&folder.root.join(&found.name)));
        let files = files.collect::<Result<Vec<_>>>()?;
        Ok(Self::of_folder(folder, files))
    }

    /// A folder's model with these containers.
    pub(super) fn of_folder(folder: Folder, files: Vec<CompressedFile>) -> Self {
        let others = folder.others().map(|found| (found.name.clone(), found.bytes)).collect();
        let Folder { root, notes, empty_folders, list, .. } = folder;
        let listed = list.iter().flat_map(|list| list.empty_folders.iter().cloned());
        let empty_folders = listed.chain(empty_folders).collect();
        Self { root, files, others, notes, empty_folders, list }
    }

    /// A model that is one file.
    pub(super) fn of_file(file: CompressedFile) -> Self {
        Self {
            root: file.path().to_owned(),
            files: vec![file],
            others: Vec::new(),
            notes: Vec::new(),
            empty_folders: BTreeSet::new(),
            list: None,
        }
    }

    /// What its base is, if it is the difference from one.
    #[must_use]
    pub fn base_needed(&self) -> Option<BaseNeeded> {
        self.files.iter().find_map(CompressedFile::base_needed)
    }

    /// Checks that no file has changed since it was opened, see [`CompressedFile::check_unchanged`].
    ///
    /// # Errors
    /// [`Error::Changed`] naming one that has.
    pub fn check_unchanged(&self) -> Result<()> {
        self.files.iter().try_for_each(CompressedFile::check_unchanged)
    }

    /// A file's path within the model's folder; its name if the model is one file.
    #[must_use]
    pub fn name_of<'a>(&self, file: &'a CompressedFile) -> &'a Path {
        match file.path().strip_prefix(&self.root) {
            Ok(name) if !name.as_os_str().is_empty() => name,
            _ => Path::new(file.path().file_name().unwrap_or_default()),
        }
    }

    /// Looks whether every file of the folder that is no container is as it was when the folder was compressed, as far as the
    /// list made then tells.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn check_other_files(&self, progress: &dyn Progress) -> Result<OtherFiles> {
        let mut found = OtherFiles::default();
        let Some(list) = &self.list else {
            found.unknown = self.others.iter().map(|(name, _)| name.display().to_string()).collect();
            return Ok(found);
        };
        let containers = self.files.iter().map(|file| self.name_of(file));
        let there: Vec<&Path> =
            containers.chain(self.others.iter().map(|(name, _)| name.as_path())).collect();
        progress.start("checking other files", self.others.iter().map(|(_, bytes)| bytes).sum());
        for (name, bytes) in &self.others {
            match list.copied(name) {
                Some(expected) => {
                    let path = self.root.join(name);
                    let own = match prepared::original(&path, expected)? {
                        Some(original) => original.entry,
                        None => copy_file(&path, name, None)?,
                    };
                    match require_unchanged(&path, &own, expected) {
                        Ok(()) => found.checked += 1,
                        Err(error) => found.damaged.push(error),
                    }
                }
                None if tuning_cache::has_name(name) => {}
                None => found.unknown.push(name.display().to_string()),
            }
            progress.advance(*bytes);
        }
        let later = there.iter().filter(|name| !list.has(name) && list.copied(name).is_none());
        let containers = later.filter(|name| crate::container::folder::is_weights_name(name));
        found.unknown.extend(containers.map(|name| name.display().to_string()));
        found.unknown.sort();
        found.unknown.dedup();
        progress.finish();
        Ok(found)
    }
}

/// Checks that a file of a compressed folder has the bytes that were copied when it was made.
pub(in crate::container) fn require_unchanged(path: &Path, found: &Copied, expected: &Copied) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::OtherFile { path: path.to_owned(), found: found.checksum, expected: expected.checksum })
}
