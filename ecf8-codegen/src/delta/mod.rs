//! Resident weights brought to a later state by one launch per layer: the difference of a checkpoint or of a training step from what
//! a GPU has (`ecf8_core::transform::Form`).
//!
//! The streams of the difference are tensors of their own, which are decoded as any others are. What is left to do, for all tensors of
//! a layer at once, is to put each number's planes together and to undo the transform with the number of the base; or, where only few
//! numbers have changed, to copy the base and do that with those.
//!
//! - `apply`: the kernel.
//! - `arrange`: the table of jobs for a launch, and the launch.

mod apply;
mod arrange;

pub use apply::{ApplyForm, ApplyKernel};
pub use arrange::{Arranged, Placed, Planes, TASK};
