//! How many registers a kernel takes, estimated where no compiler is at hand.
//!
//! The values that are alive at once, in 32-bit registers, and some for what a compiler adds. Beside NVRTC 13.5 for sm_90
//! that is within a step or two of allocation (OPTIMIZATION.md).

use super::each_statement;
use crate::ir::{Block, Kernel, Op, Param, Stmt, StmtKind, Ty, ValueId};
use serde::Serialize;

/// Registers of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Registers {
    /// As a compiler says for the architecture.
    Compiled(u32),
    /// As reckoned from the values that are alive at once.
    Estimated(u32),
}

impl Registers {
    /// How many.
    #[must_use]
    pub fn count(self) -> u32 {
        match self {
            Self::Compiled(count) | Self::Estimated(count) => count,
        }
    }
}

/// What a compiler takes beside values: addresses of buffers, intermediate results, the thread's number.
const BESIDE: u32 = 8;
/// The fewest that are handed out, and the most that a thread can have.
const POSSIBLE: std::ops::RangeInclusive<u32> = 16..=255;

/// The estimate for a kernel.
pub(super) fn estimate(kernel: &Kernel) -> Registers {
    let mut lives = Lives {
        kernel,
        spans: vec![None; kernel.values.len() + kernel.variables.len()],
        homes: (0..kernel.values.len()).map(Some).collect(),
        next: 0,
    };
    each_statement(kernel, |_, stmt| {
        let StmtKind::Let(id, op) = &stmt.kind else { return };
        lives.homes[id.index()] = match op {
            // Constants are parts of instructions.
            Op::Const(_) => None,
            // A conversion names the same register, reading a variable that of the variable.
            Op::Cast(from) => lives.homes[from.index()],
            Op::Read(variable) => Some(kernel.values.len() + variable.index()),
            _ => Some(id.index()),
        };
    });
    for param in &kernel.params {
        // So are parameters.
        if let Param::Scalar(id) = param {
            lives.homes[id.index()] = None;
        }
    }
    lives.block(&kernel.body);
    let mut changes = vec![0_i64; lives.next + 2];
    for (home, span) in lives.spans.iter().enumerate() {
        if let Some((from, to)) = *span {
            let width = lives.width(home);
            changes[from] += width;
            changes[to] -= width;
        }
    }
    let alive = changes.iter().scan(0, |alive, change| {
        *alive += change;
        Some(*alive)
    });
    let most = u32::try_from(alive.max().unwrap_or(0)).unwrap_or(u32::MAX);
    Registers::Estimated(most.saturating_add(BESIDE).clamp(*POSSIBLE.start(), *POSSIBLE.end()))
}

/// From which statement to which each value or variable is alive.
struct Lives<'k> {
    kernel: &'k Kernel,
    spans: Vec<Option<(usize, usize)>>,
    /// Per value: the value or variable whose register it is in, if it takes one.
    homes: Vec<Option<usize>>,
    next: usize,
}

impl Lives<'_> {
    fn block(&mut self, block: &Block) {
        for stmt in block {
            let first = self.next;
            self.next += 1;
            self.statement(stmt, first);
            for (inner, value) in stmt.kind.blocks() {
                self.block(inner);
                value.into_iter().for_each(|value| self.touch_value(value, self.next));
            }
            if matches!(stmt.kind, StmtKind::While { .. } | StmtKind::For { .. }) {
                // What comes from before a loop and is used in it is used in each round.
                for (from, to) in self.spans.iter_mut().flatten() {
                    if *from <= first && *to > first {
                        *to = (*to).max(self.next);
                    }
                }
            }
        }
    }

    fn statement(&mut self, stmt: &Stmt, at: usize) {
        stmt.kind.for_each_operand(|id| self.touch_value(id, at));
        stmt.kind.results().iter().for_each(|id| self.touch_value(*id, at));
        match &stmt.kind {
            StmtKind::Declare(variable, _) | StmtKind::Assign(variable, _) => {
                self.touch(self.kernel.values.len() + variable.index(), at);
            }
            StmtKind::For { index, .. } => self.touch(index.index(), at),
            _ => {}
        }
    }

    fn touch_value(&mut self, id: ValueId, at: usize) {
        if let Some(home) = self.homes[id.index()] {
            self.touch(home, at);
        }
    }

    fn touch(&mut self, home: usize, at: usize) {
        let (from, to) = self.spans[home].get_or_insert((at, at));
        (*from, *to) = ((*from).min(at), (*to).max(at));
    }

    /// Registers of a value or variable; predicates take none.
    fn width(&self, home: usize) -> i64 {
        let values = self.kernel.values.len();
        let ty = match home.checked_sub(values) {
            Some(variable) => self.kernel.variables[variable].ty,
            None => self.kernel.value(ValueId(home)).ty,
        };
        match ty {
            Ty::Bool => 0,
            Ty::U64 => 2,
            _ => 1,
        }
    }
}
