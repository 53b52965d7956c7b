//! Streams and memory of another program in this process that names them by numbers, as Python does.

use super::{CudaDevice, DeviceBuffer, DeviceError};

/// What addresses that kernels write to are multiples of.
const ALIGNMENT: u64 = 256;

impl CudaDevice {
    /// The same GPU with everything on the stream of this number, such as `torch.cuda.current_stream().cuda_stream`; 0 is the
    /// default one. Nothing on the host can tell whether a number is a stream: who passes one that is not breaks the driver,
    /// as with every function that takes streams from Python.
    ///
    /// # Errors
    /// If the number is larger than an address of this machine.
    pub fn on_stream_number(&self, stream: u64) -> Result<Self, DeviceError> {
        let stream = usize::try_from(stream).map_err(|_| self.no_such("stream", stream))?;
        // SAFETY: the caller says that it is a stream of this GPU's primary context, which PyTorch's are, and that it lives until
        // the work is done.
        Ok(unsafe { self.on_stream(std::ptr::with_exposed_provenance_mut(stream)) })
    }

    /// Memory on this GPU that a caller has allocated, such as a PyTorch tensor's from its `data_ptr()` on. It stays the caller's,
    /// who keeps it until all work on it is done.
    ///
    /// # Errors
    /// If it does not start at a multiple of 256 bytes.
    pub fn memory_number(&self, address: u64, bytes: usize) -> Result<DeviceBuffer, DeviceError> {
        if !address.is_multiple_of(ALIGNMENT) || address.checked_add(bytes as u64).is_none() {
            return Err(self.no_such("memory at a multiple of 256 bytes", address));
        }
        // SAFETY: the caller says that it is this GPU's memory. Kernels' addresses are never made Rust references.
        Ok(unsafe { self.borrow(address, bytes) })
    }

    fn no_such(&self, what: &str, number: u64) -> DeviceError {
        DeviceError::Driver {
            ordinal: self.info().ordinal,
            doing: "taking what a caller has".to_owned(),
            reason: format!("{number:#x} is no {what}"),
        }
    }
}
