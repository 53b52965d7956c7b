//! Outputs that are being written, so that an interrupted process can take them away.

use super::journal;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Temporary files and folders that exist now. Held while one is made or gets its name.
static UNFINISHED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn lock() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes every output of this process that is not whole yet. From then on none is begun or finished: whoever tries
/// waits until the process ends, which the caller must see to. For handlers of interrupts.
pub fn abandon_outputs() {
    let unfinished = lock();
    for path in unfinished.iter() {
        remove(path);
    }
    // The lock is never given back.
    std::mem::forget(unfinished);
}

fn remove(path: &Path) {
    // Another thread may be filling a folder while it is emptied, but not for long: files are begun under the lock.
    const ATTEMPTS: usize = 100;
    for _ in 0..ATTEMPTS {
        let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        if removed.is_ok() || !path.exists() {
            break;
        }
    }
    let _ = fs::remove_file(journal::beside(path));
}

/// The entry of one temporary file or folder, taken back when dropped.
#[derive(Debug)]
pub(super) struct Unfinished {
    path: PathBuf,
}

impl Unfinished {
    /// Makes a temporary file or folder by `create` and enters it.
    pub(super) fn begin<T, E>(
        create: impl FnOnce() -> Result<T, E>,
        path: impl FnOnce(&T) -> &Path,
    ) -> Result<(T, Self), E> {
        let mut unfinished = lock();
        let created = create()?;
        let path = path(&created).to_owned();
        unfinished.insert(path.clone());
        Ok((created, Self { path }))
    }

    /// Gives it its name by `name`, which no interrupt can part in two.
    pub(super) fn finish<T>(mut self, name: impl FnOnce() -> T) -> T {
        let mut unfinished = lock();
        let named = name();
        unfinished.remove(&std::mem::take(&mut self.path));
        named
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Empty once finished, while the lock is still held.
        if !self.path.as_os_str().is_empty() {
            lock().remove(&self.path);
        }
    }
}
