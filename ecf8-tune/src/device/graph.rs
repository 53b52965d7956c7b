//! Work recorded once as a CUDA graph and replayed, so that small kernels follow each other without waiting for the
//! host, which needs longer to launch one than it takes to run.

use std::fmt;
use std::ptr::null_mut;
use std::sync::Arc;

use cudarc::driver::sys::{CUgraph, CUgraphExec, CUstream, CUstreamCaptureMode};

use super::context::{Context, Stream};
use super::ffi::{Code, GraphFunctions, check};
use super::{CudaDevice, DeviceArg, DeviceError, Function};

/// One launch, as [`CudaDevice::launch`] takes it.
#[derive(Clone, Copy, Debug)]
pub struct DeviceLaunch<'a> {
    /// The kernel.
    pub function: &'a Function,
    /// Blocks.
    pub grid: u32,
    /// Threads of a block.
    pub threads: u32,
    /// Dynamic shared memory of a block in bytes.
    pub dynamic_shared: u32,
    /// The arguments, in the order of the kernel's parameters.
    pub args: &'a [DeviceArg<'a>],
}

/// A graph in the driver's hands, and what it would not outlive but for the buffers. They are the business of who
/// replays it.
pub(super) struct Graph {
    device: CudaDevice,
    /// There until it is dropped.
    captured: Option<Captured>,
}

/// What was captured, and its instance that can be launched on a stream; destroyed when dropped, after what was asked of
/// the stream.
#[derive(Debug)]
struct Captured {
    context: Arc<Context>,
    functions: &'static GraphFunctions,
    stream: CUstream,
    graph: CUgraph,
    /// Null if there is none.
    instance: CUgraphExec,
    /// So that no kernel is unloaded before it.
    _kernels: Vec<Function>,
}

// SAFETY: the driver's handles may be used from any thread as long as it is one at a time, which `&mut` and the lack of
// `Sync` see to.
unsafe impl Send for Captured {}

impl Drop for Captured {
    fn drop(&mut self) {
        let Ok(_current) = self.context.enter() else { return };
        // Drivers do not promise that a graph may go while it runs. What went wrong shows in the next call.
        // SAFETY: the stream outlives what is launched on it.
        let _ = unsafe { (self.context.driver.cuStreamSynchronize)(self.stream) };
        if !self.instance.is_null() {
            // SAFETY: the instance is live and of the current context, and nobody uses it any more.
            let _ = unsafe { (self.functions.cuGraphExecDestroy)(self.instance) };
        }
        // SAFETY: the same holds for the graph.
        let _ = unsafe { (self.functions.cuGraphDestroy)(self.graph) };
    }
}

