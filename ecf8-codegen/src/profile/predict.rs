//! How long a launch takes: a prediction, never a measurement.
//!
//! The blocks that the emulator has run stand for all blocks of the launch. Each needs its chain of dependent instructions,
//! issue slots, integer lanes, passes over shared memory and L1, and bytes of memory; registers, shared memory and warps say
//! how many fit on a multiprocessor; and the launch is played through (`schedule`). What is not in it: the time to
//! launch a kernel (some microseconds, which overlap with the launch before), what blocks find in the L2, clocks that fall
//! under load, and, but for the test's GPU, code that must be fetched.

use super::gpus::{GPUS, Gpu};
use super::schedule::{LIMITS, Machine, Work, play};
use super::{Profile, Registers};
use crate::emulator::{BlockTrace, SECTOR_BYTES};
use serde::Serialize;

/// What limits a launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// Issue slots of the schedulers.
    Issue,
    /// The lanes for 32-bit integers.
    Integer,
    /// Shared memory and L1: passes over banks and lines.
    SharedMemory,
    /// Bandwidth of global memory.
    Memory,
    /// Nothing: there are too few warps to hide how long each instruction takes.
    Latency,
}

impl Resource {
    /// All, in the order in which a launch is played by.
    pub const ALL: [Self; LIMITS] =
        [Self::Issue, Self::Integer, Self::SharedMemory, Self::Memory, Self::Latency];

    /// The name as a key.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Issue => "issue",
            Self::Integer => "integer",
            Self::SharedMemory => "shared_memory",
            Self::Latency => "latency",
        }
    }

    /// The name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Issue => "issue slots",
            Self::Integer => "integer lanes",
            Self::SharedMemory => "shared memory",
            Self::Latency => "latency",
        }
    }
}

/// A predicted time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// The GPU.
    pub gpu: &'static Gpu,
    /// Cycles of the GPU's clock that the launch takes.
    pub cycles: f64,
    /// Nanoseconds that it takes.
    pub nanoseconds: f64,
    /// Bytes of output per second, in GB/s.
    pub gb_per_s: f64,
    /// What holds blocks up for most of the time.
    pub limited_by: Resource,
    /// The part of the time that each resource does, 0 to 1.
    pub shares: [(Resource, f64); LIMITS],
    /// Registers per thread that it was reckoned with.
    pub registers: Registers,
    /// Blocks that fit on a multiprocessor.
    pub blocks_per_sm: u32,
    /// Warps with work on a multiprocessor, on average, in the launch's first wave.
    pub warps_per_sm: f64,
    /// How many times the launch fills the GPU.
    pub waves: f64,
}

/// Waves that are played at most. A longer launch takes as long for each block as this many.
const WAVES: u32 = 64;

/// The prediction for one GPU; `None` if the launch has no output or does not fit.
#[must_use]
pub fn predict(profile: &Profile, gpu: &'static Gpu, registers: Registers) -> Option<Prediction> {
    let warps = profile.threads.div_ceil(32).max(1);
    let blocks_per_sm = gpu.resident_blocks(warps, registers.count(), profile.shared_bytes);
    let (grid, sample) = (profile.trace.grid, &profile.trace.each_block);
    if profile.launch_bytes == 0 || blocks_per_sm == 0 || sample.is_empty() {
        return None;
    }
    let cycles_per_s = gpu.clock_ghz * 1e9;
    // What several blocks touch comes from memory once.
    let touched: u64 = sample.iter().map(|block| block.sectors).sum();
    let bytes_per_sector = profile.dram_bytes as f64 / touched.max(1) as f64;
    let works: Vec<Work> = sample.iter().map(|block| work(block, gpu, bytes_per_sector)).collect();
    let room = gpu.multiprocessors.saturating_mul(blocks_per_sm);
    let played = grid.min(room.saturating_mul(WAVES));
    let stands_for = |n: u32| u64::from(n) * sample.len() as u64 / u64::from(played.max(1));
    let stands_for = |n: u32| usize::try_from(stands_for(n)).unwrap_or_default();
    let machine = Machine {
        multiprocessors: gpu.multiprocessors as usize,
        resident: blocks_per_sm as usize,
        bytes_per_cycle: gpu.bandwidth() * 1e9 / cycles_per_s,
    };
    // The first blocks on each multiprocessor wait for the code.
    let fetching = profile.code_lines * gpu.code_line_cycles;
    let first: Vec<Work> = works.iter().map(|work| Work { chain: work.chain + fetching, ..*work }).collect();
    let done = play(
        &machine,
        (0..played).map(|n| if n < room { &first[stands_for(n)] } else { &works[stands_for(n)] }),
    );
    let cycles = done.cycles * f64::from(grid) / f64::from(played);
    let nanoseconds = cycles / cycles_per_s * 1e9;
    let shares = std::array::from_fn(|n| (Resource::ALL[n], done.held_up_by[n] / done.cycles));
    let (limited_by, _) =
        shares.iter().copied().fold(shares[0], |most, next| if next.1 > most.1 { next } else { most });
    let working: f64 = sample.iter().map(|block| f64::from(block.working_warps)).sum();
    let first_wave = f64::from(grid.min(room)) / f64::from(gpu.multiprocessors);
    Some(Prediction {
        gpu,
        cycles,
        nanoseconds,
        gb_per_s: profile.launch_bytes as f64 / nanoseconds,
        limited_by,
        shares,
        registers,
        blocks_per_sm,
        warps_per_sm: working / sample.len() as f64 * first_wave,
        waves: f64::from(grid) / f64::from(room),
    })
}

/// What a block that was run needs of a multiprocessor.
fn work(block: &BlockTrace, gpu: &Gpu, bytes_per_sector: f64) -> Work {
    Work {
        warps: f64::from(block.working_warps.max(1)),
        // A block that does nothing takes a cycle.
        chain: block.chain.max(1.0),
        busy: [
            block.issued / Gpu::ISSUE_SLOTS,
            block.integer * 32.0 / f64::from(gpu.integer_lanes),
            block.passes as f64 / Gpu::WAVEFRONTS,
        ],
        bytes: block.sectors as f64 * bytes_per_sector.min(SECTOR_BYTES as f64),
    }
}

/// The predictions for all GPUs that the launch fits, with the registers that `compiled` knows for a GPU, or else the
/// estimate.
#[must_use]
pub fn predictions(profile: &Profile, compiled: impl Fn(&Gpu) -> Option<u32>) -> Vec<Prediction> {
    let registers = |gpu| compiled(gpu).map_or(profile.registers, Registers::Compiled);
    GPUS.iter().filter_map(|gpu| predict(profile, gpu, registers(gpu))).collect()
}
