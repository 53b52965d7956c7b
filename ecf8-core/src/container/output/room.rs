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
