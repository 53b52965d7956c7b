//! Runs a kernel on the CPU, one block at a time with all its threads in lockstep, and checks every access.
//!
//! - `program`: the IR with registers instead of values.
//! - `machine`: what a block does, statement by statement, under a mask of active threads.
//! - `lanes`: arithmetic on the 32 lanes of a warp at once.
//! - `memory`: global, shared and constant memory, with what is known about who wrote what.
//! - `fault`: what a kernel did wrong, and where.
//! - `observe`, `trace`, `coalesce`: what a launch did, statement by statement, and what its accesses cost, for the
//!   [profiler](crate::profile).
//!
//! Blocks run in parallel and in no particular order, as on a GPU.

mod coalesce;
mod fault;
mod lanes;
mod machine;
mod memory;
mod observe;
mod program;
mod trace;

pub use coalesce::SECTOR_BYTES;
pub use fault::{Fault, FaultKind};
pub use trace::{AccessTrace, StatementTrace, Trace};

use crate::ir::{Kernel, Param};
use crate::strategy::{Arg, Launch};
use machine::Machine;
use memory::{Global, Output};
use program::Program;
use rayon::prelude::*;
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

/// Runs a launch of `kernel` and returns its output, [`Launch::output_bytes`] long.
///
/// # Errors
/// The first fault, by number of block; or arguments that do not fit the parameters.
pub fn run(kernel: &Kernel, launch: &Launch<'_>, checks: Checks) -> Result<Vec<u8>, EmulatorError> {
    check_threads(kernel)?;
    let output = Output::new(launch.output_bytes, checks == Checks::Full);
    let bindings = bind(kernel, launch, &output)?;
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
    if let Some(byte) = output.first_unwritten() {
        let last = kernel.body.last().map(|stmt| stmt.at);
        let at = last.map(|at| kernel.callers(at).pop().unwrap_or(at));
        return Err(Box::new(Fault::whole_launch(kernel, at, FaultKind::NeverWritten { byte })).into());
    }
    Ok(output.into_bytes())
}

/// Runs a launch of `kernel`, or `sample` of its blocks spread evenly, and returns what they did. The output is dropped.
///
/// # Errors
/// As [`run`] with [`Checks::Basic`].
pub fn trace(kernel: &Kernel, launch: &Launch<'_>, sample: Option<u32>) -> Result<Trace, EmulatorError> {
    check_threads(kernel)?;
    let output = Output::new(launch.output_bytes, false);
    let bindings = bind(kernel, launch, &output)?;
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
                let tracer = Tracer::new(kernel, program.statements);
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

/// The arguments of a launch, matched with the kernel's parameters.
struct Bindings<'a> {
    /// Per memory of the kernel; `None` for those that are not parameters.
    memories: Vec<Option<Global<'a>>>,
    /// Per scalar parameter, in order.
    scalars: Vec<u64>,
}

fn bind<'a>(
    kernel: &Kernel,
    launch: &'a Launch<'_>,
    output: &'a Output,
) -> Result<Bindings<'a>, EmulatorError> {
    let mut bindings =
        Bindings { memories: kernel.memories.iter().map(|_| None).collect(), scalars: Vec::new() };
    for index in 0..kernel.params.len().max(launch.args.len()) {
        let (param, arg) = (kernel.params.get(index), launch.args.get(index));
        let fits = match (param, arg) {
            (Some(Param::Memory(id)), Some(arg)) => {
                let writable = kernel.memory(*id).space == (crate::ir::Space::Global { writable: true });
                let bound = match arg {
                    Arg::Input(bytes) if !writable => Some(Global::Input(bytes)),
                    Arg::Output if writable => Some(Global::Output(output)),
                    _ => None,
                };
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
                Some(Arg::Output) => "the output buffer",
                Some(Arg::U32(_)) => "a u32",
                Some(Arg::U64(_)) => "a u64",
                None => "missing",
            };
            let wanted = match param {
                Some(Param::Memory(id))
                    if kernel.memory(*id).space == (crate::ir::Space::Global { writable: true }) =>
                {
                    "a writable buffer"
                }
                Some(Param::Memory(_)) => "a read-only buffer",
                Some(Param::Scalar(id)) => kernel.value(*id).ty.name(),
                None => "not there",
            };
            return Err(EmulatorError::Argument { kernel: kernel.name.clone(), index, given, wanted });
        }
    }
    Ok(bindings)
}
