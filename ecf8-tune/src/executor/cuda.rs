//! A GPU as a target. Kernels come from the kernel cache, which compiles those that it does not have.

use super::{Dispatch, ExecutorError, Fingerprint, Limits, Target, Timing, Transfer, Undone};
use crate::device::{
    self, CudaDevice, DeviceBuffer, DeviceError, DeviceInfo, Function, Mark, Recording, Replay,
};
use crate::kernel_cache::{KernelCache, KernelRequest};
use crate::nvrtc::CompileReport;
use ecf8_codegen::launch::{ALIGNMENT, Arg, Gather};
use ecf8_codegen::{cuda, ir};
use std::collections::HashMap;
use std::sync::Arc;

/// What the output is filled with before a launch, so that bytes which no thread writes are noticed with any data.
const FILLINGS: [u8; 2] = [0x00, 0xff];

/// Runs kernels on one GPU.
#[derive(Debug)]
pub struct CudaExecutor {
    device: CudaDevice,
    cache: Arc<KernelCache>,
    /// Loaded kernels by the hash of their source.
    functions: HashMap<u64, Function>,
    /// Why launches were run one by one though there were several to repeat, if they were.
    one_by_one: Option<DeviceError>,
    /// Who allocates what is uploaded; the driver, if nobody does.
    memory: Option<Allocate>,
}

/// Allocates bytes on the GPU for as long as they may be used, at a multiple of 256, and says where; or says why not.
#[derive(Clone)]
pub struct Allocate(Arc<dyn Fn(usize) -> Result<u64, String> + Send + Sync>);

impl Allocate {
    /// By a function that gives an address.
    pub fn by(allocate: impl Fn(usize) -> Result<u64, String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(allocate))
    }
}

impl std::fmt::Debug for Allocate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Allocate")
    }
}

impl CudaExecutor {
    /// Opens `cuda:ordinal`, with the user's kernel cache. NVRTC is looked for when the first kernel has to be
    /// compiled.
    ///
    /// # Errors
    /// If there is no driver or no such GPU.
    pub fn open(ordinal: u32) -> Result<Self, ExecutorError> {
        Self::with_cache(ordinal, Arc::new(KernelCache::open()))
    }

    /// Opens `cuda:ordinal` with a kernel cache.
    ///
    /// # Errors
    /// As [`CudaExecutor::open`].
    pub fn with_cache(ordinal: u32, cache: Arc<KernelCache>) -> Result<Self, ExecutorError> {
        Ok(Self::on(CudaDevice::open(ordinal)?, cache))
    }

    /// On an opened GPU, so on the stream that it was [opened](CudaDevice::on_stream) with, with a kernel cache.
    #[must_use]
    pub fn on(device: CudaDevice, cache: Arc<KernelCache>) -> Self {
        Self { device, cache, functions: HashMap::new(), one_by_one: None, memory: None }
    }

    /// The same with what is uploaded in memory that somebody else allocates, such as PyTorch, which then counts it. He keeps it
    /// as long as the executor and what was uploaded by it.
    #[must_use]
    pub fn with_memory(self, allocate: Allocate) -> Self {
        Self { memory: Some(allocate), ..self }
    }

    /// Has everything on another stream of the GPU from now on; gives the device as it was.
    pub(crate) fn replace_device(&mut self, other: CudaDevice) -> CudaDevice {
        std::mem::replace(&mut self.device, other)
    }

    /// The opened GPU.
    #[must_use]
    pub fn device(&self) -> &CudaDevice {
        &self.device
    }

    /// Where its kernels come from.
    #[must_use]
    pub fn cache(&self) -> &Arc<KernelCache> {
        &self.cache
    }

    /// Remembers why there was no graph to replay.
    fn note(&mut self, one_by_one: Option<&DeviceError>) {
        if let Some(error) = one_by_one {
            self.one_by_one = Some(error.clone());
        }
    }
}

/// Source and name of a kernel as the cache wants them.
struct Printed {
    source: String,
    name: String,
}

