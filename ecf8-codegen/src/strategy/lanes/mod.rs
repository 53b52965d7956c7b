//! What the strategies for the `lanes` layout share.
//!
//! - `table`: one symbol per look-up, its bytes where the output wants them.
//! - `tail`: what a chunk has beyond its rows.
//! - `columns`: the words of each lane's stream, row by row, in a ring of shared memory.
//! - `held`: words that are loaded ahead.
//! - `nibbles`: signs and mantissas, put to the exponents.
//! - `raw`: signs and mantissas that are loaded ahead.
//! - `patches`: what has no codeword, put right at the end.
//! - `jobs`: the tensors of a launch, as the kernel finds them.
//! - `vector`: the symbols of a turn looked up, and put together.
//! - `decode`: the kernel, for any kind of symbol.
//! - `arguments`: what a launch passes.

pub(super) mod arguments;
pub(super) mod columns;
pub(super) mod decode;
pub(super) mod held;
pub(super) mod jobs;
pub(super) mod nibbles;
pub(super) mod patches;
pub(super) mod raw;
pub(super) mod table;
pub(super) mod tail;
pub(super) mod vector;
