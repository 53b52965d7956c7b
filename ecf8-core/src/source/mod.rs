//! Where the tensors come from that are to be compressed: a file, or whatever else can say which tensors it has.
//!
//! - `mapped`: a safetensors file, read where it lies.
//! - [`Assembled`]: tensors that are in memory.
//!
//! A further one, which reads another format for example, implements [`Source`];
//! [`compress_source`](crate::container::compress_source) takes any.

mod assembled;
mod mapped;

pub use assembled::{Assembled, AssembledTensor};
pub(crate) use mapped::MappedSource;

use crate::error::Result;
use crate::header::{Header, TensorRecord};
use std::borrow::Cow;
use std::path::Path;

/// The tensors of one safetensors file, whether or not there is such a file.
pub trait Source: Sync {
    /// What messages call it.
    fn path(&self) -> &Path;

    /// Its tensors.
    fn header(&self) -> &Header;

    /// The JSON of which [`Source::header`] is the meaning; decompressing gives it back byte for byte.
    fn json(&self) -> &[u8];

    /// The bytes of one of its tensors: the same whenever they are asked for, several times and from several threads.
    ///
    /// # Errors
    /// If they cannot be read or made.
    fn bytes(&self, record: &TensorRecord) -> Result<Cow<'_, [u8]>>;

    /// Checks that all bytes which were given so far are of one state of it.
    ///
    /// # Errors
    /// If it has changed meanwhile.
    fn check_unchanged(&self) -> Result<()> {
        Ok(())
    }
}

/// Bytes of the file that a source is, or would be.
pub(crate) fn file_bytes(source: &dyn Source) -> u64 {
    source.header().data_start().saturating_add(source.header().data_bytes())
}
