//! Every value must be used where it is in scope: after its definition, in the same block or one inside it.

use super::{Block, Kernel, Location, Op, Param, StmtKind, ValueId, VarId};
use std::collections::HashSet;

#[derive(Default)]
struct Scope {
    values: HashSet<ValueId>,
    variables: HashSet<VarId>,
    errors: Vec<(Location, String)>,
}

/// What is wrong with the places at which values and variables are used.
pub(super) fn misplaced_uses(kernel: &Kernel) -> Vec<(Location, String)> {
    let mut scope = Scope::default();
    for param in &kernel.params {
        if let Param::Scalar(value) = param {
            scope.values.insert(*value);
        }
    }
    scope.block(&kernel.body, None);
    scope.errors
}

impl Scope {
    /// Checks a block, then forgets what it defined. `result` is the value it yields.
    fn block(&mut self, block: &Block, result: Option<ValueId>) {
        let (outer_values, outer_variables) = (self.values.clone(), self.variables.clone());
        for stmt in block {
            stmt.kind.for_each_operand(|value| self.need_value(stmt.at, value));
            match &stmt.kind {
                StmtKind::Let(value, op) => {
                    if let Op::Read(variable) = op {
                        self.need_variable(stmt.at, *variable);
                    }
                    self.values.insert(*value);
                }
                StmtKind::LoadVector { results, .. } => self.values.extend(results),
                StmtKind::Declare(variable, _) => {
                    self.variables.insert(*variable);
                }
                StmtKind::Assign(variable, _) => self.need_variable(stmt.at, *variable),
                StmtKind::While { condition, body } => {
                    self.block(&condition.block, Some(condition.value));
                    self.block(body, None);
                }
                StmtKind::For { index, body, .. } => {
                    self.values.insert(*index);
                    self.block(body, None);
                    self.values.remove(index);
                }
                kind => {
                    for (inner, value) in kind.blocks() {
                        self.block(inner, value);
                    }
                    if let StmtKind::Choose { result, .. } = kind {
                        self.values.insert(*result);
                    }
                }
            }
        }
        if let (Some(value), Some(last)) = (result, block.last()) {
            self.need_value(last.at, value);
        }
        self.values = outer_values;
        self.variables = outer_variables;
    }

    fn need_value(&mut self, at: Location, value: ValueId) {
        if !self.values.contains(&value) {
            self.errors.push((
                at,
                "a value made inside a branch or loop is used outside of it: carry it out in a `let mut` variable"
                    .to_owned(),
            ));
        }
    }

    fn need_variable(&mut self, at: Location, variable: VarId) {
        if !self.variables.contains(&variable) {
            self.errors.push((
                at,
                "a variable is used outside of the branch or loop that declares it: declare it before"
                    .to_owned(),
            ));
        }
    }
}
