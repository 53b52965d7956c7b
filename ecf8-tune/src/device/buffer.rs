//! Memory on the GPU, and copies to and from it.

use std::mem::ManuallyDrop;
use std::ops::Range;

use cudarc::driver::sys::{CUdeviceptr, CUresult};
use cudarc::driver::{CudaSlice, CudaStream, DevicePtr, DevicePtrMut, DriverError, result};

use super::{CudaDevice, DeviceError};

/// Bytes in the memory of one GPU, freed when dropped unless they are somebody else's. Aligned to at least 256 bytes.
#[derive(Debug)]
pub struct DeviceBuffer {
    /// One byte where `length` is 0, since the driver allocates no less.
    slice: ManuallyDrop<CudaSlice<u8>>,
    is_own: bool,
    length: usize,
    ordinal: u32,
}

impl Drop for DeviceBuffer {
    fn drop(&mut self) {
        // SAFETY: the buffer is going away, so nobody takes the slice again.
        let slice = unsafe { ManuallyDrop::take(&mut self.slice) };
        if !self.is_own {
            slice.leak();
        }
    }
}

impl DeviceBuffer {
    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Its address on the GPU, for other libraries. Valid as long as `self`.
    pub fn device_address(&self) -> u64 {
        self.address(self.slice.stream())
    }

    pub(super) fn slice_mut(&mut self) -> &mut CudaSlice<u8> {
        &mut self.slice
    }

    /// The number of the GPU it is on.
    pub(super) fn ordinal(&self) -> u32 {
        self.ordinal
    }

    /// Its address on the GPU. Valid as long as `self`, for work on the device's only stream.
    pub(super) fn address(&self, stream: &CudaStream) -> CUdeviceptr {
        self.slice.device_ptr(stream).0
    }
}

/// Some bytes of a buffer, to be copied to those of another from `start` on.
#[derive(Clone, Debug)]
pub struct DeviceCopy<'a> {
    /// Where they are.
    pub source: &'a DeviceBuffer,
    /// Which they are.
    pub part: Range<usize>,
    /// Where they go to. Though it is shared it is written, as a kernel's argument is.
    pub target: &'a DeviceBuffer,
    /// The byte of the target that the first of them goes to.
    pub start: usize,
}

impl CudaDevice {
    /// A buffer of `bytes` bytes with whatever was there before.
    ///
    /// # Errors
    /// [`DeviceError::OutOfMemory`], or what the driver says.
    pub fn alloc(&self, bytes: usize) -> Result<DeviceBuffer, DeviceError> {
        // SAFETY: the memory is unset, but every bit pattern is a `u8`, and nothing on the host sees it but by
        // a copy.
        let slice = unsafe { self.stream.alloc::<u8>(bytes.max(1)) };
        let slice = slice.map_err(|error| self.no_memory(bytes, error))?;
        Ok(self.buffer(slice, bytes, true))
    }

    /// A buffer of `bytes` bytes at an address on this GPU where somebody else's memory is, such as a PyTorch tensor's.
    /// Dropping it leaves that memory as it is.
    ///
    /// # Safety
    /// They are this GPU's memory, start at a multiple of 256, and stay allocated and unused by others until all work on
    /// the buffer is done.
    pub unsafe fn borrow(&self, address: u64, bytes: usize) -> DeviceBuffer {
        // SAFETY: the caller promises that the memory is there; every bit pattern is a `u8`.
        let slice = unsafe { self.stream.upgrade_device_ptr::<u8>(address, bytes) };
        self.buffer(slice, bytes, false)
    }

    fn buffer(&self, slice: CudaSlice<u8>, length: usize, is_own: bool) -> DeviceBuffer {
        DeviceBuffer { slice: ManuallyDrop::new(slice), is_own, length, ordinal: self.info().ordinal }
    }

