//! What killed runs of the same command left: finished files of an output that is a folder need not be made again, and others can be
//! gone on with.

use super::check::Target;
use super::journal;
use super::stale::{is_temporary, lock_of_the_dead, lock_to_go_on};
use crate::container::Progress;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// A file in an unfinished folder that says by which command it is made.
pub(super) const COMMAND: &str = ".ecf8.command";

/// What killed runs of a command left, held by this one.
pub(in crate::container) struct Left {
    folders: Vec<(PathBuf, File)>,
    files: Vec<Begun>,
}

/// An output that is a file, which a killed run has begun.
pub(in crate::container) struct Begun {
    pub(super) path: PathBuf,
    /// The file, with the lock on it.
    pub(super) lock: File,
    /// How far it came, see [`journal`].
    pub(super) left: VecDeque<String>,
}

/// A file of an output that is a folder, which a killed run has begun.
pub(in crate::container) struct BegunFile {
    pub(super) path: PathBuf,
    pub(super) journal: PathBuf,
    /// How far it came.
    pub(super) left: VecDeque<String>,
}

impl Left {
    /// Those beside an output, or in it, that the same command has left; none, if there is no command.
    pub(in crate::container) fn by(command: Option<&str>, target: &Target, progress: &dyn Progress) -> Self {
        let mut left = Self { folders: Vec::new(), files: Vec::new() };
        let Some(command) = command else { return left };
        let within = Some(target.path.as_path()).filter(|path| path.is_dir());
        let places = within.into_iter().chain([target.parent()]);
        let entries = places.flat_map(|place| fs::read_dir(place).into_iter().flatten().flatten());
        for entry in entries.filter(|entry| is_temporary(&entry.path())) {
            let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
            if kind.is_dir() && fs::read_to_string(path.join(COMMAND)).is_ok_and(|own| own == command) {
                left.folders.extend(lock_of_the_dead(&path, progress).map(|lock| (path, lock)));
            } else if kind.is_file() && journal::is_one(&path) {
                left.files.extend(Begun::by(command, &path, progress));
            }
        }
        // The one that came farthest is taken first.
        left.files.sort_by_key(|begun| begun.left.len());
        left
    }

    /// Bytes that it takes on the disk, about, which need not be free for it to be gone on with.
    pub(in crate::container) fn bytes(&self) -> u64 {
        let files = self.files.iter().map(|begun| begun.path.as_path());
        self.folders.iter().map(|(path, _)| path.as_path()).chain(files).map(bytes_of).sum()
    }

    /// An output that is a file.
    pub(in crate::container) fn take(&mut self) -> Option<Begun> {
        self.files.pop()
    }

    /// The file of this name which was at work.
    pub(in crate::container) fn begun(&self, name: &Path) -> Option<BegunFile> {
        self.folders.iter().find_map(|(folder, _)| {
            let (path, journal) = (folder.join(name), folder.join(journal::OF_FOLDER));
            let (about, left) = journal::read(&journal)?;
            let is_there = about == name.to_string_lossy() && path.is_file();
            is_there.then_some(BegunFile { path, journal, left })
        })
    }

    /// The files of this name, finished or not.
    pub(in crate::container) fn files(&self, name: &Path) -> impl Iterator<Item = PathBuf> {
        self.folders.iter().map(move |(folder, _)| folder.join(name)).filter(|path| path.is_file())
    }
}

impl Drop for Left {
    /// What was not taken is removed.
    fn drop(&mut self) {
        // What stays is removed by the next run.
        for (folder, _) in &self.folders {
            let _ = fs::remove_dir_all(folder);
        }
        for Begun { path, .. } in &self.files {
            let _ = fs::remove_file(path);
            let _ = fs::remove_file(journal::beside(path));
        }
    }
}

impl Begun {
    /// The output of which this is the journal, if this command has begun it and nobody is at work on it.
    fn by(command: &str, journal: &Path, progress: &dyn Progress) -> Option<Self> {
        let (_, left) = journal::read(journal).filter(|(about, _)| about == command)?;
        let path = journal::output_of(journal);
        let lock = lock_to_go_on(&path, progress)?;
        Some(Self { path, lock, left })
    }
}

/// Bytes of a file, or of all in a folder. A file that is being written may have holes.
fn bytes_of(path: &Path) -> u64 {
    let Ok(metadata) = fs::symlink_metadata(path) else { return 0 };
    if metadata.is_dir() {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        return entries.map(|entry| bytes_of(&entry.path())).sum();
    }
    #[cfg(unix)]
    let taken = std::os::unix::fs::MetadataExt::blocks(&metadata) * 512;
    #[cfg(not(unix))]
    let taken = metadata.len();
    taken
}
