//! What ptxas says about a kernel, read from NVRTC's log.

use serde::{Deserialize, Serialize};

use super::elf;

/// What a compiled kernel needs of the GPU, as reported by `--ptxas-options=-v`.
///
/// When the source has several kernels, registers, stack and shared memory are those of the hungriest one and
/// spills are added up, so that "no spills" speaks for all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompileReport {
    /// 32-bit registers per thread.
    pub registers: u32,
    /// Bytes per thread written to local memory for want of registers.
    pub spill_stores: u32,
    /// Bytes per thread read back from there.
    pub spill_loads: u32,
    /// Bytes of stack per thread; arrays that couldn't live in registers count here.
    pub stack_bytes: u32,
    /// Bytes of static shared memory per block.
    pub shared_bytes: u32,
    /// Bytes of constant memory: `__constant__` tables and constants of the compiler's, without the parameters.
    pub constant_bytes: u64,
    /// Size of the cubin.
    pub cubin_bytes: u64,
    /// The compiler's warnings, one line each.
    pub warnings: Vec<String>,
    /// NVRTC's log as it came.
    pub log: String,
}

impl CompileReport {
    /// Reads the log of a successful compilation, and of the cubin what the log does not tell.
    ///
    /// Returns `None` if it has no register count, which means that ptxas did not run or words its report in a
    /// way unknown here; zeros would then be a lie.
    pub(super) fn read(log: &str, cubin: &[u8]) -> Option<Self> {
        let mut report = Self {
            cubin_bytes: cubin.len() as u64,
            constant_bytes: elf::constant_bytes(cubin),
            log: log.to_owned(),
            ..Self::default()
        };
        let mut counted = false;
        for line in log.lines() {
            if is_warning(line) {
                report.warnings.push(line.trim().to_owned());
            }
            if !is_statistics(line) {
                continue;
            }
            let bytes = |what: &str| amount(line, what).unwrap_or(0);
            if let Some(registers) = amount(line, "registers") {
                counted = true;
                report.registers = report.registers.max(registers);
            }
            report.spill_stores = report.spill_stores.saturating_add(bytes("bytes spill stores"));
            report.spill_loads = report.spill_loads.saturating_add(bytes("bytes spill loads"));
            let stack = bytes("bytes stack frame").max(bytes("bytes cumulative stack size"));
            report.stack_bytes = report.stack_bytes.max(stack);
            report.shared_bytes = report.shared_bytes.max(bytes("bytes smem"));
        }
        counted.then_some(report)
    }
}

/// Whether ptxas wrote this line. Diagnostics quote the source, whose comments may speak of registers too.
fn is_statistics(line: &str) -> bool {
    let stack_line_of_cuda_11 = || line.starts_with(' ') && line.contains("bytes stack frame");
    line.starts_with("ptxas") || stack_line_of_cuda_11()
}

/// Whether this line is the head of a warning, by the compiler (`k.cu(3): warning #177-D: …`) or by ptxas.
fn is_warning(line: &str) -> bool {
    line.contains(": warning") || (line.starts_with("ptxas") && line.contains("warning"))
}

/// The number right before `what` in one of the comma-separated items of `line`, as in `2048 bytes smem`.
fn amount(line: &str, what: &str) -> Option<u32> {
    line.split([',', ':']).find_map(|item| number_before(item, what))
}

fn number_before(item: &str, what: &str) -> Option<u32> {
    let before = item.split_once(what)?.0;
    before.split_whitespace().next_back()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As NVRTC 13.5 writes it.
    const CUDA_13: &str = "\
k.cu(1): warning #177-D: variable \"unused\" was declared but never referenced
Remark: The warnings can be suppressed with \"-diag-suppress <warning-number>\"
  // takes 300 registers, 9 bytes smem
ptxas info    : 12 bytes gmem, 1024 bytes cmem[3]
ptxas info    : Compiling entry function 'spill' for 'sm_120'
ptxas info    : Function properties for spill
ptxas         .     1248 bytes stack frame, 652 bytes spill stores, 980 bytes spill loads
ptxas info    : Used 255 registers, used 0 barriers, 1248 bytes cumulative stack size
ptxas info    : Compile time = 318.092 ms
ptxas info    : Compiling entry function 'k' for 'sm_120'
ptxas info    : Function properties for k
ptxas         .     0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 10 registers, used 1 barriers, 2048 bytes smem
ptxas info    : Compile time = 2.495 ms
";

    /// As CUDA 11 wrote it: the properties have no prefix of their own, and banks of constants are listed.
    const CUDA_11: &str = "\
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'k' for 'sm_75'
ptxas info    : Function properties for k
    8 bytes stack frame, 4 bytes spill stores, 4 bytes spill loads
ptxas info    : Used 40 registers, 4096 bytes smem, 376 bytes cmem[0], 16 bytes cmem[2]
";

    #[test]
    fn the_hungriest_kernel_and_the_sum_of_spills_are_reported() {
        let report = CompileReport::read(CUDA_13, b"seven b").unwrap();
        assert_eq!((report.registers, report.shared_bytes, report.stack_bytes), (255, 2048, 1248));
        assert_eq!((report.spill_stores, report.spill_loads), (652, 980));
        assert_eq!(report.cubin_bytes, 7);
        assert_eq!(report.warnings.len(), 1);
        assert!(report.warnings[0].contains("#177-D"));
    }

    #[test]
    fn older_wording_is_read() {
        let report = CompileReport::read(CUDA_11, b"").unwrap();
        assert_eq!((report.registers, report.shared_bytes, report.stack_bytes), (40, 4096, 8));
        assert_eq!((report.spill_stores, report.spill_loads), (4, 4));
    }

    #[test]
    fn a_log_without_statistics_is_no_report() {
        assert_eq!(CompileReport::read("", b""), None);
        assert_eq!(CompileReport::read("k.cu(1): warning: something\n", b""), None);
    }
}