impl CudaDevice {
    /// Records launches without making any.
    pub(super) fn capture(&self, launches: &[DeviceLaunch<'_>]) -> Result<Graph, DeviceError> {
        const DOING: &str = "recording a graph";
        // A kernel's first launch may load it, which allocates memory.
        const RELAXED: CUstreamCaptureMode = CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED;
        let functions = self.context.driver.graphs()?;
        let _current = self.enter_uncaptured(DOING)?;
        let fail = |code: Code| self.fail(DOING, code);
        // A stream of its own: the default one can't be captured, and what other threads ask of the device's meanwhile
        // does not belong here.
        let recorder = self.on(Stream::new(&self.context, functions).map_err(fail)?);
        let stream = recorder.stream.handle;
        // SAFETY: the stream is live and of the current context.
        check(unsafe { (functions.cuStreamBeginCapture_v2)(stream, RELAXED) }).map_err(fail)?;
        let recorded = launches.iter().try_for_each(|launch| recorder.run(launch));
        let mut graph = null_mut();
        // Ended even if a launch was refused, since a stream must not go while it is captured.
        // SAFETY: the stream is live and of the current context, and the driver fills the handle.
        let ended = check(unsafe { (functions.cuStreamEndCapture)(stream, &raw mut graph) });
        let kernels = launches.iter().map(|launch| launch.function.clone()).collect();
        let mut captured = (!graph.is_null()).then(|| Captured {
            context: self.context.clone(),
            functions,
            stream: self.stream.handle,
            graph,
            instance: null_mut(),
            _kernels: kernels,
        });
        recorded?;
        ended.map_err(fail)?;
        let Some(made) = &mut captured else {
            return Err(DeviceError::Driver {
                ordinal: self.info().ordinal,
                doing: DOING.to_owned(),
                reason: "the driver gave none".to_owned(),
            });
        };
        // SAFETY: the graph is live and of the current context, and the driver fills the handle.
        check(unsafe { (functions.cuGraphInstantiateWithFlags)(&raw mut made.instance, graph, 0) })
            .map_err(fail)?;
        // SAFETY: the instance and the stream are live and of the current context.
        check(unsafe { (functions.cuGraphUpload)(made.instance, self.stream.handle) }).map_err(fail)?;
        Ok(Graph { device: self.clone(), captured })
    }

    /// Runs one launch.
    ///
    /// # Errors
    /// As [`CudaDevice::launch`].
    pub fn run(&self, launch: &DeviceLaunch<'_>) -> Result<(), DeviceError> {
        let DeviceLaunch { function, grid, threads, dynamic_shared, args } = *launch;
        self.launch(function, grid, threads, dynamic_shared, args)
    }
}

impl Graph {
    /// Does the work once. Its buffers must be there, and the stream must not be captured.
    pub(super) fn replay(&self) -> Result<(), DeviceError> {
        const DOING: &str = "replaying a graph";
        let Some(made) = &self.captured else { return Ok(()) };
        let _current = self.device.enter(DOING)?;
        // SAFETY: the graph and the stream are live and of the current context, and so are its kernels. The graph is
        // not shared among threads. That its buffers are there too is seen to by `Recording`, which borrows them, and
        // by `Replay`, which is shown them.
        check(unsafe { (made.functions.cuGraphLaunch)(made.instance, made.stream) })
            .map_err(|code| self.device.fail(DOING, code))
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        if let Some(captured) = self.captured.take() {
            self.device.stream.dispose(captured);
        }
    }
}

/// Whether the driver makes no graphs here, and all is well otherwise.
pub(super) fn is_no_graph(error: &DeviceError) -> bool {
    matches!(error, DeviceError::Driver { .. } | DeviceError::DriverTooOld { .. })
}

/// Launches in a row, to be repeated any number of times on the stream of the device that recorded them. Kernels and
/// buffers stay borrowed.
///
/// Where the driver makes no graph of them, they are launched one by one, with the same result;
/// [`Recording::one_by_one`] tells why.
pub struct Recording<'a> {
    device: CudaDevice,
    launches: Vec<DeviceLaunch<'a>>,
    graph: Result<Graph, DeviceError>,
}

impl CudaDevice {
    /// Records launches without running any.
    ///
    /// # Errors
    /// As [`CudaDevice::launch`] if one of them is wrong, or if the GPU has failed. That the driver makes no graph is
    /// no error.
    pub fn record<'a>(&self, launches: Vec<DeviceLaunch<'a>>) -> Result<Recording<'a>, DeviceError> {
        let graph = match self.capture(&launches) {
            Err(error) if is_no_graph(&error) => Err(error),
            captured => Ok(captured?),
        };
        Ok(Recording { device: self.clone(), launches, graph })
    }
}

impl Recording<'_> {
    /// Runs the launches once, in their order. Returns at once, as [`CudaDevice::launch`] does. While somebody captures the
    /// stream, they become part of that graph one by one.
    ///
    /// # Errors
    /// What the driver says.
    pub fn replay(&self) -> Result<(), DeviceError> {
        match &self.graph {
            Ok(graph) if !self.device.is_captured()? => graph.replay(),
            _ => self.launches.iter().try_for_each(|launch| self.device.run(launch)),
        }
    }

    /// How many launches a replay is.
    pub fn len(&self) -> usize {
        self.launches.len()
    }

    /// Whether a replay does nothing.
    pub fn is_empty(&self) -> bool {
        self.launches.is_empty()
    }

    /// Why the driver made no graph, so that the launches are run one by one; `None` if it did.
    pub fn one_by_one(&self) -> Option<&DeviceError> {
        self.graph.as_ref().err()
    }
}

impl fmt::Debug for Recording<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording")
            .field("launches", &self.launches)
            .field("one_by_one", &self.one_by_one())
            .finish_non_exhaustive()
    }
}
