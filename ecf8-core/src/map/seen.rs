//! What a file was when it was opened, to notice later that it has changed.

use crate::error::{Error, IoContext, Result};
use std::fs::{File, Metadata};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A file's size, times and identity when it was opened.
#[derive(Debug)]
pub struct Seen {
    path: PathBuf,
    file: Option<File>,
    metadata: Metadata,
}

/// File systems count time in steps, the coarser ones of some milliseconds.
const STEP: Duration = Duration::from_millis(20);

/// The step of file systems that count time in seconds.
const COARSE_STEP: Duration = Duration::from_secs(2);

/// How long to wait at most.
const PATIENCE: Duration = Duration::from_secs(2);

impl Seen {
    /// Opens the regular file at `path` and looks at it, as [`Seen::of`] does.
    ///
    /// # Errors
    /// If it cannot be opened, or is not a regular file.
    pub fn open(path: &Path) -> Result<Self> {
        Self::of(open(path)?, path)
    }

    /// The same without waiting, for a file in which checksums tell what is amiss.
    pub(super) fn at_once(path: &Path) -> Result<Self> {
        let file = open(path)?;
        let metadata = file.metadata().at(path, "examine")?;
        Ok(Self { path: path.to_owned(), file: Some(file), metadata })
    }

    /// Looks at a file that was opened at `path`. If the file was written to just now, this waits until the next write would
    /// have another time: some 20 ms, for large files up to two seconds, because a large write has one time and takes long.
    ///
    /// # Errors
    /// If the system tells nothing about it.
    pub fn of(file: File, path: &Path) -> Result<Self> {
        let mut metadata = file.metadata().at(path, "examine")?;
        let mut waited = Duration::ZERO;
        while let Some(rest) = unsettled(&metadata).filter(|_| waited < PATIENCE) {
            std::thread::sleep(rest);
            waited += rest;
            metadata = file.metadata().at(path, "examine")?;
        }
        Ok(Self { path: path.to_owned(), file: Some(file), metadata })
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes that it had.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.metadata.len()
    }

    /// The file, to be read.
    #[must_use]
    pub fn file(&self) -> Option<&File> {
        self.file.as_ref()
    }

    /// Gives the handle back to the system. From then on, nothing is known of a file that was removed.
    pub fn close(&mut self) {
        self.file = None;
    }

    /// Checks that the file is still what it was.
    ///
    /// # Errors
    /// [`Error::Changed`] if not; [`Error::Io`] if that cannot be found out.
    pub fn check(&self) -> Result<()> {
        let found = match (self.path.metadata(), &self.file) {
            (Ok(metadata), _) => metadata,
            // Removed or moved away, it can be read to its end nevertheless.
            (Err(_), Some(file)) => file.metadata().at(&self.path, "examine")?,
            // The same without a handle: what is mapped stays until it is unmapped.
            (Err(error), None) if error.kind() == ErrorKind::NotFound => return Ok(()),
            (Err(error), None) => return Err(error).at(&self.path, "examine"),
        };
        match difference(&self.metadata, &found) {
            Some(how) => Err(self.changed(how)),
            None => Ok(()),
        }
    }

    fn changed(&self, how: String) -> Error {
        Error::Changed { path: self.path.clone(), how }
    }
}

/// Opens a regular file.
fn open(path: &Path) -> Result<File> {
    // Looked at before it is opened, because opening a pipe would wait for its writer.
    if !path.metadata().at(path, "open")?.is_file() {
        return Err(Error::NotAFile { path: path.to_owned() });
    }
    File::open(path).at(path, "open")
}

/// How long it takes until a write has another time than the last one, if that is not so now.
fn unsettled(metadata: &Metadata) -> Option<Duration> {
    /// What even a slow disk takes in a millisecond.
    const BYTES_PER_MS: u64 = 200_000;
    let modified = metadata.modified().ok()?;
    let in_seconds =
        modified.duration_since(SystemTime::UNIX_EPOCH).is_ok_and(|time| time.subsec_nanos() == 0);
    let write = Duration::from_millis(metadata.len() / BYTES_PER_MS);
    let step = if in_seconds { COARSE_STEP } else { STEP + write }.min(PATIENCE);
    match SystemTime::now().duration_since(modified) {
        Ok(age) => step.checked_sub(age).filter(|rest| !rest.is_zero()),
        // A clock that is ahead of ours, by little or by so much that waiting does not help.
        Err(ahead) => Some(ahead.duration() + step).filter(|rest| *rest < PATIENCE),
    }
}

/// How a file changed from one look to the next.
fn difference(seen: &Metadata, found: &Metadata) -> Option<String> {
    if !is_same_file(seen, found) {
        return Some("another file has taken its place".to_owned());
    }
    if seen.len() != found.len() {
        return Some(format!("it had {} bytes and has {}", seen.len(), found.len()));
    }
    let is_same_time = seen.modified().ok() == found.modified().ok();
    (!is_same_time || is_touched(seen, found)).then(|| "it was written to".to_owned())
}

#[cfg(unix)]
fn is_same_file(seen: &Metadata, found: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (seen.dev(), seen.ino()) == (found.dev(), found.ino())
}

/// Whether a change was recorded that may be a write whose time was set back: not a change of mode, owner or names.
#[cfg(unix)]
fn is_touched(seen: &Metadata, found: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    let changed = |metadata: &Metadata| (metadata.ctime(), metadata.ctime_nsec());
    let rest = |metadata: &Metadata| (metadata.mode(), metadata.uid(), metadata.gid(), metadata.nlink());
    changed(seen) != changed(found) && rest(seen) == rest(found)
}

#[cfg(not(unix))]
fn is_same_file(_seen: &Metadata, _found: &Metadata) -> bool {
    true
}

#[cfg(not(unix))]
fn is_touched(_seen: &Metadata, _found: &Metadata) -> bool {
    false
}
