//! The emulator of `ecf8-codegen` as a target. Its times are predictions for one model of GPU.

use super::target::checked_part;
use super::{Dispatch, ExecutorError, Fingerprint, Limits, Target, Timing, Transfer, prediction};
use crate::nvrtc::CompileReport;
use ecf8_codegen::emulator::{self, Checks, EmulatorError};
use ecf8_codegen::ir;
use ecf8_codegen::launch::{Gather, Launch};
use std::cell::RefCell;
use std::convert::Infallible;
use std::sync::Arc;

/// Runs kernels on the CPU and checks every access.
#[derive(Debug)]
pub struct EmulatorExecutor {
    /// What is checked.
    pub checks: Checks,
}

/// Blocks that a prediction looks at.
const SAMPLED_BLOCKS: u32 = 16;

/// Calls `run` with the launch in the emulator's form.
fn with_launch<R>(
    dispatch: &Dispatch<'_, Arc<ir::Kernel>, RefCell<Vec<u8>>>,
    run: impl FnOnce(&Launch<Gather<'_>>) -> Result<R, EmulatorError>,
) -> Result<R, ExecutorError> {
    let borrowed = dispatch.launch.as_ref().map(|buffer| Ok::<_, Infallible>(buffer.borrow()));
    let Ok(borrowed) = borrowed;
    let Ok(launch) = borrowed.as_ref().map(|bytes| Ok::<_, Infallible>(Gather::from(bytes.as_slice())));
    Ok(run(&launch)?)
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

    fn upload(&mut self, bytes: &Gather<'_>) -> Result<RefCell<Vec<u8>>, ExecutorError> {
        Ok(RefCell::new(bytes.copied()))
    }

    fn alloc(&mut self, bytes: usize) -> Result<RefCell<Vec<u8>>, ExecutorError> {
        Ok(RefCell::new(vec![0; bytes]))
    }

    fn bytes(&self, buffer: &RefCell<Vec<u8>>) -> usize {
        buffer.borrow().len()
    }

    fn copy(&mut self, transfer: &Transfer<'_, RefCell<Vec<u8>>>) -> Result<(), ExecutorError> {
        let Transfer { from, part, into, start } = transfer;
        let source = checked_part(part.start, part.len(), from.borrow().len())?;
        let target = checked_part(*start, part.len(), into.borrow().len())?;
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
        let destinations = dispatch.destinations(|buffer| buffer.borrow().len())?;
        let outputs = with_launch(dispatch, |launch| emulator::run(dispatch.kernel, launch, self.checks))?;
        for (((buffer, part), bytes), slot) in
            destinations.into_iter().zip(outputs).zip(&dispatch.launch.outputs)
        {
            let into = &mut buffer.borrow_mut()[part];
            for written in slot.written_of(bytes.len()) {
                into[written.clone()].copy_from_slice(&bytes[written]);
            }
            if slot.has_marks {
                into.iter_mut()
                    .zip(bytes)
                    .filter(|(_, mark)| *mark != 0)
                    .for_each(|(byte, mark)| *byte = mark);
            }
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
        match with_launch(dispatch, |launch| {
            prediction::nanoseconds(dispatch.kernel, launch, SAMPLED_BLOCKS)
        })? {
            Some(time) => Ok(vec![time]),
            None => Err(ExecutorError::Unpredictable { kernel: dispatch.kernel.name.clone() }),
        }
    }
}
