//! What a launch of a kernel needs besides the kernel, the same for the emulator and a GPU.

use super::StrategyError;
use std::borrow::Cow;

/// What buffers start at and are padded to, in bytes.
pub const ALIGNMENT: usize = 32;

/// An argument of a kernel, in the order of its parameters.
#[derive(Debug, Clone)]
pub enum Arg<'a> {
    /// A buffer that is only read. On the device it starts at a multiple of [`ALIGNMENT`] and is followed by zeros up to
    /// one, as parts are in a container, so that a kernel may read whole vectors.
    Input(Cow<'a, [u8]>),
    /// The buffer that receives the decoded tensor, [`Launch::output_bytes`] long.
    Output,
    /// A number.
    U32(u32),
    /// A number.
    U64(u64),
}

/// The grid, shared memory and arguments of one launch.
#[derive(Debug, Clone)]
pub struct Launch<'a> {
    /// Blocks; 0 where there is nothing to decode and nothing is to be launched.
    pub grid: u32,
    /// Dynamic shared memory per block, in bytes.
    pub dynamic_shared_bytes: u32,
    /// Length of the output, in bytes.
    pub output_bytes: usize,
    /// The kernel's arguments.
    pub args: Vec<Arg<'a>>,
}

/// Blocks that a grid can have in its first dimension.
const MAX_GRID: u64 = (1 << 31) - 1;

impl Launch<'_> {
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
}
