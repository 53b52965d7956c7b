//! Pages of K/V caches, compressed one by one and losslessly (`docs/kv-pages.md` specifies a page).
//!
//! A *page* holds some tokens' keys or values of one layer: tokens × heads × head size numbers. Compressed, it is one object that says of
//! itself what it is, is decoded without any other, and never takes more than [`worst_case_bytes`]. What all pages of a layer share is its
//! [`Codebooks`], trained on sample pages: one codebook, or one for each group of channels.
//!
//! - [`numbers`]: the number types, and how a number becomes a coded and a stored byte.
//! - [`codebooks`], [`mod@train`]: the codebooks of a layer's keys or values, and how they come about.
//! - [`page`]: how a page is laid out; its header and the entries of its chunks, checked.
//! - [`corpus`]: pages that every encoder and decoder is tried on.
//! - `encode`, `decode`: the plain reference; the kernels that do the same on a GPU are in `ecf8_codegen::kv`.

pub mod codebooks;
pub mod corpus;
mod decode;
mod encode;
mod lane;
pub mod numbers;
pub mod page;
#[cfg(test)]
mod tests;
pub mod train;

pub use codebooks::{Codebooks, CodebooksError};
pub use numbers::Numbers;
pub use page::{Header, PageError, worst_case_bytes};
pub use train::{Training, train};
