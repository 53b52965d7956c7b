//! The emulator of `ecf8-codegen` as a target. Its times are predictions for one model of GPU.

use super::target::checked_part;
use super::{Dispatch, ExecutorError, Fingerprint, Limits, Target, TargetArg, Timing, Transfer, prediction};
use crate::nvrtc::CompileReport;
use ecf8_codegen::emulator::{self, Checks, EmulatorError, FaultKind};
use ecf8_codegen::ir::{self, Param, Space};
use ecf8_codegen::strategy::{Arg, Launch};
use std::borrow::Cow;
use std::cell::{Ref, RefCell};
use std::ops::Range;
use std::sync::Arc;

/// Runs kernels on the CPU and checks every access.
#[derive(Debug)]
pub struct EmulatorExecutor {
    /// What is checked.
    pub checks: Checks,
}

/// Blocks that a prediction looks at.
const SAMPLED_BLOCKS: u32 = 16;

impl EmulatorExecutor {
    /// Calls `run` with the launch in the emulator's form, and the buffer that it writes to, if there is one.
    fn with_launch<R>(
        dispatch: &Dispatch<'_, Arc<ir::Kernel>, RefCell<Vec<u8>>>,
        run: impl FnOnce(&Launch<'_>) -> Result<R, EmulatorError>,
    ) -> Result<(R, Option<usize>), ExecutorError> {
        let kernel = dispatch.kernel;
        let is_output = |index: usize| match kernel.params.get(index) {
            Some(Param::Memory(id)) => kernel.memory(*id).space == (Space::Global { writable: true }),
            _ => false,
        };
        let output = (0..dispatch.args.len()).find(|index| is_output(*index));
        let buffers: Vec<Option<Ref<'_, [u8]>>> =
            dispatch.args.iter().map(bytes_of).collect::<Result<_, _>>()?;
        let args = dispatch.args.iter().zip(&buffers).enumerate().map(|(index, (arg, buffer))| match arg {
            TargetArg::U32(value) => Arg::U32(*value),
            TargetArg::U64(value) => Arg::U64(*value),
            _ if is_output(index) => Arg::Output,
            _ => Arg::Input(Cow::Borrowed(buffer.as_deref().unwrap_or_default())),
        });
        let output_bytes = output.and_then(|index| buffers[index].as_ref()).map_or(0, |buffer| buffer.len());
        let launch = Launch {
            grid: dispatch.grid,
            dynamic_shared_bytes: dispatch.dynamic_shared_bytes,
            output_bytes,
            args: args.collect(),
        };
        Ok((run(&launch)?, output))
    }
}

/// Whether the fault is that a byte was not written which need not be.
fn is_gap(fault: &FaultKind, gaps: &[Range<usize>]) -> bool {
    matches!(fault, FaultKind::NeverWritten { byte } if gaps.iter().any(|gap| gap.contains(byte)))
}

/// The bytes that an argument points to, if it is no number.
fn bytes_of<'a>(arg: &TargetArg<'a, RefCell<Vec<u8>>>) -> Result<Option<Ref<'a, [u8]>>, ExecutorError> {
    match *arg {
        TargetArg::Buffer(buffer) => Ok(Some(Ref::map(buffer.borrow(), Vec::as_slice))),
        TargetArg::Part { buffer, start, bytes } => {
            let all = buffer.borrow();
            let range = checked_part(start, bytes, all.len())?;
            Ok(Some(Ref::map(all, |all| &all[range])))
        }
        TargetArg::U32(_) | TargetArg::U64(_) => Ok(None),
    }
}

impl Target for EmulatorExecutor {
    type Kernel = Arc<ir::Kernel>;
    type Buffer = RefCell<Vec<u8>>;
    /// What was asked for is done at once.
    type Mark = ();
    type Replay = ();

    fn describe(&self) -> String {
        "emulator".to_owned()
    }

    fn fingerprint(&self) -> Fingerprint {
        prediction::fingerprint()
    }

    fn limits(&self) -> Limits {
        prediction::limits()
    }

    fn timing(&self) -> Timing {
        Timing::Predicted
    }

