//! How to compress.

use crate::layout::{Aim, Scheme};

/// How to compress.
#[derive(Debug, Clone, Copy, Default)]
pub struct CompressOptions {
    /// The scheme for all tensors of its float format. Without one, what they are compressed with is chosen.
    pub scheme: Option<&'static dyn Scheme>,
    /// What schemes are chosen for, and how their results are laid out.
    pub aim: Aim,
    /// The most codebooks in a file for each scheme, where the scheme [shares](Scheme::shares) them. Without a
    /// number, there are as few as cost less than 0.05 % of the codewords.
    pub codebooks: Option<usize>,
    /// The most bits of a codeword, as far as a scheme lets one choose ([`Scheme::code_bits`]).
    /// Without a number, each codebook has the best by its scheme's own judgement.
    pub code_bits: Option<u8>,
    /// Whether an existing output may be replaced.
    pub overwrite: bool,
    /// Whether shards may be missing that an index names.
    pub allow_missing_shards: bool,
    /// Whether a folder's `config.json` tells transformers and diffusers to load the weights by ecf8. Decompressing gives the
    /// original back.
    pub for_transformers: bool,
}
