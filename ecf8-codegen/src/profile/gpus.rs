//! What GPUs can do: the figures behind predictions, each from its vendor.
//!
//! Sources, as cited per GPU below:
//! - *H100 WP*: NVIDIA H100 Tensor Core GPU Architecture (whitepaper), table "Comparison of NVIDIA A100 and H100".
//! - *H200 DS*, *H100 DS*, *L40S DS*, *T4 DS*: NVIDIA's data sheets of these products.
//! - *A100 WP*: NVIDIA A100 Tensor Core GPU Architecture (whitepaper), table 4, and the A100 data sheet for 80 GB.
//! - *Ada WP*: NVIDIA Ada GPU Architecture (whitepaper), appendices on the RTX 4090 and AD102.
//! - *Blackwell WP*: NVIDIA RTX Blackwell GPU Architecture (whitepaper), appendix on the RTX 5090.
//! - *Turing WP*: NVIDIA Turing GPU Architecture (whitepaper), appendix on the Tesla T4.
//! - *Guide*: CUDA C++ Programming Guide, "Arithmetic Instructions" (results per clock and multiprocessor: 32-bit
//!   integer sums, comparisons and logic are 64 on 7.5 to 12.0, 128 on 12.0 where both halves take integers), "Shared
//!   Memory" (32 banks of 4 bytes per clock) and the sections on each compute capability (four warp schedulers, each
//!   issuing one instruction per clock).
//!
//! Where NVIDIA gives a bandwidth, it is the peak of the memory's pins; a copy reaches 85 to 92 % of it. On the H200
//! 4.3 TB/s were measured (read plus write), which is used instead; for the others [`Gpu::REACHED`] of the peak.

/// One GPU.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gpu {
    /// The name as people write it.
    pub name: &'static str,
    /// The name as a key.
    pub key: &'static str,
    /// Compute capability: 90 for 9.0.
    pub arch: u32,
    /// Multiprocessors.
    pub multiprocessors: u32,
    /// Boost clock in GHz.
    pub clock_ghz: f64,
    /// 32-bit integer lanes per multiprocessor and clock.
    pub integer_lanes: u32,
    /// Peak bandwidth of its memory in GB/s.
    pub peak_gb_per_s: f64,
    /// Bandwidth of a copy as measured, if it has been, in GB/s.
    pub measured_gb_per_s: Option<f64>,
    /// L2 cache in MB.
    pub l2_mb: f64,
    /// Threads that a multiprocessor holds.
    pub threads: u32,
    /// Blocks that a multiprocessor holds.
    pub blocks: u32,
    /// Shared memory of a multiprocessor in KiB.
    pub shared_kib: u32,
    /// Cycles that a multiprocessor waits for each line of 128 bytes of code that it has not executed before; 0 where a
    /// launch before is taken to have left the code there, as benchmarks and the layers of a model do.
    pub code_line_cycles: f64,
    /// Where the figures are from.
    pub source: &'static str,
}

impl Gpu {
    /// The GPU that a driver calls by this name and says to have this compute capability (90 for 9.0) and number of
    /// multiprocessors, if it is among those that predictions are made for. A part of a GPU, as MIG makes them, is not.
    #[must_use]
    pub fn known(name: &str, arch: u32, multiprocessors: u32) -> Option<&'static Self> {
        // The number of multiprocessors tells boards of the same chip apart, whose names drivers write in several ways.
        let boards = ["SXM", "PCIe"];
        let said: Vec<&str> = name.split([' ', '-']).collect();
        GPUS.iter().find(|gpu| {
            let mut words = gpu.name.split(' ').filter(|word| !boards.contains(word));
            let is_named = words.all(|word| said.contains(&word));
            is_named && (gpu.arch, gpu.multiprocessors) == (arch, multiprocessors)
        })
    }

    /// Warp instructions that a multiprocessor issues per clock, one by each of its four schedulers (*Guide*).
    pub const ISSUE_SLOTS: f64 = 4.0;
    /// Passes over the banks of shared memory, or lines of the L1, per clock: 128 bytes (*Guide*).
    pub const WAVEFRONTS: f64 = 1.0;
    /// The part of the peak bandwidth that a copy reaches where none has been measured: what it does on the H200
    /// (4300 of 4800 GB/s).
    pub const REACHED: f64 = 0.9;

    /// 32-bit registers of a multiprocessor, a quarter of them in each of its four parts (*Guide*).
    pub const REGISTERS: u32 = 65_536;
    /// Registers are handed out to warps in multiples of this (`cuda_occupancy.h` of CUDA 12).
    pub const REGISTER_UNIT: u32 = 256;

    /// Blocks of `warps` warps that a multiprocessor holds at once, each with `registers` per thread and `shared_bytes` of
    /// shared memory; 0 if not even one fits.
    #[must_use]
    pub fn resident_blocks(&self, warps: u32, registers: u32, shared_bytes: u64) -> u32 {
        const PARTS: u32 = 4;
        let warps = warps.max(1);
        let per_warp = registers.max(1).saturating_mul(32).next_multiple_of(Self::REGISTER_UNIT);
        // A block is refused when it would not fit with its warps spread evenly over the parts; once it lives, each of its
        // warps takes registers from one part only.
        let is_refused = per_warp.saturating_mul(warps.next_multiple_of(PARTS)) > Self::REGISTERS;
        let by_registers = if is_refused { 0 } else { Self::REGISTERS / PARTS / per_warp * PARTS / warps };
        // From 8.0 on the driver keeps 1 KiB of each block's shared memory.
        let shared_bytes = shared_bytes + if self.arch >= 80 { 1024 } else { 0 };
        let by_shared = (u64::from(self.shared_kib) * 1024).checked_div(shared_bytes);
        let by_shared = by_shared.map_or(u32::MAX, |blocks| u32::try_from(blocks).unwrap_or(u32::MAX));
        self.blocks.min(self.threads / 32 / warps).min(by_registers).min(by_shared)
    }

    /// Bandwidth that a kernel can hope for, in GB/s.
    #[must_use]
    pub fn bandwidth(&self) -> f64 {
        self.measured_gb_per_s.unwrap_or(self.peak_gb_per_s * Self::REACHED)
    }
}

