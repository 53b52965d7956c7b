//! Files that results are written to beside the answer.

use super::answer::Failure;
use crate::cache;
use std::path::Path;

/// Whether a file can get its name is found out before the work: an existing one is replaced only if that is asked for.
pub(super) fn require_place(path: &Path, is_forced: bool) -> Result<(), Failure> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let why = if folder.is_some_and(|folder| !folder.is_dir()) {
        "its folder does not exist; make it, or choose another name"
    } else if path.is_dir() {
        "it is a folder; choose another name"
    } else if path.exists() && !is_forced {
        "it exists; choose another name, or add --force"
    } else {
        return Ok(());
    };
    Err(Failure::request(format!("cannot write {}: {why}", path.display())))
}

/// Writes a file, which appears only when whole.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    cache::replace(path, bytes).map_err(|error| {
        Failure::request(format!(
            "cannot write {}: {error}; make room, or choose another name",
            path.display()
        ))
    })
}
