//! An opened GPU.

use std::ffi::c_void;
use std::sync::{Arc, Mutex};

use cudarc::driver::{CudaContext, CudaStream, DriverError};

use super::upload::Uploads;
use super::{DeviceError, DeviceInfo, driver, info};

/// An opened GPU, on which everything happens in order on one stream.
///
/// May be cloned and used from several threads; all share the stream.
#[derive(Clone, Debug)]
pub struct CudaDevice {
    pub(super) context: Arc<CudaContext>,
    pub(super) stream: Arc<CudaStream>,
    info: Arc<DeviceInfo>,
    /// Of this stream.
    pub(super) uploads: Arc<Mutex<Uploads>>,
}

impl CudaDevice {
    /// Opens `cuda:ordinal`.
    ///
    /// # Errors
    /// [`DeviceError::NoDriver`], [`DeviceError::DriverTooOld`], [`DeviceError::DriverBroken`],
    /// [`DeviceError::NoGpu`], [`DeviceError::NoSuchDevice`], or what the driver says.
    pub fn open(ordinal: u32) -> Result<Self, DeviceError> {
        driver::start()?;
        let count = info::count()?;
        if ordinal >= count {
            return Err(DeviceError::NoSuchDevice { ordinal, count });
        }
        let info = Arc::new(info::read(ordinal)?);
        let fail = |error| DeviceError::sort(ordinal, "opening it", error);
        let context = CudaContext::new(usize::try_from(ordinal).unwrap_or(usize::MAX)).map_err(fail)?;
        // SAFETY: tracking orders the use of buffers between streams. Here is one stream only, in every clone,
        // and all buffers are made, used and freed on it; whoever makes another device by `on_stream` promises
        // to order the two.
        unsafe { context.disable_event_tracking() };
        let stream = context.default_stream();
        Ok(Self { context, stream, info, uploads: Arc::default() })
    }

    /// The same GPU with everything on a stream that somebody else made, such as PyTorch's current stream.
    ///
    /// # Safety
    /// `stream` is a `CUstream` of this GPU's primary context, and lives as long as the result, its clones and its
    /// buffers. Buffers of this device are used on that one, and the other way round, only after the one that used
    /// them last was waited for.
    pub unsafe fn on_stream(&self, stream: *mut c_void) -> Self {
        // SAFETY: the caller promises just what this asks for.
        let stream = unsafe { self.context.wrap_borrowed_stream(stream.cast()) };
        self.on(stream)
    }

    /// The same GPU with everything on another stream of its context.
    pub(super) fn on(&self, stream: Arc<CudaStream>) -> Self {
        Self { context: self.context.clone(), stream, info: self.info.clone(), uploads: Arc::default() }
    }

    /// What this GPU is.
    pub fn info(&self) -> &DeviceInfo {
        &self.info
    }

    /// Waits until everything asked of the GPU is done.
    ///
    /// # Errors
    /// Whatever went wrong since the last time, most notably [`DeviceError::KernelFault`].
    pub fn synchronize(&self) -> Result<(), DeviceError> {
        self.stream.synchronize().map_err(|error| self.fail("waiting for it", error))
    }

    /// Sorts a refusal by the driver on this GPU.
    pub(super) fn fail(&self, doing: impl Into<String>, error: DriverError) -> DeviceError {
        DeviceError::sort(self.info.ordinal, doing, error)
    }

    /// Refuses what belongs to another GPU.
    pub(super) fn own(&self, what: &'static str, theirs: u32) -> Result<(), DeviceError> {
        let ours = self.info.ordinal;
        if theirs == ours { Ok(()) } else { Err(DeviceError::OtherDevice { what, theirs, ours }) }
    }
}
