//! Branches and loops.

use super::Writer;
use crate::cuda::expression::{self, Expr};
use crate::cuda::fold::{Effect, Reads};
use crate::cuda::type_name;
use crate::ir::{Arm, Block, Ty, ValueId};
use std::collections::HashSet;

impl Writer<'_> {
    /// A `?:` if both arms are expressions, a variable and an `if` otherwise.
    pub(super) fn choose(
        &mut self,
        result: ValueId,
        (condition, mut reads): (Expr, Reads),
        then: &Arm,
        otherwise: &Arm,
    ) {
        let own = self.statement;
        let before = self.clone();
        let arms: Vec<Option<Expr>> = [then, otherwise]
            .into_iter()
            .map(|arm| {
                let lines = self.lines.len();
                for stmt in &arm.block {
                    self.stmt(stmt);
                }
                let (expr, inner) = self.take(arm.value);
                reads.join(&inner);
                (self.lines.len() == lines).then_some(expr)
            })
            .collect();
        if let [Some(then), Some(otherwise)] = &arms[..] {
            let expr = expression::conditional(&condition, then, otherwise);
            self.statement = own;
            self.settle_value(result, expr, reads);
            return;
        }
        *self = before;
        self.settle(&Effect::everything());
        let value = self.kernel.value(result);
        let name = self.fresh(value.name.as_deref().unwrap_or("t"));
        self.line(format!("{} {name};", type_name(value.ty)));
        self.line(format!("if ({}) {{", condition.text));
        self.arm(then, &name);
        self.line("} else {");
        self.arm(otherwise, &name);
        self.line("}");
        self.written.insert(result, Expr::name(name));
    }

    pub(super) fn arm(&mut self, arm: &Arm, target: &str) {
        self.depth += 1;
        self.names.push(HashSet::new());
        for stmt in &arm.block {
            self.stmt(stmt);
        }
        let value = self.take(arm.value).0;
        self.line(format!("{target} = {};", value.converted()));
        self.names.pop();
        self.depth -= 1;
    }

    pub(super) fn if_(&mut self, condition: &Expr, then: &Block, otherwise: &Block) {
        let start = self.lines.len();
        self.line(format!("if ({}) {{", condition.text));
        let head = self.lines.len();
        self.inner(then);
        if otherwise.is_empty() {
            self.line("}");
            // An `if` around nothing but unused values.
            if self.lines.len() == head + 1 {
                self.lines.truncate(start);
                self.origins.truncate(start);
            }
            return;
        }
        let mark = self.lines.len();
        self.line("} else {");
        self.inner(otherwise);
        self.line("}");
        self.join_else_if(mark);
    }

    /// Turns `} else {` around a lone `if` into `} else if`.
    pub(super) fn join_else_if(&mut self, mark: usize) {
        let indent = "    ".repeat(self.depth + 1);
        let inner = &self.lines[mark + 1..self.lines.len() - 1];
        let closes = inner.iter().filter(|line| **line == format!("{indent}}}")).count();
        let is_lone_if = inner.first().is_some_and(|line| line.starts_with(&format!("{indent}if (")))
            && closes == 1
            && inner.last().is_some_and(|line| *line == format!("{indent}}}"));
        if is_lone_if {
            let head = inner[0].trim_start().to_owned();
            let rest: Vec<String> =
                inner[1..].iter().map(|line| line.strip_prefix("    ").unwrap_or(line).to_owned()).collect();
            let mut origins = self.origins.split_off(mark);
            self.lines.truncate(mark);
            self.line(format!("}} else {head}"));
            self.lines.extend(rest);
            // The line of `} else {` is gone.
            origins.remove(0);
            origins.truncate(self.lines.len() - mark);
            self.origins.truncate(mark);
            self.origins.extend(origins);
        }
    }

    pub(super) fn while_(&mut self, condition: &Arm, body: &Block) {
        self.settle(&Effect::everything());
        let own = self.statement;
        let before = self.clone();
        let lines = self.lines.len();
        for stmt in &condition.block {
            self.stmt(stmt);
        }
        let (expr, _) = self.take(condition.value);
        if self.lines.len() == lines {
            self.statement = own;
            self.line(format!("while ({}) {{", expr.text));
            self.inner(body);
            self.line("}");
            return;
        }
        *self = before;
        self.line("while (true) {");
        self.depth += 1;
        self.names.push(HashSet::new());
        for stmt in &condition.block {
            self.stmt(stmt);
        }
        let expr = self.take(condition.value).0;
        self.statement = own;
        let stop = expression::unary(Ty::Bool, crate::ir::UnaryOp::Not, &expr);
        self.line(format!("if ({}) break;", stop.text));
        self.block(body);
        self.names.pop();
        self.depth -= 1;
        self.line("}");
    }
}