impl Printed {
    fn new(kernel: &ir::Kernel) -> Self {
        Self { source: cuda::source(kernel), name: format!("{}.cu", kernel.name) }
    }

    fn request(&self, info: &DeviceInfo) -> KernelRequest<'_> {
        KernelRequest { name: &self.name, source: &self.source, arch: info.arch, options: &[] }
    }
}

impl Target for CudaExecutor {
    type Kernel = Function;
    type Buffer = DeviceBuffer;
    type Mark = Mark;
    type Replay = Replay;

    fn describe(&self) -> String {
        let info = self.device.info();
        format!("cuda:{} ({}, {})", info.ordinal, info.name, info.arch)
    }

    fn fingerprint(&self) -> Fingerprint {
        let nvrtc = self.cache.compiler_version(self.device.info().arch).unwrap_or_default();
        Fingerprint { nvrtc, ..self.device_fingerprint() }
    }

    fn device_fingerprint(&self) -> Fingerprint {
        let info = self.device.info();
        let driver = info.driver_release.clone().unwrap_or_else(|| format!("for CUDA {}", info.driver_cuda));
        Fingerprint {
            gpu: info.name.clone(),
            arch: info.arch,
            sm_count: info.sm_count,
            driver,
            nvrtc: String::new(),
        }
    }

    fn limits(&self) -> Limits {
        let info = self.device.info();
        Limits {
            shared_per_block_bytes: info.shared_per_block_bytes,
            threads_per_block: info.threads_per_block,
            // On every GPU from sm_75 on, one block may have all of them.
            registers_per_block: info.registers_per_sm,
            l2_bytes: info.l2_bytes,
            memory_bytes: info.memory_bytes,
        }
    }

    fn timing(&self) -> Timing {
        Timing::Measured
    }

