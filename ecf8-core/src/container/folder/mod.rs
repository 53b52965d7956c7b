//! A model's folder: what is in it, and what becomes of each file.

mod files;
mod hub;
mod index;
mod list;
pub(super) mod prepared;

pub(super) use files::{Copied, FileList, copy_file};
pub(super) use index::{MissingShard, missing_shards};
pub(super) use list::{Found, Listing, is_weights_name};

use super::Progress;
use super::output::is_temporary;
use crate::error::{Error, Result};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A folder with a model.
#[derive(Debug)]
pub(super) struct Folder {
    /// The folder itself: of an entry of a hub's cache, its snapshot.
    pub(super) root: PathBuf,
    /// The files in it, in order.
    pub(super) files: Vec<Found>,
    /// The folders in it that hold nothing, in order.
    pub(super) empty_folders: Vec<PathBuf>,
    /// The list of what was copied when it was compressed, if it is compressed and has one.
    pub(super) list: Option<FileList>,
    /// Shards that an index names and that are not there.
    pub(super) missing: Vec<MissingShard>,
    /// What the user should know about it.
    pub(super) notes: Vec<String>,
}

/// What a folder is opened as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// A model that is not compressed.
    Plain,
    /// Containers, and a list of what was copied beside them.
    Compressed,
}

impl Folder {
    /// Lists a folder.
    ///
    /// # Errors
    /// If it cannot be listed, or holds something that is no file, or an index or list that is damaged.
    pub(super) fn open(path: &Path, content: Content) -> Result<Self> {
        Self::open_telling(path, content, &mut Err)
    }

    /// Lists a compressed folder of which files may be damaged or missing; gives also what is wrong with it, as far as that is
    /// known without reading its weights.
    ///
    /// # Errors
    /// If it cannot be listed.
    pub(super) fn open_damaged(path: &Path) -> Result<(Self, Vec<Error>)> {
        let mut problems = Vec::new();
        let mut tell = |error: Error| {
            if !error.is_data_error() {
                return Err(error);
            }
            problems.push(error);
            Ok(())
        };
        let folder = Self::open_telling(path, Content::Compressed, &mut tell)?;
        let shards: Vec<&MissingShard> =
            folder.missing.iter().filter(|missing| !missing.is_dispensable).collect();
        let paths: BTreeSet<PathBuf> =
            shards.iter().filter_map(|missing| Some(folder.root.join(missing.path()?))).collect();
        problems.extend(shards.into_iter().map(|missing| missing.clone().into_error()));
        let is_told =
            |error: &Error| matches!(error, Error::MissingFile { path, .. } if paths.contains(path));
        problems.extend(folder.missing_files().into_iter().filter(|error| !is_told(error)));
        Ok((folder, problems))
    }

    /// Lists a folder; `tell` is told of an index or list that is damaged, and says whether to go on without.
    fn open_telling(
        path: &Path,
        content: Content,
        tell: &mut dyn FnMut(Error) -> Result<()>,
    ) -> Result<Self> {
        let mut notes = Vec::new();
        let root = match hub::snapshot(path)? {
            Some(snapshot) => {
                notes.push(format!(
                    "{} is an entry of a hub's cache; its snapshot {} is taken",
                    path.display(),
                    snapshot.display()
                ));
                snapshot
            }
            None => path.to_owned(),
        };
        let Listing { mut files, empty_folders, leftovers } = Listing::of(&root)?;
        notes.extend(leftovers.iter().map(|name| {
            format!(
                "{} is an unfinished output and not taken for a part of the model",
                root.join(name).display()
            )
        }));
        let mut list = None;
        if content == Content::Compressed
            && let Some(name) = FileList::name_among(&files)
        {
            files.retain(|found| found.name != name);
            match FileList::read(&root, name) {
                Ok(read) => list = Some(read),
                Err(error) => tell(error)?,
            }
        }
        notes.extend(files.iter().filter(|found| found.is_no_weights_after_all).map(|found| {
            format!("{} is hidden and no safetensors file: copied as it is", root.join(&found.name).display())
        }));
        let absent: BTreeSet<&Path> =
            list.iter().flat_map(|list| &list.absent).map(PathBuf::as_path).collect();
        let names: BTreeSet<&Path> = files.iter().map(|found| found.name.as_path()).collect();
        let mut missing = match missing_shards(&root, &names) {
            Ok(missing) => missing,
            Err(error) => tell(error).map(|()| Vec::new())?,
        };
        for one in &mut missing {
            one.is_dispensable |= one.path().is_some_and(|path| absent.contains(path.as_path()));
        }
        notes.extend(index::notes(&missing));
        notes.extend(index::gaps_in_numbering(&names));
        Ok(Self { root, files, empty_folders, list, missing, notes })
    }

    /// Refuses a folder that lacks a shard which an index names, unless loaders do without it: whole weights are beside
    /// the index, or it was missing already when the folder was compressed.
    pub(super) fn require_shards(&self) -> Result<()> {
        match self.missing.iter().find(|missing| !missing.is_dispensable) {
            Some(missing) => Err(missing.clone().into_error()),
            None => Ok(()),
        }
    }

    /// Refuses a compressed folder that lacks a file which its list names.
    pub(super) fn require_listed(&self) -> Result<()> {
        self.missing_files().into_iter().next().map_or(Ok(()), Err)
    }

    /// The files that the list of a compressed folder names and that are not there.
    fn missing_files(&self) -> Vec<Error> {
        let Some(list) = &self.list else { return Vec::new() };
        let there: Vec<&Path> = self.files.iter().map(|found| found.name.as_path()).collect();
        let missing = list
            .missing(&there)
            .map(|name| Error::MissingFile { path: self.root.join(name), list: list.name().to_owned() });
        missing.collect()
    }

    /// The files that hold weights.
    pub(super) fn weights(&self) -> impl Iterator<Item = &Found> {
        self.files.iter().filter(|found| found.is_weights)
    }

    /// The others.
    pub(super) fn others(&self) -> impl Iterator<Item = &Found> {
        self.files.iter().filter(|found| !found.is_weights)
    }

    /// Refuses a folder without weights.
    pub(super) fn require_weights(&self, path: &Path) -> Result<()> {
        if self.weights().next().is_none() { Err(Error::NoModel { path: path.to_owned() }) } else { Ok(()) }
    }

    /// Tells what there is to tell.
    pub(super) fn tell(&self, progress: &dyn Progress) {
        self.notes.iter().for_each(|note| progress.note(note));
    }
}