/// What the entries have in common.
const BASE: Gpu = Gpu {
    name: "",
    key: "",
    arch: 0,
    multiprocessors: 0,
    clock_ghz: 0.0,
    integer_lanes: 64,
    peak_gb_per_s: 0.0,
    measured_gb_per_s: None,
    l2_mb: 0.0,
    threads: 2048,
    blocks: 32,
    shared_kib: 228,
    code_line_cycles: 0.0,
    source: "",
};

/// The GPUs that predictions are made for.
pub const GPUS: [Gpu; 9] = [
    Gpu {
        name: "H200",
        key: "h200",
        arch: 90,
        multiprocessors: 132,
        clock_ghz: 1.98,
        peak_gb_per_s: 4800.0,
        measured_gb_per_s: Some(4300.0),
        l2_mb: 50.0,
        source: "H200 DS; clock and copy bandwidth as measured on one (shared/design.md §5)",
        ..BASE
    },
    Gpu {
        name: "H100 SXM",
        key: "h100_sxm",
        arch: 90,
        multiprocessors: 132,
        clock_ghz: 1.98,
        peak_gb_per_s: 3350.0,
        l2_mb: 50.0,
        source: "H100 WP and DS; clock of the same chip as the H200",
        ..BASE
    },
    Gpu {
        name: "H100 PCIe",
        key: "h100_pcie",
        arch: 90,
        multiprocessors: 114,
        clock_ghz: 1.755,
        peak_gb_per_s: 2000.0,
        l2_mb: 50.0,
        source: "H100 WP and DS",
        ..BASE
    },
    Gpu {
        name: "A100 80GB",
        key: "a100_80gb",
        arch: 80,
        multiprocessors: 108,
        clock_ghz: 1.41,
        peak_gb_per_s: 2039.0,
        l2_mb: 40.0,
        shared_kib: 164,
        source: "A100 WP; bandwidth of the 80 GB SXM data sheet",
        ..BASE
    },
    Gpu {
        name: "A100 40GB",
        key: "a100_40gb",
        arch: 80,
        multiprocessors: 108,
        clock_ghz: 1.41,
        peak_gb_per_s: 1555.0,
        l2_mb: 40.0,
        shared_kib: 164,
        source: "A100 WP",
        ..BASE
    },
    Gpu {
        name: "L40S",
        key: "l40s",
        arch: 89,
        multiprocessors: 142,
        clock_ghz: 2.52,
        peak_gb_per_s: 864.0,
        l2_mb: 96.0,
        threads: 1536,
        blocks: 24,
        shared_kib: 100,
        source: "L40S DS (18,176 lanes, 864 GB/s); L2 of the full AD102 in Ada WP",
        ..BASE
    },
    Gpu {
        name: "RTX 4090",
        key: "rtx_4090",
        arch: 89,
        multiprocessors: 128,
        clock_ghz: 2.52,
        peak_gb_per_s: 1008.0,
        l2_mb: 72.0,
        threads: 1536,
        blocks: 24,
        shared_kib: 100,
        source: "Ada WP",
        ..BASE
    },
    Gpu {
        name: "RTX 5090",
        key: "rtx_5090",
        arch: 120,
        multiprocessors: 170,
        clock_ghz: 2.407,
        integer_lanes: 128,
        peak_gb_per_s: 1792.0,
        l2_mb: 96.0,
        threads: 1536,
        blocks: 24,
        shared_kib: 100,
        source: "Blackwell WP",
        ..BASE
    },
    Gpu {
        name: "T4",
        key: "t4",
        arch: 75,
        multiprocessors: 40,
        clock_ghz: 1.59,
        peak_gb_per_s: 320.0,
        l2_mb: 4.0,
        threads: 1024,
        blocks: 16,
        shared_kib: 64,
        source: "Turing WP and T4 DS",
        ..BASE
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drivers_names_of_known_gpus_are_recognised_and_parts_of_gpus_are_not() {
        let key = |name, arch, multiprocessors| Gpu::known(name, arch, multiprocessors).map(|gpu| gpu.key);
        assert_eq!(key("NVIDIA H200", 90, 132), Some("h200"));
        assert_eq!(key("NVIDIA H100 80GB HBM3", 90, 132), Some("h100_sxm"));
        assert_eq!(key("NVIDIA H100 PCIe", 90, 114), Some("h100_pcie"));
        assert_eq!(key("NVIDIA A100-SXM4-80GB", 80, 108), Some("a100_80gb"));
        assert_eq!(key("NVIDIA A100-PCIE-40GB", 80, 108), Some("a100_40gb"));
        assert_eq!(key("NVIDIA GeForce RTX 4090", 89, 128), Some("rtx_4090"));
        assert_eq!(key("NVIDIA H100 80GB HBM3 MIG 1g.10gb", 90, 16), None);
        assert_eq!(key("NVIDIA GeForce RTX 4080", 89, 76), None);
    }
}
