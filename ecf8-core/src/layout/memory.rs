//! Memory in proportion to a tensor, asked for so that it can be refused.

use super::{DecodeError, EncodeError};
use bytemuck::Zeroable;

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
