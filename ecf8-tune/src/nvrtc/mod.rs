//! NVRTC, NVIDIA's run-time compiler: found at run time, loaded, and used to make cubins with no GPU present.
//!
//! ```no_run
//! use ecf8_tune::nvrtc::{CompileRequest, Nvrtc};
//!
//! let source = r#"extern "C" __global__ void fill(unsigned char* out) { out[threadIdx.x] = 7; }"#;
//! let nvrtc = Nvrtc::find()?;
//! let request = CompileRequest { name: "fill.cu", source, arch: "sm_90".parse()?, options: &[] };
//! let compiled = nvrtc.compile(&request)?;
//! println!("{} registers, {} bytes", compiled.report.registers, compiled.image.len());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! For a GPU at hand, [`Nvrtc::find_for`] takes one whose machine code the driver loads, since CUDA 13 changed its
//! format; where NVRTC is older than the GPU, it makes PTX, which the driver compiles.

mod arch;
mod compile;
pub(crate) mod elf;
mod error;
mod ffi;
mod find;
pub(crate) mod image;
mod report;
mod search;
#[cfg(test)]
pub(crate) mod tests;
mod version;

pub use arch::{Arch, ArchError};
pub use compile::{CompileRequest, Compiled};
pub use error::{Attempt, NvrtcError, Outcome};
pub use report::CompileReport;
pub use search::SearchPath;
pub use version::{CudaVersion, Machine};

/// An NVRTC that was found, loaded and seen to compile an empty kernel.
pub struct Nvrtc {
    api: ffi::Api,
    version: CudaVersion,
    archs: Vec<Arch>,
    origin: String,
    passed_over: Vec<Attempt>,
}

impl Nvrtc {
    /// Its version.
    pub fn version(&self) -> CudaVersion {
        self.version
    }

    /// Whether it makes machine code for this architecture.
    pub fn knows(&self, arch: Arch) -> bool {
        self.archs.iter().any(|known| known.number() == arch.number())
    }

    /// The architectures that it compiles for, without those with a suffix.
    pub fn supported_archs(&self) -> &[Arch] {
        &self.archs
    }

    /// The file that it was loaded from, or the name that the dynamic loader resolved.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The places tried in vain before this one.
    pub fn passed_over(&self) -> &[Attempt] {
        &self.passed_over
    }
}

impl std::fmt::Debug for Nvrtc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NVRTC {} ({})", self.version(), self.origin)
    }
}
