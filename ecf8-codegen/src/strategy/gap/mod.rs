//! What the strategies for scheme `exponent-gap` share: all of them
//!
//! - `jobs`: which of a launch's tensors a block decodes, and where that is.
//! - `batch`: the tensors of a launch, put together.
//!
//! and the faster ones
//!
//! - `table`: a table that maps the next bits to several symbols at once.
//! - `window`: the words of a thread's window, loaded wide, and the walk over them.
//! - `block`: prefix sum over a block.
//! - `nibbles`: packed signs and mantissas, moved to their places.
//! - `output`: exponents staged in shared memory, merged with the packed bits and stored 16 bytes at a time.
//! - `arguments`: what a launch passes.

pub(super) mod arguments;
pub(super) mod batch;
pub(super) mod block;
pub(super) mod jobs;
mod nibbles;
pub(super) mod output;
pub(super) mod table;
pub(super) mod window;
