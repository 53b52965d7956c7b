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
//! - `comparing`, `siblings`: what a file's tensors have in common with the base, with each other, and with other files of their folder.
//! - `compared`, `recent`: a file as its delta, to be compressed.
//! - `told`: what a container says of a difference.
//! - `restored`, `whole`: a delta and its base as the file; files and models restored, verified, compared.

mod base;
mod choose;
mod compared;
mod comparing;
mod description;
mod recent;
mod restored;
mod siblings;
mod told;
mod whole;

pub use base::Base;
pub(super) use compared::compress_file;
pub(super) use restored::Restored;
pub(super) use siblings::Siblings;
pub use told::{BaseNeeded, ToldChange, ToldTensor};
pub use whole::verify_beside;
pub(super) use whole::{compare, decompress_file};
