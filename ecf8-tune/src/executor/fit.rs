//! Whether a block of a launch fits a target.

use super::{ExecutorError, Limits};
use crate::nvrtc::CompileReport;
use ecf8_codegen::ir;
use ecf8_codegen::launch::Launch;
use ecf8_codegen::strategy::{Coding, Params, Strategy};
use ecf8_core::Encoded;

/// What every block of a kernel needs, however it is launched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockNeeds {
    /// Threads.
    pub threads: u32,
    /// Bytes of static shared memory.
    pub shared_bytes: u64,
    /// Registers per thread, where a compiler has told.
    pub registers: Option<u32>,
}

/// Registers are handed out to whole warps of this many threads …
const WARP: u64 = 32;
/// … in multiples of this many for each thread.
const REGISTER_UNIT: u64 = 8;

impl BlockNeeds {
    /// From the kernel, and from what its compiler said if it was compiled.
    #[must_use]
    pub fn of(kernel: &ir::Kernel, report: Option<&CompileReport>) -> Self {
        let of_ir = kernel.static_shared_bytes() as u64;
        Self {
            threads: kernel.threads,
            shared_bytes: report.map_or(of_ir, |report| report.shared_bytes.into()),
            registers: report.map(|report| report.registers),
        }
    }
}

/// Why a launch does not fit a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it needs {needed} {what} per block, of which {possible} are possible here")]
pub struct Misfit {
    /// What there is too little of.
    pub what: &'static str,
    /// How much of it a block needs.
    pub needed: u64,
    /// How much of it a block can have.
    pub possible: u64,
}

impl Limits {
    /// Whether blocks with these needs can be launched so.
    ///
    /// # Errors
    /// What there is too little of.
    pub fn check<B>(&self, needs: &BlockNeeds, launch: &Launch<B>) -> Result<(), Misfit> {
        let registers = needs.registers.map_or(0, |registers| {
            let threads = u64::from(needs.threads).next_multiple_of(WARP);
            u64::from(registers).next_multiple_of(REGISTER_UNIT).saturating_mul(threads)
        });
        let shared = needs.shared_bytes.saturating_add(launch.dynamic_shared_bytes.into());
        let all = [
            ("threads", u64::from(needs.threads), self.threads_per_block),
            ("bytes of shared memory", shared, self.shared_per_block_bytes),
            ("registers", registers, self.registers_per_block),
        ];
        let misfit = |(what, needed, possible): (&'static str, u64, u32)| {
            let possible = u64::from(possible);
            (needed > possible).then_some(Misfit { what, needed, possible })
        };
        all.into_iter().find_map(misfit).map_or(Ok(()), Err)
    }

    /// Whether a tensor can be decoded by a variant here, as far as can be told before the kernel is compiled.
    ///
    /// # Errors
    /// What there is too little of, or why the strategy refuses the tensor.
    pub fn check_variant(
        &self,
        strategy: &dyn Strategy,
        params: &Params,
        encoded: &Encoded<'_>,
    ) -> Result<(), ExecutorError> {
        let kernel = strategy.kernel(params, &Coding::of(encoded))?;
        let launch = strategy.launch(params, &[encoded])?;
        Ok(self.check(&BlockNeeds::of(&kernel, None), &launch)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        shared_per_block_bytes: 64 * 1024,
        threads_per_block: 1024,
        registers_per_block: 65_536,
        l2_bytes: 0,
        memory_bytes: 1 << 30,
    };

    fn check(threads: u32, shared_bytes: u64, dynamic: u32, registers: Option<u32>) -> Result<(), Misfit> {
        let launch =
            Launch::<()> { grid: 1, dynamic_shared_bytes: dynamic, args: Vec::new(), outputs: Vec::new() };
        LIMITS.check(&BlockNeeds { threads, shared_bytes, registers }, &launch)
    }

    #[test]
    fn each_limit_is_kept_to_the_last_unit_and_named_beyond() {
        assert_eq!(check(1024, 1024, 63 * 1024, Some(64)), Ok(()));
        let misfit = check(512, 1, 64 * 1024, None).unwrap_err();
        assert_eq!(
            misfit.to_string(),
            "it needs 65537 bytes of shared memory per block, of which 65536 are possible here"
        );
        assert_eq!(check(1025, 0, 0, None).unwrap_err().what, "threads");
        let misfit = check(1000, 0, 0, Some(65)).unwrap_err();
        assert_eq!((misfit.what, misfit.needed), ("registers", 1024 * 72));
        assert!(check(1024, u64::MAX, u32::MAX, Some(255)).is_err());
    }
}
