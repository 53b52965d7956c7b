//! A model as its difference from another, its base: a checkpoint from the one before, a fine-tuned model from where it began.
//!
//! What is compressed is then not the model's file but another one, a **delta**: a safetensors file, never on a disk, with what
//! tells each tensor from one of the base. It goes through the same container as any other file; restoring it gives the
//! delta, and with the base the model. FORMAT.md specifies it (§8).
//!
//! - [`Form`](crate::transform::Form): what a tensor becomes beside another: streams of bytes, and back.
//! - `choose`: which form is likely to take least.
//! - `base`: the files of a base, which may be compressed, or deltas themselves.
//! - `description`: what a delta says about itself.
//! - `compared`: a file as its delta, to be compressed.
//! - `siblings`: tensors of a folder's other files.
//! - `restored`: a delta and its base as the file.

mod base;
mod choose;
mod compared;
mod description;
mod restored;
mod siblings;

pub use base::Base;
pub(super) use compared::compress_file;
pub use restored::{BaseNeeded, ToldChange, ToldTensor, verify_beside};
pub(super) use restored::{Restored, compare, decompress_file};
pub(super) use siblings::Siblings;
