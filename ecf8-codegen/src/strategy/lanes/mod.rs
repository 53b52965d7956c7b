//! What the strategies for the `lanes` layout share.
//!
//! - `units`: what the layout and its kernels count in.
//! - `table`: one symbol per look-up, its fields where the output wants them.
//! - `tail`: what a chunk has beyond its rows.
//! - `columns`: the words of each lane's stream, row by row, in a ring of shared memory.
//! - `held`: words that are loaded ahead.
//! - `vector`: the symbols of a turn looked up, and put together to fields.
//! - `raw`: what is stored beside codewords, loaded ahead.
//! - `join`: whole numbers from fields and what is stored beside, one file for each way in which numbers are split.
//! - `patches`: what has no codeword, put right at the end.
//! - `blocks`: which chunks, or sections of chunks, a block decodes.
//! - `jobs`: the tensors of a launch, as the kernel finds them.
//! - `arguments`: what a launch passes.

pub(super) mod arguments;
pub(super) mod blocks;
pub(super) mod columns;
pub(super) mod held;
pub(super) mod jobs;
pub(super) mod join;
pub(super) mod patches;
pub(super) mod raw;
pub(super) mod table;
pub(super) mod tail;
pub(super) mod units;
pub(super) mod vector;
