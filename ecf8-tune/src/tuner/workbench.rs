//! The candidates to decode tensors with by one launch, on a [`Target`].

use super::Candidate;
use super::trials::{TrialError, Trials};
use crate::device::DeviceError;
use crate::executor::{BlockNeeds, Destination, Dispatch, ExecutorError, Limits, Target, Timing};
use crate::nvrtc::CompileReport;
use ecf8_codegen::ir;
use ecf8_codegen::launch::{Gather, Launch, OutputSlot};
use ecf8_codegen::strategy::{StrategyError, batch_output, widest_coding};
use ecf8_core::Encoded;
use ecf8_core::checksum::checksum;
use rayon::prelude::*;
use std::collections::HashMap;

/// How many times the L2 the buffers of successive launches fill, so that none finds what an earlier one left.
pub(crate) const TIMES_L2: u64 = 3;

/// Most copies of the buffers: tensors of less than a few hundred kilobytes are timed from the L2 of the largest GPUs,
/// where a model's small tensors may well be.
const MOST_COPIES: u64 = 512;

/// A run's length in nanoseconds that the GPU's clock, which counts half microseconds, tells well.
const RUN_NS: u64 = 200_000;

/// Most launches of a run.
const MOST_LAUNCHES: u64 = 100;

/// A buffer's length, and where its pieces are with their checksums: candidates share buffers with the same bytes.
type Content = (u64, Vec<(u64, u64)>);

/// A tensor, or several of one scheme, and the candidates to decode them with by one launch, on one target.
pub struct Workbench<'a, T: Target> {
    target: &'a mut T,
    batch: Vec<&'a Encoded<'a>>,
    candidates: &'a [Candidate],
    /// The output that a launch must have.
    output: Result<OutputSlot, StrategyError>,
    /// The bytes of each tensor that has any, which are what is to be written there.
    expected: Vec<&'a [u8]>,
    /// Compiled, with what the compiler said.
    kernels: HashMap<usize, (ir::Kernel, Option<CompileReport>)>,
    ready: HashMap<usize, Ready<T::Kernel>>,
    /// Copies of each input.
    inputs: HashMap<Content, Vec<T::Buffer>>,
    /// As many as there are copies of an input.
    outputs: Vec<T::Buffer>,
    /// What was decoded, on the host: kept, since the system takes its time to give so much memory.
    back: Vec<u8>,
    /// Which copy the next launch takes.
    turn: usize,
}

/// A candidate with its arguments uploaded.
struct Ready<K> {
    kernel: K,
    threads: u32,
    launch: Launch<Content>,
    /// Launches of one timed run.
    launches: usize,
}

