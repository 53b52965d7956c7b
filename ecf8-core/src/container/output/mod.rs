//! Outputs which appear under their name only when whole.
//!
//! An output is written under a hidden name, `.ecf8-XXXXXX.tmp`, beside the place where it will be, and gets its name at
//! the end. The process that writes it holds a lock on it, so that another can tell what is at work from what was left. A
//! [journal] beside it says how far it is.

mod check;
mod journal;
mod left;
mod modes;
mod naming;
mod room;
mod stale;
mod unfinished;

pub(super) use check::Target;
pub(super) use journal::Journal;
pub(super) use left::{Begun, BegunFile, Left};
pub(super) use modes::Mode;
pub(super) use room::free;
pub use stale::leftovers;
pub(super) use stale::{clear_stale, is_temporary};
pub use unfinished::abandon_outputs;

use crate::error::{IoContext, Result};
use rayon::prelude::*;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use tempfile::{NamedTempFile, TempDir, TempPath};
use unfinished::Unfinished;

/// What the names of temporary files and folders begin and end with; six letters or digits are between.
const TEMPORARY: (&str, &str) = (".ecf8-", ".tmp");

fn builder() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY.0).suffix(TEMPORARY.1);
    builder
}

/// A file being written: an output, or a file of an output that is a folder.
pub(super) struct PendingFile {
    file: File,
    path: PathBuf,
    shown: PathBuf,
    /// What tells how far it is, if a later run may go on with it.
    pub(super) journal: Option<Journal>,
}

impl PendingFile {
    pub(super) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Where it is for now.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where it will be, for messages.
    pub(super) fn target(&self) -> &Path {
        &self.shown
    }
}

/// An output under a temporary name; removed when dropped before [`PendingOutput::finish`].
pub(super) struct PendingOutput {
    temporary: Temporary,
    unfinished: Unfinished,
    target: Target,
    /// By which command it is made, if the same one may go on with it.
    command: Option<String>,
}

enum Temporary {
    File(NamedTempFile, journal::Place),
    Folder(Folder),
}

impl Temporary {
    fn file(temporary: NamedTempFile) -> Self {
        let journal = journal::Place::beside(temporary.path());
        Self::File(temporary, journal)
    }
}

struct Folder {
    temporary: TempDir,
    /// Held for as long as the folder is written.
    _lock: Option<File>,
    /// Whether the temporary folder is in the output, which is there and empty, and not beside it.
    is_within: bool,
}

impl PendingOutput {
    /// Begins an output that is a file.
    pub(super) fn file(target: Target, mode: Mode) -> Result<Self> {
        probe_name(&target, |path| mode.create(path).map(|_| ()))?;
        let mut builder = builder();
        mode.apply(&mut builder);
        loop {
            let create = || builder.tempfile_in(target.parent());
            let (temporary, unfinished) =
                Unfinished::begin(create, NamedTempFile::path).at(&target.shown, "write")?;
            // Not every file system has locks; there, leftovers are named and not removed.
            let _ = temporary.as_file().lock();
            if temporary.path().exists() {
                let temporary = Temporary::file(temporary);
                return Ok(Self { temporary, unfinished, target, command: None });
            }
            // Taken for a leftover in the moment before it was locked.
        }
    }

    /// Begins an output that is a file which this command makes, if it may be gone on with; or goes on with what a killed run of it
    /// has begun.
    pub(super) fn begin(
        begun: Option<Begun>,
        target: Target,
        mode: Mode,
        command: Option<String>,
    ) -> Result<(Self, PendingFile)> {
        let Some(Begun { path, lock, left }) = begun else {
            let pending = Self { command, ..Self::file(target, mode)? };
            let file = pending.open_file()?;
            return Ok((pending, file));
        };
        let taken = || TempPath::try_from_path(path).map(|path| NamedTempFile::from_parts(lock, path));
        let (temporary, unfinished) =
            Unfinished::begin(taken, NamedTempFile::path).at(&target.shown, "write")?;
        let pending = Self { temporary: Temporary::file(temporary), unfinished, target, command };
        let file = pending.open_file()?;
        let journal = file.journal.map(|journal| journal.after(left));
        Ok((pending, PendingFile { journal, ..file }))
    }