    /// Copies the first `bytes.len()` bytes of `buffer` to `bytes` and waits until they are there.
    ///
    /// # Errors
    /// [`DeviceError::SizeMismatch`] if the buffer is shorter, [`DeviceError::OtherDevice`], or what the driver
    /// says; after an earlier kernel that failed, [`DeviceError::KernelFault`].
    pub fn download(&self, buffer: &DeviceBuffer, bytes: &mut [u8]) -> Result<(), DeviceError> {
        self.own("a buffer", buffer.ordinal)?;
        fits("copying from the GPU", bytes.len(), buffer.length)?;
        if bytes.is_empty() {
            return Ok(());
        }
        let Some(source) = buffer.slice.try_slice(..bytes.len()) else {
            return Err(DeviceError::SizeMismatch {
                doing: "copying from the GPU",
                given: bytes.len(),
                room: buffer.length,
            });
        };
        let copied = self.stream.memcpy_dtoh(&source, bytes);
        copied.map_err(|error| self.fail("copying from it", error))?;
        self.synchronize()
    }

    /// Sets every byte of `buffer` to `value`, in order with what else is asked of the GPU.
    ///
    /// # Errors
    /// [`DeviceError::OtherDevice`], or what the driver says.
    pub fn fill(&self, buffer: &mut DeviceBuffer, value: u8) -> Result<(), DeviceError> {
        self.own("a buffer", buffer.ordinal)?;
        self.bind("filling a buffer")?;
        let length = buffer.length;
        let (address, _order) = buffer.slice.device_ptr_mut(&self.stream);
        // SAFETY: `length` bytes at `address` belong to `buffer`, which is borrowed mutably, and the context of
        // the stream is current.
        let filled = unsafe { result::memset_d8_async(address, value, length, self.stream.cu_stream()) };
        filled.map_err(|error| self.fail("filling a buffer", error))
    }

    /// Copies all of `source` to the start of `target`, both on this GPU, in order with what else is asked of it.
    ///
    /// # Errors
    /// As [`CudaDevice::copy_part`].
    pub fn copy(&self, source: &DeviceBuffer, target: &mut DeviceBuffer) -> Result<(), DeviceError> {
        self.copy_part(source, 0..source.length, target, 0)
    }

    /// Copies some bytes of `source` to those of `target` from `start` on, both on this GPU, in order with what else is
    /// asked of it.
    ///
    /// # Errors
    /// [`DeviceError::SizeMismatch`] if `source` or `target` ends too early, [`DeviceError::OtherDevice`], or what the
    /// driver says.
    pub fn copy_part(
        &self,
        source: &DeviceBuffer,
        part: Range<usize>,
        target: &mut DeviceBuffer,
        start: usize,
    ) -> Result<(), DeviceError> {
        self.transfer(&DeviceCopy { source, part, target, start })
    }

    /// The same for a target that is shared: as for a kernel's arguments, Rust's borrow says nothing about its bytes.
    ///
    /// # Errors
    /// As [`CudaDevice::copy_part`].
    pub fn transfer(&self, transfer: &DeviceCopy<'_>) -> Result<(), DeviceError> {
        const DOING: &str = "copying on the GPU";
        let DeviceCopy { source, part, target, start } = transfer;
        self.own("a buffer", source.ordinal)?;
        self.own("a buffer", target.ordinal)?;
        fits(DOING, part.end, source.length)?;
        fits(DOING, start.saturating_add(part.len()), target.length)?;
        if part.is_empty() {
            return Ok(());
        }
        let from = source.address(&self.stream) + part.start as u64;
        let to = target.address(&self.stream) + *start as u64;
        self.bind(DOING)?;
        // SAFETY: the bytes at either address are in buffers that are borrowed, and the context of the stream is current.
        let copied = unsafe { result::memcpy_dtod_async(to, from, part.len(), self.stream.cu_stream()) };
        copied.map_err(|error| self.fail("copying on it", error))
    }

    /// Makes this GPU's context the calling thread's, as the driver wants before calls that cudarc leaves bare.
    pub(super) fn bind(&self, doing: &str) -> Result<(), DeviceError> {
        self.context.bind_to_thread().map_err(|error| self.fail(doing, error))
    }

    fn no_memory(&self, bytes: usize, error: DriverError) -> DeviceError {
        if error.0 != CUresult::CUDA_ERROR_OUT_OF_MEMORY {
            return self.fail("allocating memory", error);
        }
        let (free, total) = self.context.mem_get_info().unwrap_or((0, 0));
        DeviceError::OutOfMemory { ordinal: self.info().ordinal, bytes, free, total }
    }
}

fn fits(doing: &'static str, given: usize, room: usize) -> Result<(), DeviceError> {
    if given <= room { Ok(()) } else { Err(DeviceError::SizeMismatch { doing, given, room }) }
}
