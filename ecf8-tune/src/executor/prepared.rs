//! A launch whose kernel is loaded and whose inputs are uploaded: only the output is left to say.

use super::{Dispatch, ExecutorError, Target, TargetArg};
use ecf8_codegen::ir;
use ecf8_codegen::strategy::{Arg, Launch};

/// A launch that can be run any number of times, each time into any buffer.
#[derive(Debug)]
pub struct Prepared<K, B> {
    /// `None` where there is nothing to launch.
    kernel: Option<K>,
    grid: u32,
    threads: u32,
    dynamic_shared_bytes: u32,
    output_bytes: usize,
    args: Vec<PreparedArg<B>>,
}

#[derive(Debug)]
enum PreparedArg<B> {
    Input(B),
    Output,
    U32(u32),
    U64(u64),
}

impl<K: Clone, B> Prepared<K, B> {
    /// Loads the kernel of a launch, and uploads its inputs.
    ///
    /// # Errors
    /// If the kernel cannot be compiled or loaded, or there is no memory left.
    pub fn new<T>(target: &mut T, kernel: &ir::Kernel, launch: &Launch<'_>) -> Result<Self, ExecutorError>
    where
        T: Target<Kernel = K, Buffer = B>,
    {
        let is_empty = launch.grid == 0 || launch.output_bytes == 0;
        let (loaded, args) = match is_empty {
            true => (None, Vec::new()),
            false => {
                let loaded = target.load(kernel)?;
                (Some(loaded), launch.args.iter().map(|arg| upload(target, arg)).collect::<Result<_, _>>()?)
            }
        };
        Ok(Self {
            kernel: loaded,
            grid: launch.grid,
            threads: kernel.threads,
            dynamic_shared_bytes: launch.dynamic_shared_bytes,
            output_bytes: launch.output_bytes,
            args,
        })
    }

    /// Bytes that it writes.
    #[must_use]
    pub fn output_bytes(&self) -> usize {
        self.output_bytes
    }

    /// How often running it launches a kernel: once, or never where there is nothing to do.
    #[must_use]
    pub fn launches(&self) -> usize {
        usize::from(self.kernel.is_some())
    }

    /// Launches the kernel, so that it writes to `output` from byte `start` on, a multiple of
    /// [`BATCH_ALIGNMENT`](ecf8_codegen::strategy::BATCH_ALIGNMENT).
    ///
    /// # Errors
    /// If `output` is too short, or the launch fails.
    pub fn run<T>(&self, target: &mut T, output: &mut B, start: usize) -> Result<(), ExecutorError>
    where
        T: Target<Kernel = K, Buffer = B>,
    {
        let Some(kernel) = &self.kernel else { return Ok(()) };
        let output = &*output;
        let args = self.args.iter().map(|arg| match arg {
            PreparedArg::Input(input) => TargetArg::Buffer(input),
            PreparedArg::Output => TargetArg::Part { buffer: output, start, bytes: self.output_bytes },
            PreparedArg::U32(value) => TargetArg::U32(*value),
            PreparedArg::U64(value) => TargetArg::U64(*value),
        });
        target.launch(&Dispatch {
            kernel,
            grid: self.grid,
            threads: self.threads,
            dynamic_shared_bytes: self.dynamic_shared_bytes,
            args: args.collect(),
        })
    }
}

fn upload<T: Target>(target: &mut T, arg: &Arg<'_>) -> Result<PreparedArg<T::Buffer>, ExecutorError> {
    Ok(match arg {
        Arg::Input(bytes) => PreparedArg::Input(target.upload(bytes)?),
        Arg::Output => PreparedArg::Output,
        Arg::U32(value) => PreparedArg::U32(*value),
        Arg::U64(value) => PreparedArg::U64(*value),
    })
}
