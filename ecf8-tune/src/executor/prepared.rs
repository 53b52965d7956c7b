//! A launch whose kernel is loaded and whose inputs are uploaded: only the output is left to say.

use super::{BlockNeeds, Dispatch, ExecutorError, Target, TargetArg};
use ecf8_codegen::strategy::{Arg, Launch};
use std::ops::Range;

/// A launch that can be run any number of times, each time into any buffer.
#[derive(Debug)]
pub struct Prepared<K, B> {
    kernel: K,
    /// 0 where there is nothing to launch.
    grid: u32,
    threads: u32,
    dynamic_shared_bytes: u32,
    output_bytes: usize,
    args: Vec<PreparedArg<B>>,
    gaps: Vec<Range<usize>>,
}

#[derive(Debug)]
enum PreparedArg<B> {
    Input(B),
    Output,
    U32(u32),
    U64(u64),
}

impl<K: Clone, B> Prepared<K, B> {
    /// Uploads the inputs of a launch of a loaded kernel whose blocks need that much.
    ///
    /// # Errors
    /// [`ExecutorError::Misfit`] if it could not be launched, before anything is uploaded; or if there is no memory left.
    pub fn new<T>(
        target: &mut T,
        kernel: &K,
        needs: &BlockNeeds,
        launch: &Launch<'_>,
    ) -> Result<Self, ExecutorError>
    where
        T: Target<Kernel = K, Buffer = B>,
    {
        let is_empty = launch.output_bytes == 0;
        if !is_empty {
            target.limits().check(needs, launch)?;
        }
        let args = if is_empty { &[][..] } else { &launch.args };
        let args = args.iter().map(|arg| upload(target, arg)).collect::<Result<_, _>>()?;
        Ok(Self {
            kernel: kernel.clone(),
            grid: if is_empty { 0 } else { launch.grid },
            threads: needs.threads,
            dynamic_shared_bytes: launch.dynamic_shared_bytes,
            output_bytes: launch.output_bytes,
            args,
            gaps: Vec::new(),
        })
    }

    /// The same launch, of which these bytes of the output lie between tensors and need not be written.
    #[must_use]
    pub fn with_gaps(self, gaps: Vec<Range<usize>>) -> Self {
        Self { gaps, ..self }
    }

    /// Bytes that it writes.
    #[must_use]
    pub fn output_bytes(&self) -> usize {
        self.output_bytes
    }

    /// How often running it launches a kernel: once, or never where there is nothing to do.
    #[must_use]
    pub fn launches(&self) -> usize {
        usize::from(self.grid > 0)
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
        self.dispatch(output, start).map_or(Ok(()), |dispatch| target.launch(&dispatch))
    }

    /// That launch; `None` where there is nothing to launch.
    pub fn dispatch<'a>(&'a self, output: &'a B, start: usize) -> Option<Dispatch<'a, K, B>> {
        if self.grid == 0 {
            return None;
        }
        let args = self.args.iter().map(|arg| match arg {
            PreparedArg::Input(input) => TargetArg::Buffer(input),
            PreparedArg::Output => TargetArg::Part { buffer: output, start, bytes: self.output_bytes },
            PreparedArg::U32(value) => TargetArg::U32(*value),
            PreparedArg::U64(value) => TargetArg::U64(*value),
        });
        Some(Dispatch {
            kernel: &self.kernel,
            grid: self.grid,
            threads: self.threads,
            dynamic_shared_bytes: self.dynamic_shared_bytes,
            args: args.collect(),
            gaps: &self.gaps,
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