    /// Begins an output that is a folder.
    pub(super) fn folder(target: Target, mode: Mode) -> Result<Self> {
        let mut builder = builder();
        mode.apply(&mut builder);
        let mut is_within = target.is_empty_folder && target.is_mount_point();
        if !is_within {
            match probe_name(&target, |path| mode.create_dir(path)) {
                // A folder that was made for the output is enough, who may write beside it or not.
                Err(_) if target.is_empty_folder => is_within = true,
                probed => probed?,
            }
        }
        loop {
            let create = || builder.tempdir_in(if is_within { &target.path } else { target.parent() });
            let (temporary, unfinished) =
                Unfinished::begin(create, TempDir::path).at(&target.shown, "write")?;
            let lock = File::open(temporary.path()).ok().filter(|folder| folder.lock().is_ok());
            if temporary.path().exists() {
                let folder = Folder { temporary, _lock: lock, is_within };
                let temporary = Temporary::Folder(folder);
                return Ok(Self { temporary, unfinished, target, command: None });
            }
        }
    }

    /// Notes by which command this output is made, which is a folder, so that the same one can go on with it.
    pub(super) fn note_command(&mut self, command: &str) -> Result<()> {
        self.command = Some(command.to_owned());
        fs::write(self.path().join(left::COMMAND), command).at(&self.target.shown, "write")
    }

    /// Makes the file `name` of weights within this output, which is a folder, with permissions like those of `original`; or goes on
    /// with the one that a killed run has begun.
    pub(super) fn begin_file(
        &self,
        begun: Option<BegunFile>,
        name: &Path,
        original: &Path,
    ) -> Result<PendingFile> {
        let own = self.path().join(journal::OF_FOLDER);
        let new = |shown| Journal::new(own.clone(), shown, &name.to_string_lossy());
        let Some(BegunFile { path, journal, left }) = begun else {
            let file = self.create_file(name, original)?;
            let journal = self.command.as_ref().map(|_| new(file.shown.clone()));
            return Ok(PendingFile { journal, ..file });
        };
        self.take_file(&path, name)?;
        let (path, shown) = (self.path().join(name), self.target.shown.join(name));
        fs::rename(journal, &own).at(&shown, "write")?;
        let file = File::options().read(true).write(true).open(&path).at(&shown, "write")?;
        let journal = Some(new(shown.clone()).after(left));
        Ok(PendingFile { file, path, shown, journal })
    }

    /// Moves a finished file into this output, which is a folder, to be its file `name`.
    pub(super) fn take_file(&self, from: &Path, name: &Path) -> Result<()> {
        fs::rename(from, self.path().join(name)).at(&self.target.shown.join(name), "write")
    }

    /// The file that this output is.
    pub(super) fn open_file(&self) -> Result<PendingFile> {
        let Self { temporary: Temporary::File(temporary, place), target, command, .. } = self else {
            return Err(io::Error::from(io::ErrorKind::IsADirectory)).at(&self.target.shown, "write");
        };
        let (file, shown) =
            (temporary.as_file().try_clone().at(&target.shown, "write")?, target.shown.clone());
        let journal = command.as_ref().map(|command| Journal::new(place.path(), shown.clone(), command));
        Ok(PendingFile { file, path: temporary.path().to_owned(), shown, journal })
    }

    /// Makes the file `name` within this output, which is a folder, with permissions like those of `original`.
    pub(super) fn create_file(&self, name: &Path, original: &Path) -> Result<PendingFile> {
        let (path, shown) = (self.path().join(name), self.target.shown.join(name));
        let mode = Mode::like(original).at(original, "examine")?;
        let file = mode.create(&path).at(&shown, "write")?;
        Ok(PendingFile { file, path, shown, journal: None })
    }

