//! The profiler: what a launch would cost a GPU, reckoned without one.
//!
//! The emulator says how often each statement is executed and how its accesses fall on memory
//! ([`crate::emulator::trace`]); what follows says which instructions a compiler makes of the statement:
//! - `class`: the classes that instructions are counted by.
//! - `issue`: which instructions each statement issues: the one table of operations, and what one instruction does for
//!   two.
//! - `latency`, `registers`: how long they take, and how many registers the kernel does.
//! - [`gpus`]: what GPUs can do.
//! - `schedule`, [`predict`]: from all that a time, always labelled *predicted*: the launch played through, block by block.
//!
//! Instructions are counted as issued: once per warp that has an active lane. Per output byte they are
//! *lane-instructions*: warp instructions × 32 / bytes of output.

mod class;
pub mod gpus;
mod issue;
mod latency;
pub mod predict;
mod registers;
mod schedule;
#[cfg(test)]
mod tests;

pub use class::{Class, Counts};
pub use registers::Registers;

use crate::emulator::{self, AccessTrace, EmulatorError, Trace};
use crate::ir::{Kernel, Space, Stmt, StmtKind};
use crate::launch::{Gather, Launch};

/// Instructions in 128 bytes, since Volta.
const INSTRUCTIONS_PER_LINE: f64 = 8.0;

/// Lanes of a warp.
const LANES: f64 = 32.0;

/// What a launch, or the blocks of it that were run, would cost a GPU.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// What the emulator saw.
    pub trace: Trace,
    /// Threads per block.
    pub threads: u32,
    /// Registers per thread, estimated: no compiler has been asked.
    pub registers: Registers,
    /// Lines of 128 bytes of code that were executed at least once.
    pub code_lines: f64,
    /// Bytes that the whole launch writes.
    pub launch_bytes: u64,
    /// Instructions issued, each by one warp.
    pub issued: Counts,
    /// The same per statement, in the order of [`Trace::statements`].
    pub statements: Vec<Counts>,
    /// Lanes that took part in the statements executed, as a part of all there were, 0 to 1.
    pub active_lanes: f64,
    /// Loads from buffers in global memory.
    pub global_loads: AccessTrace,
    /// Stores to buffers in global memory.
    pub global_stores: AccessTrace,
    /// Accesses to shared memory.
    pub shared: AccessTrace,
    /// Loads from tables in constant memory; a wavefront is an address.
    pub constant_tables: AccessTrace,
    /// Loads from tables in global memory; a wavefront is a line of the L1.
    pub global_tables: AccessTrace,
    /// Barriers that a block passes, on average.
    pub barriers_per_block: f64,
    /// Bytes of global memory that the blocks read and write if each sector moves once.
    pub dram_bytes: u64,
    /// Bytes between L2 and L1 if a block finds in the L1 what it has touched before.
    pub l2_bytes: u64,
    /// Shared memory per block, static and dynamic, in bytes.
    pub shared_bytes: u64,
}

