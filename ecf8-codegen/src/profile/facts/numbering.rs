//! Values that are one and the same, found in the order of the text, and how often each is used.

use super::Facts;
use crate::ir::{Block, Op, Param, Space, Stmt, StmtKind, ValueId, VarId};
use std::collections::HashMap;

/// The facts, with what the text says of each value in turn.
pub(super) fn numbered(facts: Facts<'_>) -> Facts<'_> {
    let kernel = facts.kernel;
    let mut numbering = Numbering {
        facts,
        current: vec![None; kernel.variables.len()],
        earlier: vec![HashMap::new()],
        loops: Vec::new(),
    };
    for param in &kernel.params {
        if let Param::Scalar(id) = param {
            numbering.facts.facts[id.index()].bits = kernel.value(*id).ty.bits();
        }
    }
    numbering.block(&kernel.body);
    numbering.facts
}

/// A loop around the statement being looked at.
struct Around {
    assigns: Vec<VarId>,
}

/// Finds values that are the same, in the order of the text.
struct Numbering<'k> {
    facts: Facts<'k>,
    /// The value that each variable has, where that is clear.
    current: Vec<Option<ValueId>>,
    /// Per open block: what was computed.
    earlier: Vec<HashMap<String, ValueId>>,
    loops: Vec<Around>,
}

impl<'k> Numbering<'k> {
    fn block(&mut self, block: &'k Block) {
        self.earlier.push(HashMap::new());
        for stmt in block {
            self.stmt(stmt);
        }
        self.earlier.pop();
    }

    fn use_(&mut self, id: ValueId) {
        let same = self.facts.same(id);
        self.facts.facts[same.index()].uses += 1;
    }

    fn stmt(&mut self, stmt: &'k Stmt) {
        let depth = self.loops.len();
        for id in stmt.kind.results() {
            let bits = self.facts.ty(*id).bits();
            let fact = &mut self.facts.facts[id.index()];
            (fact.bits, fact.level) = (bits, depth);
        }
        match &stmt.kind {
            StmtKind::Let(id, op) => self.define(*id, op),
            StmtKind::Declare(variable, value) => {
                if let Some(value) = value {
                    self.use_(*value);
                }
                self.current[variable.index()] = value.map(|value| self.facts.same(value));
            }
            StmtKind::Assign(variable, value) => {
                self.use_(*value);
                self.current[variable.index()] = Some(self.facts.same(*value));
            }
            kind => {
                let mut operands = Vec::new();
                kind.for_each_operand(|operand| operands.push(operand));
                for operand in operands {
                    self.use_(operand);
                }
                if !kind.blocks().is_empty() {
                    self.inner(kind);
                }
            }
        }
    }

    /// The blocks inside a statement.
    fn inner(&mut self, kind: &'k StmtKind) {
        let mut assigns = Vec::new();
        for (block, _) in kind.blocks() {
            assigned(block, &mut assigns);
        }
        let is_loop = matches!(kind, StmtKind::While { .. } | StmtKind::For { .. });
        if is_loop {
            self.forget(&assigns);
            self.loops.push(Around { assigns: assigns.clone() });
            if let StmtKind::For { index, .. } = kind {
                let bits = self.facts.ty(*index).bits();
                let fact = &mut self.facts.facts[index.index()];
                (fact.bits, fact.level) = (bits, self.loops.len());
            }
        }
        // The body of a `while` follows its condition; arms are alternatives.
        let before = self.current.clone();
        for (block, value) in kind.blocks() {
            if !is_loop {
                self.current.clone_from(&before);
            }
            self.block(block);
            if let Some(value) = value {
                self.use_(value);
            }
        }
        if is_loop {
            self.loops.pop();
        }
        self.forget(&assigns);
    }

    fn forget(&mut self, variables: &[VarId]) {
        for variable in variables {
            self.current[variable.index()] = None;
        }
    }

    fn define(&mut self, id: ValueId, op: &'k Op) {
        if let Op::Read(variable) = op {
            if let Some(value) = self.current[variable.index()] {
                self.facts.same[id.index()] = value;
                return;
            }
            self.current[variable.index()] = Some(id);
        }
        let is_pure = match op {
            Op::Load(memory, _) => matches!(
                self.facts.kernel.memory(*memory).space,
                Space::Table { .. } | Space::Global { writable: false }
            ),
            Op::Read(_) | Op::Ballot(_) | Op::Shuffle(..) => false,
            _ => true,
        };
        if is_pure {
            let mut key = format!("{:?} {:?}", self.facts.ty(id), std::mem::discriminant(op));
            match op {
                Op::Const(bits) => key += &bits.to_string(),
                Op::Unary(op, _) => key += &format!("{op:?}"),
                Op::Binary(op, ..) => key += &format!("{op:?}"),
                Op::Load(memory, _) => key += &format!("{memory:?}"),
                Op::Special(special) => key += &format!("{special:?}"),
                _ => {}
            }
            op.for_each_operand(|operand| key += &format!(" {}", self.facts.same(operand).index()));
            let found = self.earlier.iter().rev().find_map(|scope| scope.get(&key)).copied();
            if let Some(found) = found {
                self.facts.same[id.index()] = found;
                return;
            }
            if let Some(scope) = self.earlier.last_mut() {
                scope.insert(key, id);
            }
        }
        let depth = self.loops.len();
        let mut level = 0;
        op.for_each_operand(|operand| level = level.max(self.facts.of(operand).level));
        match op {
            Op::Read(variable) => {
                level = self
                    .loops
                    .iter()
                    .rposition(|around| around.assigns.contains(variable))
                    .map_or(0, |n| n + 1);
            }
            Op::Load(..) | Op::Ballot(_) | Op::Shuffle(..) => level = depth,
            _ => {}
        }
        let (bits, zeros) = self.facts.extent(op, self.facts.ty(id));
        let fact = &mut self.facts.facts[id.index()];
        (fact.bits, fact.zeros, fact.level) = (bits, zeros, level.min(depth));
        self.facts.definitions[id.index()] = Some(op);
        op.for_each_operand(|operand| self.use_(operand));
    }
}

/// The variables that a block assigns, itself or in blocks inside it.
fn assigned(block: &Block, into: &mut Vec<VarId>) {
    for stmt in block {
        if let StmtKind::Assign(variable, _) | StmtKind::Declare(variable, _) = &stmt.kind
            && !into.contains(variable)
        {
            into.push(*variable);
        }
        for (inner, _) in stmt.kind.blocks() {
            assigned(inner, into);
        }
    }
}