    fn fillings(&self) -> &'static [u8] {
        &FILLINGS
    }

    fn compile(&mut self, kernels: &[ir::Kernel]) -> Vec<Result<Option<CompileReport>, ExecutorError>> {
        let printed: Vec<Printed> = kernels.iter().map(Printed::new).collect();
        let requests: Vec<_> = printed.iter().map(|printed| printed.request(self.device.info())).collect();
        let compiled = self.cache.get_all(&requests).into_iter();
        compiled.map(|made| Ok(Some(made.map(|compiled| compiled.report.clone())?))).collect()
    }

    fn load(&mut self, kernel: &ir::Kernel) -> Result<Function, ExecutorError> {
        let hash = cuda::source_hash(kernel);
        if let Some(function) = self.functions.get(&hash) {
            return Ok(function.clone());
        }
        let printed = Printed::new(kernel);
        let request = printed.request(self.device.info());
        let compiled = self.cache.get(&request)?;
        let function = match self.device.load(&compiled.image, &kernel.name) {
            // What was compiled by a newer NVRTC than the driver takes, or is not what it says, is compiled here.
            Err(error @ (DeviceError::BadCubin { .. } | DeviceError::WrongCubin { .. })) => {
                let renewed = self.cache.renew(&request, &error.to_string())?;
                self.device.load(&renewed.image, &kernel.name)?
            }
            loaded => loaded?,
        };
        self.functions.insert(hash, function.clone());
        Ok(function)
    }

    fn upload(&mut self, bytes: &Gather<'_>) -> Result<DeviceBuffer, ExecutorError> {
        let padded = bytes.len().next_multiple_of(ALIGNMENT as u64);
        let padded = usize::try_from(padded).unwrap_or(usize::MAX);
        let buffer = match &self.memory {
            None => self.device.alloc(padded)?,
            Some(Allocate(allocate)) => {
                let address = allocate(padded).map_err(|why| ExecutorError::Memory { bytes: padded, why })?;
                self.device.memory_number(address, padded)?
            }
        };
        Ok(self.device.upload_into(buffer, &|start, out| bytes.fill(start as u64, out))?)
    }

    fn settle(&mut self) -> Result<(), ExecutorError> {
        Ok(self.device.settle()?)
    }

    fn slow_uploads(&self) -> Option<String> {
        let reason = self.device.pageable()?;
        Some(format!("uploads go through memory that the driver copies once more: {reason}"))
    }

    fn alloc(&mut self, bytes: usize) -> Result<DeviceBuffer, ExecutorError> {
        Ok(self.device.alloc(bytes)?)
    }

    fn bytes(&self, buffer: &DeviceBuffer) -> usize {
        buffer.len()
    }

    fn copy(&mut self, transfer: &Transfer<'_, DeviceBuffer>) -> Result<(), ExecutorError> {
        let Transfer { from, part, into, start } = transfer;
        let copy = device::DeviceCopy { source: from, part: part.clone(), target: into, start: *start };
        Ok(self.device.transfer(&copy)?)
    }

    fn fill(&mut self, buffer: &mut DeviceBuffer, value: u8) -> Result<(), ExecutorError> {
        Ok(self.device.fill(buffer, value)?)
    }

    fn launch(&mut self, dispatch: &Dispatch<'_, Function, DeviceBuffer>) -> Result<(), ExecutorError> {
        Ok(self.device.run(&one(dispatch, &arguments(dispatch)?))?)
    }

    fn repeat(
        &mut self,
        work: &[Dispatch<'_, Function, DeviceBuffer>],
        replay: &mut Replay,
    ) -> Result<(), Undone> {
        let prepared = work
            .iter()
            .enumerate()
            .map(|(at, dispatch)| arguments(dispatch).map_err(|source| Undone { at: Some(at), source }));
        let prepared = prepared.collect::<Result<Vec<_>, _>>()?;
        let launches = work.iter().zip(&prepared).map(|(dispatch, args)| one(dispatch, args));
        let done = self.device.repeat(&launches.collect::<Vec<_>>(), replay);
        self.note(replay.one_by_one());
        done.map_err(|device::Undone { at, source }| Undone { at, source: source.into() })
    }

    fn download(&mut self, buffer: &DeviceBuffer, out: &mut [u8]) -> Result<(), ExecutorError> {
        Ok(self.device.download(buffer, out)?)
    }

    fn mark(&mut self) -> Result<Mark, ExecutorError> {
        Ok(self.device.mark()?)
    }

    fn wait(&mut self, mark: &Mark) -> Result<(), ExecutorError> {
        Ok(self.device.wait(mark)?)
    }

    fn one_by_one(&self) -> Option<String> {
        self.one_by_one.as_ref().map(ToString::to_string)
    }

    fn time(
        &mut self,
        dispatches: &[Dispatch<'_, Function, DeviceBuffer>],
        runs: usize,
        launches: usize,
    ) -> Result<Vec<u64>, ExecutorError> {
        // Prepared before the clock runs: between two launches the host does as little as it can.
        let arguments = dispatches.iter().map(arguments).collect::<Result<Vec<_>, _>>()?;
        let mut turn = dispatches.iter().zip(&arguments).map(|(dispatch, args)| one(dispatch, args)).cycle();
        if launches == 1 {
            let times =
                self.device.time(runs, |_| turn.next().map_or(Ok(()), |launch| self.device.run(&launch)))?;
            return Ok(times.into_iter().map(|ms| nanoseconds(f64::from(ms))).collect());
        }
        // Runs that start at the same dispatch are the same.
        let count = dispatches.len();
        let different =
            (1..=count).find(|runs| (runs * (launches % count)).is_multiple_of(count)).unwrap_or(0);
        let recordings: Vec<Recording<'_>> = (0..runs.min(different))
            .map(|_| self.device.record(turn.by_ref().take(launches).collect()))
            .collect::<Result<_, _>>()?;
        self.note(recordings.iter().find_map(Recording::one_by_one));
        let mut turn = recordings.iter().cycle();
        let times = self.device.time(runs, |_| turn.next().map_or(Ok(()), Recording::replay))?;
        Ok(times.into_iter().map(|ms| nanoseconds(f64::from(ms) / launches.max(1) as f64)).collect())
    }
}

/// What the driver is given. Outputs are checked to lie within their buffers: the kernel is given an address alone.
fn arguments<'a>(
    dispatch: &'a Dispatch<'a, Function, DeviceBuffer>,
) -> Result<Vec<device::DeviceArg<'a>>, ExecutorError> {
    let outputs = dispatch.destinations(DeviceBuffer::len)?;
    let args = dispatch.launch.args.iter().map(|arg| match arg {
        Arg::Input(buffer) => Ok(device::DeviceArg::Buffer(buffer)),
        Arg::Output(index) => match outputs.get(*index) {
            Some((buffer, part)) => Ok(device::DeviceArg::At(buffer, part.start)),
            None => Err(ExecutorError::Outputs { wanted: index + 1, given: outputs.len() }),
        },
        Arg::U32(value) => Ok(device::DeviceArg::U32(*value)),
        Arg::U64(value) => Ok(device::DeviceArg::U64(*value)),
    });
    args.collect()
}

