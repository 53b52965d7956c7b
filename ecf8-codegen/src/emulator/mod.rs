//! Runs a kernel on the CPU, one block at a time with all its threads in lockstep, and checks every access.
//!
//! - `program`: the IR with registers instead of values.
//! - `machine`: what a block does, statement by statement, under a mask of active threads.
//! - `lanes`: arithmetic on the 32 lanes of a warp at once.
//! - `memory`: global, shared and constant memory, with what is known about who wrote what.
//! - `fault`: what a kernel did wrong, and where.
//! - `observe`, `trace`, `coalesce`, `clock`: what a launch did, statement by statement, what its accesses cost, and how
//!   long a block takes alone, for the [profiler](crate::profile).
//!
//! Blocks run in parallel and in no particular order, as on a GPU.

mod clock;
mod coalesce;
mod fault;
mod lanes;
mod machine;
mod memory;
mod observe;
mod program;
mod trace;

pub use clock::{BlockTrace, Cost, Costs};
pub use coalesce::SECTOR_BYTES;
pub use fault::{Fault, FaultKind};
pub use trace::{AccessTrace, StatementTrace, Trace};

use crate::ir::{Kernel, MemoryId, Param, Space};
use crate::launch::{Arg, Gather, Launch};
use machine::Machine;
use memory::{Global, Output};
use program::Program;
use rayon::prelude::*;
use std::borrow::Cow;
use trace::Tracer;

/// What is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checks {
    /// What any run checks: bounds, alignment, shifts, divisions, barriers.
    Basic,
    /// Also reads of what was never written, races between barriers, writes of one place by several blocks, and output
    /// that nobody wrote.
    Full,
}

/// Why a run has no output.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EmulatorError {
    /// The kernel did something wrong.
    #[error(transparent)]
    Fault(#[from] Box<Fault>),
    /// The arguments are not the ones of the kernel.
    #[error("kernel `{kernel}`: argument {index} is {given}, but its parameter is {wanted}")]
    Argument {
        /// The kernel.
        kernel: String,
        /// Which argument, from 0.
        index: usize,
        /// What was passed.
        given: &'static str,
        /// What the kernel declares.
        wanted: &'static str,
    },
    /// More threads than a block can have.
    #[error("kernel `{kernel}` has {threads} threads per block; a block has 1 to 1024")]
    Threads {
        /// The kernel.
        kernel: String,
        /// Threads per block asked for.
        threads: u32,
    },
}

/// Runs a launch of `kernel` and returns its outputs, each as long as its [slot](crate::launch::OutputSlot) says. Bytes that
/// no thread writes are 0; with [`Checks::Full`] those that should be written are a fault.
///
/// # Errors
/// The first fault, by number of block; or arguments that do not fit the parameters.
pub fn run(
    kernel: &Kernel,
    launch: &Launch<Gather<'_>>,
    checks: Checks,
) -> Result<Vec<Vec<u8>>, EmulatorError> {
    check_threads(kernel)?;
    let memory = Memory::new(launch, checks == Checks::Full);
    let bindings = bind(kernel, launch, &memory)?;
    let program = Program::new(kernel);
    let fault = (0..launch.grid)
        .into_par_iter()
        .map_init(
            || Machine::new(&program, &bindings, launch, checks, ()),
            |machine, block| machine.run(block).err(),
        )
        .find_map_first(|fault| fault);
    if let Some(fault) = fault {
        return Err(fault.into());
    }
    for (index, (output, slot)) in memory.outputs.iter().zip(&launch.outputs).enumerate() {
        if let Some(byte) = output.first_unwritten(slot) {
            let last = kernel.body.last().map(|stmt| stmt.at);
            let at = last.map(|at| kernel.callers(at).pop().unwrap_or(at));
            let kind = FaultKind::NeverWritten { memory: output_name(kernel, launch, index), byte };
            return Err(Box::new(Fault::whole_launch(kernel, at, kind)).into());
        }
    }
    Ok(memory.outputs.into_iter().map(Output::into_bytes).collect())
}

/// Runs a launch of `kernel`, or `sample` of its blocks spread evenly, and returns what they did if its statements cost
/// `costs`. The outputs are dropped.
///
/// # Errors
/// As [`run`] with [`Checks::Basic`].
pub fn trace(
    kernel: &Kernel,
    launch: &Launch<Gather<'_>>,
    sample: Option<u32>,
    costs: &Costs,
) -> Result<Trace, EmulatorError> {
    check_threads(kernel)?;
    let memory = Memory::new(launch, false);
    let bindings = bind(kernel, launch, &memory)?;
    let program = Program::new(kernel);
    let grid = u64::from(launch.grid);
    let blocks = sample.map_or(grid, |sample| grid.min(sample.max(1).into()));
    // `n` is below the number of blocks, so the quotient is below the grid.
    let number = |n: u64| u32::try_from(n * grid / blocks).unwrap_or(u32::MAX);
    let tracers: Vec<Tracer> = (0..blocks)
        .collect::<Vec<u64>>()
        .into_par_iter()
        .try_fold(
            || {
                let tracer = Tracer::new(kernel, program.statements, costs);
                Machine::new(&program, &bindings, launch, Checks::Basic, tracer)
            },
            |mut machine, n| machine.run(number(n)).map(|()| machine),
        )
        .map(|machine| machine.map(Machine::into_observer))
        .collect::<Result<_, _>>()?;
    Ok(Tracer::join(tracers, launch.grid, u32::try_from(blocks).unwrap_or(u32::MAX)))
}

