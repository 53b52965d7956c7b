//! Entries of the Hugging Face cache: `blobs` with the files, `snapshots/COMMIT` with links to them, `refs` with names
//! of commits.

use crate::error::{Error, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// The snapshot to take where `path` is an entry of the cache: the one that `refs/main` names, or the only one. `None`
/// if it is something else.
///
/// # Errors
/// If there are several, of which none is named.
pub(super) fn snapshot(path: &Path) -> Result<Option<PathBuf>> {
    let [blobs, snapshots] = ["blobs", "snapshots"].map(|name| path.join(name));
    if !blobs.is_dir() || !snapshots.is_dir() {
        return Ok(None);
    }
    let main = fs::read_to_string(path.join("refs/main")).unwrap_or_default();
    let main = main.trim();
    let is_commit = !main.is_empty() && main.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if let Some(named) = is_commit.then(|| snapshots.join(main)).filter(|named| named.is_dir()) {
        return Ok(Some(named));
    }
    let entries = fs::read_dir(&snapshots).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> = entries.filter(|entry| entry.is_dir()).collect();
    found.sort();
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(Some(only)),
        _ => Err(Error::CacheEntry { path: path.to_owned(), snapshots }),
    }
}