    /// One run: the emulator itself notices bytes that nobody writes, and races.
    fn fillings(&self) -> &'static [u8] {
        &[0]
    }

    fn compile(&mut self, kernels: &[ir::Kernel]) -> Vec<Result<Option<CompileReport>, ExecutorError>> {
        kernels.iter().map(|_| Ok(None)).collect()
    }

    fn load(&mut self, kernel: &ir::Kernel) -> Result<Arc<ir::Kernel>, ExecutorError> {
        Ok(Arc::new(kernel.clone()))
    }

    fn upload(&mut self, bytes: &[u8]) -> Result<RefCell<Vec<u8>>, ExecutorError> {
        Ok(RefCell::new(bytes.to_vec()))
    }

    fn alloc(&mut self, bytes: usize) -> Result<RefCell<Vec<u8>>, ExecutorError> {
        Ok(RefCell::new(vec![0; bytes]))
    }

    fn bytes(&self, buffer: &RefCell<Vec<u8>>) -> usize {
        buffer.borrow().len()
    }

    fn copy(&mut self, transfer: &Transfer<'_, RefCell<Vec<u8>>>) -> Result<(), ExecutorError> {
        let Transfer { from, bytes, into, start } = transfer;
        let source = checked_part(0, *bytes, from.borrow().len())?;
        let target = checked_part(*start, *bytes, into.borrow().len())?;
        if std::ptr::eq(*from, *into) {
            into.borrow_mut().copy_within(source, target.start);
            return Ok(());
        }
        let (from, mut into) = (from.borrow(), into.borrow_mut());
        into[target].copy_from_slice(&from[source]);
        Ok(())
    }

    fn fill(&mut self, buffer: &mut RefCell<Vec<u8>>, value: u8) -> Result<(), ExecutorError> {
        buffer.get_mut().fill(value);
        Ok(())
    }

    fn launch(
        &mut self,
        dispatch: &Dispatch<'_, Arc<ir::Kernel>, RefCell<Vec<u8>>>,
    ) -> Result<(), ExecutorError> {
        let run = |launch: &Launch<'_>| match emulator::run(dispatch.kernel, launch, self.checks) {
            // All else was in order. The emulator knows of no gaps and keeps the output to itself, so it runs again.
            Err(EmulatorError::Fault(fault)) if is_gap(&fault.kind, dispatch.gaps) => {
                emulator::run(dispatch.kernel, launch, Checks::Basic)
            }
            done => done,
        };
        let (bytes, output) = Self::with_launch(dispatch, run)?;
        match output.and_then(|index| dispatch.args.get(index)) {
            Some(TargetArg::Buffer(buffer)) => *buffer.borrow_mut() = bytes,
            Some(&TargetArg::Part { buffer, start, .. }) => {
                buffer.borrow_mut()[start..start + bytes.len()].copy_from_slice(&bytes);
            }
            _ => {}
        }
        Ok(())
    }

    fn download(&mut self, buffer: &RefCell<Vec<u8>>, out: &mut [u8]) -> Result<(), ExecutorError> {
        let bytes = buffer.borrow();
        for (to, from) in out.iter_mut().zip(bytes.iter()) {
            *to = *from;
        }
        Ok(())
    }

    fn mark(&mut self) -> Result<(), ExecutorError> {
        Ok(())
    }

    fn wait(&mut self, _: &()) -> Result<(), ExecutorError> {
        Ok(())
    }

    fn time(
        &mut self,
        dispatches: &[Dispatch<'_, Arc<ir::Kernel>, RefCell<Vec<u8>>>],
        _: usize,
        _: usize,
    ) -> Result<Vec<u64>, ExecutorError> {
        let Some(dispatch) = dispatches.first() else { return Ok(Vec::new()) };
        let predict = |launch: &Launch<'_>| prediction::nanoseconds(dispatch.kernel, launch, SAMPLED_BLOCKS);
        let (time, _) = Self::with_launch(dispatch, predict)?;
        match time {
            Some(time) => Ok(vec![time]),
            None => Err(ExecutorError::Unpredictable { kernel: dispatch.kernel.name.clone() }),
        }
    }
}