fn check_threads(kernel: &Kernel) -> Result<(), EmulatorError> {
    if (1..=1024).contains(&kernel.threads) {
        return Ok(());
    }
    Err(EmulatorError::Threads { kernel: kernel.name.clone(), threads: kernel.threads })
}

/// The name by which a kernel knows an output.
fn output_name(kernel: &Kernel, launch: &Launch<Gather<'_>>, output: usize) -> String {
    let params = kernel.params.iter().zip(&launch.args);
    let mut named = params.filter_map(|(param, arg)| match (param, arg) {
        (Param::Memory(id), Arg::Output(index)) if *index == output => Some(kernel.memory(*id).name.clone()),
        _ => None,
    });
    // One that the kernel is not given is not written either.
    named.next().unwrap_or_else(|| format!("output {output}"))
}

/// The buffers of a launch.
struct Memory<'a> {
    /// Per argument its bytes, if it is an input.
    inputs: Vec<Option<Cow<'a, [u8]>>>,
    outputs: Vec<Output>,
}

impl<'a> Memory<'a> {
    fn new(launch: &'a Launch<Gather<'_>>, track_writers: bool) -> Self {
        let inputs = launch.args.iter().map(|arg| match arg {
            Arg::Input(bytes) => Some(bytes.bytes()),
            _ => None,
        });
        let outputs = launch.outputs.iter().map(|slot| {
            let bytes = usize::try_from(slot.bytes).unwrap_or(usize::MAX);
            Output::new(bytes, track_writers)
        });
        Self { inputs: inputs.collect(), outputs: outputs.collect() }
    }

    /// The buffer that an argument passes, if it is one and the kernel may do with it what it does.
    fn of(&self, index: usize, arg: &Arg<Gather<'_>>, writable: bool) -> Option<Global<'_>> {
        match arg {
            Arg::Input(_) if !writable => self.inputs[index].as_deref().map(Global::Input),
            Arg::Output(output) if writable => self.outputs.get(*output).map(Global::Output),
            _ => None,
        }
    }
}

/// The arguments of a launch, matched with the kernel's parameters.
struct Bindings<'a> {
    /// Per memory of the kernel; `None` for those that are not parameters.
    memories: Vec<Option<Global<'a>>>,
    /// Per scalar parameter, in order.
    scalars: Vec<u64>,
}

fn is_writable(kernel: &Kernel, memory: MemoryId) -> bool {
    kernel.memory(memory).space == (Space::Global { writable: true })
}

fn bind<'a>(
    kernel: &Kernel,
    launch: &'a Launch<Gather<'_>>,
    memory: &'a Memory<'_>,
) -> Result<Bindings<'a>, EmulatorError> {
    let mut bindings =
        Bindings { memories: kernel.memories.iter().map(|_| None).collect(), scalars: Vec::new() };
    for index in 0..kernel.params.len().max(launch.args.len()) {
        let (param, arg) = (kernel.params.get(index), launch.args.get(index));
        let fits = match (param, arg) {
            (Some(Param::Memory(id)), Some(arg)) => {
                let bound = memory.of(index, arg, is_writable(kernel, *id));
                let fits = bound.is_some();
                bindings.memories[id.index()] = bound;
                fits
            }
            (Some(Param::Scalar(id)), Some(arg)) => {
                let value = match (arg, kernel.value(*id).ty) {
                    (Arg::U32(value), crate::ir::Ty::U32) => Some(u64::from(*value)),
                    (Arg::U64(value), crate::ir::Ty::U64) => Some(*value),
                    _ => None,
                };
                bindings.scalars.extend(value);
                value.is_some()
            }
            _ => false,
        };
        if !fits {
            let given = match arg {
                Some(Arg::Input(_)) => "an input buffer",
                Some(Arg::Output(_)) => "an output buffer",
                Some(Arg::U32(_)) => "a u32",
                Some(Arg::U64(_)) => "a u64",
                None => "missing",
            };
            let wanted = match param {
                Some(Param::Memory(id)) if is_writable(kernel, *id) => "a writable buffer",
                Some(Param::Memory(_)) => "a read-only buffer",
                Some(Param::Scalar(id)) => kernel.value(*id).ty.name(),
                None => "not there",
            };
            return Err(EmulatorError::Argument { kernel: kernel.name.clone(), index, given, wanted });
        }
    }
    Ok(bindings)
}
