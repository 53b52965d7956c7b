//! The table of jobs for a launch that brings tensors to a later state, and the launch.

use super::apply::{ApplyForm, WARPS};
use crate::lang::WARP;
use crate::launch::{ALIGNMENT, Arg, Launch, OutputSlot};
use crate::strategy::{StrategyError, checked_grid};
use ecf8_core::transform::BLOCK;

/// Numbers of a task, which is one warp's.
pub const TASK: u64 = WARP as u64 * BLOCK as u64;

/// 64-bit words of a job.
pub(super) const JOB_WORDS: u32 = 12;

/// The most numbers of a tensor: kernels count them in 32 bits, and beyond the last by as many as a task has.
const MAX_NUMBERS: u64 = (1 << 32) - 2 * TASK;

/// Where a tensor's streams are in the buffer of streams, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planes<'a> {
    /// Of each plane, the most significant first.
    pub planes: Vec<u64>,
    /// The stream of counts itself, where only numbers that have changed are told, and where it and the places are.
    pub sparse: Option<(&'a [u8], u64, u64)>,
}

/// A tensor of a launch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed<'a> {
    /// How it is told.
    pub form: ApplyForm,
    /// How many numbers it has.
    pub numbers: u64,
    /// What tells it.
    pub streams: Planes<'a>,
    /// Where it is in the buffer of the base, in bytes: a multiple of its numbers' width.
    pub base: u64,
    /// Where it goes in the output, in bytes: a multiple of its numbers' width.
    pub output: u64,
}

/// What a launch is given beside streams and base.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Arranged {
    jobs: Vec<u64>,
    task_jobs: Vec<u32>,
    starts: Vec<u32>,
    /// Bytes of the output, and those that are written.
    output: u64,
    written: Vec<std::ops::Range<u64>>,
}

impl Arranged {
    /// Arranges a launch for these tensors, whose places in the output ascend.
    ///
    /// # Errors
    /// If a tensor has too many numbers, or counts that are not those of its numbers.
    pub fn new(tensors: &[Placed<'_>]) -> Result<Self, StrategyError> {
        let mut all = Self::default();
        for (job, tensor) in (0_u32..).zip(tensors) {
            all.add(job, tensor)?;
        }
        Ok(all)
    }

    fn add(&mut self, job: u32, tensor: &Placed<'_>) -> Result<(), StrategyError> {
        let Placed { form, numbers, streams, base, output } = tensor;
        if *numbers > MAX_NUMBERS {
            let what = "the numbers of a tensor";
            return Err(StrategyError::TooLarge { what, needed: *numbers, limit: MAX_NUMBERS });
        }
        let width = u64::from(form.width());
        let first_task = u32::try_from(self.task_jobs.len()).unwrap_or(u32::MAX);
        let start = u32::try_from(self.starts.len()).unwrap_or(u32::MAX);
        let (mut places, mut values) = (0u64, 0u64);
        let (counts, counts_at, places_at) = streams.sparse.unwrap_or_default();
        if form.is_sparse() {
            for (task, counts) in (0u64..).zip(counts.chunks(WARP as usize)) {
                self.starts.extend([places, values].map(|at| u32::try_from(at).unwrap_or(u32::MAX)));
                for (block, count) in (task * u64::from(WARP)..).zip(counts) {
                    let own = numbers.saturating_sub(block * BLOCK as u64).min(BLOCK as u64);
                    let count = u64::from(*count).min(own);
                    values += count;
                    places += if count == own { 0 } else { count };
                }
            }
        }
        let tasks = numbers.div_ceil(TASK);
        if form.is_sparse() && counts.len() as u64 != numbers.div_ceil(BLOCK as u64) {
            let (needed, limit) = (counts.len() as u64, numbers.div_ceil(BLOCK as u64));
            return Err(StrategyError::TooLarge { what: "the counts of a tensor", needed, limit });
        }
        let plane = |index: usize| streams.planes.get(index).copied().unwrap_or_default();
        self.jobs.extend([
            u64::from(first_task) << 32 | u64::from(form.code()),
            u64::from(start) << 32 | numbers,
            base / width,
            output / width,
            counts_at,
            places_at,
            values << 32 | places,
            0,
            plane(0),
            plane(1),
            plane(2),
            plane(3),
        ]);
        self.task_jobs.extend((0..tasks).map(|_| job));
        let end = output + numbers * width;
        self.output = self.output.max(end);
        self.written.push(*output..end);
        Ok(())
    }

    /// The launch, for streams and a base that are wherever the caller has them; `upload` puts tables there.
    ///
    /// # Errors
    /// If there are too many tensors, or the error of `upload`.
    pub fn launch<B, E: From<StrategyError>>(
        &self,
        streams: B,
        base: B,
        mut upload: impl FnMut(Vec<u8>) -> Result<B, E>,
    ) -> Result<Launch<B>, E> {
        let tasks = self.task_jobs.len() as u64;
        let grid = checked_grid(tasks.div_ceil(u64::from(WARPS)))?;
        let padded = |mut bytes: Vec<u8>| {
            bytes.resize(bytes.len().next_multiple_of(ALIGNMENT).max(ALIGNMENT), 0);
            bytes
        };
        let jobs = upload(padded(self.jobs.iter().flat_map(|word| word.to_le_bytes()).collect()))?;
        let task_jobs = upload(padded(self.task_jobs.iter().flat_map(|word| word.to_le_bytes()).collect()))?;
        let starts = upload(padded(self.starts.iter().flat_map(|word| word.to_le_bytes()).collect()))?;
        Ok(Launch {
            grid,
            dynamic_shared_bytes: 0,
            args: vec![
                Arg::Input(streams),
                Arg::Input(base),
                Arg::Input(jobs),
                Arg::Input(task_jobs),
                Arg::Input(starts),
                Arg::Output(0),
                Arg::U32(u32::try_from(tasks).unwrap_or(u32::MAX)),
            ],
            outputs: vec![OutputSlot::of_parts(self.output, self.written.clone())],
        })
    }
}
