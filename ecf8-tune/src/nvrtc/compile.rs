//! From CUDA C++ to a cubin.

use std::ffi::CString;

use super::ffi::{Code, Program};
use super::{Arch, CompileReport, CudaVersion, Nvrtc, NvrtcError};

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
    /// What the CUDA driver loads: machine code for the requested architecture, an ELF file, unless PTX was asked for.
    pub image: Vec<u8>,
    /// What it needs of the GPU.
    pub report: CompileReport,
}

/// What every source is compiled with, besides its architecture and its request's own options.
const STANDARD_OPTIONS: [&str; 2] = ["--std=c++17", "--ptxas-options=-v"];

impl CompileRequest<'_> {
    /// All options that the machine code depends on, but for the architecture.
    pub fn all_options(&self) -> impl Iterator<Item = &str> {
        STANDARD_OPTIONS.into_iter().chain(self.options.iter().copied())
    }
}

/// First version known to take `--no-cache`, and to need it: a cached cubin comes with no statistics.
const CACHE_SINCE: CudaVersion = CudaVersion { major: 12, minor: 9 };

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
        if !self.knows(request.arch) {
            return Err(self.unsupported(request.arch));
        }
        let (program, log) = self.run(request, &request.arch.to_string())?;
        let image = program.cubin().map_err(|code| self.failed("nvrtcGetCUBIN", name, code))?;
        let report = CompileReport::read(&log, &image);
        let report = report
            .ok_or_else(|| NvrtcError::NoStatistics { name: name.to_owned(), version: self.version() })?;
        Ok(Compiled { image, report })
    }

    /// Compiles a source for an architecture that is younger than this NVRTC: to PTX, from which the driver makes machine
    /// code. The statistics are those of the youngest architecture that NVRTC knows, and are likely to be much the same.
    ///
    /// # Errors
    /// As [`Nvrtc::compile`].
    pub fn compile_to_ptx(&self, request: &CompileRequest<'_>) -> Result<Compiled, NvrtcError> {
        let older = self.archs.iter().filter(|known| known.number() < request.arch.number());
        let youngest = older.max_by_key(|known| known.number()).copied();
        let arch = youngest.ok_or_else(|| self.unsupported(request.arch))?;
        let asked = request.arch;
        let request = CompileRequest { arch, ..*request };
        let report = self.compile(&request)?.report;
        let (program, _) = self.run(&request, &format!("compute_{}", arch.number()))?;
        let image = program.ptx().ok_or_else(|| self.unsupported(asked))?;
        let image = image.map_err(|code| self.failed("nvrtcGetPTX", request.name, code))?;
        Ok(Compiled { image, report })
    }

    /// Compiles a source for an architecture, real or virtual; gives the log, too.
    fn run(&self, request: &CompileRequest<'_>, arch: &str) -> Result<(Program<'_>, String), NvrtcError> {
        let name = request.name;
        let c_string = |text: &str, what: &'static str| {
            CString::new(text).map_err(|_| NvrtcError::ZeroByte { name: name.replace('\0', ""), what })
        };
        let (source, c_name) = (c_string(request.source, "source")?, c_string(name, "name")?);
        let arch = format!("--gpu-architecture={arch}");
        let no_cache = (self.version >= CACHE_SINCE).then_some("--no-cache");
        let options = [arch.as_str()].into_iter().chain(no_cache).chain(request.all_options());
        let options = options.map(|option| c_string(option, "options")).collect::<Result<Vec<_>, _>>()?;

        let created = self.api.program(&source, &c_name);
        let mut program = created.map_err(|code| self.failed("nvrtcCreateProgram", name, code))?;
        if let Err(code) = program.compile(&options) {
            return Err(self.explain(request, &program, code));
        }
        let log = program.log().map_err(|code| self.failed("nvrtcGetProgramLog", name, code))?;
        Ok((program, log))
    }

    fn failed(&self, call: &'static str, name: &str, code: Code) -> NvrtcError {
        NvrtcError::Call { call, name: name.to_owned(), message: self.api.describe(code) }
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
