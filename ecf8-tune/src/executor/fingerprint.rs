//! What a target is, as far as the speed of kernels on it goes.

use crate::nvrtc::Arch;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display};

/// A GPU and the software that makes and runs its machine code. Two that are equal time alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    /// The product's name.
    pub gpu: String,
    /// Its compute capability, as the architecture that kernels are compiled for.
    pub arch: Arch,
    /// Streaming multiprocessors.
    pub sm_count: u32,
    /// The driver's release, or the newest CUDA that it supports where it tells no more.
    pub driver: String,
    /// The version of NVRTC; empty where no kernel had to be compiled and none was found.
    pub nvrtc: String,
}

impl Fingerprint {
    /// Whether both are the same model of GPU, whatever driver and NVRTC.
    #[must_use]
    pub fn is_same_gpu(&self, other: &Self) -> bool {
        self.gpu == other.gpu && self.arch == other.arch && self.sm_count == other.sm_count
    }

    /// Whether what was measured here holds there: all is the same, but where NVRTC is unknown any version will do, since
    /// with all kernels in the cache none is needed.
    #[must_use]
    pub fn serves(&self, other: &Self) -> bool {
        let same_nvrtc = self.nvrtc == other.nvrtc || self.nvrtc.is_empty() || other.nvrtc.is_empty();
        self.is_same_gpu(other) && self.driver == other.driver && same_nvrtc
    }
}

impl Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {} SMs, driver {}", self.gpu, self.arch, self.sm_count, self.driver)?;
        match self.nvrtc.as_str() {
            "" => write!(f, ")"),
            version => write!(f, ", NVRTC {version})"),
        }
    }
}