impl<'a, T: Target> Workbench<'a, T> {
    /// The workbench of tensors and candidates, where the bytes that each tensor was made from are at hand.
    #[must_use]
    pub fn new(
        target: &'a mut T,
        batch: &[&'a Encoded<'a>],
        candidates: &'a [Candidate],
        bytes: &[&'a [u8]],
    ) -> Self {
        let output = batch_output(batch);
        let expected = bytes.iter().copied().filter(|bytes| !bytes.is_empty()).collect();
        Self {
            target,
            batch: batch.to_vec(),
            candidates,
            output,
            expected,
            kernels: HashMap::new(),
            ready: HashMap::new(),
            inputs: HashMap::new(),
            outputs: Vec::new(),
            back: Vec::new(),
            turn: 0,
        }
    }

    /// Uploads what a compiled candidate needs, unless it does not fit the target.
    fn prepare(&mut self, candidate: usize) -> Result<(), TrialError> {
        if self.ready.contains_key(&candidate) {
            return Ok(());
        }
        let Some((kernel, report)) = self.kernels.remove(&candidate) else {
            return Err(rejected("it is not compiled"));
        };
        let Candidate { strategy, params, .. } = &self.candidates[candidate];
        let launch = strategy.launch(params, &self.batch).map_err(rejected)?;
        let output = self.output.as_ref().map_err(rejected)?;
        let lengths = output.written.iter().map(|range| range.end - range.start);
        let is_expected = lengths.eq(self.expected.iter().map(|bytes| bytes.len() as u64));
        if launch.outputs != std::slice::from_ref(output) || !is_expected {
            return Err(rejected("it writes other bytes than those of the tensors"));
        }
        let bytes = usize::try_from(output.bytes).map_err(rejected)?;
        fits(&self.target.limits(), &kernel, &launch, report.as_ref()).map_err(rejected)?;
        let copies = self.copies(&launch);
        let loaded = self.target.load(&kernel).map_err(sort)?;
        let launch = launch.map(|input| self.upload(&input, copies))?;
        while self.outputs.len() < copies {
            self.outputs.push(self.target.alloc(bytes).map_err(sort)?);
        }
        let ready = Ready { kernel: loaded, threads: kernel.threads, launch, launches: 1 };
        self.ready.insert(candidate, ready);
        Ok(())
    }

    /// How many copies of a launch's buffers are needed to fill the L2 a few times, memory permitting.
    fn copies(&self, launch: &Launch<Gather<'_>>) -> usize {
        let inputs = launch.inputs().map(Gather::len);
        let bytes = (launch.output_bytes() + inputs.sum::<u64>()).max(1);
        let limits = self.target.limits();
        let wanted = match limits.l2_bytes {
            0 => 1,
            l2 => (TIMES_L2 * l2).div_ceil(bytes).max(2),
        };
        let possible = (limits.memory_bytes / 4 / bytes).max(1);
        usize::try_from(wanted.min(possible).min(MOST_COPIES)).unwrap_or(1)
    }

    fn upload(&mut self, bytes: &Gather<'_>, copies: usize) -> Result<Content, TrialError> {
        let pieces = bytes.pieces().map(|(start, piece)| (start, checksum(piece)));
        let content: Content = (bytes.len(), pieces.collect());
        let buffers = self.inputs.entry(content.clone()).or_default();
        while buffers.len() < copies {
            buffers.push(self.target.upload(bytes).map_err(sort)?);
        }
        Ok(content)
    }
}

/// The launch of a ready candidate on the buffers of number `copy`.
fn dispatch<'b, K, B>(
    ready: &'b Ready<K>,
    inputs: &'b HashMap<Content, Vec<B>>,
    outputs: &'b [B],
    copy: usize,
) -> Result<Dispatch<'b, K, B>, TrialError> {
    let nth = |copies: &'b [B]| {
        copies.get(copy % copies.len().max(1)).ok_or_else(|| rejected("its buffers are not there"))
    };
    let input = |content| nth(inputs.get(content).map_or(&[][..], Vec::as_slice));
    let launch = ready.launch.as_ref().map(input)?;
    let outputs = vec![Destination { buffer: nth(outputs)?, start: 0 }];
    Ok(Dispatch { kernel: &ready.kernel, threads: ready.threads, launch, outputs })
}

/// Whether a kernel can run on a target, and would be fast: what is wrong with it, if not.
fn fits(
    limits: &Limits,
    kernel: &ir::Kernel,
    launch: &Launch<Gather<'_>>,
    report: Option<&CompileReport>,
) -> Result<(), String> {
    if launch.grid == 0 {
        return Err("there is nothing to launch".to_owned());
    }
    if let Some(report) = report
        && (report.spill_stores > 0 || report.spill_loads > 0)
    {
        return Err(format!(
            "it spills registers: {} bytes stored and {} loaded per thread",
            report.spill_stores, report.spill_loads
        ));
    }
    limits.check(&BlockNeeds::of(kernel, report), launch).map_err(|misfit| misfit.to_string())
}

