//! Where a thread stands, how threads wait for each other, and loops that stay loops.

use super::rt::{DeviceRange, with_builder};
use super::value::{IntoV, Scalar, V};
use crate::ir::{Location, Op, Special, StmtKind, Ty};

#[track_caller]
fn special(which: Special) -> V<u32> {
    let at = Location::here();
    V::from_id(with_builder(|b| b.define(at, Ty::U32, Op::Special(which))))
}

/// Index of this thread in its block.
#[track_caller]
pub fn thread_idx() -> V<u32> {
    special(Special::ThreadIdx)
}

/// Index of this block in the grid.
#[track_caller]
pub fn block_idx() -> V<u32> {
    special(Special::BlockIdx)
}

/// Number of blocks in the grid.
#[track_caller]
pub fn grid_dim() -> V<u32> {
    special(Special::GridDim)
}

/// Waits for all threads of the block. Every thread must reach it.
#[track_caller]
pub fn barrier() {
    let at = Location::here();
    with_builder(|b| b.push(at, StmtKind::Barrier));
}

/// Puts a comment into the emitted source. `/// text` before a statement does the same.
#[track_caller]
pub fn comment(text: &str) {
    let at = Location::here();
    with_builder(|b| b.push(at, StmtKind::Comment(text.to_owned())));
}

/// A loop on the device over bounds known when the kernel is built, which would otherwise be unrolled then:
/// `for i in rolled(0..8)`.
#[track_caller]
pub fn rolled<T: Scalar + IntoV<T>>(bounds: std::ops::Range<T>) -> DeviceRange<T> {
    DeviceRange::new(bounds.start.into_v(), bounds.end.into_v())
}
