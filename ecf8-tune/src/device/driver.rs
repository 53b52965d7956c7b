//! Is there a CUDA driver, whole and working? Asked before anything else, since cudarc panics when its library,
//! or one function in it, is missing.

use std::ffi::c_int;
use std::path::Path;

use cudarc::driver::sys::CUresult;
use cudarc::driver::{DriverError, result, sys};
use libloading::Library;

use super::DeviceError;
use super::error::describe;
use crate::nvrtc::elf;

/// Every function of the driver that this folder reaches through cudarc, but for graphs and pinned memory.
const FUNCTIONS: [&str; 33] = [
    "cuCtxGetCurrent",
    "cuCtxSetCurrent",
    "cuDeviceGet",
    "cuDeviceGetAttribute",
    "cuDeviceGetCount",
    "cuDeviceGetName",
    "cuDevicePrimaryCtxRelease_v2",
    "cuDevicePrimaryCtxRetain",
    "cuDeviceTotalMem_v2",
    "cuDriverGetVersion",
    "cuEventCreate",
    "cuEventDestroy_v2",
    "cuEventElapsedTime",
    "cuEventRecord",
    "cuEventSynchronize",
    "cuFuncGetAttribute",
    "cuFuncSetAttribute",
    "cuGetErrorString",
    "cuInit",
    "cuLaunchKernel",
    "cuMemAllocAsync",
    "cuMemAlloc_v2",
    "cuMemFreeAsync",
    "cuMemFree_v2",
    "cuMemGetInfo_v2",
    "cuMemcpyDtoDAsync_v2",
    "cuMemcpyDtoHAsync_v2",
    "cuMemcpyHtoDAsync_v2",
    "cuMemsetD8Async",
    "cuModuleGetFunction",
    "cuModuleLoadData",
    "cuModuleUnload",
    "cuStreamSynchronize",
];

/// What graphs need besides, which is done without where it is missing.
const GRAPH_FUNCTIONS: [&str; 9] = [
    "cuGraphDestroy",
    "cuGraphExecDestroy",
    "cuGraphInstantiateWithFlags",
    "cuGraphLaunch",
    "cuGraphUpload",
    "cuStreamBeginCapture_v2",
    "cuStreamCreate",
    "cuStreamDestroy_v2",
    "cuStreamEndCapture",
];

/// What host memory needs that the GPU reads by itself, which is done without where it is missing.
const PINNING_FUNCTIONS: [&str; 2] = ["cuMemFreeHost", "cuMemHostAlloc"];

/// Where containers, WSL and NixOS keep the driver without telling the dynamic loader.
const FOLDERS: [&str; 4] =
    ["/usr/local/nvidia/lib64", "/usr/local/nvidia/lib", "/usr/lib/wsl/lib", "/run/opengl-driver/lib"];

/// Finds the driver and starts it. Cheap to repeat.
///
/// # Errors
/// [`DeviceError::NoDriver`], [`DeviceError::DriverTooOld`], [`DeviceError::DriverBroken`] or
/// [`DeviceError::NoGpu`].
pub(super) fn start() -> Result<(), DeviceError> {
    if !present() {
        preload();
        if !present() {
            return Err(DeviceError::NoDriver);
        }
    }
    if let Some(function) = missing(&FUNCTIONS) {
        return Err(DeviceError::DriverTooOld { function });
    }
    result::init().map_err(|error| match error.0 {
        CUresult::CUDA_ERROR_NO_DEVICE => DeviceError::NoGpu,
        CUresult::CUDA_ERROR_STUB_LIBRARY => DeviceError::DriverBroken {
            reason: "libcuda.so is the CUDA toolkit's stub; take its folder off LD_LIBRARY_PATH".to_owned(),
        },
        _ => DeviceError::DriverBroken { reason: describe(error) },
    })
}

/// The first function that graphs need and the driver lacks. The driver must have been started.
pub(super) fn missing_for_graphs() -> Option<&'static str> {
    missing(&GRAPH_FUNCTIONS)
}

/// The first function that pinned memory needs and the driver lacks. The driver must have been started.
pub(super) fn missing_for_pinning() -> Option<&'static str> {
    missing(&PINNING_FUNCTIONS)
}

/// The first of these functions that the driver's library, which must be there, lacks.
fn missing(functions: &[&'static str]) -> Option<&'static str> {
    // SAFETY: the library is there, so this returns it and does not panic.
    let library = unsafe { sys::culib() };
    functions.iter().copied().find(|function| {
        // SAFETY: the pointer is only asked for, never called or kept.
        unsafe { library.get::<unsafe extern "C" fn()>(*function) }.is_err()
    })
}

fn present() -> bool {
    // SAFETY: this loads and unloads libcuda by name, as any program linked with it does.
    unsafe { sys::is_culib_present() }
}

/// Loads the driver from a folder unknown to the dynamic loader; from then on its name alone finds it.
fn preload() {
    for folder in FOLDERS {
        let file = Path::new(folder).join("libcuda.so.1");
        if elf::check_library(&file).is_err() {
            continue;
        }
        // SAFETY: it is the NVIDIA driver's library in a folder that only an administrator writes to, and its
        // initialisers are made for any host.
        if let Ok(library) = unsafe { Library::new(&file) } {
            // Kept for good: unloading it would undo what this is for.
            std::mem::forget(library);
            return;
        }
    }
}

/// The newest CUDA that the driver supports, `(13, 0)` for release 580. The driver must have been started.
pub(super) fn cuda_version() -> Result<(u32, u32), DriverError> {
    let mut version: c_int = 0;
    // SAFETY: the pointer is to a live integer that the driver fills.
    unsafe { sys::cuDriverGetVersion(&raw mut version) }.result()?;
    let version = u32::try_from(version).unwrap_or(0);
    Ok((version / 1000, version % 1000 / 10))
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

    #[test]
    fn the_lists_of_functions_are_sorted_and_without_repetition() {
        assert!(FUNCTIONS.is_sorted_by(|a, b| a < b));
        assert!(GRAPH_FUNCTIONS.is_sorted_by(|a, b| a < b));
    }
}