impl<T: Target> Trials for Workbench<'_, T> {
    fn timing(&self) -> Timing {
        self.target.timing()
    }

    fn compile(&mut self, candidates: &[usize]) -> Vec<Result<(), TrialError>> {
        let (all, coding) = (self.candidates, widest_coding(&self.batch));
        let built: Vec<_> = candidates
            .par_iter()
            .map(|&index| {
                let candidate = all.get(index).ok_or_else(|| rejected("there is no such candidate"))?;
                let coding = coding.ok_or_else(|| rejected("there is no tensor"))?;
                candidate.strategy.kernel(&candidate.params, &coding).map_err(rejected)
            })
            .collect();
        let kernels: Vec<ir::Kernel> =
            built.iter().filter_map(|built| built.as_ref().ok()).cloned().collect();
        let mut compiled = self.target.compile(&kernels).into_iter();
        let mut answers = Vec::new();
        for (&index, built) in candidates.iter().zip(built) {
            answers.push(built.and_then(|kernel| {
                let report = compiled.next().ok_or_else(|| rejected("it was not compiled"))?.map_err(sort)?;
                self.kernels.insert(index, (kernel, report));
                Ok(())
            }));
        }
        answers
    }

    fn verify(&mut self, candidate: usize) -> Result<(), TrialError> {
        self.prepare(candidate)?;
        let Some(ready) = self.ready.get(&candidate) else { return Err(rejected("it is not ready")) };
        let [slot] = &ready.launch.outputs[..] else { return Err(rejected("it has no output")) };
        let length = usize::try_from(slot.bytes).map_err(rejected)?;
        self.back.resize(length, 0);
        for &filling in self.target.fillings() {
            let Some(output) = self.outputs.first_mut() else { return Err(rejected("it has no output")) };
            self.target.fill(output, filling).map_err(sort)?;
            self.target.launch(&dispatch(ready, &self.inputs, &self.outputs, 0)?).map_err(sort)?;
            let Some(output) = self.outputs.first() else { return Err(rejected("it has no output")) };
            self.target.download(output, &mut self.back).map_err(sort)?;
            for (part, expected) in slot.written_of(length).zip(&self.expected) {
                let (start, found) = (part.start, &self.back[part]);
                // Comparing whole takes a tenth of the time of looking for the first that differs.
                if found == *expected {
                    continue;
                }
                if let Some(at) = found.iter().zip(*expected).position(|(found, wanted)| found != wanted) {
                    let (byte, found, wanted) = (start + at, found[at], expected[at]);
                    return Err(rejected(format!(
                        "it decodes byte {byte} as {found:#04x} instead of {wanted:#04x}"
                    )));
                }
            }
        }
        Ok(())
    }

    fn time(&mut self, candidate: usize, runs: usize) -> Result<Vec<u64>, TrialError> {
        let Some(ready) = self.ready.get_mut(&candidate) else { return Err(rejected("it is not ready")) };
        let copies = self.outputs.len().max(1);
        let turn = self.turn;
        self.turn = (turn + runs * ready.launches) % copies;
        let times = {
            // No more than there are launches.
            let taken = copies.min(runs.saturating_mul(ready.launches).max(1));
            let dispatches = (0..taken)
                .map(|copy| dispatch(ready, &self.inputs, &self.outputs, turn + copy))
                .collect::<Result<Vec<_>, _>>()?;
            self.target.time(&dispatches, runs, ready.launches).map_err(sort)?
        };
        if let Some(&time) = times.last() {
            ready.launches = launches_of_a_run(time);
        }
        Ok(times)
    }
}

/// How many launches a run has, so that what an event takes does not count, where one takes this many nanoseconds.
pub(crate) fn launches_of_a_run(time_ns: u64) -> usize {
    usize::try_from(RUN_NS.div_ceil(time_ns.max(1)).clamp(1, MOST_LAUNCHES)).unwrap_or(1)
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function of errors")]
fn rejected(reason: impl ToString) -> TrialError {
    TrialError::Rejected(reason.to_string())
}

/// A fault takes the GPU's context with it, and memory may be there the next time; anything else concerns the candidate
/// alone.
#[expect(clippy::needless_pass_by_value, reason = "used as a function of errors")]
fn sort(error: ExecutorError) -> TrialError {
    match error {
        ExecutorError::Device(DeviceError::KernelFault { .. } | DeviceError::Lost { .. }) => {
            TrialError::Fatal(error.to_string())
        }
        ExecutorError::Device(DeviceError::OutOfMemory { .. }) => TrialError::Postponed(error.to_string()),
        _ => TrialError::Rejected(error.to_string()),
    }
}
