//! What the driver makes, each released by its owner's drop: contexts, streams, events.
//!
//! The driver's calls concern the context that is the calling thread's, so each is made within [`Context::enter`]: also
//! when something is dropped, on whatever thread that is.

use std::ffi::{c_int, c_uint};
use std::fmt;
use std::ptr::null_mut;
use std::sync::{Arc, Mutex, PoisonError};

use cudarc::driver::sys::{CUcontext, CUdevice, CUevent, CUevent_flags, CUstream, CUstream_flags};

use super::driver::Driver;
use super::ffi::{Code, GraphFunctions, check};
use super::info;

/// The primary context of a GPU, which is that of PyTorch and the CUDA runtime as well.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) driver: &'static Driver,
    device: CUdevice,
    handle: CUcontext,
    /// Whether memory is allocated and freed in the order of a stream.
    pub(super) has_pools: bool,
}

// SAFETY: contexts may be used from any thread, several at once too.
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}

/// While it is there, a context is the calling thread's; then what was before is again, such as another GPU's that
/// PyTorch works on.
pub(super) struct Entered<'a> {
    context: &'a Context,
    before: Option<CUcontext>,
}

impl Context {
    pub(super) fn of(driver: &'static Driver, device: CUdevice) -> Result<Arc<Self>, Code> {
        let has_pools = info::has_pools(driver, device)?;
        let mut handle = null_mut();
        // SAFETY: the pointer is to a live handle that the driver fills.
        check(unsafe { (driver.cuDevicePrimaryCtxRetain)(&raw mut handle, device) })?;
        Ok(Arc::new(Self { driver, device, handle, has_pools }))
    }

    /// Makes it the calling thread's.
    pub(super) fn enter(&self) -> Result<Entered<'_>, Code> {
        let mut before = null_mut();
        // SAFETY: the pointer is to a live handle that the driver fills.
        check(unsafe { (self.driver.cuCtxGetCurrent)(&raw mut before) })?;
        if before == self.handle {
            return Ok(Entered { context: self, before: None });
        }
        // SAFETY: the context is retained.
        check(unsafe { (self.driver.cuCtxSetCurrent)(self.handle) })?;
        Ok(Entered { context: self, before: Some(before) })
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        if let Some(before) = self.before {
            // SAFETY: it was current before, or is null, which is none.
            let _ = unsafe { (self.context.driver.cuCtxSetCurrent)(before) };
        }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: it was retained once, and whatever was made in it is gone, since that holds the context.
        let _ = unsafe { (self.driver.cuDevicePrimaryCtxRelease_v2)(self.device) };
    }
}

/// A stream, and what was dropped while it was captured.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) context: Arc<Context>,
    pub(super) handle: CUstream,
    is_own: bool,
    /// What waits for the end of a capture to be released.
    dropped: Mutex<Vec<Box<dyn Dropped>>>,
}

/// Anything whose drop is all that is left to do with it.
trait Dropped: fmt::Debug + Send {}
impl<T: fmt::Debug + Send> Dropped for T {}

// SAFETY: streams may be used from any thread, several at once too.
unsafe impl Send for Stream {}
// SAFETY: as above.
unsafe impl Sync for Stream {}

impl Stream {
    /// A stream that somebody else keeps, or, if `handle` is null, the context's default one.
    pub(super) fn borrowed(context: Arc<Context>, handle: CUstream) -> Self {
        Self { context, handle, is_own: false, dropped: Mutex::default() }
    }

    /// A stream that does not wait for the default one.
    pub(super) fn new(context: &Arc<Context>, graphs: &GraphFunctions) -> Result<Self, Code> {
        const NON_BLOCKING: c_uint = CUstream_flags::CU_STREAM_NON_BLOCKING as c_uint;
        let _current = context.enter()?;
        let mut handle = null_mut();
        // SAFETY: the pointer is to a live handle that the driver fills, and the context is current.
        check(unsafe { (graphs.cuStreamCreate)(&raw mut handle, NON_BLOCKING) })?;
        Ok(Self { context: context.clone(), handle, is_own: true, dropped: Mutex::default() })
    }

