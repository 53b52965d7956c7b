//! The kernel language: what one writes inside `#[kernel]` and `#[device]` functions.
//!
//! Such a function is ordinary Rust that runs on the host and *builds* a kernel. Staging is by type: plain Rust values
//! are known while building, so arithmetic, `if` and `for` on them happen then and there; [`V`], [`Var`] and the
//! memories are what the GPU computes with. `let mut` declares a device variable. See `ecf8-codegen/README.md`.

mod control;
mod memory;
mod ops;
pub mod rt;
mod value;
mod warp;

pub use control::{barrier, block_idx, comment, grid_dim, rolled, thread_idx};
pub use ecf8_macros::{device, kernel};
pub use memory::{
    Global, GlobalMut, Index, Shared, Table, VectorElement, Writable, constant_table, dynamic_shared, shared,
    table,
};
pub use ops::{Number, byte_permute, funnel_left, funnel_right, select};
pub use value::{IntoV, Scalar, V, Var};
pub use warp::{WARP, ballot, lane_idx, shuffle, shuffle_down, shuffle_up, shuffle_xor, sync_warp, warp_idx};
