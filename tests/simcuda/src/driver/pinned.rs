//! Memory of the host's that the GPU reads and writes by itself, whenever it likes.
#![allow(unsafe_code, reason = "the program that the memory is for writes to it by its address")]

use std::alloc::{Layout, alloc, dealloc};
use std::ptr::NonNull;

use super::queue::Work;
use super::{Code, Context, Driver};

/// Bytes that only their address leads to: no reference to them is ever made.
pub(super) struct Pinned {
    start: NonNull<u8>,
    layout: Layout,
}

// SAFETY: it is memory, which no thread owns.
unsafe impl Send for Pinned {}

impl Pinned {
    fn new(bytes: usize) -> Option<Self> {
        let layout = Layout::from_size_align(bytes, 4096).ok().filter(|layout| layout.size() > 0)?;
        // SAFETY: the size is not 0.
        let start = NonNull::new(unsafe { alloc(layout) })?;
        Some(Self { start, layout })
    }

    /// Where bytes from a place on are, if all of them are in it.
    fn at(&self, place: usize, count: usize) -> Option<*mut u8> {
        let is_inside = place.checked_add(count).is_some_and(|end| end <= self.layout.size());
        // SAFETY: the place is in the memory, or at its end.
        is_inside.then(|| unsafe { self.start.as_ptr().add(place) })
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // SAFETY: it was allocated with this layout, and nobody has its address any more but the program, which gave it
        // back.
        unsafe { dealloc(self.start.as_ptr(), self.layout) };
    }
}

impl Context {
    pub(crate) fn pin(&mut self, bytes: usize) -> Result<*mut u8, Code> {
        self.forbid_unsafe()?;
        if bytes == 0 {
            return Err(Code::INVALID_VALUE);
        }
        let pinned = Pinned::new(bytes).ok_or(Code::OUT_OF_MEMORY)?;
        let start = pinned.start.as_ptr();
        self.pinned.insert(start.addr() as u64, pinned);
        Ok(start)
    }

    pub(crate) fn unpin(&mut self, address: u64) -> Result<(), Code> {
        self.forbid_unsafe()?;
        let pinned = self.pinned.remove(&address).ok_or(Code::INVALID_VALUE)?;
        let is_in = |place: u64| (address..address + pinned.layout.size() as u64).contains(&place);
        // Nobody promises that this waits for copies.
        let is_used = self.is_queued(|work| match work {
            Work::InPinned { from, .. } => is_in(*from),
            Work::OutPinned { to, .. } => is_in(*to),
            _ => false,
        });
        if is_used {
            Driver::complain("pinned memory is freed before a copy with it is done");
            self.fault = Some(Code::ILLEGAL_ADDRESS);
        }
        Ok(())
    }

    /// Whether these bytes of the host's are pinned.
    pub(crate) fn is_pinned(&self, address: u64, count: usize) -> bool {
        self.pinned_at(address, count).is_some()
    }

    fn pinned_at(&self, address: u64, count: usize) -> Option<*mut u8> {
        let (start, pinned) = self.pinned.range(..=address).next_back()?;
        pinned.at(usize::try_from(address - start).ok()?, count)
    }

    /// What is in pinned memory now.
    pub(super) fn pinned_bytes(&self, address: u64, count: usize) -> Option<Vec<u8>> {
        let from = self.pinned_at(address, count)?;
        let mut bytes = vec![0; count];
        // SAFETY: `count` bytes are there, and they are not in the vector. The program promises not to write to them
        // until it has waited for the copy.
        unsafe { from.copy_to_nonoverlapping(bytes.as_mut_ptr(), count) };
        Some(bytes)
    }

    pub(super) fn set_pinned(&mut self, address: u64, bytes: &[u8]) -> bool {
        let Some(to) = self.pinned_at(address, bytes.len()) else { return false };
        // SAFETY: as many bytes as the slice has are there, and they are not in it. The program promises not to use them until it
        // has waited for the copy.
        unsafe { to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        true
    }
}
