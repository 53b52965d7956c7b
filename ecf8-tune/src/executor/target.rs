//! The one interface to what runs and times kernels.

use super::{ExecutorError, Fingerprint};
use crate::nvrtc::CompileReport;
use ecf8_codegen::ir;
use ecf8_codegen::launch::{Gather, Launch};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Where a time comes from. The two are never mixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Timing {
    /// From a GPU's clock.
    Measured,
    /// From the profiler's model of a GPU.
    Predicted,
}

impl Timing {
    /// The word for people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Predicted => "predicted",
        }
    }
}

/// What a target offers to a launch, and what timing has to know of it. Sizes are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most shared memory of a block, static and dynamic.
    pub shared_per_block_bytes: u32,
    /// Most threads of a block.
    pub threads_per_block: u32,
    /// Most 32-bit registers of all threads of a block.
    pub registers_per_block: u32,
    /// The cache that timed launches have to be kept out of; 0 if there is none.
    pub l2_bytes: u64,
    /// Memory for buffers.
    pub memory_bytes: u64,
}

/// Where an output of a launch goes: to the bytes of a buffer from here on, of which the kernel sees nothing else.
#[derive(Debug)]
pub struct Destination<'a, B> {
    /// The buffer. Though it is shared it is written: the host sees its bytes by copies only.
    pub buffer: &'a B,
    /// The bytes before the output, a multiple of [`BATCH_ALIGNMENT`](ecf8_codegen::strategy::BATCH_ALIGNMENT).
    pub start: usize,
}

/// Where a part of a buffer of `room` bytes is.
pub(super) fn checked_part(start: usize, bytes: usize, room: usize) -> Result<Range<usize>, ExecutorError> {
    match start.checked_add(bytes) {
        Some(end) if end <= room => Ok(start..end),
        _ => Err(ExecutorError::Room { start, bytes, room }),
    }
}

/// One launch.
#[derive(Debug)]
pub struct Dispatch<'a, K, B> {
    /// The kernel, loaded on the same target.
    pub kernel: &'a K,
    /// Threads of a block.
    pub threads: u32,
    /// The launch, of at least one block.
    pub launch: Launch<&'a B>,
    /// Where each of its outputs goes.
    pub outputs: Vec<Destination<'a, B>>,
}

impl<K, B> Dispatch<'_, K, B> {
    /// The part of a buffer that each output has, where `room` says how many bytes a buffer has.
    pub(super) fn destinations(
        &self,
        room: impl Fn(&B) -> usize,
    ) -> Result<Vec<(&B, Range<usize>)>, ExecutorError> {
        let outputs = &self.launch.outputs;
        if outputs.len() != self.outputs.len() {
            return Err(ExecutorError::Outputs { wanted: outputs.len(), given: self.outputs.len() });
        }
        let parts = self.outputs.iter().zip(outputs).map(|(&Destination { buffer, start }, slot)| {
            let bytes = usize::try_from(slot.bytes).unwrap_or(usize::MAX);
            Ok((buffer, checked_part(start, bytes, room(buffer))?))
        });
        parts.collect()
    }
}

/// Some bytes of one buffer, to be copied to another.
#[derive(Debug)]
pub struct Transfer<'a, B> {
    /// Where they are.
    pub from: &'a B,
    /// Which they are.
    pub part: Range<usize>,
    /// Where they go to. Though it is shared it is written, as a kernel's output is.
    pub into: &'a B,
    /// The byte of it that the first of them goes to.
    pub start: usize,
}

/// Work that could not be done.
#[derive(Debug)]
pub struct Undone {
    /// The first launch that was not made, where that is known.
    pub at: Option<usize>,
    /// Why not.
    pub source: ExecutorError,
}

/// What runs kernels and times them: a GPU, or the emulator. Everything happens in the order in which it is asked for.
pub trait Target {
    /// A kernel, ready to be launched.
    type Kernel: Clone;
    /// Bytes in the target's memory.
    type Buffer;
    /// A point in the order of what was asked for.
    type Mark;
    /// What is kept of work to do it faster the next time.
    type Replay: Default;

    /// What it is, for people.
    fn describe(&self) -> String;

    /// What it is, for tuning caches.
    fn fingerprint(&self) -> Fingerprint;

    /// What it is but for NVRTC, which is not looked for.
    fn device_fingerprint(&self) -> Fingerprint {
        Target::fingerprint(self)
    }

    /// What it offers.
    fn limits(&self) -> Limits;

    /// Where its times come from.
    fn timing(&self) -> Timing;

