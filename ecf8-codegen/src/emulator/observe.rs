//! Who watches a machine at work. Nobody does as a rule, and that costs nothing: the calls below are then empty.

use super::lanes::{Lanes, Mask};
use crate::ir::MemoryId;

/// One access of one warp to a memory.
pub(super) struct Access<'a> {
    /// The statement's number.
    pub(super) statement: usize,
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
    /// These threads go for another round of the loop that a statement is.
    fn goes_round(&mut self, statement: usize, mask: &Mask);
    /// A warp goes to a memory.
    fn accesses(&mut self, access: &Access<'_>);
    /// A block has ended.
    fn block_ends(&mut self);
}

/// Nobody.
impl Observer for () {
    #[inline]
    fn executes(&mut self, _: usize, _: &Mask) {}
    #[inline]
    fn goes_round(&mut self, _: usize, _: &Mask) {}
    #[inline]
    fn accesses(&mut self, _: &Access<'_>) {}
    #[inline]
    fn block_ends(&mut self) {}
}
