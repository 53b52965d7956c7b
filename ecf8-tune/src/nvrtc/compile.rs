//! From CUDA C++ to a cubin.

use std::ffi::CString;

use super::ffi::{Code, Program};
use super::{Arch, CompileReport, Nvrtc, NvrtcError};

/// What to compile.
#[derive(Clone, Copy, Debug)]
pub struct CompileRequest<'a> {
    /// What diagnostics call the source, such as `gap-cascade.cu`.
    pub name: &'a str,
    /// CUDA C++ without `#include`: NVRTC brings no headers.
    pub source: &'a str,
    /// The architecture to make machine code for.
    pub arch: Arch,
    /// Further options of NVRTC, after those that every compilation gets.
    pub options: &'a [&'a str],
}

/// A compiled source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// Machine code for the requested architecture, an ELF file for the CUDA driver.
    pub cubin: Vec<u8>,
    /// What it needs of the GPU.
    pub report: CompileReport,
}

/// First version known to take `--no-cache`, and to need it: a cached cubin comes with no statistics.
const CACHE_SINCE: (i32, i32) = (12, 9);

impl Nvrtc {
    /// Compiles a source to machine code, with the statistics of ptxas. No GPU is needed.
    ///
    /// May be called from several threads at once: each call has a program of its own, and NVRTC forbids only
    /// sharing one. What it can't do in parallel itself (code generation, before 12.3) it locks.
    ///
    /// # Errors
    /// [`NvrtcError::UnsupportedArch`], [`NvrtcError::Compile`] with the log, [`NvrtcError::ZeroByte`],
    /// [`NvrtcError::NoStatistics`] or [`NvrtcError::Call`].
    pub fn compile(&self, request: &CompileRequest<'_>) -> Result<Compiled, NvrtcError> {
        let name = request.name;
        if !self.archs.iter().any(|known| known.number() == request.arch.number()) {
            return Err(self.unsupported(request.arch));
        }
        let c_string = |text: &str, what: &'static str| {
            CString::new(text).map_err(|_| NvrtcError::ZeroByte { name: name.replace('\0', ""), what })
        };
        let (source, c_name) = (c_string(request.source, "source")?, c_string(name, "name")?);
        let own = self.standard_options(request.arch);
        let options = own.iter().map(String::as_str).chain(request.options.iter().copied());
        let options = options.map(|option| c_string(option, "options")).collect::<Result<Vec<_>, _>>()?;

        let failed = |call: &'static str| {
            move |code: Code| NvrtcError::Call {
                call,
                name: name.to_owned(),
                message: self.api.describe(code),
            }
        };
        let mut program = self.api.program(&source, &c_name).map_err(failed("nvrtcCreateProgram"))?;
        if let Err(code) = program.compile(&options) {
            return Err(self.explain(request, &program, code));
        }
        let log = program.log().map_err(failed("nvrtcGetProgramLog"))?;
        let cubin = program.cubin().map_err(failed("nvrtcGetCUBIN"))?;
        let report = CompileReport::read(&log, &cubin);
        let report = report
            .ok_or_else(|| NvrtcError::NoStatistics { name: name.to_owned(), version: self.version() })?;
        Ok(Compiled { cubin, report })
    }

    fn standard_options(&self, arch: Arch) -> Vec<String> {
        let mut options = vec![
            format!("--gpu-architecture={arch}"),
            "--std=c++17".to_owned(),
            "--ptxas-options=-v".to_owned(),
        ];
        if self.version >= CACHE_SINCE {
            options.push("--no-cache".to_owned());
        }
        options
    }

    fn unsupported(&self, arch: Arch) -> NvrtcError {
        NvrtcError::UnsupportedArch { arch, version: self.version(), supported: self.archs.clone() }
    }

    /// The error behind a failed compilation.
    fn explain(&self, request: &CompileRequest<'_>, program: &Program<'_>, code: Code) -> NvrtcError {
        let log = program.log().unwrap_or_default();
        // NVRTC's own words for an unknown number, and its front end's for an unknown suffix.
        if log.contains("--gpu-architecture") || log.contains("--nv_arch") {
            return self.unsupported(request.arch);
        }
        let name = request.name.to_owned();
        if code == Code::COMPILATION {
            return NvrtcError::Compile { name, arch: request.arch, log };
        }
        let words = log.split_whitespace().collect::<Vec<_>>().join(" ");
        let message = format!("{} {words}", self.api.describe(code)).trim_end().to_owned();
        NvrtcError::Call { call: "nvrtcCompileProgram", name, message }
    }
}

/// Compiles an empty kernel; the reason in words when that fails.
pub(super) fn trial(nvrtc: &Nvrtc) -> Result<(), String> {
    let arch = *nvrtc.archs.first().ok_or("it supports no architecture")?;
    let source = "extern \"C\" __global__ void trial() {}\n";
    match nvrtc.compile(&CompileRequest { name: "trial.cu", source, arch, options: &[] }) {
        Ok(_) => Ok(()),
        Err(NvrtcError::Call { message, .. }) => Err(format!("it can't compile an empty kernel ({message})")),
        Err(error) => Err(format!("it can't compile an empty kernel ({error})")),
    }
}
