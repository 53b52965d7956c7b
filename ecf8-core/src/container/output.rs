//! Outputs which appear under their name only when whole.

use super::unfinished::Unfinished;
use crate::error::{Error, IoContext, Result};
use std::fs::{self, File, Metadata};
use std::path::{Path, PathBuf};
use tempfile::{NamedTempFile, TempDir};

/// Refuses an output that exists (unless it may be overwritten), or that is, contains or lies within the input.
pub(super) fn check(input: &Path, output: &Path, overwrite: bool) -> Result<()> {
    let path = output.to_owned();
    let found = fs::canonicalize(input).at(input, "open")?;
    let parent = fs::canonicalize(parent_of(output)).at(parent_of(output), "write to")?;
    let name = output.file_name().ok_or_else(|| Error::OutputExists { path: path.clone() })?;
    if found.is_dir() && parent.starts_with(&found) {
        return Err(Error::OutputIsInput { path, how: "lies within" });
    }
    let Ok(existing) = fs::metadata(output) else { return Ok(()) };
    let input_metadata = fs::metadata(input).at(input, "examine")?;
    if same_file(&existing, &input_metadata) || parent.join(name) == found {
        return Err(Error::OutputIsInput { path, how: "is" });
    }
    if found.starts_with(fs::canonicalize(output).at(output, "examine")?) {
        return Err(Error::OutputIsInput { path, how: "contains" });
    }
    // A file for a file, a folder for a folder; a device or pipe is not replaced at all.
    let may_replace = overwrite
        && (existing.is_file() && input_metadata.is_file() || existing.is_dir() && input_metadata.is_dir());
    if may_replace || (input_metadata.is_dir() && is_empty_dir(output)) {
        Ok(())
    } else {
        Err(Error::OutputExists { path })
    }
}

fn is_empty_dir(path: &Path) -> bool {
    fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

#[cfg(unix)]
fn same_file(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn same_file(_one: &Metadata, _other: &Metadata) -> bool {
    false
}

fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn builder() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".ecf8-").suffix(".tmp");
    builder
}

/// Permissions that the process's umask then narrows, as for any new file or folder.
#[cfg(unix)]
fn usual_permissions(builder: &mut tempfile::Builder<'_, '_>, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    builder.permissions(fs::Permissions::from_mode(mode));
}

#[cfg(not(unix))]
fn usual_permissions(_builder: &mut tempfile::Builder<'_, '_>, _mode: u32) {}

/// A file under a temporary name beside its target; removed when dropped before [`PendingFile::finish`].
pub(super) struct PendingFile {
    temporary: NamedTempFile,
    unfinished: Unfinished,
    target: PathBuf,
}

impl PendingFile {
    pub(super) fn create(target: &Path) -> Result<Self> {
        let mut builder = builder();
        usual_permissions(&mut builder, 0o666);
        let create = || builder.tempfile_in(parent_of(target));
        let (temporary, unfinished) = Unfinished::begin(create, NamedTempFile::path).at(target, "write")?;
        Ok(Self { temporary, unfinished, target: target.to_owned() })
    }

    pub(super) fn file(&mut self) -> &mut File {
        self.temporary.as_file_mut()
    }

    pub(super) fn target(&self) -> &Path {
        &self.target
    }

    /// Where it is until then.
    pub(super) fn path(&self) -> &Path {
        self.temporary.path()
    }

    /// Writes everything through to the disk and gives the file its name.
    pub(super) fn finish(self, overwrite: bool) -> Result<()> {
        let Self { temporary, unfinished, target } = self;
        temporary.as_file().sync_all().at(&target, "write")?;
        let named = unfinished.finish(|| {
            if overwrite { temporary.persist(&target) } else { temporary.persist_noclobber(&target) }
        });
        match named {
            Ok(_) => sync_dir(parent_of(&target)),
            Err(refused) if refused.error.kind() == std::io::ErrorKind::AlreadyExists => {
                return Err(Error::OutputExists { path: target });
            }
            Err(refused) => return Err(refused.error).at(&target, "write"),
        }
        Ok(())
    }
}

/// A folder under a temporary name beside its target; removed when dropped before [`PendingDir::finish`].
pub(super) struct PendingDir {
    temporary: TempDir,
    unfinished: Unfinished,
    target: PathBuf,
}

impl PendingDir {
    pub(super) fn create(target: &Path) -> Result<Self> {
        let mut builder = builder();
        usual_permissions(&mut builder, 0o777);
        let create = || builder.tempdir_in(parent_of(target));
        let (temporary, unfinished) = Unfinished::begin(create, TempDir::path).at(target, "write")?;
        Ok(Self { temporary, unfinished, target: target.to_owned() })
    }

    pub(super) fn path(&self) -> &Path {
        self.temporary.path()
    }

    /// Gives the folder its name. What had the name before is moved aside first and removed last.
    pub(super) fn finish(self, overwrite: bool) -> Result<()> {
        let Self { temporary, unfinished, target } = self;
        sync_dir(temporary.path());
        unfinished.finish(|| name_dir(temporary, &target, overwrite))
    }
}

fn name_dir(temporary: TempDir, target: &Path, overwrite: bool) -> Result<()> {
    let replaced = if overwrite && target.is_dir() {
        let aside = builder().tempdir_in(parent_of(target)).at(target, "write")?;
        fs::rename(target, aside.path().join("replaced")).at(target, "replace")?;
        Some(aside)
    } else {
        None
    };
    if let Err(error) = fs::rename(temporary.path(), target) {
        if let Some(aside) = &replaced {
            fs::rename(aside.path().join("replaced"), target).at(target, "restore")?;
        }
        return Err(error).at(target, "write");
    }
    // The folder has left its temporary name, so there is nothing to remove there.
    let _ = temporary.keep();
    sync_dir(parent_of(target));
    Ok(())
}

/// Makes a rename durable. Not every file system can, and the data are whole either way.
fn sync_dir(path: &Path) {
    let _ = File::open(path).and_then(|dir| dir.sync_all());
}
