//! One writer at a time, among processes.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Holds the lock of a file until dropped.
#[derive(Debug)]
pub(super) struct Lock {
    /// The lock's own file, there as long as somebody holds or wants it.
    path: PathBuf,
    file: Option<File>,
}

impl Lock {
    /// Waits until no other process is writing `target`. On file systems without locks it does not wait, and two writers at
    /// the same moment may lose what one of them adds.
    ///
    /// # Errors
    /// If the lock's file cannot be made.
    pub(super) fn take(target: &Path) -> io::Result<Self> {
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let path = target.with_file_name(format!(".{name}.lock"));
        loop {
            let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path)?;
            match file.lock() {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                    return Ok(Self { path, file: None });
                }
                Err(error) => return Err(error),
            }
            // Whoever held it before may have removed the file, so that this one is nobody else's any more.
            if is_still(&file, &path) {
                return Ok(Self { path, file: Some(file) });
            }
        }
    }
}

#[cfg(unix)]
fn is_still(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let number = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    let both = file.metadata().ok().map(number).zip(fs::metadata(path).ok().map(number));
    both.is_some_and(|(held, named)| held == named)
}

/// Open files cannot be removed there.
#[cfg(not(unix))]
fn is_still(_: &File, _: &Path) -> bool {
    true
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            let _ = fs::remove_file(&self.path);
            let _ = file.unlock();
        }
    }
}
