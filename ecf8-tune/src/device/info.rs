//! What a GPU is, as its driver tells.

use std::ffi::{CStr, c_int};

use cudarc::driver::sys::{CUdevice, CUdevice_attribute as Attribute};
use serde::{Deserialize, Serialize};

use super::DeviceError;
use super::driver::{self, Driver};
use super::ffi::{Code, check};
use crate::nvrtc::{Arch, CudaVersion, Machine};

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
    pub driver_cuda: CudaVersion,
    /// The driver's release, such as `580.159.03`, if told.
    pub driver_release: Option<String>,
}

impl DeviceInfo {
    /// What kernels are compiled for here.
    pub fn machine(&self) -> Machine {
        Machine { arch: self.arch, driver: self.driver_cuda }
    }
}

/// All GPUs that the driver sees, none opened.
///
/// # Errors
/// As [`CudaDevice::open`](super::CudaDevice::open), but for an ordinal out of range.
pub fn devices() -> Result<Vec<DeviceInfo>, DeviceError> {
    let driver = driver::start()?;
    (0..count(driver)?).map(|ordinal| read(driver, ordinal)).collect()
}

/// How many GPUs there are, at least one.
pub(super) fn count(driver: &Driver) -> Result<u32, DeviceError> {
    let mut count: c_int = 0;
    // SAFETY: the pointer is to a live integer that the driver fills.
    check(unsafe { (driver.cuDeviceGetCount)(&raw mut count) })
        .map_err(|code| DeviceError::sort(driver, 0, "counting the GPUs", code))?;
    match u32::try_from(count) {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(DeviceError::NoGpu),
    }
}

/// The driver's own number of GPU `ordinal`.
pub(super) fn device(driver: &Driver, ordinal: u32) -> Result<CUdevice, Code> {
    let mut device: CUdevice = 0;
    // SAFETY: the pointer is to a live integer that the driver fills; it refuses an ordinal out of range.
    check(unsafe { (driver.cuDeviceGet)(&raw mut device, c_int::try_from(ordinal).unwrap_or(c_int::MAX)) })?;
    Ok(device)
}

/// What GPU `ordinal`, which must be under `count`, is.
pub(super) fn read(driver: &Driver, ordinal: u32) -> Result<DeviceInfo, DeviceError> {
    let fail = |code: Code| DeviceError::sort(driver, ordinal, "asking what it is", code);
    let device = device(driver, ordinal).map_err(fail)?;
    let number = |attribute| number(driver, device, attribute).map_err(fail);
    let optional = |attribute| number(attribute).ok().filter(|value| *value > 0);
    let (major, minor) = (
        number(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
        number(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
    );
    let arch = Arch::from_capability(major, minor).map_err(|error| DeviceError::Driver {
        ordinal,
        doing: "asking for its architecture".to_owned(),
        reason: error.to_string(),
    })?;
    let mut memory: usize = 0;
    // SAFETY: the pointer is to a live integer that the driver fills.
    check(unsafe { (driver.cuDeviceTotalMem_v2)(&raw mut memory, device) }).map_err(fail)?;
    Ok(DeviceInfo {
        ordinal,
        name: name(driver, device).map_err(fail)?,
        arch,
        sm_count: number(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?,
        memory_bytes: memory as u64,
        l2_bytes: number(Attribute::CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE)?.into(),
        shared_per_block_bytes: number(Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)?,
        shared_per_sm_bytes: number(Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR)?,
        registers_per_sm: number(Attribute::CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR)?,
        threads_per_block: number(Attribute::CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK)?,
        threads_per_sm: number(Attribute::CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR)?,
        clock_khz: optional(Attribute::CU_DEVICE_ATTRIBUTE_CLOCK_RATE),
        memory_clock_khz: optional(Attribute::CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE),
        driver_cuda: driver.version().map_err(fail)?,
        driver_release: driver::release(),
    })
}

/// Whether its memory can be allocated in the order of a stream.
pub(super) fn has_pools(driver: &Driver, device: CUdevice) -> Result<bool, Code> {
    Ok(number(driver, device, Attribute::CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED)? > 0)
}

fn number(driver: &Driver, device: CUdevice, attribute: Attribute) -> Result<u32, Code> {
    let mut value: c_int = 0;
    // SAFETY: the pointer is to a live integer that the driver fills; it refuses what it does not know.
    check(unsafe { (driver.cuDeviceGetAttribute)(&raw mut value, attribute, device) })?;
    Ok(u32::try_from(value).unwrap_or(0))
}

fn name(driver: &Driver, device: CUdevice) -> Result<String, Code> {
    const ROOM: usize = 256;
    let mut bytes = [0u8; ROOM];
    // One byte less than there is room for, so that the name is terminated whatever the driver does.
    let room = c_int::try_from(ROOM - 1).unwrap_or(0);
    // SAFETY: the driver writes no more bytes than it is told that there are.
    check(unsafe { (driver.cuDeviceGetName)(bytes.as_mut_ptr().cast(), room, device) })?;
    let name = CStr::from_bytes_until_nul(&bytes).unwrap_or_default();
    Ok(name.to_string_lossy().into_owned())
}