    /// Whether what is asked of it is recorded instead of done, as within `torch.cuda.graph`. The default stream never
    /// is.
    pub(super) fn is_captured(&self) -> Result<bool, Code> {
        let Some(capture) = self.context.driver.capture.as_ref().filter(|_| !self.handle.is_null()) else {
            return Ok(false);
        };
        let _current = self.context.enter()?;
        let mut status: c_int = 0;
        // SAFETY: the stream is live and of the current context, and the pointer is to a live integer.
        check(unsafe { (capture.cuStreamIsCapturing)(self.handle, &raw mut status) })?;
        Ok(status != 0)
    }

    /// Waits until all that was asked of it is done. It must not be captured.
    pub(super) fn synchronize(&self) -> Result<(), Code> {
        let _current = self.context.enter()?;
        // SAFETY: the stream is live and of the current context.
        check(unsafe { (self.context.driver.cuStreamSynchronize)(self.handle) })
    }

    /// Drops what needs the stream to be released: now, or by [`Stream::release_dropped`] if the stream is captured, since
    /// the release would be recorded, too, and be done at every replay.
    pub(super) fn dispose(&self, what: impl fmt::Debug + Send + 'static) {
        if self.is_captured().unwrap_or(false) {
            self.dropped.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(what));
        }
    }

    /// Releases what was dropped during a capture that is over.
    pub(super) fn release_dropped(&self) {
        let dropped = std::mem::take(&mut *self.dropped.lock().unwrap_or_else(PoisonError::into_inner));
        drop(dropped);
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.release_dropped();
        if let (true, Ok(graphs), Ok(_current)) =
            (self.is_own, self.context.driver.graphs(), self.context.enter())
        {
            // SAFETY: the stream was made by this driver, is of the current context, and nobody uses it any more.
            let _ = unsafe { (graphs.cuStreamDestroy_v2)(self.handle) };
        }
    }
}

/// A point in the order of what is asked of a stream.
#[derive(Debug)]
pub(super) struct Event {
    context: Arc<Context>,
    handle: CUevent,
}

// SAFETY: events may be used from any thread, several at once too.
unsafe impl Send for Event {}
// SAFETY: as above.
unsafe impl Sync for Event {}

impl Event {
    /// One to measure time by, or else only to wait for.
    pub(super) fn new(context: &Arc<Context>, is_timed: bool) -> Result<Self, Code> {
        const DISABLE_TIMING: c_uint = CUevent_flags::CU_EVENT_DISABLE_TIMING as c_uint;
        let flags = if is_timed { 0 } else { DISABLE_TIMING };
        let _current = context.enter()?;
        let mut handle = null_mut();
        // SAFETY: the pointer is to a live handle that the driver fills, and the context is current.
        check(unsafe { (context.driver.cuEventCreate)(&raw mut handle, flags) })?;
        Ok(Self { context: context.clone(), handle })
    }

    /// Puts it after all that was asked of a stream of the same context so far.
    pub(super) fn record(&self, stream: &Stream) -> Result<(), Code> {
        let _current = self.context.enter()?;
        // SAFETY: event and stream are live and of the current context.
        check(unsafe { (self.context.driver.cuEventRecord)(self.handle, stream.handle) })
    }

    /// Waits until all before it is done.
    pub(super) fn synchronize(&self) -> Result<(), Code> {
        let _current = self.context.enter()?;
        // SAFETY: the event is live and of the current context.
        check(unsafe { (self.context.driver.cuEventSynchronize)(self.handle) })
    }

    /// Milliseconds from it to a later one. Both were recorded and are done.
    pub(super) fn elapsed_ms(&self, end: &Self) -> Result<f32, Code> {
        let _current = self.context.enter()?;
        let mut time = 0.0;
        // SAFETY: the events are live and of the current context, and the pointer is to a live number.
        check(unsafe { (self.context.driver.cuEventElapsedTime)(&raw mut time, self.handle, end.handle) })?;
        Ok(time)
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        if let Ok(_current) = self.context.enter() {
            // SAFETY: the event is live and of the current context, and nobody uses it any more. What is asked of the GPU
            // may still reach it: then the driver frees it later.
            let _ = unsafe { (self.context.driver.cuEventDestroy_v2)(self.handle) };
        }
    }
}
