//! An opened GPU.

use std::ffi::c_void;
use std::fmt;
use std::ptr::null_mut;
use std::sync::{Arc, Mutex};

use super::context::{Context, Entered, Stream};
use super::ffi::Code;
use super::timing::Clocks;
use super::upload::Uploads;
use super::{DeviceError, DeviceInfo, driver, info};

/// An opened GPU, on which everything happens in order on one stream.
///
/// May be cloned and used from several threads; all share the stream.
///
/// **Capture.** While somebody captures the stream, as within `torch.cuda.graph`, launches, fills and copies on the GPU are
/// recorded like anybody else's. Whatever must not be recorded is refused by [`DeviceError::Captured`] before the driver is
/// asked for it: allocating, uploading, downloading, waiting and timing. Buffers dropped meanwhile are freed afterwards.
/// Kernels and buffers that were recorded must live as long as what was recorded is replayed.
#[derive(Clone)]
pub struct CudaDevice {
    pub(super) context: Arc<Context>,
    pub(super) stream: Arc<Stream>,
    info: Arc<DeviceInfo>,
    /// Of this stream.
    pub(super) uploads: Arc<Mutex<Uploads>>,
    /// Of this GPU.
    pub(super) clocks: Arc<Mutex<Clocks>>,
}

impl fmt::Debug for CudaDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CudaDevice").field("info", &self.info).finish_non_exhaustive()
    }
}

impl CudaDevice {
    /// Opens `cuda:ordinal`.
    ///
    /// # Errors
    /// [`DeviceError::NoDriver`], [`DeviceError::DriverTooOld`], [`DeviceError::DriverBroken`],
    /// [`DeviceError::NoGpu`], [`DeviceError::NoSuchDevice`], or what the driver says.
    pub fn open(ordinal: u32) -> Result<Self, DeviceError> {
        let driver = driver::start()?;
        let count = info::count(driver)?;
        if ordinal >= count {
            return Err(DeviceError::NoSuchDevice { ordinal, count });
        }
        let fail = |code| DeviceError::sort(driver, ordinal, "opening it", code);
        let device = info::device(driver, ordinal).map_err(fail)?;
        let info = info::read(driver, ordinal)?;
        let context = Context::of(driver, device).map_err(fail)?;
        let stream = Stream::borrowed(context.clone(), null_mut());
        let clocks = Arc::default();
        Ok(Self { context, stream: Arc::new(stream), info: Arc::new(info), uploads: Arc::default(), clocks })
    }

    /// The same GPU with everything on a stream that somebody else made, such as PyTorch's current stream.
    ///
    /// # Safety
    /// `stream` is a `CUstream` of this GPU's primary context, and lives as long as the result, its clones and its
    /// buffers. Buffers of this device are used on that one, and the other way round, only after the one that used
    /// them last was waited for.
    pub unsafe fn on_stream(&self, stream: *mut c_void) -> Self {
        self.on(Stream::borrowed(self.context.clone(), stream.cast()))
    }

    /// The same GPU with everything on another stream of its context.
    pub(super) fn on(&self, stream: Stream) -> Self {
        Self { stream: Arc::new(stream), uploads: Arc::default(), ..self.clone() }
    }

    /// What this GPU is.
    pub fn info(&self) -> &DeviceInfo {
        &self.info
    }

    /// Waits until everything asked of the GPU is done.
    ///
    /// # Errors
    /// Whatever went wrong since the last time, most notably [`DeviceError::KernelFault`]; [`DeviceError::Captured`].
    pub fn synchronize(&self) -> Result<(), DeviceError> {
        const DOING: &str = "waiting for it";
        let _current = self.enter_uncaptured(DOING)?;
        self.stream.synchronize().map_err(|code| self.fail(DOING, code))
    }

    /// Makes this GPU's context the calling thread's while the result is there.
    pub(super) fn enter(&self, doing: &str) -> Result<Entered<'_>, DeviceError> {
        self.context.enter().map_err(|code| self.fail(doing, code))
    }

    /// The same for what must not be recorded if somebody captures the stream.
    pub(super) fn enter_uncaptured(&self, doing: &'static str) -> Result<Entered<'_>, DeviceError> {
        let current = self.enter(doing)?;
        if self.is_captured()? {
            return Err(DeviceError::Captured { ordinal: self.info.ordinal, doing });
        }
        self.stream.release_dropped();
        Ok(current)
    }

    /// Whether somebody captures the stream.
    pub(super) fn is_captured(&self) -> Result<bool, DeviceError> {
        self.stream.is_captured().map_err(|code| self.fail("asking whether its stream is captured", code))
    }

    /// Sorts a refusal by the driver on this GPU.
    pub(super) fn fail(&self, doing: impl Into<String>, code: Code) -> DeviceError {
        DeviceError::sort(self.context.driver, self.info.ordinal, doing, code)
    }

    /// Refuses what belongs to another GPU.
    pub(super) fn own(&self, what: &'static str, theirs: u32) -> Result<(), DeviceError> {
        let ours = self.info.ordinal;
        if theirs == ours { Ok(()) } else { Err(DeviceError::OtherDevice { what, theirs, ours }) }
    }
}
