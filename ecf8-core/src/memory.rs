//! Memory in proportion to a tensor, asked for so that it can be refused.

use crate::layout::{DecodeError, EncodeError};
use bytemuck::Zeroable;
use std::cell::Cell;

/// There is no memory for so many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoMemory(pub(crate) u64);

impl From<NoMemory> for EncodeError {
    fn from(NoMemory(bytes): NoMemory) -> Self {
        Self::Memory { bytes }
    }
}

impl From<NoMemory> for DecodeError {
    fn from(NoMemory(bytes): NoMemory) -> Self {
        Self::Memory { bytes }
    }
}

thread_local! {
    static MAY_BE_REFUSED: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is asking for memory right now in such a way that it goes on without. An allocator that ends the process
/// where there is none left must not do so then.
#[must_use]
pub fn may_be_refused() -> bool {
    // A thread that ends asks for nothing here.
    MAY_BE_REFUSED.try_with(Cell::get).unwrap_or(false)
}

fn refusable<T>(ask: impl FnOnce() -> T) -> T {
    MAY_BE_REFUSED.set(true);
    let answer = ask();
    MAY_BE_REFUSED.set(false);
    answer
}

/// So many zeros. The system has them ready, so that nothing is written before the threads do that work.
pub(crate) fn zeroed<T: Zeroable>(count: usize) -> Result<Vec<T>, NoMemory> {
    let bytes = (count as u64).saturating_mul(size_of::<T>() as u64);
    refusable(|| bytemuck::allocation::try_zeroed_vec(count)).map_err(|()| NoMemory(bytes))
}

/// An empty vector with room for so many bytes.
pub(crate) fn with_room(bytes: usize) -> Result<Vec<u8>, NoMemory> {
    let mut empty = Vec::new();
    refusable(|| empty.try_reserve_exact(bytes)).map_err(|_| NoMemory(bytes as u64))?;
    Ok(empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_machine_has_is_refused() {
        assert_eq!(zeroed::<u8>(1 << 62), Err(NoMemory(1 << 62)));
        assert_eq!(zeroed::<[u8; 4]>(1 << 61), Err(NoMemory(1 << 63)));
        assert_eq!(with_room(usize::MAX), Err(NoMemory(u64::MAX)));
        assert_eq!(zeroed::<[u8; 4]>(3), Ok(vec![[0; 4]; 3]));
        assert!(with_room(3).is_ok_and(|room| room.is_empty() && room.capacity() >= 3));
    }
}
