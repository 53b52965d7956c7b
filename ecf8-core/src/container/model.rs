//! A compressed model: one file, or a folder of shards with an index.

use super::CompressedFile;
use super::directory::is_safetensors;
use crate::error::{Error, IoContext, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A compressed model, opened.
#[derive(Debug)]
pub struct Model {
    /// The file or folder.
    pub root: PathBuf,
    /// Its `.safetensors` files, ordered by path.
    pub files: Vec<CompressedFile>,
}

impl Model {
    /// Opens a container, or all containers of a folder.
    ///
    /// # Errors
    /// If one of them is not a valid container, or an index names a shard that is missing.
    pub fn open(path: &Path) -> Result<Self> {
        let root = path.to_owned();
        if !path.is_dir() {
            return Ok(Self { root, files: vec![CompressedFile::open(path)?] });
        }
        let names = list_files(path)?;
        require_shards(path, &names)?;
        let files = names
            .iter()
            .filter(|name| is_safetensors(name))
            .map(|name| CompressedFile::open(&path.join(name)));
        let files = files.collect::<Result<Vec<_>>>()?;
        if files.is_empty() { Err(Error::NoModel { path: root }) } else { Ok(Self { root, files }) }
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
}

/// All files below a folder, as paths within it, in order. Links to files are followed.
pub(super) fn list_files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut names = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let path = root.join(&folder);
        for entry in fs::read_dir(&path).at(&path, "list")? {
            let entry = entry.at(&path, "list")?;
            let name = folder.join(entry.file_name());
            // A link to a folder might lead back here, so only folders themselves are entered.
            if entry.file_type().at(&entry.path(), "examine")?.is_dir() {
                folders.push(name);
            } else if fs::metadata(entry.path()).at(&entry.path(), "examine")?.is_file() {
                names.push(name);
            } else {
                return Err(Error::Special { path: entry.path() });
            }
        }
    }
    names.sort();
    Ok(names)
}

/// Checks that every shard which an index (`*.safetensors.index.json`) names is among the folder's files.
pub(super) fn require_shards(root: &Path, names: &[PathBuf]) -> Result<()> {
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let is_index = |name: &&PathBuf| name.to_string_lossy().ends_with(".safetensors.index.json");
    for name in names.iter().filter(is_index) {
        let index = root.join(name);
        let json = fs::read(&index).at(&index, "read")?;
        let weight_map = match serde_json::from_slice::<Index>(&json) {
            Ok(Index { weight_map }) => weight_map,
            Err(error) => return Err(Error::Index { index, why: error.to_string() }),
        };
        let shards: BTreeSet<String> = weight_map.into_values().collect();
        let folder = name.parent().unwrap_or(Path::new(""));
        if let Some(shard) = shards.into_iter().find(|shard| !names.contains(&folder.join(shard))) {
            return Err(Error::MissingShard { index, shard });
        }
    }
    Ok(())
}
