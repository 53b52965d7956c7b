//! Which values become part of the expression that uses them.
//!
//! A value without a name that is used once waits, as an expression, for its use. It must not wait past anything that
//! would change what it reads: before such a statement it gets a line and a name of its own.

use super::expression::Expr;
use crate::ir::{Block, Kernel, MemoryId, Op, Space, Stmt, StmtKind, ValueId, VarId};
use std::collections::{BTreeSet, HashMap};

/// What an expression reads that can change.
#[derive(Clone, Default)]
pub(super) struct Reads {
    pub(super) variables: BTreeSet<VarId>,
    pub(super) memories: BTreeSet<MemoryId>,
    /// Needs all lanes of the warp, so that it must not move into a branch.
    pub(super) whole_warp: bool,
}

impl Reads {
    pub(super) fn join(&mut self, other: &Reads) {
        self.whole_warp |= other.whole_warp;
        self.variables.extend(&other.variables);
        self.memories.extend(&other.memories);
    }
}

/// An expression that waits for its use.
#[derive(Clone)]
pub(super) struct Waiting {
    pub(super) expr: Expr,
    pub(super) reads: Reads,
}

/// What a statement, with all inside it, changes.
#[derive(Clone, Default)]
pub(super) struct Effect {
    variables: BTreeSet<VarId>,
    memories: BTreeSet<MemoryId>,
    /// Waits for other threads, which may have changed any memory.
    waits: bool,
    /// Some threads may take another way.
    branches: bool,
    /// Nothing may be put off past it.
    everything: bool,
}

impl Effect {
    pub(super) fn everything() -> Self {
        Self { everything: true, ..Self::default() }
    }

    /// What one round of a loop changes that its header would see the next time.
    pub(super) fn of_round(body: &Block) -> Self {
        let mut effect = Self::default();
        for stmt in body {
            effect.add(&stmt.kind);
        }
        Self { everything: false, branches: true, ..effect }
    }

    pub(super) fn of(kind: &StmtKind) -> Self {
        let mut effect = Self::default();
        effect.add(kind);
        effect
    }

    fn add(&mut self, kind: &StmtKind) {
        match kind {
            StmtKind::Assign(variable, _) => {
                self.variables.insert(*variable);
            }
            StmtKind::Store(memory, ..) | StmtKind::StoreVector { memory, .. } => {
                self.memories.insert(*memory);
            }
            StmtKind::Barrier | StmtKind::WarpBarrier => self.waits = true,
            StmtKind::If { .. } | StmtKind::Choose { .. } => self.branches = true,
            // What runs often must not evaluate again what was evaluated once.
            StmtKind::While { .. } | StmtKind::For { .. } => self.everything = true,
            _ => {}
        }
        for (block, _) in kind.blocks() {
            for stmt in block {
                self.add(&stmt.kind);
            }
        }
    }

    pub(super) fn disturbs(&self, reads: &Reads) -> bool {
        self.everything
            || !self.variables.is_disjoint(&reads.variables)
            || !self.memories.is_disjoint(&reads.memories)
            || (self.waits && !reads.memories.is_empty())
            || (self.branches && reads.whole_warp)
    }
}

/// Whether a variable is assigned in these statements, or inside them.
pub(super) fn assigns(stmts: &[Stmt], variable: VarId) -> bool {
    stmts.iter().any(|stmt| {
        matches!(stmt.kind, StmtKind::Assign(assigned, _) if assigned == variable)
            || stmt.kind.blocks().iter().any(|(block, _)| assigns(block, variable))
    })
}

/// How often each value is used.
pub(super) fn count_uses(kernel: &Kernel) -> HashMap<ValueId, usize> {
    fn block(stmts: &Block, uses: &mut HashMap<ValueId, usize>) {
        for stmt in stmts {
            stmt.kind.for_each_operand(|value| *uses.entry(value).or_default() += 1);
            for (inner, value) in stmt.kind.blocks() {
                block(inner, uses);
                if let Some(value) = value {
                    *uses.entry(value).or_default() += 1;
                }
            }
        }
    }
    let mut uses = HashMap::new();
    block(&kernel.body, &mut uses);
    uses
}

/// What an operation itself reads that can change.
pub(super) fn reads(kernel: &Kernel, op: &Op) -> Reads {
    let mut reads = Reads::default();
    match op {
        Op::Read(variable) => {
            reads.variables.insert(*variable);
        }
        Op::Load(memory, _) => return reads_of_memory(kernel, *memory),
        Op::Ballot(_) | Op::Shuffle(..) => reads.whole_warp = true,
        _ => {}
    }
    reads
}

/// What loading from a memory reads that can change.
pub(super) fn reads_of_memory(kernel: &Kernel, memory: MemoryId) -> Reads {
    let constant =
        matches!(kernel.memory(memory).space, Space::Global { writable: false } | Space::Table { .. });
    let memories = if constant { BTreeSet::new() } else { BTreeSet::from([memory]) };
    Reads { memories, ..Reads::default() }
}
