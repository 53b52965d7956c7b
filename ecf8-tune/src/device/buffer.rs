//! Memory on the GPU, and copies to and from it.

use std::ops::Range;
use std::sync::Arc;

use cudarc::driver::sys::{CUdeviceptr, CUstream};

use super::context::{Context, Stream};
use super::ffi::{Code, check};
use super::{CudaDevice, DeviceError};

/// Bytes in the memory of one GPU, freed when dropped, on whatever thread, unless they are somebody else's. Aligned to at
/// least 256 bytes.
#[derive(Debug)]
pub struct DeviceBuffer {
    address: CUdeviceptr,
    length: usize,
    ordinal: u32,
    /// What is to be freed, and on which stream; nothing if it is somebody else's.
    memory: Option<(Memory, Arc<Stream>)>,
}

impl Drop for DeviceBuffer {
    fn drop(&mut self) {
        if let Some((memory, stream)) = self.memory.take() {
            stream.dispose(memory);
        }
    }
}

/// Memory from the driver, freed when dropped, after what was asked of the stream.
#[derive(Debug)]
struct Memory {
    context: Arc<Context>,
    stream: CUstream,
    address: CUdeviceptr,
}

// SAFETY: memory may be freed from any thread, and streams used from any.
unsafe impl Send for Memory {}
// SAFETY: nothing can be done with a shared one.
unsafe impl Sync for Memory {}

impl Memory {
    /// At least one byte, since the driver allocates no less.
    fn new(stream: &Stream, bytes: usize) -> Result<Self, Code> {
        let context = stream.context.clone();
        let (driver, bytes) = (context.driver, bytes.max(1));
        let mut address: CUdeviceptr = 0;
        let allocated = if context.has_pools {
            // SAFETY: the caller has made the stream's context current, and the driver fills the number.
            unsafe { (driver.cuMemAllocAsync)(&raw mut address, bytes, stream.handle) }
        } else {
            // SAFETY: as above.
            unsafe { (driver.cuMemAlloc_v2)(&raw mut address, bytes) }
        };
        check(allocated)?;
        Ok(Self { context, stream: stream.handle, address })
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let Ok(_current) = self.context.enter() else { return };
        let driver = self.context.driver;
        // What went wrong earlier shows in the next call.
        if self.context.has_pools {
            // SAFETY: the memory is the driver's and of the current context, nobody uses it after what was asked of the
            // stream, and the stream outlives its buffers.
            let _ = unsafe { (driver.cuMemFreeAsync)(self.address, self.stream) };
            return;
        }
        // SAFETY: the stream outlives its buffers.
        let _ = unsafe { (driver.cuStreamSynchronize)(self.stream) };
        // SAFETY: the memory is the driver's and of the current context, and what used it is done.
        let _ = unsafe { (driver.cuMemFree_v2)(self.address) };
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
        self.address
    }

    /// The number of the GPU it is on.
    pub(super) fn ordinal(&self) -> u32 {
        self.ordinal
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
    /// [`DeviceError::OutOfMemory`], [`DeviceError::Captured`], or what the driver says.
    pub fn alloc(&self, bytes: usize) -> Result<DeviceBuffer, DeviceError> {
        let _current = self.enter_uncaptured("allocating memory")?;
        let memory = Memory::new(&self.stream, bytes).map_err(|code| self.no_memory(bytes, code))?;
        let (address, ordinal) = (memory.address, self.info().ordinal);
        Ok(DeviceBuffer { address, length: bytes, ordinal, memory: Some((memory, self.stream.clone())) })
    }

    /// A buffer of `bytes` bytes at an address on this GPU where somebody else's memory is, such as a PyTorch tensor's.
    /// Dropping it leaves that memory as it is.
    ///
    /// # Safety
    /// They are this GPU's memory, start at a multiple of 256, and stay allocated and unused by others until all work on
    /// the buffer is done.
    pub unsafe fn borrow(&self, address: u64, bytes: usize) -> DeviceBuffer {
        DeviceBuffer { address, length: bytes, ordinal: self.info().ordinal, memory: None }
    }

    /// Copies the first `bytes.len()` bytes of `buffer` to `bytes` and waits until they are there.
    ///
    /// # Errors
    /// [`DeviceError::SizeMismatch`] if the buffer is shorter, [`DeviceError::OtherDevice`], [`DeviceError::Captured`], or
    /// what the driver says; after an earlier kernel that failed, [`DeviceError::KernelFault`].
    pub fn download(&self, buffer: &DeviceBuffer, bytes: &mut [u8]) -> Result<(), DeviceError> {
        const DOING: &str = "copying from it";
        self.own("a buffer", buffer.ordinal)?;
        fits("copying from the GPU", bytes.len(), buffer.length)?;
        if bytes.is_empty() {
            return Ok(());
        }
        let _current = self.enter_uncaptured(DOING)?;
        let (to, driver) = (bytes.as_mut_ptr().cast(), self.context.driver);
        // SAFETY: as many bytes are at either place, the context of the stream is current, and the host's are not used
        // until the copy is waited for, below.
        let copied = check(unsafe {
            (driver.cuMemcpyDtoHAsync_v2)(to, buffer.address, bytes.len(), self.stream.handle)
        });
        let waited = self.synchronize();
        copied.map_err(|code| self.fail(DOING, code))?;
        waited
    }

    /// Sets every byte of `buffer` to `value`, in order with what else is asked of the GPU.
    ///
    /// # Errors
    /// [`DeviceError::OtherDevice`], or what the driver says.
    pub fn fill(&self, buffer: &mut DeviceBuffer, value: u8) -> Result<(), DeviceError> {
        const DOING: &str = "filling a buffer";
        self.own("a buffer", buffer.ordinal)?;
        if buffer.is_empty() {
            return Ok(());
        }
        let _current = self.enter(DOING)?;
        let (driver, stream) = (self.context.driver, self.stream.handle);
        // SAFETY: the bytes belong to `buffer`, which is borrowed mutably, and the context of the stream is current.
        check(unsafe { (driver.cuMemsetD8Async)(buffer.address, value, buffer.length, stream) })
            .map_err(|code| self.fail(DOING, code))
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
        let (from, to) = (source.address + part.start as u64, target.address + *start as u64);
        let _current = self.enter(DOING)?;
        let (driver, stream) = (self.context.driver, self.stream.handle);
        // SAFETY: the bytes at either address are in buffers that are borrowed, and the context of the stream is current.
        check(unsafe { (driver.cuMemcpyDtoDAsync_v2)(to, from, part.len(), stream) })
            .map_err(|code| self.fail("copying on it", code))
    }

    fn no_memory(&self, bytes: usize, code: Code) -> DeviceError {
        if code != Code::CUDA_ERROR_OUT_OF_MEMORY {
            return self.fail("allocating memory", code);
        }
        let (mut free, mut total) = (0, 0);
        // SAFETY: both pointers are to live numbers that the driver fills; they stay 0 if it does not.
        let _ = unsafe { (self.context.driver.cuMemGetInfo_v2)(&raw mut free, &raw mut total) };
        DeviceError::OutOfMemory { ordinal: self.info().ordinal, bytes, free, total }
    }
}

fn fits(doing: &'static str, given: usize, room: usize) -> Result<(), DeviceError> {
    if given <= room { Ok(()) } else { Err(DeviceError::SizeMismatch { doing, given, room }) }
}
