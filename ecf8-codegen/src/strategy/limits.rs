//! What one launch can have at most.

use super::StrategyError;

/// Blocks that a grid can have in its first dimension.
const MAX_GRID: u64 = (1 << 31) - 1;

/// A number of blocks as a launch holds it.
///
/// # Errors
/// If there are more than 2³¹ − 1.
pub fn checked_grid(blocks: u64) -> Result<u32, StrategyError> {
    let too_large =
        StrategyError::TooLarge { what: "the number of thread blocks", needed: blocks, limit: MAX_GRID };
    if blocks > MAX_GRID { Err(too_large) } else { u32::try_from(blocks).map_err(|_| too_large) }
}

/// A size of dynamic shared memory as a launch holds it. What a device really offers is far less.
///
/// # Errors
/// If it does not fit 32 bits.
pub fn checked_shared(bytes: u64) -> Result<u32, StrategyError> {
    let (what, limit) = ("the shared memory of a thread block in bytes", u64::from(u32::MAX));
    u32::try_from(bytes).map_err(|_| StrategyError::TooLarge { what, needed: bytes, limit })
}
