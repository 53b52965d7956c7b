//! Work recorded once as a CUDA graph and replayed, so that small kernels follow each other without waiting for the
//! host, which needs longer to launch one than it takes to run.

use std::fmt;

use cudarc::driver::sys::{CUgraphInstantiate_flags, CUstreamCaptureMode};
use cudarc::driver::{CudaGraph, DriverError, result};

use super::{CudaDevice, DeviceArg, DeviceError, Function, driver};

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
    graph: CudaGraph,
    /// So that no kernel is unloaded before it.
    _functions: Vec<Function>,
}

// SAFETY: the driver's handles may be used from any thread as long as it is one at a time, which `&mut` and the lack of
// `Sync` see to; the context is bound to the calling thread before every call.
unsafe impl Send for Graph {}

impl CudaDevice {
    /// Records launches without making any.
    pub(super) fn capture(&self, launches: &[DeviceLaunch<'_>]) -> Result<Graph, DeviceError> {
        const DOING: &str = "recording a graph";
        if let Some(function) = driver::missing_for_graphs() {
            return Err(DeviceError::DriverTooOld { function });
        }
        let fail = |error: DriverError| self.fail(DOING, error);
        // A stream of its own: the default one can't be captured, and what other threads ask of the device's meanwhile
        // does not belong here.
        let stream = self.context.new_stream().map_err(fail)?;
        let recorder = self.on(stream.clone());
        // Relaxed, since a kernel's first launch may load it, which allocates memory.
        stream.begin_capture(CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED).map_err(fail)?;
        let recorded = launches.iter().try_for_each(|launch| recorder.run(launch));
        // Ended even if a launch was refused, since a stream must not go while it is captured.
        let ended = stream.end_capture(CUgraphInstantiate_flags(0));
        recorded?;
        let graph = ended.map_err(fail)?.ok_or_else(|| DeviceError::Driver {
            ordinal: self.info().ordinal,
            doing: DOING.to_owned(),
            reason: "the driver gave none".to_owned(),
        })?;
        self.bind(DOING)?;
        // SAFETY: the graph and the stream are live and of the current context.
        let uploaded = unsafe { result::graph::upload(graph.cu_graph_exec(), self.stream.cu_stream()) };
        uploaded.map_err(fail)?;
        let functions = launches.iter().map(|launch| launch.function.clone());
        Ok(Graph { device: self.clone(), graph, _functions: functions.collect() })
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
    /// Does the work once. Its buffers must be there.
    pub(super) fn replay(&self) -> Result<(), DeviceError> {
        const DOING: &str = "replaying a graph";
        self.device.bind(DOING)?;
        // SAFETY: the graph and the stream are live and of the current context, and so are its kernels. The graph is
        // not shared among threads. That its buffers are there too is seen to by `Recording`, which borrows them, and
        // by `Replay`, which is shown them.
        let launched =
            unsafe { result::graph::launch(self.graph.cu_graph_exec(), self.device.stream.cu_stream()) };
        launched.map_err(|error| self.device.fail(DOING, error))
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        // The driver does not promise that a graph may go while it runs. What went wrong shows in the next call.
        let _ = self.device.synchronize();
        let _ = self.device.bind("dropping a graph");
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
    /// Runs the launches once, in their order. Returns at once, as [`CudaDevice::launch`] does.
    ///
    /// # Errors
    /// What the driver says.
    pub fn replay(&self) -> Result<(), DeviceError> {
        match &self.graph {
            Ok(graph) => graph.replay(),
            Err(_) => self.launches.iter().try_for_each(|launch| self.device.run(launch)),
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
