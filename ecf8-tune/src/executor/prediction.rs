//! The GPU that the emulator stands for when it predicts a time.

use super::{Fingerprint, Limits};
use crate::device::SmLimits;
use crate::nvrtc::Arch;
use ecf8_codegen::emulator::EmulatorError;
use ecf8_codegen::ir::Kernel;
use ecf8_codegen::launch::{Gather, Launch};
use ecf8_codegen::profile::gpus::{GPUS, Gpu};
use ecf8_codegen::profile::{self, predict};

/// The first of the profiler's table.
const GPU: &Gpu = &GPUS[0];

/// The nanoseconds that a launch is predicted to take, from some of its blocks; `None` if it does not fit the GPU.
pub(super) fn nanoseconds(
    kernel: &Kernel,
    launch: &Launch<Gather<'_>>,
    sampled_blocks: u32,
) -> Result<Option<u64>, EmulatorError> {
    let profile = profile::profile(kernel, launch, Some(sampled_blocks))?;
    // The estimate of registers also where NVRTC is at hand: what is recorded must not depend on that.
    let prediction = predict::predict(&profile, GPU, profile.registers);
    Ok(prediction.map(|prediction| whole(prediction.nanoseconds)))
}

/// Nanoseconds as records hold them.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what a time can be")]
fn whole(nanoseconds: f64) -> u64 {
    nanoseconds.round().clamp(1.0, 1e15) as u64
}

/// The GPU predicted for, under a name that no GPU has, so that predictions never pass for measurements.
pub(super) fn fingerprint() -> Fingerprint {
    Fingerprint {
        gpu: format!("emulator, predicting for {}", GPU.name),
        arch: arch(),
        sm_count: GPU.multiprocessors,
        driver: "none".to_owned(),
        nvrtc: String::new(),
    }
}

/// What that GPU offers.
pub(super) fn limits() -> Limits {
    let shared = SmLimits::of(arch()).map_or(48 * 1024, |limits| limits.shared_per_block_bytes);
    let registers = SmLimits::of(arch()).map_or(64 * 1024, |limits| limits.registers);
    Limits {
        shared_per_block_bytes: shared,
        threads_per_block: 1024,
        registers_per_block: registers,
        l2_bytes: 0,
        memory_bytes: u64::MAX,
    }
}

/// Its architecture.
fn arch() -> Arch {
    // Every architecture in the profiler's table can be, so nothing else is ever taken.
    Arch::from_capability(GPU.arch / 10, GPU.arch % 10).unwrap_or(Arch::SM_90)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_says_that_it_is_a_prediction() {
        assert!(fingerprint().gpu.contains("predicting for H200"));
        assert_eq!(fingerprint().arch.to_string(), "sm_90");
        assert_eq!(limits().shared_per_block_bytes, 227 * 1024);
    }
}
