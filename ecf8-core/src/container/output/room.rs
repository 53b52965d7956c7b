//! Whether a disk has room for an output, before anything is written to it.

use super::check::Target;
use crate::error::{Error, Result};

impl Target {
    /// Refuses an output of about `needed` bytes where fewer are free. What it replaces counts as taken, since it stays
    /// until the output is whole.
    pub(in crate::container) fn require_room(&self, needed: u64) -> Result<()> {
        match free_bytes(self) {
            Some(free) if free < needed => Err(Error::NoRoom { path: self.shown.clone(), needed, free }),
            // A disk that does not tell is written to until it refuses.
            _ => Ok(()),
        }
    }
}

#[cfg(unix)]
fn free_bytes(target: &Target) -> Option<u64> {
    let found = rustix::fs::statvfs(target.disk()).ok()?;
    // Some network file systems tell nothing and say zero of everything.
    (found.f_blocks > 0).then(|| found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(not(unix))]
fn free_bytes(_target: &Target) -> Option<u64> {
    None
}

/// Gives back the room that some bytes of a file take, which are zeros from then on, where the file system can do that.
/// Nothing depends on it but how much room there must be.
#[cfg(target_os = "linux")]
pub(in crate::container) fn free(file: &std::fs::File, bytes: std::ops::Range<u64>) {
    use rustix::fs::{FallocateFlags, fallocate};
    if !bytes.is_empty() {
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        let _ = fallocate(file, hole, bytes.start, bytes.end - bytes.start);
    }
}

#[cfg(not(target_os = "linux"))]
pub(in crate::container) fn free(_file: &std::fs::File, _bytes: std::ops::Range<u64>) {}
