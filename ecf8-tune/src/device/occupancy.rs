//! How many blocks of a kernel fit on a multiprocessor, reckoned without a GPU.

use serde::{Deserialize, Serialize};

use crate::nvrtc::Arch;

/// What one multiprocessor has for the blocks that live on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmLimits {
    /// Most threads at once.
    pub threads: u32,
    /// Most blocks at once.
    pub blocks: u32,
    /// 32-bit registers.
    pub registers: u32,
    /// Bytes of shared memory.
    pub shared_bytes: u32,
    /// Most bytes of shared memory that one block may use, after opting in.
    pub shared_per_block_bytes: u32,
    /// Bytes of shared memory that the driver keeps for itself in every block.
    pub shared_reserved_bytes: u32,
    /// Shared memory is handed out in multiples of this.
    pub shared_unit_bytes: u32,
}

/// Most threads per block, on every GPU.
const THREADS_PER_BLOCK: u32 = 1024;
/// Most registers per thread, on every GPU here.
const REGISTERS_PER_THREAD: u32 = 255;
/// Registers are handed out to whole warps in multiples of this.
const REGISTER_UNIT: u32 = 256;
/// A multiprocessor is four parts, each with a quarter of the registers and of the warps.
const PARTS: u32 = 4;

impl SmLimits {
    /// The limits of an architecture; `None` for one that is not in the table.
    ///
    /// Threads, blocks, registers and shared memory are from the CUDA C++ Programming Guide, table "Technical
    /// Specifications per Compute Capability"; 10.3 and 12.1, which older editions leave out, from the
    /// architecture traits in NVIDIA's CCCL. The units of allocation are those of `cuda_occupancy.h` (CUDA 12),
    /// which ends at 9.0; later architectures are taken to be like it.
    pub fn of(arch: Arch) -> Option<Self> {
        let (threads, blocks, shared_kib) = match arch.capability() {
            (7, 5) => (1024, 16, 64),
            (8, 0) => (2048, 32, 164),
            (8, 6) => (1536, 16, 100),
            (8, 7) => (1536, 16, 164),
            (8, 9) => (1536, 24, 100),
            (9, 0) | (10, 0 | 3) => (2048, 32, 228),
            (11, 0) => (1536, 24, 228),
            (12, 0 | 1) => (1536, 24, 100),
            _ => return None,
        };
        let turing = arch.capability() == (7, 5);
        let shared_reserved_bytes = if turing { 0 } else { 1024 };
        Some(Self {
            threads,
            blocks,
            registers: 64 * 1024,
            shared_bytes: shared_kib * 1024,
            shared_per_block_bytes: shared_kib * 1024 - shared_reserved_bytes,
            shared_reserved_bytes,
            shared_unit_bytes: if turing { 256 } else { 128 },
        })
    }
}

/// How full a multiprocessor gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occupancy {
    /// Blocks that live on one multiprocessor at once; 0 if not even one fits.
    pub blocks: u32,
    /// Warps that live on it at once.
    pub warps: u32,
    /// Most warps that it could have.
    pub max_warps: u32,
}

impl Occupancy {
    /// Warps as a part of the most possible, 0 to 1.
    pub fn fraction(self) -> f64 {
        f64::from(self.warps) / f64::from(self.max_warps)
    }
}

/// The theoretical occupancy of a kernel with `threads` threads per block, `registers` per thread, and `shared`
/// bytes of static and dynamic shared memory per block; `None` for an architecture without known limits.
pub fn occupancy(arch: Arch, threads: u32, registers: u32, shared: u32) -> Option<Occupancy> {
    let limits = SmLimits::of(arch)?;
    let max_warps = limits.threads / 32;
    let none = Occupancy { blocks: 0, warps: 0, max_warps };
    let possible = (1..=THREADS_PER_BLOCK).contains(&threads)
        && registers <= REGISTERS_PER_THREAD
        && shared <= limits.shared_per_block_bytes;
    if !possible {
        return Some(none);
    }
    let warps = threads.div_ceil(32);
    let by_warps = max_warps / warps;
    let per_warp = (registers * 32).next_multiple_of(REGISTER_UNIT);
    let by_registers = match (limits.registers / PARTS).checked_div(per_warp) {
        None => u32::MAX,
        // A block is refused when it would not fit with its warps spread evenly over the parts …
        Some(_) if per_warp * warps.next_multiple_of(PARTS) > limits.registers => 0,
        // … but once it lives, each of its warps takes registers from one part only.
        Some(warps_per_part) => warps_per_part * PARTS / warps,
    };
    let per_block = (shared + limits.shared_reserved_bytes).next_multiple_of(limits.shared_unit_bytes);
    let by_shared = limits.shared_bytes.checked_div(per_block).unwrap_or(u32::MAX);
    let blocks = limits.blocks.min(by_warps).min(by_registers).min(by_shared);
    Some(Occupancy { blocks, warps: blocks * warps, max_warps })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(arch: &str, threads: u32, registers: u32, shared: u32) -> u32 {
        occupancy(arch.parse().unwrap(), threads, registers, shared).unwrap().blocks
    }

    #[test]
    fn each_resource_can_be_the_one_that_limits() {
        assert_eq!(blocks("sm_90", 256, 32, 0), 8, "threads");
        assert_eq!(blocks("sm_90", 32, 32, 0), 32, "blocks");
        assert_eq!(blocks("sm_90", 256, 64, 0), 4, "registers");
        assert_eq!(blocks("sm_90", 256, 65, 0), 3, "registers are handed out eight per thread at a time");
        assert_eq!(
            blocks("sm_90", 128, 16, 75 * 1024),
            3,
            "shared memory and the driver's 1 KiB in each block"
        );
        assert_eq!(blocks("sm_90", 128, 16, 76 * 1024), 2);
        assert_eq!(blocks("sm_75", 1024, 32, 64 * 1024), 1, "nothing is reserved before 8.0");
    }

    #[test]
    fn what_can_not_be_launched_has_no_blocks() {
        assert_eq!(blocks("sm_86", 1025, 32, 0), 0);
        assert_eq!(blocks("sm_86", 0, 32, 0), 0);
        assert_eq!(blocks("sm_86", 128, 256, 0), 0);
        assert_eq!(blocks("sm_86", 128, 32, 99 * 1024 + 1), 0);
        assert_eq!(blocks("sm_86", 128, 32, 99 * 1024), 1);
        assert_eq!(blocks("sm_90", 1024, 128, 0), 0, "a block with more registers than there are");
    }

    #[test]
    fn full_is_one_and_unknown_is_none() {
        let full = occupancy("sm_120".parse().unwrap(), 512, 40, 0).unwrap();
        assert_eq!((full.blocks, full.warps, full.fraction()), (3, 48, 1.0));
        assert_eq!(occupancy("sm_50".parse().unwrap(), 512, 40, 0), None);
    }
}
