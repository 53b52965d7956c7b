//! What killed runs of the same command left of an output that is a folder: its finished files need not be made again.

use super::check::Target;
use super::stale::{is_temporary, lock_of_the_dead};
use crate::container::Progress;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// A file in an unfinished folder that says by which command it is made.
pub(super) const COMMAND: &str = ".ecf8.command";

/// Folders that killed runs of a command left, held by this one.
pub(in crate::container) struct Left {
    folders: Vec<(PathBuf, File)>,
}

impl Left {
    /// Those beside an output, or in it, that the same command has left; none, if there is no command.
    pub(in crate::container) fn by(command: Option<&str>, target: &Target, progress: &dyn Progress) -> Self {
        let within = Some(target.path.as_path()).filter(|path| path.is_dir());
        let places = within.into_iter().chain([target.parent()]).filter(|_| command.is_some());
        let entries = places.flat_map(|place| fs::read_dir(place).into_iter().flatten().flatten());
        let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        let paths = folders.map(|entry| entry.path()).filter(|path| is_temporary(path));
        let is_same = |path: &PathBuf| fs::read_to_string(path.join(COMMAND)).ok().as_deref() == command;
        let locked = paths.filter(is_same).filter_map(|path| {
            let lock = lock_of_the_dead(&path, progress)?;
            Some((path, lock))
        });
        Self { folders: locked.collect() }
    }

    /// The files of this name, finished or not.
    pub(in crate::container) fn files(&self, name: &Path) -> impl Iterator<Item = PathBuf> {
        self.folders.iter().map(move |(folder, _)| folder.join(name)).filter(|path| path.is_file())
    }
}

impl Drop for Left {
    /// What was not taken is removed.
    fn drop(&mut self) {
        for (folder, _) in &self.folders {
            // What stays is removed by the next run.
            let _ = fs::remove_dir_all(folder);
        }
    }
}
