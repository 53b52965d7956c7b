//! The part of a GPU that runs kernels.
//!
//! The lanes of a warp run independently, in an order drawn anew for every block, and may be interrupted after any
//! instruction: as hardware since Volta may, and as no program should notice. What a program may not do is a [`Fault`]:
//! accesses out of bounds, misaligned, to memory that was never set, that race, or that meet the read-only cache; and
//! waiting for lanes that do not come.

mod alu;
mod block;
mod fault;
mod lane;
mod memory;
mod shared;
#[cfg(test)]
mod tests;
mod touch;
mod warp;

pub use fault::{Fault, Kind};
pub use memory::{Allocation, Memory};
/// Chance that is the same for the same seed: of the order of blocks and lanes, and of what was in memory before.
pub use rand_chacha::ChaCha8Rng as Random;

use crate::ptx::Kernel;
use block::Block;
use rand::seq::SliceRandom;
use touch::Clock;

/// A kernel with everything that a launch says.
#[derive(Clone, Copy, Debug)]
pub struct Launch<'a> {
    /// What to run.
    pub kernel: &'a Kernel,
    /// Blocks.
    pub grid: u32,
    /// Threads of each.
    pub threads: u32,
    /// Bytes of shared memory of each block besides those that the kernel always has.
    pub dynamic_shared: usize,
    /// The arguments as one block of [`Kernel::parameter_bytes`] bytes.
    pub parameters: &'a [u8],
}

/// What runs kernels on some memory, one block after the other.
#[derive(Debug, Default)]
pub struct Gpu {
    /// What kernels see besides their shared memory.
    pub memory: Memory,
    clock: Clock,
    /// Instructions of single threads that ran so far.
    pub instructions: u64,
}

impl Gpu {
    /// One with this memory.
    #[must_use]
    pub fn new(memory: Memory) -> Self {
        Self { memory, clock: Clock::default(), instructions: 0 }
    }

    /// Runs a kernel to its end, the blocks in an order that `random` draws.
    ///
    /// # Errors
    /// The first thing that it does wrong. Memory is then as it was when that happened.
    pub fn run(&mut self, launch: &Launch<'_>, random: &mut Random) -> Result<(), Fault> {
        self.clock.launch()?;
        let mut order: Vec<u32> = (0..launch.grid).collect();
        order.shuffle(random);
        for index in order {
            let mut block = Block::new(launch, index, &mut self.memory, &mut self.clock, random)?;
            let ran = block.run();
            self.instructions += block.instructions;
            ran?;
        }
        Ok(())
    }
}