/// Profiles a launch, or `sample` of its blocks spread evenly.
///
/// # Errors
/// If the kernel does something wrong or the arguments are not the kernel's.
pub fn profile(
    kernel: &Kernel,
    launch: &Launch<Gather<'_>>,
    sample: Option<u32>,
) -> Result<Profile, EmulatorError> {
    let table = issue::table(kernel);
    let trace = emulator::trace(kernel, launch, sample, &latency::costs(&table))?;
    let statements: Vec<Counts> = std::iter::zip(&table, &trace.statements)
        .map(|([once, round], times)| *once * times.executions as f64 + *round * times.rounds as f64)
        .collect();
    let issued = statements.iter().fold(Counts::NONE, |sum, &counts| sum + counts);
    let mut profile = Profile {
        threads: kernel.threads,
        registers: registers::estimate(kernel),
        code_lines: std::iter::zip(&table, &trace.statements)
            .filter(|(_, times)| times.executions > 0)
            .map(|([once, round], _)| (once.total() + round.total()) / INSTRUCTIONS_PER_LINE)
            .sum(),
        launch_bytes: launch
            .outputs
            .iter()
            .flat_map(|slot| &slot.written)
            .map(|range| range.end - range.start)
            .sum(),
        issued,
        statements,
        active_lanes: active_lanes(&trace),
        global_loads: AccessTrace::default(),
        global_stores: AccessTrace::default(),
        shared: AccessTrace::default(),
        constant_tables: AccessTrace::default(),
        global_tables: AccessTrace::default(),
        barriers_per_block: 0.0,
        dram_bytes: emulator::SECTOR_BYTES
            * (trace.loaded_sectors.iter().sum::<u64>() + trace.stored_sectors.iter().sum::<u64>()),
        l2_bytes: emulator::SECTOR_BYTES * trace.block_sectors.iter().sum::<u64>(),
        shared_bytes: kernel.static_shared_bytes() as u64 + u64::from(launch.dynamic_shared_bytes),
        trace,
    };
    profile.accesses(kernel);
    Ok(profile)
}

/// The part of lanes that took part in what was executed.
fn active_lanes(trace: &Trace) -> f64 {
    let executions: u64 = trace.statements.iter().map(|statement| statement.executions).sum();
    let lanes: u64 = trace.statements.iter().map(|statement| statement.lanes).sum();
    if executions == 0 { 1.0 } else { lanes as f64 / (executions as f64 * LANES) }
}

impl Profile {
    /// Sorts the accesses of the trace by where they went.
    fn accesses(&mut self, kernel: &Kernel) {
        let warps = u64::from(self.trace.blocks) * u64::from(self.threads.div_ceil(32));
        each_statement(kernel, |n, stmt| {
            let Some(trace) = self.trace.statements.get(n) else { return };
            let (memory, stores) = match &stmt.kind {
                StmtKind::Let(_, crate::ir::Op::Load(memory, _)) | StmtKind::LoadVector { memory, .. } => {
                    (*memory, false)
                }
                StmtKind::Store(memory, ..) | StmtKind::StoreVector { memory, .. } => (*memory, true),
                StmtKind::Barrier => {
                    self.barriers_per_block += per(trace.executions as f64, warps);
                    return;
                }
                _ => return,
            };
            let to = match (&kernel.memory(memory).space, stores) {
                (Space::Global { .. }, false) => &mut self.global_loads,
                (Space::Global { .. }, true) => &mut self.global_stores,
                (Space::Shared { .. } | Space::DynamicShared, _) => &mut self.shared,
                (Space::Table { in_constant_memory: true, .. }, _) => &mut self.constant_tables,
                (Space::Table { .. }, _) => &mut self.global_tables,
            };
            to.add(&trace.memory);
        });
    }

    /// Lane-instructions issued per byte of output.
    #[must_use]
    pub fn instructions_per_byte(&self) -> f64 {
        self.per_byte(self.issued.total())
    }

    /// Lane-instructions of one class per byte of output.
    #[must_use]
    pub fn class_per_byte(&self, class: Class) -> f64 {
        self.per_byte(self.issued.get(class))
    }

    /// Warp-level events as lane events per byte of output.
    fn per_byte(&self, warp_events: f64) -> f64 {
        per(warp_events * LANES, self.trace.output_bytes)
    }
}

/// A quotient; 0 of nothing.
fn per(events: f64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { events / of as f64 }
}

/// Calls `f` with every statement and its number.
fn each_statement<'k>(kernel: &'k Kernel, mut f: impl FnMut(usize, &'k Stmt)) {
    fn walk<'k>(block: &'k [Stmt], next: &mut usize, f: &mut dyn FnMut(usize, &'k Stmt)) {
        for stmt in block {
            f(*next, stmt);
            *next += 1;
            for (inner, _) in stmt.kind.blocks() {
                walk(inner, next, f);
            }
        }
    }
    walk(&kernel.body, &mut 0, &mut f);
}
