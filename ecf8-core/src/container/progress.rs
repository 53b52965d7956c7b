//! Telling how far a long task has come, and whether it is still wanted.

use crate::error::{Error, Result};
use std::path::Path;

/// Something that shows progress. `()` shows nothing.
pub trait Progress: Sync {
    /// A task begins which will take `total_bytes` bytes of work.
    fn start(&self, what: &str, total_bytes: u64);

    /// This many more bytes are done; may be called from any thread.
    fn advance(&self, bytes: u64);

    /// The task goes on with something else, which a name tells; what is done and what there is to do stay as they are.
    fn stage(&self, _what: &str) {}

    /// The task has ended.
    fn finish(&self);

    /// Something that the user should know and that is no error, on one line.
    fn note(&self, _text: &str) {}

    /// Whether nobody wants the result any more; asked between tensors.
    fn is_cancelled(&self) -> bool {
        false
    }
}

impl dyn Progress + '_ {
    /// Gives up work on `path` that nobody wants any more.
    pub(crate) fn go_on(&self, path: &Path) -> Result<()> {
        if self.is_cancelled() { Err(Error::Cancelled { path: path.to_owned() }) } else { Ok(()) }
    }
}

impl Progress for () {
    fn start(&self, _what: &str, _total_bytes: u64) {}
    fn advance(&self, _bytes: u64) {}
    fn finish(&self) {}
}
