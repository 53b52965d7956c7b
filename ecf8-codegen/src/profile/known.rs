//! Which values are known when the kernel is compiled, because the loops that they change in are written out in full; and
//! which differ between the threads of a block.

use super::cost::MOST_WRITTEN_OUT;
use crate::emulator::Trace;
use crate::ir::{Block, Kernel, Op, Special, StmtKind, ValueId};

/// Statements that a loop may have, times its rounds, to be written out without a hint.
const LONGEST_WRITTEN_OUT: u64 = 1024;

/// What is known when the kernel is compiled.
#[derive(Debug)]
pub(super) struct Known {
    values: Vec<bool>,
    variables: Vec<bool>,
    varying_values: Vec<bool>,
    varying_variables: Vec<bool>,
    /// Per statement: a loop that is written out in full.
    written_out: Vec<bool>,
}

impl Known {
    pub(super) fn new(kernel: &Kernel, trace: &Trace) -> Self {
        let mut known = Self {
            values: vec![false; kernel.values.len()],
            variables: vec![true; kernel.variables.len()],
            varying_values: vec![false; kernel.values.len()],
            varying_variables: vec![false; kernel.variables.len()],
            written_out: vec![false; trace.statements.len()],
        };
        // A variable counts as known until something speaks against it, and as the same for all threads likewise.
        loop {
            let before = (known.variables.clone(), known.varying_variables.clone());
            let mut walk = Walk { kernel, trace, known: &mut known, statement: 0 };
            walk.block(&kernel.body, true, false);
            if before == (known.variables.clone(), known.varying_variables.clone()) {
                return known;
            }
        }
    }

    /// Whether the value is known.
    pub(super) fn value(&self, id: ValueId) -> bool {
        self.values[id.index()]
    }

    /// Whether a variable never has to be computed.
    pub(super) fn variable(&self, index: usize) -> bool {
        self.variables[index]
    }

    /// Whether the value may differ between threads.
    pub(super) fn varies(&self, id: ValueId) -> bool {
        self.varying_values[id.index()]
    }

    /// Whether the statement is a loop that is written out in full.
    pub(super) fn is_written_out(&self, statement: usize) -> bool {
        self.written_out[statement]
    }
}

struct Walk<'a> {
    kernel: &'a Kernel,
    trace: &'a Trace,
    known: &'a mut Known,
    statement: usize,
}

impl Walk<'_> {
    /// `certain`: whether it is known how often the block runs; `parted`: whether only some threads may run it.
    fn block(&mut self, block: &Block, certain: bool, parted: bool) {
        for stmt in block {
            let statement = self.statement;
            self.statement += 1;
            match &stmt.kind {
                StmtKind::Let(id, op) => self.define(*id, op),
                StmtKind::Declare(variable, Some(value)) | StmtKind::Assign(variable, value) => {
                    let variable = variable.index();
                    self.known.variables[variable] &= certain && self.known.values[value.index()];
                    self.known.varying_variables[variable] |=
                        parted || self.known.varying_values[value.index()];
                }
                StmtKind::LoadVector { results, index, .. } => {
                    for result in results {
                        self.known.varying_values[result.index()] = self.known.varying_values[index.index()];
                    }
                }
                StmtKind::Choose { result, condition, then, otherwise } => {
                    let varies = self.known.varying_values[condition.index()];
                    let certain = certain && self.known.values[condition.index()];
                    self.block(&then.block, certain, parted || varies);
                    self.block(&otherwise.block, certain, parted || varies);
                    let arms = [then.value, otherwise.value];
                    let varying = arms.iter().any(|arm| self.known.varying_values[arm.index()]);
                    self.known.varying_values[result.index()] = varies || varying;
                }
                StmtKind::If { condition, then, otherwise } => {
                    let varies = self.known.varying_values[condition.index()];
                    let certain = certain && self.known.values[condition.index()];
                    self.block(then, certain, parted || varies);
                    self.block(otherwise, certain, parted || varies);
                }
                StmtKind::While { condition, body } => {
                    let value = condition.value.index();
                    self.block(&condition.block, certain, parted);
                    let written_out = certain && self.known.values[value] && self.fits(statement, body);
                    self.known.written_out[statement] = written_out;
                    self.block(body, written_out, parted || self.known.varying_values[value]);
                }
                StmtKind::For { index, from, to, step, unroll, body } => {
                    let ends = [from, to, step];
                    let bounds_known = ends.iter().all(|value| self.known.values[value.index()]);
                    let fits = *unroll == Some(0) || (unroll.is_none() && self.fits(statement, body));
                    let written_out = certain && bounds_known && fits;
                    let varies = ends.iter().any(|value| self.known.varying_values[value.index()]);
                    self.known.written_out[statement] = written_out;
                    self.known.values[index.index()] = written_out;
                    self.known.varying_values[index.index()] = varies;
                    self.block(body, written_out, parted || varies);
                }
                _ => {}
            }
        }
    }

    fn fits(&self, statement: usize, body: &Block) -> bool {
        let Some(trace) = self.trace.statements.get(statement) else { return false };
        let rounds = trace.rounds.checked_div(trace.executions).unwrap_or(0);
        rounds <= MOST_WRITTEN_OUT && rounds * statements(body) <= LONGEST_WRITTEN_OUT
    }

    fn define(&mut self, id: ValueId, op: &Op) {
        let (mut known, mut varies) = (true, false);
        op.for_each_operand(|operand| {
            known &= self.known.values[operand.index()];
            varies |= self.known.varying_values[operand.index()];
        });
        match op {
            Op::Read(variable) => {
                known = self.known.variables[variable.index()];
                varies = self.known.varying_variables[variable.index()];
            }
            Op::Special(special) => (known, varies) = (false, *special == Special::ThreadIdx),
            Op::Load(memory, _) => {
                known = false;
                varies |= matches!(self.kernel.memory(*memory).space, crate::ir::Space::Shared { .. });
            }
            Op::Shuffle(..) => (known, varies) = (false, true),
            Op::Ballot(_) => known = false,
            _ => {}
        }
        self.known.values[id.index()] = known;
        self.known.varying_values[id.index()] = varies;
    }
}

/// Statements of a block and those inside it.
fn statements(block: &Block) -> u64 {
    let inner =
        |stmt: &crate::ir::Stmt| stmt.kind.blocks().iter().map(|(block, _)| statements(block)).sum::<u64>();
    block.iter().map(|stmt| 1 + inner(stmt)).sum()
}
