//! Who may read an output: whoever may read its original, and its owner may write it.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;

/// The permissions of an output, which the process's umask narrows further.
#[derive(Debug, Clone, Copy)]
pub(in crate::container) struct Mode(#[cfg_attr(not(unix), expect(dead_code))] u32);

#[cfg(unix)]
impl Mode {
    /// For what is made from the file or folder at `original`. Its owner may always write: a read-only original (as in a
    /// hub's cache) is protected from changes, its copy needs no such protection.
    pub(in crate::container) fn like(original: &Path) -> io::Result<Self> {
        use std::os::unix::fs::PermissionsExt;
        let metadata = fs::metadata(original)?;
        let owner = if metadata.is_dir() { 0o700 } else { 0o600 };
        Ok(Self(metadata.permissions().mode() & 0o777 | owner))
    }

    /// For a file that is made from nothing on a disk: as any new file.
    pub(in crate::container) fn of_new() -> Self {
        Self(0o666)
    }

    pub(super) fn apply(self, builder: &mut tempfile::Builder<'_, '_>) {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(self.0));
    }

    /// Makes a new file.
    pub(super) fn create(self, path: &Path) -> io::Result<fs::File> {
        use std::os::unix::fs::OpenOptionsExt;
        OpenOptions::new().read(true).write(true).create_new(true).mode(self.0).open(path)
    }

    /// Makes a folder, unless it is there.
    pub(super) fn create_dir(self, path: &Path) -> io::Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        fs::DirBuilder::new().mode(self.0).recursive(true).create(path)
    }
}

#[cfg(not(unix))]
impl Mode {
    pub(in crate::container) fn like(_original: &Path) -> io::Result<Self> {
        Ok(Self(0))
    }

    pub(in crate::container) fn of_new() -> Self {
        Self(0)
    }

    pub(super) fn apply(self, _builder: &mut tempfile::Builder<'_, '_>) {}

    pub(super) fn create(self, path: &Path) -> io::Result<fs::File> {
        OpenOptions::new().read(true).write(true).create_new(true).open(path)
    }

    pub(super) fn create_dir(self, path: &Path) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).create(path)
    }
}
