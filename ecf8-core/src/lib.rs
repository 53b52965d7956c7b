//! What the bytes of losslessly compressed weights mean. No GPU.
//!
//! The way of the data: a safetensors file's tensors are split by their [number type](element), their symbols are
//! [counted](histogram), a [codebook] follows, a [layout] arranges codewords, raw bits and synchronisation, and the
//! [container] keeps it all in a file that is safetensors again. `FORMAT.md` specifies that file.

#![cfg_attr(test, allow(clippy::cast_possible_truncation, reason = "tests choose their numbers"))]

pub mod bits;
pub mod checksum;
pub mod codebook;
pub mod container;
pub mod corpus;
pub mod element;
pub mod error;
pub mod foreign;
pub mod header;
pub mod histogram;
mod int;
pub mod kv;
pub mod layout;
pub mod map;
pub mod source;
pub mod symbols;
pub mod synthetic;
pub mod transform;
mod wide;

pub use codebook::{Codebook, cascade::CascadeTables};
pub use container::{CompressedFile, CompressedModel, Progress};
pub use element::format;
pub use error::{Error, Result};
pub use histogram::Histogram;
pub use layout::{Aim, Encoded, Scheme, scheme, schemes};
