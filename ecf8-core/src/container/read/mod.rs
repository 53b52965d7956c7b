//! From a container to the tensors in it.
//!
//! - `reader`, `stored`, `validate`: a container opened, its manifest checked against its header.
//! - `integrity`, `against`: checksums of what is stored; comparison with an original.
//! - `original`: the original's header.
//! - `into`: a tensor's original bytes, or some of them, into the caller's memory.
//! - `pieces`: a tensor's original bytes, in little memory however large it is.
//! - `decompress`: one file, streamed to its output.

pub(super) mod against;
pub(super) mod decompress;
mod integrity;
mod into;
mod original;
pub(super) mod pieces;
mod reader;
mod stored;
mod validate;

pub use against::verify_against;
pub use original::is_container;
pub use reader::{CompressedFile, CompressedTensor, KeptTensor};
pub use stored::{Statistics, UnknownTensor};
