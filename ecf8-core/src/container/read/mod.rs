//! From a container to the tensors in it.
//!
//! - `reader`, `stored`, `validate`: a container opened, its manifest checked against its header.
//! - `integrity`, `against`: checksums of what is stored; comparison with an original.
//! - `examine`, `damage`: everything that is wrong, and what is good all the same.
//! - `original`: the original's header.
//! - `into`: a tensor's original bytes, or some of them, into the caller's memory.
//! - `pieces`: a tensor's original bytes, in little memory however large it is.
//! - `decompress`: one file, streamed to its output.
//! - `source`: a container as what becomes of its tensors elsewhere.
//! - `salvage`: what is good of a damaged file, as a file of its own.

pub(super) mod against;
mod damage;
pub(super) mod decompress;
mod examine;
mod integrity;
mod into;
mod original;
pub(super) mod pieces;
mod reader;
pub(super) mod salvage;
pub(super) mod source;
mod stored;
mod validate;

pub use against::{verify_against, verify_against_beside};
pub use damage::{Damage, DamagedBytes, DamagedPlace, DamagedTensor};
pub use original::is_container;
pub use reader::{CompressedFile, CompressedTensor, KeptTensor};
pub use stored::{Statistics, UnknownTensor};