    /// Removes the file `name` of this output, which is a folder.
    pub(super) fn remove_file(&self, name: &Path) -> Result<()> {
        fs::remove_file(self.path().join(name)).at(&self.target.shown.join(name), "remove")
    }

    /// Makes the folder `name` within this output, which is a folder, with permissions like those of `original`.
    pub(super) fn create_folder(&self, name: &Path, original: &Path) -> Result<()> {
        let mode = Mode::like(original).at(original, "examine")?;
        mode.create_dir(&self.path().join(name)).at(&self.target.shown.join(name), "make the folder")
    }

    /// Where it is for now.
    fn path(&self) -> &Path {
        match &self.temporary {
            Temporary::File(temporary, _) => temporary.path(),
            Temporary::Folder(folder) => folder.temporary.path(),
        }
    }

    /// Writes everything through to the disk and gives the output its name.
    pub(super) fn finish(self) -> Result<()> {
        // Until all is on the disk, which takes minutes where there is much, a killed run must be able to go on.
        self.sync()?;
        if let Temporary::Folder(folder) = &self.temporary {
            for name in [left::COMMAND, journal::OF_FOLDER] {
                match fs::remove_file(folder.temporary.path().join(name)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(error).at(&self.target.shown, "write");
                    }
                    _ => {}
                }
            }
            sync_dir(folder.temporary.path());
        }
        let Self { temporary, unfinished, target, .. } = self;
        unfinished.finish(|| match temporary {
            Temporary::File(temporary, _journal) => naming::name_file(temporary, &target),
            Temporary::Folder(Folder { temporary, is_within: true, .. }) => {
                naming::fill_folder(temporary, &target)
            }
            Temporary::Folder(Folder { temporary, .. }) => naming::name_folder(temporary, &target),
        })
    }

    fn sync(&self) -> Result<()> {
        let root = match &self.temporary {
            Temporary::File(temporary, _) => {
                return temporary.as_file().sync_all().at(&self.target.shown, "write");
            }
            Temporary::Folder(folder) => folder.temporary.path(),
        };
        let (mut folders, mut files) = (vec![root.to_owned()], Vec::new());
        let mut index = 0;
        while let Some(folder) = folders.get(index).cloned() {
            index += 1;
            for entry in fs::read_dir(&folder).at(&folder, "list")? {
                let entry = entry.at(&folder, "list")?;
                let is_dir = entry.file_type().at(&entry.path(), "examine")?.is_dir();
                if is_dir { folders.push(entry.path()) } else { files.push(entry.path()) }
            }
        }
        // File systems write many files at once for little more than one.
        files.par_iter().try_for_each(|path| {
            let shown = self.target.shown.join(path.strip_prefix(root).unwrap_or(path));
            File::open(path).and_then(|file| file.sync_all()).at(&shown, "write")
        })?;
        folders.iter().for_each(|folder| sync_dir(folder));
        Ok(())
    }
}

/// Makes something of the output's name in a folder beside it, so that a name which the file system does not take is found
/// out now and not after the work.
fn probe_name(target: &Target, create: impl FnOnce(&Path) -> io::Result<()>) -> Result<()> {
    let probe = || {
        let make = || builder().tempdir_in(target.parent());
        let (folder, unfinished) = Unfinished::begin(make, TempDir::path)?;
        let created = create(&folder.path().join(target.name()));
        // An interrupt removes it, too, and lets nobody get beyond this.
        unfinished.finish(|| folder.close()).and(created)
    };
    probe().at(&target.shown, "write")
}

/// Makes a rename durable. Not every file system can, and the data are whole either way.
fn sync_dir(path: &Path) {
    let _ = File::open(path).and_then(|dir| dir.sync_all());
}
