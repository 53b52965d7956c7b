//! Who watches a machine at work. Nobody does as a rule, and that costs nothing: the calls below are then empty.

use super::lanes::{Lanes, Mask};
use crate::ir::MemoryId;

/// One access of one warp to a memory.
pub(super) struct Access<'a> {
    /// The statement's number.
    pub(super) statement: usize,
    /// The warp's number in its block.
    pub(super) warp: usize,
    pub(super) memory: MemoryId,
    /// Bytes per lane.
    pub(super) bytes: usize,
    /// Which element of that size, per lane.
    pub(super) indices: &'a Lanes,
    /// The lanes that take part.
    pub(super) word: u32,
    pub(super) stores: bool,
}

/// Watches a machine at work.
pub(super) trait Observer {
    /// A statement is executed by these threads.
    fn executes(&mut self, statement: usize, mask: &Mask);
    /// Of the threads that ask whether the loop that a statement is goes round again, these go.
    fn goes_round(&mut self, statement: usize, asking: &Mask, going: &Mask);
    /// A warp goes to a memory.
    fn accesses(&mut self, access: &Access<'_>);
    /// The block of this number has ended.
    fn block_ends(&mut self, block: u32);
}

/// Nobody.
impl Observer for () {
    #[inline]
    fn executes(&mut self, _: usize, _: &Mask) {}
    #[inline]
    fn goes_round(&mut self, _: usize, _: &Mask, _: &Mask) {}
    #[inline]
    fn accesses(&mut self, _: &Access<'_>) {}
    #[inline]
    fn block_ends(&mut self, _: u32) {}
}
