//! Finished outputs get their names. What cannot get its own gets another, since it took hours to make.

use super::check::{Target, parent_of};
use super::{TEMPORARY, sync_dir};
use crate::error::{Error, IoContext, Result};
use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use tempfile::{NamedTempFile, TempDir};

/// What the names of folders end with which hold what is being replaced, where the system cannot exchange two folders.
pub(super) const ASIDE: &str = ".old";

pub(super) fn name_file(temporary: NamedTempFile, target: &Target) -> Result<()> {
    let named =
        if target.overwrite { temporary.persist(&target.path) } else { persist_noclobber(temporary, target) };
    let refused = match named {
        Ok(_) => {
            sync_dir(target.parent());
            return Ok(());
        }
        Err(refused) => refused,
    };
    if refused.error.kind() == ErrorKind::AlreadyExists {
        return Err(Error::OutputExists { path: target.shown.clone() });
    }
    match refused.file.keep() {
        Ok((_, path)) => Err(under_another_name(&path, target, refused.error)),
        Err(_) => Err(refused.error).at(&target.shown, "write"),
    }
}

/// Renames to a name that nothing has. File systems that cannot promise that (several network and FUSE ones know neither
/// `RENAME_NOREPLACE` nor hard links) are asked first whether something has it.
fn persist_noclobber(temporary: NamedTempFile, target: &Target) -> Result<fs::File, tempfile::PersistError> {
    let refused = match temporary.persist_noclobber(&target.path) {
        Err(refused) if refused.error.kind() != ErrorKind::AlreadyExists => refused,
        named => return named,
    };
    match fs::symlink_metadata(&target.path) {
        Err(error) if error.kind() == ErrorKind::NotFound => refused.file.persist(&target.path),
        Ok(_) => Err(tempfile::PersistError { error: ErrorKind::AlreadyExists.into(), file: refused.file }),
        Err(_) => Err(refused),
    }
}

pub(super) fn name_folder(temporary: TempDir, target: &Target) -> Result<()> {
    let from = temporary.path().to_owned();
    let named = if target.overwrite && target.path.is_dir() {
        replace_folder(&from, target)
    } else {
        fs::rename(&from, &target.path)
    };
    match named {
        Ok(()) => {
            // What is under the temporary name now, if anything, is what was replaced.
            drop(temporary);
            sync_dir(target.parent());
            Ok(())
        }
        Err(error) if is_taken(&error) => Err(Error::OutputExists { path: target.shown.clone() }),
        Err(error) => Err(under_another_name(&temporary.keep(), target, error)),
    }
}

fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::DirectoryNotEmpty | ErrorKind::NotADirectory)
}

/// Exchanges two folders, so that at every moment one of them has the name; or moves the old one aside first.
fn replace_folder(from: &Path, target: &Target) -> io::Result<()> {
    if exchange(from, &target.path).is_ok() {
        return Ok(());
    }
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY.0).suffix(ASIDE);
    let aside = builder.tempdir_in(target.parent())?;
    let _lock = fs::File::open(aside.path()).and_then(|folder| folder.lock().map(|()| folder));
    let moved = aside.path().join(target.name());
    fs::rename(&target.path, &moved)?;
    fs::rename(from, &target.path).inspect_err(|_| {
        if fs::rename(&moved, &target.path).is_err() {
            // It stays aside, where the next run finds it.
            let _ = aside.keep();
        }
    })
}

#[cfg(target_os = "linux")]
fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
}

#[cfg(not(target_os = "linux"))]
fn exchange(_one: &Path, _other: &Path) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

/// Moves what is in the temporary folder into the folder around it, which is the output: one by one, since a folder that a
/// disk is mounted on cannot be replaced.
pub(super) fn fill_folder(temporary: TempDir, target: &Target) -> Result<()> {
    let list = |path: &Path| -> io::Result<Vec<_>> {
        let mut names =
            fs::read_dir(path)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
        // An index comes after what it names.
        names.sort_by_key(|name| (Path::new(name).extension() == Some(OsStr::new("json")), name.clone()));
        Ok(names)
    };
    for name in list(temporary.path()).at(&target.shown, "write")? {
        let to = target.path.join(&name);
        if fs::symlink_metadata(&to).is_ok() {
            return Err(Error::OutputExists { path: target.shown.join(name) });
        }
        if let Err(error) = fs::rename(temporary.path().join(&name), &to) {
            let kept = temporary.keep();
            return Err(Error::Unnamed { path: target.shown.clone(), kept, source: error });
        }
    }
    drop(temporary);
    sync_dir(&target.path);
    Ok(())
}

/// Gives a finished output a name that can be seen, and the error that says which and why.
fn under_another_name(path: &Path, target: &Target, source: io::Error) -> Error {
    let mut name = target.name();
    name.push(".finished");
    let visible = parent_of(path).join(name);
    let is_free = fs::symlink_metadata(&visible).is_err();
    let kept: PathBuf = if is_free && fs::rename(path, &visible).is_ok() { visible } else { path.to_owned() };
    Error::Unnamed { path: target.shown.clone(), kept, source }
}
