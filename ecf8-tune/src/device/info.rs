//! What a GPU is, as its driver tells.

use cudarc::driver::sys::{CUdevice, CUdevice_attribute};
use cudarc::driver::{DriverError, result};
use serde::{Deserialize, Serialize};

use super::{DeviceError, driver};
use crate::nvrtc::Arch;

/// One GPU. Sizes are in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceInfo {
    /// The number in `cuda:N`.
    pub ordinal: u32,
    /// The product's name.
    pub name: String,
    /// The architecture to compile for.
    pub arch: Arch,
    /// Streaming multiprocessors.
    pub sm_count: u32,
    /// Global memory.
    pub memory_bytes: u64,
    /// L2 cache.
    pub l2_bytes: u64,
    /// Most shared memory that a block may have, after opting in.
    pub shared_per_block_bytes: u32,
    /// Shared memory of one multiprocessor.
    pub shared_per_sm_bytes: u32,
    /// 32-bit registers of one multiprocessor.
    pub registers_per_sm: u32,
    /// Most threads that a block may have.
    pub threads_per_block: u32,
    /// Most threads that live on one multiprocessor.
    pub threads_per_sm: u32,
    /// Highest clock of the multiprocessors in kHz, if told.
    pub clock_khz: Option<u32>,
    /// Highest clock of the memory in kHz, if told.
    pub memory_clock_khz: Option<u32>,
    /// Newest CUDA that the driver supports, such as `13.0`.
    pub driver_cuda: String,
    /// The driver's release, such as `580.159.03`, if told.
    pub driver_release: Option<String>,
}

/// All GPUs that the driver sees, none opened.
///
/// # Errors
/// As [`CudaDevice::open`](super::CudaDevice::open), but for an ordinal out of range.
pub fn devices() -> Result<Vec<DeviceInfo>, DeviceError> {
    driver::start()?;
    (0..count()?).map(read).collect()
}

/// How many GPUs there are, at least one. The driver must have been started.
pub(super) fn count() -> Result<u32, DeviceError> {
    let count =
        result::device::get_count().map_err(|error| DeviceError::sort(0, "counting the GPUs", error))?;
    match u32::try_from(count) {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(DeviceError::NoGpu),
    }
}

/// What GPU `ordinal`, which must be under `count`, is.
pub(super) fn read(ordinal: u32) -> Result<DeviceInfo, DeviceError> {
    let fail = |error: DriverError| DeviceError::sort(ordinal, "asking what it is", error);
    let device = result::device::get(i32::try_from(ordinal).unwrap_or(i32::MAX)).map_err(fail)?;
    let number = |attribute| number(device, attribute).map_err(fail);
    let optional = |attribute| number(attribute).ok().filter(|value| *value > 0);
    let major = number(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
    let minor = number(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
    let arch = Arch::from_capability(major, minor).map_err(|error| DeviceError::Driver {
        ordinal,
        doing: "asking for its architecture".to_owned(),
        reason: error.to_string(),
    })?;
    // SAFETY: `device` was just returned by the driver for this ordinal.
    let memory = unsafe { result::device::total_mem(device) }.map_err(fail)?;
    let (cuda_major, cuda_minor) = driver::cuda_version().map_err(fail)?;
    Ok(DeviceInfo {
        ordinal,
        name: result::device::get_name(device).map_err(fail)?,
        arch,
        sm_count: number(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?,
        memory_bytes: memory as u64,
        l2_bytes: number(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE)?.into(),
        shared_per_block_bytes: number(
            CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN,
        )?,
        shared_per_sm_bytes: number(
            CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR,
        )?,
        registers_per_sm: number(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR)?,
        threads_per_block: number(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK)?,
        threads_per_sm: number(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR)?,
        clock_khz: optional(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_CLOCK_RATE),
        memory_clock_khz: optional(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE),
        driver_cuda: format!("{cuda_major}.{cuda_minor}"),
        driver_release: driver::release(),
    })
}

fn number(device: CUdevice, attribute: CUdevice_attribute) -> Result<u32, DriverError> {
    // SAFETY: `device` came from the driver, in `read`.
    let value = unsafe { result::device::get_attribute(device, attribute) }?;
    Ok(u32::try_from(value).unwrap_or(0))
}
