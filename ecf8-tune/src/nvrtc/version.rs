//! Versions of CUDA, and what follows from a driver's for the choice of NVRTC.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Arch;

/// A version of CUDA: the newest that a driver supports, or that of an NVRTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CudaVersion {
    /// 13 of 13.5.
    pub major: u32,
    /// 5 of 13.5.
    pub minor: u32,
}

impl CudaVersion {
    /// The package of the Python index with an NVRTC whose machine code drivers for this CUDA load.
    pub fn nvrtc_package(self) -> &'static str {
        match self.major {
            ..=11 => "nvidia-cuda-nvrtc-cu11",
            12 => "nvidia-cuda-nvrtc-cu12",
            13.. => "nvidia-cuda-nvrtc",
        }
    }

    /// Whether drivers for this CUDA load the machine code that an NVRTC of another version makes. Its format changes
    /// with major versions only.
    pub fn loads_code_of(self, nvrtc: Self) -> bool {
        nvrtc.major <= self.major
    }
}

impl fmt::Display for CudaVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for CudaVersion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers =
            text.split_once('.').and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
        let (major, minor) =
            numbers.ok_or_else(|| format!("`{text}` is no version of CUDA: write it like 13.0"))?;
        Ok(Self { major, minor })
    }
}

impl TryFrom<String> for CudaVersion {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<CudaVersion> for String {
    fn from(version: CudaVersion) -> Self {
        version.to_string()
    }
}

/// A GPU and its driver, which compiled kernels are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Machine {
    /// The GPU's architecture.
    pub arch: Arch,
    /// The newest CUDA that the driver supports.
    pub driver: CudaVersion,
}

/// How what an NVRTC makes gets onto a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// As machine code.
    MachineCode,
    /// As PTX, which the driver compiles: the NVRTC is older than the GPU.
    Ptx,
    /// Not at all, for the reason given.
    No(String),
}

impl Machine {
    /// The package of the Python index with an NVRTC for it.
    pub fn nvrtc_package(self) -> &'static str {
        // CUDA 13 left out everything before Turing.
        let newest = if self.arch < Arch::SM_75 { CudaVersion { major: 12, minor: 9 } } else { self.driver };
        newest.min(self.driver).nvrtc_package()
    }

    /// How what an NVRTC of this version, which knows these architectures, makes gets onto it.
    pub(super) fn fit(self, version: CudaVersion, archs: &[Arch]) -> Fit {
        let Self { arch, driver } = self;
        let no = |reason: String| {
            Fit::No(format!("{reason}; `pip install {}` brings one that fits", self.nvrtc_package()))
        };
        if !driver.loads_code_of(version) {
            let major = version.major;
            return no(format!(
                "NVRTC {version} makes machine code for drivers of CUDA {major} and later, and the one here is for CUDA {driver}"
            ));
        }
        if archs.iter().any(|known| known.number() == arch.number()) {
            return Fit::MachineCode;
        }
        if archs.iter().all(|known| known.number() > arch.number()) {
            return no(format!("NVRTC {version} knows {arch} no longer"));
        }
        // A driver compiles the PTX of its own version of CUDA and of older ones.
        if version > driver {
            return no(format!(
                "NVRTC {version} does not know {arch}, and the driver, which is for CUDA {driver}, does not take its PTX"
            ));
        }
        Fit::Ptx
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(nvrtc: &str, arch: &str, driver: &str) -> Fit {
        let archs = ["sm_75", "sm_80", "sm_90"].map(|arch| arch.parse().unwrap());
        let machine = Machine { arch: arch.parse().unwrap(), driver: driver.parse().unwrap() };
        machine.fit(nvrtc.parse().unwrap(), &archs)
    }

    #[test]
    fn machine_code_of_the_drivers_major_version_and_older_ones_fits() {
        for (nvrtc, driver) in
            [("12.4", "12.4"), ("12.9", "12.4"), ("12.2", "13.0"), ("13.5", "13.0"), ("11.8", "13.0")]
        {
            assert_eq!(fit(nvrtc, "sm_90", driver), Fit::MachineCode, "{nvrtc} on {driver}");
        }
        let Fit::No(reason) = fit("13.5", "sm_90", "12.4") else { panic!("13.5 on 12.4") };
        assert!(reason.contains("NVRTC 13.5") && reason.contains("CUDA 12.4"), "{reason}");
        assert!(reason.contains("`pip install nvidia-cuda-nvrtc-cu12`"), "{reason}");
    }

    #[test]
    fn a_gpu_that_is_younger_than_nvrtc_gets_ptx_if_the_driver_takes_it() {
        assert_eq!(fit("12.4", "sm_120", "12.8"), Fit::Ptx);
        assert_eq!(fit("12.4", "sm_120", "13.0"), Fit::Ptx);
        assert!(matches!(fit("12.9", "sm_120", "12.8"), Fit::No(_)));
        let Fit::No(reason) = fit("13.0", "sm_70", "13.0") else { panic!("an old GPU") };
        assert!(reason.contains("sm_70 no longer") && reason.contains("nvidia-cuda-nvrtc-cu12"), "{reason}");
    }

    #[test]
    fn versions_are_read_as_they_are_written() {
        let version: CudaVersion = serde_json::from_str("\"12.4\"").unwrap();
        assert_eq!((version, version.to_string()), (CudaVersion { major: 12, minor: 4 }, "12.4".to_owned()));
        for wrong in ["", "12", "12.", "a.b", "12.4.1"] {
            assert!(wrong.parse::<CudaVersion>().is_err(), "{wrong}");
        }
    }
}