fn one<'a>(
    dispatch: &'a Dispatch<'a, Function, DeviceBuffer>,
    args: &'a [device::DeviceArg<'a>],
) -> device::DeviceLaunch<'a> {
    device::DeviceLaunch {
        function: dispatch.kernel,
        grid: dispatch.launch.grid,
        threads: dispatch.threads,
        dynamic_shared: dispatch.launch.dynamic_shared_bytes,
        args,
    }
}

/// Milliseconds as the whole nanoseconds that records hold.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what a time can be")]
pub(crate) fn nanoseconds(ms: f64) -> u64 {
    (ms * 1e6).round().clamp(1.0, 1e15) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::tests::fake::{cubin, run, run_without_graphs};
    use crate::device::tests::graph::count;
    use crate::device::tests::is_child;
    use crate::executor::Destination;
    use ecf8_codegen::launch::{Launch, OutputSlot};

    #[test]
    fn runs_of_several_launches_are_timed_as_graphs_that_take_the_dispatches_in_turn() {
        const TEST: &str = "executor::cuda::tests::runs_of_several_launches_are_timed_as_graphs_that_take_the_dispatches_in_turn";
        if !is_child() {
            run(TEST, "");
            return run_without_graphs(TEST);
        }
        let mut target = CudaExecutor::with_cache(0, Arc::new(KernelCache::in_memory())).unwrap();
        let kernel = target.device().load(&cubin(), "flip").unwrap();
        let buffers = [0, 0, 0].map(|byte| target.device().upload(&[byte; 4]).unwrap());
        let dispatch = |buffer| Dispatch {
            kernel: &kernel,
            threads: 32,
            launch: Launch {
                grid: 1,
                dynamic_shared_bytes: 0,
                args: vec![Arg::Input(buffer), Arg::Output(0), Arg::U64(4), Arg::U32(1)],
                outputs: vec![OutputSlot::whole(4)],
            },
            outputs: vec![Destination { buffer, start: 0 }],
        };
        let dispatches: Vec<_> = buffers.iter().map(dispatch).collect();
        let flipped = |target: &mut CudaExecutor| {
            buffers.each_ref().map(|buffer| {
                let mut bytes = [0; 4];
                target.download(buffer, &mut bytes).unwrap();
                bytes[0]
            })
        };
        // A run takes 2 ms on the fake driver. Twenty launches in turn are seven, seven and six.
        assert_eq!(target.time(&dispatches, 5, 4).unwrap(), [500_000; 5]);
        assert_eq!((flipped(&mut target), count("fake_kernels")), ([1, 1, 0], 20));
        if let Some(error) = target.one_by_one() {
            assert_eq!(error, DeviceError::DriverTooOld { function: "cuGraphDestroy" }.to_string());
            return;
        }
        assert_eq!((count("fake_replays"), count("fake_graphs"), count("fake_streams")), (5, 0, 0));
        assert_eq!(target.time(&dispatches, 2, 1).unwrap(), [2_000_000; 2]);
        assert_eq!((flipped(&mut target), count("fake_replays")), ([0, 0, 0], 5), "one launch is no graph");
        assert_eq!(target.time(&[], 2, 3).unwrap().len(), 2);
        assert_eq!(target.time(&dispatches, 0, 3).unwrap(), [0; 0]);
    }
}
