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
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::path::Path;

/// That what is compressed is no model but what tells one from another, its base, as the container's manifest says (FORMAT.md §8).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeltaMark {
    /// What the base was called: of a path, the last part.
    pub base: String,
    /// Of the base's tensors that are needed, 16 hexadecimal digits.
    pub checksum: String,
    /// The tensor with the description of the difference.
    pub description: String,
}

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

    /// What it is the difference from, if it is one.
    fn delta(&self) -> Option<&DeltaMark> {
        None
    }

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
