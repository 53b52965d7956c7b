//! Whether an output may be written where it is asked for, found out before any work is done.

use super::is_temporary;
use crate::error::{Error, IoContext, Result};
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

/// Where an output goes.
#[derive(Debug)]
pub(in crate::container) struct Target {
    /// As the user calls it, for messages.
    pub(super) shown: PathBuf,
    /// The same with links followed, so that what is replaced is what a link leads to and not the link.
    pub(super) path: PathBuf,
    /// Whether something that exists may be replaced.
    pub(super) overwrite: bool,
    /// Whether an empty folder is there already.
    pub(super) is_empty_folder: bool,
}

/// What an output is made from.
struct Input {
    /// Where it is, links followed.
    found: PathBuf,
    metadata: Metadata,
}

impl Target {
    /// Refuses an output that exists (unless it may be overwritten), or that is, contains or lies within the input; or
    /// whose name no output can have.
    pub(in crate::container) fn check(input: &Path, output: &Path, overwrite: bool) -> Result<Self> {
        let found = fs::canonicalize(input).at(input, "open")?;
        let metadata = fs::metadata(&found).at(input, "examine")?;
        Self::beside(Some(&Input { found, metadata }), output, overwrite)
    }

    /// The same for a file that is made from nothing on a disk.
    pub(in crate::container) fn of_file(output: &Path, overwrite: bool) -> Result<Self> {
        Self::beside(None, output, overwrite)
    }

    fn beside(input: Option<&Input>, output: &Path, overwrite: bool) -> Result<Self> {
        let shown = output.to_owned();
        let is_of_folder = input.is_some_and(|input| input.metadata.is_dir());
        let parent = fs::canonicalize(parent_of(output)).at(parent_of(output), "write to")?;
        let name = output.file_name().ok_or_else(|| Error::OutputExists { path: shown.clone() })?;
        let within = |path: &Path| input.is_some_and(|input| is_of_folder && path.starts_with(&input.found));
        if within(&parent) {
            return Err(Error::OutputIsInput { path: shown, how: "lies within the input" });
        }
        let entry = without_trailing_slash(output);
        let existing = match fs::symlink_metadata(&entry) {
            Ok(_) => entry,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                if !is_of_folder && entry.as_os_str() != output.as_os_str() {
                    return Err(Error::OutputIsFolder { path: shown });
                }
                return Ok(Self { shown, path: parent.join(name), overwrite, is_empty_folder: false });
            }
            Err(error) => return Err(error).at(output, "write"),
        };
        // A link that leads nowhere says where something should be, which is not for us to change.
        let Ok(path) = fs::canonicalize(existing) else { return Err(Error::OutputExists { path: shown }) };
        let metadata = fs::metadata(&path).at(output, "examine")?;
        let is_input = |input: &Input| same_file(&metadata, &input.metadata) || path == input.found;
        if input.is_some_and(is_input) {
            return Err(Error::OutputIsInput { path: shown, how: "is the input" });
        }
        if input.is_some_and(|input| input.found.starts_with(&path)) {
            return Err(Error::OutputIsInput { path: shown, how: "contains the input" });
        }
        if within(&path) {
            return Err(Error::OutputIsInput { path: shown, how: "lies within the input" });
        }
        let is_empty_folder = is_of_folder && is_empty_dir(&path);
        // A file for a file, a folder for a folder; a device or pipe is not replaced at all.
        let is_alike = if is_of_folder { metadata.is_dir() } else { metadata.is_file() };
        let may_replace = overwrite && is_alike;
        if !may_replace && !is_empty_folder {
            return Err(Error::OutputExists { path: shown });
        }
        let target = Self { shown, path, overwrite, is_empty_folder };
        if !is_empty_folder && metadata.is_dir() && target.is_mount_point() {
            return Err(Error::OutputIsMounted { path: target.shown });
        }
        Ok(target)
    }

    /// The folder that the output lies in.
    pub(super) fn parent(&self) -> &Path {
        parent_of(&self.path)
    }

    /// The output's own name.
    pub(super) fn name(&self) -> OsString {
        self.path.file_name().unwrap_or_default().to_owned()
    }

    /// Whether the output is a folder that another disk is mounted on: it cannot be renamed, and what is beside it lies
    /// on a disk that was not meant.
    pub(super) fn is_mount_point(&self) -> bool {
        let [own, parent] = [self.path.as_path(), self.parent()].map(fs::metadata);
        own.is_ok_and(|own| parent.is_ok_and(|parent| !same_disk(&own, &parent)))
    }

    /// The nearest folder that exists, on whose disk the output will lie.
    pub(super) fn disk(&self) -> &Path {
        if self.path.is_dir() { &self.path } else { self.parent() }
    }
}

/// `folder/` without its slash: with it, links would be followed where the link itself is asked about.
fn without_trailing_slash(path: &Path) -> PathBuf {
    let ends_in_slash = path.as_os_str().as_encoded_bytes().last().is_some_and(|last| *last == b'/');
    if ends_in_slash { path.components().collect() } else { path.to_owned() }
}

/// Whether a folder holds nothing but what unfinished outputs left in it.
fn is_empty_dir(path: &Path) -> bool {
    fs::read_dir(path)
        .is_ok_and(|mut entries| entries.all(|entry| entry.is_ok_and(|entry| is_temporary(&entry.path()))))
}

#[cfg(unix)]
pub(super) fn same_file(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
pub(super) fn same_file(_one: &Metadata, _other: &Metadata) -> bool {
    false
}

#[cfg(unix)]
fn same_disk(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    one.dev() == other.dev()
}

#[cfg(not(unix))]
fn same_disk(_one: &Metadata, _other: &Metadata) -> bool {
    true
}

pub(super) fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
