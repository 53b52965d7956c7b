//! What killed processes left: found by its name, told from what is at work by its lock, removed or put back, and told.

use super::check::Target;
use super::naming::ASIDE;
use super::{TEMPORARY, journal, sync_dir};
use crate::container::Progress;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// How long a process may take from making a temporary to locking it.
const UNLOCKED: Duration = Duration::from_millis(50);

/// Whether a file or folder has a name that only unfinished outputs have.
pub(in crate::container) fn is_temporary(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let Some(rest) = name.strip_prefix(TEMPORARY.0) else { return false };
    let letters =
        [TEMPORARY.1, ASIDE, journal::SUFFIX].into_iter().find_map(|suffix| rest.strip_suffix(suffix));
    letters
        .is_some_and(|letters| letters.len() == 6 && letters.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// Removes what earlier processes left where this output will be written, and says so.
pub(in crate::container) fn clear_stale(target: &Target, progress: &dyn Progress) {
    let within = Some(target.path.as_path()).filter(|path| path.is_dir());
    for folder in within.into_iter().chain([target.parent()]) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            // A link of such a name is not ours.
            if is_temporary(&path) && entry.file_type().is_ok_and(|kind| kind.is_dir() || kind.is_file()) {
                clear(folder, &path, progress);
            }
        }
    }
}

/// What interrupted runs left in a folder and may be removed: unfinished outputs that no process holds, none of which has
/// anything in it that was moved aside. Where locks are missing, nothing is known to be left.
#[must_use]
pub fn leftovers(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let left = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir() || kind.is_file()));
    let left =
        left.map(|entry| entry.path()).filter(|path| is_temporary(path) && replaced_by(path).is_none());
    let is_left = |path: &PathBuf| {
        // A journal is nobody's when its output is.
        let output = if journal::is_one(path) { journal::output_of(path) } else { path.clone() };
        lock_of_the_dead(&output, &()).is_some() || !output.exists()
    };
    let mut left: Vec<PathBuf> = left.filter(is_left).collect();
    left.sort();
    left
}

fn clear(folder: &Path, path: &Path, progress: &dyn Progress) {
    if journal::is_one(path) {
        // It is removed with its output; and if that has its name by now, here.
        if !journal::output_of(path).exists() {
            let _ = fs::remove_file(path);
        }
        return;
    }
    let shown = path.display();
    let Some(_lock) = lock_of_the_dead(path, progress) else { return };
    if let Some(replaced) = replaced_by(path) {
        let home = folder.join(replaced.file_name().unwrap_or_default());
        if fs::symlink_metadata(&home).is_err() {
            match fs::rename(&replaced, &home) {
                Ok(()) => progress.note(&format!(
                    "{} was put back: an interrupted run had moved it aside to replace it",
                    home.display()
                )),
                Err(_) => {
                    return progress.note(&format!(
                        "{shown} holds what an interrupted run was to replace; move it back"
                    ));
                }
            }
        }
    }
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    if removed.is_ok() {
        let _ = fs::remove_file(journal::beside(path));
    }
    match removed {
        Ok(()) => progress.note(&format!("{shown} was removed: an interrupted run had left it, unfinished")),
        Err(error) if path.exists() => {
            progress.note(&format!("{shown} was left by an interrupted run and cannot be removed: {error}"));
        }
        Err(_) => {}
    }
    sync_dir(folder);
}

/// The lock of a temporary that no process holds any more.
pub(super) fn lock_of_the_dead(path: &Path, progress: &dyn Progress) -> Option<File> {
    lock_by(OpenOptions::new().read(true), path, progress)
}

/// The same of a file that is to be written.
pub(super) fn lock_to_go_on(path: &Path, progress: &dyn Progress) -> Option<File> {
    lock_by(OpenOptions::new().read(true).write(true), path, progress)
}

fn lock_by(options: &OpenOptions, path: &Path, progress: &dyn Progress) -> Option<File> {
    let try_lock = || {
        let file = options.open(path).ok()?;
        match file.try_lock() {
            Ok(()) => Some(file),
            Err(TryLockError::WouldBlock) => None,
            Err(TryLockError::Error(_)) => {
                progress.note(&format!(
                    "{} may be left from an interrupted run; remove it if no ecf8 is at work there",
                    path.display()
                ));
                None
            }
        }
    };
    drop(try_lock()?);
    thread::sleep(UNLOCKED);
    try_lock()
}

/// The folder that was moved aside into this one.
fn replaced_by(path: &Path) -> Option<PathBuf> {
    let is_aside = path.to_string_lossy().ends_with(ASIDE) && path.is_dir();
    let first = || fs::read_dir(path).ok()?.next()?.ok();
    is_aside.then(first).flatten().map(|entry| entry.path())
}
