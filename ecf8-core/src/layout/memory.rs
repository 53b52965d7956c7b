//! Memory in proportion to a tensor, asked for so that it can be refused.

use super::{DecodeError, EncodeError};
use bytemuck::Zeroable;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// There is no memory for this many bytes.
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

/// `count` zeros. The system has them ready, so that nothing is written before the threads do that work.
pub(crate) fn zeroed<T: Zeroable>(count: usize) -> Result<Vec<T>, NoMemory> {
    let bytes = (count as u64).saturating_mul(size_of::<T>() as u64);
    bytemuck::allocation::try_zeroed_vec(count).map_err(|()| NoMemory(bytes))
}

/// An empty vector with room for `bytes` bytes.
pub(crate) fn with_room(bytes: usize) -> Result<Vec<u8>, NoMemory> {
    let mut empty = Vec::new();
    empty.try_reserve_exact(bytes).map_err(|_| NoMemory(bytes as u64))?;
    Ok(empty)
}

/// What threads need for work that is cut into pieces, given back for the next piece: a page that the system gives anew takes
/// longer than to work on it.
#[derive(Debug)]
pub(crate) struct Pool<T>(Mutex<Vec<T>>);

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self(Mutex::new(Vec::new()))
    }
}

impl<T: Default> Pool<T> {
    /// One that nobody uses, or a new one.
    pub(crate) fn lend(&self) -> Lent<'_, T> {
        let free = self.free().pop();
        Lent { own: free.unwrap_or_default(), pool: self }
    }

    fn free(&self) -> MutexGuard<'_, Vec<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of a [`Pool`], given back when dropped.
pub(crate) struct Lent<'a, T: Default> {
    pub(crate) own: T,
    pool: &'a Pool<T>,
}

impl<T: Default> Drop for Lent<'_, T> {
    fn drop(&mut self) {
        self.pool.free().push(std::mem::take(&mut self.own));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_is_lent_again() {
        let pool: Pool<Vec<u8>> = Pool::default();
        let (mut one, two) = (pool.lend(), pool.lend());
        one.own.push(7);
        drop((one, two));
        let lent = [pool.lend(), pool.lend(), pool.lend()].map(|lent| lent.own.len());
        assert_eq!(lent.iter().sum::<usize>(), 1);
    }

    #[test]
    fn what_no_machine_has_is_refused() {
        assert_eq!(zeroed::<u8>(1 << 62), Err(NoMemory(1 << 62)));
        assert_eq!(zeroed::<[u8; 4]>(1 << 61), Err(NoMemory(1 << 63)));
        assert_eq!(with_room(usize::MAX), Err(NoMemory(u64::MAX)));
        assert_eq!(zeroed::<[u8; 4]>(3), Ok(vec![[0; 4]; 3]));
        assert!(with_room(3).is_ok_and(|room| room.is_empty() && room.capacity() >= 3));
    }
}