    /// Fillings of the output, one run each, that show that a kernel writes all of it, always the same.
    fn fillings(&self) -> &'static [u8];

    /// Compiles kernels in parallel and keeps the result for [`Target::load`]. `None` is told of a kernel that needs no
    /// compilation.
    fn compile(&mut self, kernels: &[ir::Kernel]) -> Vec<Result<Option<CompileReport>, ExecutorError>>;

    /// Makes a kernel ready to be launched.
    ///
    /// # Errors
    /// If it cannot be compiled or loaded.
    fn load(&mut self, kernel: &ir::Kernel) -> Result<Self::Kernel, ExecutorError>;

    /// A buffer that holds `bytes`, copied together there, and zeros up to a multiple of
    /// [`ALIGNMENT`](ecf8_codegen::launch::ALIGNMENT). Returns when `bytes` are read, which may be before they are
    /// there.
    ///
    /// # Errors
    /// If there is no memory left.
    fn upload(&mut self, bytes: &Gather<'_>) -> Result<Self::Buffer, ExecutorError>;

    /// Waits until everything that was asked for is done, and gives back what uploads need of the host.
    ///
    /// # Errors
    /// If the target fails.
    fn settle(&mut self) -> Result<(), ExecutorError> {
        Ok(())
    }

    /// Why uploads are slower than they could be; `None` if they are not, or there were none.
    fn slow_uploads(&self) -> Option<String> {
        None
    }

    /// A buffer of `bytes` bytes.
    ///
    /// # Errors
    /// If there is no memory left.
    fn alloc(&mut self, bytes: usize) -> Result<Self::Buffer, ExecutorError>;

    /// How many bytes a buffer has.
    fn bytes(&self, buffer: &Self::Buffer) -> usize;

    /// Copies bytes of one buffer to another.
    ///
    /// # Errors
    /// If either buffer ends too early, or the target fails.
    fn copy(&mut self, transfer: &Transfer<'_, Self::Buffer>) -> Result<(), ExecutorError>;

    /// Sets every byte of a buffer.
    ///
    /// # Errors
    /// If the target fails.
    fn fill(&mut self, buffer: &mut Self::Buffer, value: u8) -> Result<(), ExecutorError>;

    /// Launches a kernel. What goes wrong in it may show only in what is asked for next.
    ///
    /// # Errors
    /// If it cannot be launched so, or fails at once.
    fn launch(&mut self, dispatch: &Dispatch<'_, Self::Kernel, Self::Buffer>) -> Result<(), ExecutorError>;

    /// Launches kernels in their order, as [`Target::launch`] does, but faster where all is the same as the last time
    /// with this `replay`.
    ///
    /// # Errors
    /// As that.
    fn repeat(
        &mut self,
        work: &[Dispatch<'_, Self::Kernel, Self::Buffer>],
        _replay: &mut Self::Replay,
    ) -> Result<(), Undone> {
        for (at, dispatch) in work.iter().enumerate() {
            self.launch(dispatch).map_err(|source| Undone { at: Some(at), source })?;
        }
        Ok(())
    }

    /// Copies the first `out.len()` bytes of a buffer to `out`, after all launches.
    ///
    /// # Errors
    /// If a launch has failed, or the target does.
    fn download(&mut self, buffer: &Self::Buffer, out: &mut [u8]) -> Result<(), ExecutorError>;

    /// Marks what was asked for so far.
    ///
    /// # Errors
    /// If the target fails.
    fn mark(&mut self) -> Result<Self::Mark, ExecutorError>;

    /// Waits until everything before the mark is done; what was asked for after it may still be under way.
    ///
    /// # Errors
    /// If a launch has failed, or the target does.
    fn wait(&mut self, mark: &Self::Mark) -> Result<(), ExecutorError>;

    /// Why several launches to repeat were made one by one at some time, so that the times of small kernels are in part
    /// the host's; `None` if they were replayed as a graph, or there is nothing that could.
    fn one_by_one(&self) -> Option<String> {
        None
    }

    /// Times `runs` runs of `launches` launches each, taking the dispatches in turn, which are the same work on
    /// different buffers. Gives nanoseconds per launch, run by run. A target that predicts gives the one number that it
    /// knows.
    ///
    /// # Errors
    /// If a launch fails, or no time can be told.
    fn time(
        &mut self,
        dispatches: &[Dispatch<'_, Self::Kernel, Self::Buffer>],
        runs: usize,
        launches: usize,
    ) -> Result<Vec<u64>, ExecutorError>;
}
