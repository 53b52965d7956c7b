//! The CUDA driver: looked for at run time, and started.

use std::ffi::{c_int, c_uint};
use std::path::Path;
use std::sync::OnceLock;

use libloading::Library;

use super::DeviceError;
use super::ffi::{CaptureFunctions, Code, Functions, GraphFunctions, PinningFunctions, check};
use crate::nvrtc::{CudaVersion, elf};

/// The driver, loaded for good.
#[derive(Debug)]
pub(super) struct Driver {
    functions: Functions,
    /// What graphs need, or the first function that is missing.
    graphs: Result<GraphFunctions, &'static str>,
    /// What tells whether a stream is captured.
    pub(super) capture: Option<CaptureFunctions>,
    /// What pinned memory needs, or the first function that is missing.
    pinning: Result<PinningFunctions, &'static str>,
    _library: Library,
}

impl std::ops::Deref for Driver {
    type Target = Functions;

    fn deref(&self) -> &Functions {
        &self.functions
    }
}

/// Names under which the dynamic loader may know it. A CUDA toolkit's stub has the second one only.
const NAMES: &[&str] = if cfg!(windows) { &["nvcuda.dll"] } else { &["libcuda.so.1", "libcuda.so"] };

/// Where containers, WSL and NixOS keep the driver without telling the dynamic loader.
const FOLDERS: [&str; 4] =
    ["/usr/local/nvidia/lib64", "/usr/local/nvidia/lib", "/usr/lib/wsl/lib", "/run/opengl-driver/lib"];

/// The driver, found and loaded if it was not before, but not started.
///
/// # Errors
/// [`DeviceError::NoDriver`] or [`DeviceError::DriverTooOld`].
fn load() -> Result<&'static Driver, DeviceError> {
    static DRIVER: OnceLock<Driver> = OnceLock::new();
    if let Some(driver) = DRIVER.get() {
        return Ok(driver);
    }
    let library = library().ok_or(DeviceError::NoDriver)?;
    let too_old = |function| DeviceError::DriverTooOld { function };
    let driver = Driver {
        functions: Functions::of(&library).map_err(too_old)?,
        graphs: GraphFunctions::of(&library),
        capture: CaptureFunctions::of(&library).ok(),
        pinning: PinningFunctions::of(&library),
        _library: library,
    };
    Ok(DRIVER.get_or_init(|| driver))
}

fn library() -> Option<Library> {
    // SAFETY: this runs the initialisers of the driver's library, as any program linked with it does.
    let open = |file: &Path| unsafe { Library::new(file) }.ok();
    // In a folder that the dynamic loader does not look into, a library that is cut short would kill the process.
    let hidden = FOLDERS.iter().map(|folder| Path::new(folder).join("libcuda.so.1"));
    let mut hidden = hidden.filter(|file| elf::check_library(file).is_ok());
    NAMES.iter().find_map(|name| open(Path::new(name))).or_else(|| hidden.find_map(|file| open(&file)))
}

/// Finds the driver and starts it. Cheap to repeat.
///
/// # Errors
/// [`DeviceError::NoDriver`], [`DeviceError::DriverTooOld`], [`DeviceError::DriverBroken`] or
/// [`DeviceError::NoGpu`].
pub(super) fn start() -> Result<&'static Driver, DeviceError> {
    let driver = load()?;
    // SAFETY: the function takes any number, and 0 is what it asks for.
    check(unsafe { (driver.cuInit)(0) }).map_err(|code| match code {
        Code::CUDA_ERROR_NO_DEVICE => DeviceError::NoGpu,
        Code::CUDA_ERROR_STUB_LIBRARY => DeviceError::DriverBroken {
            reason: "libcuda.so is the CUDA toolkit's stub; take its folder off LD_LIBRARY_PATH".to_owned(),
        },
        _ => DeviceError::DriverBroken { reason: driver.describe(code) },
    })?;
    Ok(driver)
}

/// The newest CUDA that the driver on this machine supports, 13.0 for release 580; `None` without a driver. No GPU is
/// needed.
pub fn driver_version() -> Option<CudaVersion> {
    load().ok()?.version().ok()
}

impl Driver {
    /// What graphs need.
    pub(super) fn graphs(&self) -> Result<&GraphFunctions, DeviceError> {
        self.graphs.as_ref().map_err(|function| DeviceError::DriverTooOld { function })
    }

    /// What pinned memory needs.
    pub(super) fn pinning(&self) -> Result<&PinningFunctions, DeviceError> {
        self.pinning.as_ref().map_err(|function| DeviceError::DriverTooOld { function })
    }

    /// The newest CUDA that it supports.
    pub(super) fn version(&self) -> Result<CudaVersion, Code> {
        let mut version: c_int = 0;
        // SAFETY: the pointer is to a live integer that the driver fills.
        check(unsafe { (self.cuDriverGetVersion)(&raw mut version) })?;
        let version = c_uint::try_from(version).unwrap_or(0);
        Ok(CudaVersion { major: version / 1000, minor: version % 1000 / 10 })
    }
}

/// The driver's own release, such as `580.159.03`, where the kernel module tells it.
pub(super) fn release() -> Option<String> {
    if let Ok(text) = std::fs::read_to_string("/sys/module/nvidia/version") {
        return Some(text.trim().to_owned());
    }
    let text = std::fs::read_to_string("/proc/driver/nvidia/version").ok()?;
    release_in(&text).map(str::to_owned)
}

/// The first word of digits and dots in the kernel module's line about itself.
fn release_in(text: &str) -> Option<&str> {
    let release = |word: &&str| word.contains('.') && word.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    text.lines().next()?.split_whitespace().find(release)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_is_found_in_both_kinds_of_kernel_module_lines() {
        let open =
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.03  Release Build  (root@x)";
        let closed = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\nGCC 12.2";
        assert_eq!(release_in(open), Some("580.159.03"));
        assert_eq!(release_in(closed), Some("535.104.05"));
        assert_eq!(release_in("nothing here"), None);
    }
}
