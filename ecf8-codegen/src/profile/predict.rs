//! A roofline: of all that a launch needs, what takes the GPU longest. A prediction, never a measurement.
//!
//! Every resource is taken to be busy all the time, and all multiprocessors to be loaded alike, so a prediction is an upper
//! bound of speed for large tensors. Only latency softens that: with few warps on a multiprocessor neither its schedulers
//! nor the memory are kept busy.

use super::gpus::{GPUS, Gpu};
use super::{Class, Profile};
use serde::Serialize;

/// What limits a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// Bandwidth of global memory.
    Memory,
    /// Issue slots of the schedulers.
    Issue,
    /// The lanes for 32-bit integers.
    Integer,
    /// Shared memory and L1: passes over banks and lines.
    SharedMemory,
    /// Nothing: there are too few warps to hide how long each instruction takes.
    Latency,
}

impl Resource {
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

/// A predicted speed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// The GPU.
    pub gpu: &'static Gpu,
    /// Bytes of output per second, in GB/s.
    pub gb_per_s: f64,
    /// What limits it.
    pub limited_by: Resource,
    /// Nanoseconds that each resource is busy per kilobyte of output.
    pub busy: [(Resource, f64); 5],
    /// Warps that a multiprocessor holds, by threads, blocks and shared memory; registers are not known here.
    pub warps: u32,
}

/// Cycles from a load's issue to its value, shared memory or L1: 23 to 34 on Volta to Hopper by the published
/// micro-benchmarks (Jia et al. 2018, "Dissecting the NVIDIA Volta GPU Architecture"; Luo et al. 2024, "Benchmarking and
/// Dissecting the Nvidia Hopper GPU Architecture").
const NEAR_LATENCY: f64 = 30.0;
/// Cycles from an instruction's issue to its result (the same sources: 4 to 6).
const ARITHMETIC_LATENCY: f64 = 4.5;

/// The prediction for one GPU; `None` if the launch has no output or does not fit.
#[must_use]
pub fn predict(profile: &Profile, gpu: &'static Gpu) -> Option<Prediction> {
    let warps = resident_warps(profile, gpu);
    let bytes = profile.trace.output_bytes as f64;
    if bytes == 0.0 || warps == 0 {
        return None;
    }
    let cycles_per_s = gpu.clock_ghz * 1e9 * f64::from(gpu.multiprocessors);
    let per_kilobyte = |seconds: f64| seconds * 1e9 / (bytes / 1e3);
    let in_cycles = |cycles: f64| per_kilobyte(cycles / cycles_per_s);
    let issued = profile.issued.total();
    let integer = [Class::Integer, Class::Shift, Class::Compare].map(|class| profile.issued.get(class));
    let integer = integer.iter().sum::<f64>() * 32.0 / f64::from(gpu.integer_lanes);
    let passes = [
        &profile.shared,
        &profile.global_loads,
        &profile.global_stores,
        &profile.constant_tables,
        &profile.global_tables,
    ]
    .map(|accesses| accesses.wavefronts)
    .iter()
    .sum::<u64>() as f64;
    let loads = [Class::SharedLoad, Class::Table, Class::GlobalLoad, Class::Warp]
        .map(|class| profile.issued.get(class));
    let loads = loads.iter().sum::<f64>();
    let latency = (loads * NEAR_LATENCY + (issued - loads) * ARITHMETIC_LATENCY) / f64::from(warps);
    let busy = [
        (Resource::Memory, per_kilobyte(profile.dram_bytes as f64 / (gpu.bandwidth() * 1e9))),
        (Resource::Issue, in_cycles(issued / Gpu::ISSUE_SLOTS)),
        (Resource::Integer, in_cycles(integer)),
        (Resource::SharedMemory, in_cycles(passes / Gpu::WAVEFRONTS)),
        (Resource::Latency, in_cycles(latency)),
    ];
    let (limited_by, longest) = busy
        .into_iter()
        .fold((Resource::Memory, 0.0), |most, next| if next.1 > most.1 { next } else { most });
    Some(Prediction { gpu, gb_per_s: 1e3 / longest, limited_by, busy, warps })
}

/// The predictions for all GPUs.
#[must_use]
pub fn predictions(profile: &Profile) -> Vec<Prediction> {
    GPUS.iter().filter_map(|gpu| predict(profile, gpu)).collect()
}

/// Warps that live on a multiprocessor at once, registers permitting.
fn resident_warps(profile: &Profile, gpu: &Gpu) -> u32 {
    let warps = profile.threads.div_ceil(32).max(1);
    let shared = u64::from(gpu.shared_kib) * 1024;
    // From 8.0 on the driver keeps 1 KiB of each block's shared memory.
    let per_block = profile.shared_bytes + if gpu.arch >= 80 { 1024 } else { 0 };
    let by_shared =
        shared.checked_div(per_block).map_or(u32::MAX, |blocks| u32::try_from(blocks).unwrap_or(u32::MAX));
    let blocks = gpu.blocks.min(gpu.threads / 32 / warps).min(by_shared);
    blocks * warps
}
