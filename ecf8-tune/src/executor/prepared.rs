//! A launch whose kernel is loaded and whose inputs are uploaded: only where the output goes is left to say.

use super::{BlockNeeds, Destination, Dispatch, ExecutorError, Target};
use ecf8_codegen::launch::{Gather, Launch, OutputSlot};

/// A launch that can be run any number of times, each time into any buffer.
#[derive(Debug)]
pub struct Prepared<K, B> {
    kernel: K,
    threads: u32,
    /// With inputs in the target's memory; none and no blocks where there is nothing to launch.
    launch: Launch<B>,
    /// What it writes besides its first output, zeros at first.
    others: Vec<B>,
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
        mut launch: Launch<Gather<'_>>,
    ) -> Result<Self, ExecutorError>
    where
        T: Target<Kernel = K, Buffer = B>,
    {
        if launch.output_bytes() == 0 {
            launch = Launch { grid: 0, args: Vec::new(), ..launch };
        } else {
            target.limits().check(needs, &launch)?;
        }
        let launch = launch.map(|input| target.upload(&input))?;
        let zeros = |slot: &OutputSlot| {
            let mut buffer = target.alloc(usize::try_from(slot.bytes).unwrap_or(usize::MAX))?;
            target.fill(&mut buffer, 0)?;
            Ok(buffer)
        };
        let others = launch.outputs.iter().skip(1).filter(|_| launch.grid > 0).map(zeros);
        let others = others.collect::<Result<_, ExecutorError>>()?;
        Ok(Self { kernel: kernel.clone(), threads: needs.threads, launch, others })
    }

    /// What it writes besides its first output; nothing where there is nothing to launch.
    pub fn others(&mut self) -> &mut [B] {
        &mut self.others
    }

    /// The launch, for tests that damage what was uploaded.
    #[cfg(test)]
    pub(crate) fn launch(&self) -> &Launch<B> {
        &self.launch
    }

    /// How often running it launches a kernel: once, or never where there is nothing to do.
    #[must_use]
    pub fn launches(&self) -> usize {
        usize::from(self.launch.grid > 0)
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
        (self.launch.grid > 0).then(|| Dispatch {
            kernel: &self.kernel,
            threads: self.threads,
            launch: self.launch.as_ref(),
            outputs: std::iter::once(Destination { buffer: output, start })
                .chain(self.others.iter().map(|buffer| Destination { buffer, start: 0 }))
                .collect(),
        })
    }
}
