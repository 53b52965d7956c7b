//! From an input to a container.
//!
//! - `drift`: which runs of a tensor are distributed alike.
//! - `subject`, `candidates`, `choice`, `sharing`: a tensor read once; by which scheme, and which tensors share a codebook.
//! - `plan`, `predict`: what becomes of each tensor, and what the container will take.
//! - `file_header`: the header of the output, from the plan.
//! - `encode`: one tensor, as planned, and proven.
//! - `large`: the same of a tensor for which there may be no memory, in groups of chunks.
//! - `compress`: one file, streamed to its output.
//! - `estimate`: what compressing would give, told from samples.

mod candidates;
mod choice;
pub(super) mod compress;
mod drift;
mod encode;
pub(super) mod estimate;
pub(super) mod file_header;
pub(super) mod large;
pub(super) mod plan;
mod predict;
mod resume;
mod sharing;
mod subject;

pub use compress::compress_source;
pub use encode::encode_source;
pub use estimate::{Estimate, FileEstimate, estimate};
pub(super) use sharing::stored_bytes as codebook_bytes;
