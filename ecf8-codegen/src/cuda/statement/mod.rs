//! The lines of a kernel's body.
//!
//! - `access`: elements and vectors of memories.
//! - `control`: branches and loops.

mod access;
mod control;

use access::vector_type;

use super::expression::{self, Assignee, Expr};
use super::fold::{self, Effect, Reads, Waiting};
use super::names;
use super::type_name;
use super::{words, wrap};
use crate::ir::{Block, Kernel, Op, Param, Shuffle, Stmt, StmtKind, Ty, ValueId, VarId};
use std::collections::{BTreeMap, HashMap, HashSet};

/// The lines of the kernel's body, indented, each with the number of the statement it was written for.
pub(super) fn body(kernel: &Kernel) -> Vec<(String, usize)> {
    let mut writer = Writer::new(kernel);
    writer.block(&kernel.body);
    writer.lines.into_iter().zip(writer.origins).collect()
}

/// The mask of the lanes that take part in a warp's exchange.
const WHOLE_WARP: &str = "0xffffffff";

#[derive(Clone)]
struct Writer<'k> {
    kernel: &'k Kernel,
    uses: std::rc::Rc<HashMap<ValueId, usize>>,
    lines: Vec<String>,
    /// Per line: the statement that it was written for.
    origins: Vec<usize>,
    /// The statement being written: they are counted in the order of the text, those inside another after it.
    statement: usize,
    /// Statements met so far.
    statements: usize,
    depth: usize,
    /// Names taken, per open block.
    names: Vec<HashSet<String>>,
    /// How a value that has been written is referred to.
    written: HashMap<ValueId, Expr>,
    waiting: BTreeMap<ValueId, Waiting>,
    variables: HashMap<VarId, String>,
}

impl<'k> Writer<'k> {
    fn new(kernel: &'k Kernel) -> Self {
        let mut taken: HashSet<String> = kernel.memories.iter().map(|memory| memory.name.clone()).collect();
        let mut written = HashMap::new();
        for param in &kernel.params {
            if let Param::Scalar(id) = param
                && let Some(name) = &kernel.value(*id).name
            {
                taken.insert(name.clone());
                written.insert(*id, Expr::name(name));
            }
        }
        Self {
            kernel,
            uses: fold::count_uses(kernel).into(),
            lines: Vec::new(),
            origins: Vec::new(),
            statement: 0,
            statements: 0,
            depth: 1,
            names: vec![taken],
            written,
            waiting: BTreeMap::new(),
            variables: HashMap::new(),
        }
    }

    fn line(&mut self, text: impl AsRef<str>) {
        for line in wrap::statement(4 * self.depth, text.as_ref()) {
            self.lines.push(line);
            self.origins.push(self.statement);
        }
    }

    /// A name that nothing in scope has yet.
    fn fresh(&mut self, wanted: &str) -> String {
        let is_taken = |name: &str| self.names.iter().any(|scope| scope.contains(name));
        let name = names::free_name(wanted, words::is_reserved, is_taken);
        if let Some(scope) = self.names.last_mut() {
            scope.insert(name.clone());
        }
        name
    }

    fn inner(&mut self, block: &Block) {
        self.depth += 1;
        self.names.push(HashSet::new());
        self.block(block);
        self.names.pop();
        self.depth -= 1;
    }

    fn block(&mut self, block: &Block) {
        let mut own = HashSet::new();
        for (i, stmt) in block.iter().enumerate() {
            match stmt.kind {
                StmtKind::Declare(variable, _) => {
                    own.insert(variable);
                    self.stmt(stmt);
                }
                StmtKind::Let(id, Op::Read(variable))
                    if own.contains(&variable) && !fold::assigns(&block[i + 1..], variable) =>
                {
                    self.alias(id, variable);
                }
                _ => self.stmt(stmt),
            }
        }
    }

    /// What reads a variable of this block after its last assignment is another name for it.
    fn alias(&mut self, id: ValueId, variable: VarId) {
        self.statement = self.statements;
        self.statements += 1;
        let name = self.variables.get(&variable).cloned().unwrap_or_default();
        self.written.insert(id, Expr::name(name));
    }

    /// The value as an expression, and what evaluating it now reads.
    fn take(&mut self, id: ValueId) -> (Expr, Reads) {
        match self.waiting.remove(&id) {
            Some(waiting) => (waiting.expr, waiting.reads),
            None => {
                (self.written.get(&id).cloned().unwrap_or_else(|| Expr::name("undefined")), Reads::default())
            }
        }
    }

    /// Gives a line to each waiting expression that a statement would disturb.
    fn settle(&mut self, effect: &Effect) {
        let disturbed: Vec<ValueId> = self
            .waiting
            .iter()
            .filter(|(_, waiting)| effect.disturbs(&waiting.reads))
            .map(|(&id, _)| id)
            .collect();
        for id in disturbed {
            let (expr, _) = self.take(id);
            self.define(id, &expr, "t");
        }
    }

    /// A line that defines a value.
    fn define(&mut self, id: ValueId, expr: &Expr, fallback: &str) {
        let value = self.kernel.value(id);
        let name = self.fresh(value.name.as_deref().unwrap_or(fallback));
        self.line(format!("const {} {name} = {};", type_name(value.ty), expr.converted()));
        self.written.insert(id, Expr::name(name));
    }

    /// A value has an expression: it waits, or is written, or is forgotten.
    fn settle_value(&mut self, id: ValueId, expr: Expr, reads: Reads) {
        let uses = self.uses.get(&id).copied().unwrap_or(0);
        let is_named = self.kernel.value(id).is_let;
        if uses == 0 {
            // Nobody asks for it.
        } else if expr.literal.is_some() || (expr.costs_nothing && !is_named) {
            self.written.insert(id, expr);
        } else if uses == 1 && !is_named {
            self.waiting.insert(id, Waiting { expr, reads });
        } else {
            self.define(id, &expr, "t");
        }
    }

    fn op(&mut self, id: ValueId, op: &Op) -> (Expr, Reads) {
        let mut reads = fold::reads(self.kernel, op);
        let mut operand = |writer: &mut Self, value: ValueId| {
            let (expr, inner) = writer.take(value);
            reads.join(&inner);
            (writer.kernel.value(value).ty, expr)
        };
        let result = self.kernel.value(id).ty;
        let expr = match op {
            Op::Const(bits) => Expr::literal(result, *bits),
            Op::Special(special) => Expr::special(*special),
            Op::Read(variable) => {
                let name = self.variables.get(variable).cloned().unwrap_or_default();
                Expr { place: Some(Assignee::Variable(*variable)), ..Expr::name(name) }
            }
            Op::Unary(op, a) => {
                let (ty, a) = operand(self, *a);
                expression::unary(ty, *op, &a)
            }
            Op::Binary(op, a, b) => {
                let ((ty, a), (_, b)) = (operand(self, *a), operand(self, *b));
                expression::binary(ty, *op, &a, &b)
            }
            Op::Cast(a) => {
                let (from, a) = operand(self, *a);
                let widens =
                    matches!((from, result), (Ty::U8 | Ty::U16, Ty::U32 | Ty::U64) | (Ty::U32, Ty::U64));
                if widens { expression::widen(result, &a) } else { expression::cast(result, &a) }
            }
            Op::Select(c, a, b) => {
                let (c, a, b) = (operand(self, *c).1, operand(self, *a).1, operand(self, *b).1);
                expression::conditional(&c, &a, &b)
            }
            Op::Load(memory, index) => {
                let index = operand(self, *index).1.converted();
                let text = self.element(*memory, result, &index);
                Expr { place: Some(Assignee::Element(*memory, result, index)), ..Expr::name(text) }
            }
            Op::FunnelLeft { high, low, amount } | Op::FunnelRight { high, low, amount } => {
                let arguments = [*low, *high, *amount].map(|id| operand(self, id).1);
                let side = if matches!(op, Op::FunnelLeft { .. }) { "l" } else { "r" };
                expression::call(&format!("__funnelshift_{side}"), &arguments.each_ref())
            }
            Op::BytePermute(a, b, selector) => {
                let [a, b, selector] = [*a, *b, *selector].map(|id| operand(self, id).1);
                // A digit names a byte, so the selector is read as digits.
                let digits = selector.literal.map(|(_, bits)| Expr::name(format!("0x{bits:04x}")));
                expression::call("__byte_perm", &[&a, &b, digits.as_ref().unwrap_or(&selector)])
            }
            Op::Ballot(condition) => {
                let condition = operand(self, *condition).1;
                expression::call("__ballot_sync", &[&Expr::name(WHOLE_WARP), &condition])
            }
            Op::Shuffle(how, value, lane) => {
                let (value, lane) = (operand(self, *value).1, operand(self, *lane).1);
                let function = match how {
                    Shuffle::Index => "__shfl_sync",
                    Shuffle::Up => "__shfl_up_sync",
                    Shuffle::Down => "__shfl_down_sync",
                    Shuffle::Xor => "__shfl_xor_sync",
                };
                expression::call(function, &[&Expr::name(WHOLE_WARP), &value, &lane])
            }
        };
        (expr, reads)
    }

    fn stmt(&mut self, stmt: &Stmt) {
        self.statement = self.statements;
        self.statements += 1;
        match &stmt.kind {
            StmtKind::Let(id, op) => {
                let (expr, reads) = self.op(*id, op);
                self.settle_value(*id, expr, reads);
            }
            StmtKind::Declare(id, init) => {
                let init = init.map(|value| self.take(value).0);
                let variable = self.kernel.variable(*id);
                let name = self.fresh(&variable.name);
                let init = init.map(|init| format!(" = {}", init.converted())).unwrap_or_default();
                self.line(format!("{} {name}{init};", type_name(variable.ty)));
                self.variables.insert(*id, name);
            }
            StmtKind::Assign(id, value) => {
                let expr = self.take(*value).0;
                self.settle(&Effect::of(&stmt.kind));
                let name = self.variables.get(id).cloned().unwrap_or_default();
                self.assignment(&Assignee::Variable(*id), &name, &expr);
            }
            StmtKind::Store(memory, index, value) => {
                let index = self.take(*index).0.converted();
                let expr = self.take(*value).0;
                self.settle(&Effect::of(&stmt.kind));
                let ty = self.kernel.value(*value).ty;
                let target = self.element(*memory, ty, &index);
                self.assignment(&Assignee::Element(*memory, ty, index), &target, &expr);
            }
            StmtKind::LoadVector { results, memory, index } => self.load_vector(results, *memory, *index),
            StmtKind::StoreVector { memory, index, values } => {
                let element = values.first().map_or(Ty::U32, |value| self.kernel.value(*value).ty);
                let index = self.take(*index).0.converted();
                let values: Vec<String> =
                    values.iter().map(|value| self.take(*value).0.converted()).collect();
                let ty = vector_type(element, values.len());
                self.settle(&Effect::of(&stmt.kind));
                let name = &self.kernel.memory(*memory).name;
                self.line(format!("(({ty}*){name})[{index}] = make_{ty}({});", values.join(", ")));
            }
            StmtKind::Choose { result, condition, then, otherwise } => {
                let condition = self.take(*condition);
                self.settle(&Effect::of(&stmt.kind));
                self.choose(*result, condition, then, otherwise);
            }
            StmtKind::If { condition, then, otherwise } => {
                let condition = self.take(*condition).0;
                self.settle(&Effect::of(&stmt.kind));
                self.if_(&condition, then, otherwise);
            }
            StmtKind::While { condition, body } => self.while_(condition, body),
            StmtKind::For { index, from, to, step, unroll, body } => {
                // C asks for the bound and the step in every round; they are those of the first.
                let round = Effect::of_round(body);
                for (id, name) in [(*to, "end"), (*step, "step")] {
                    if self.waiting.get(&id).is_some_and(|waiting| round.disturbs(&waiting.reads)) {
                        let (expr, _) = self.take(id);
                        self.define(id, &expr, name);
                    }
                }
                let (from, to, step) = (self.take(*from).0, self.take(*to).0, self.take(*step).0);
                self.settle(&Effect::everything());
                match unroll {
                    Some(0) => self.line("#pragma unroll"),
                    Some(times) => self.line(format!("#pragma unroll {times}")),
                    None => {}
                }
                self.names.push(HashSet::new());
                let value = self.kernel.value(*index);
                let i = self.fresh(value.name.as_deref().unwrap_or("i"));
                self.written.insert(*index, Expr::name(&i));
                let bound = expression::binary(value.ty, crate::ir::BinaryOp::Lt, &Expr::name(&i), &to).text;
                let advance = if step.literal.is_some_and(|(_, by)| by == 1) {
                    format!("++{i}")
                } else {
                    format!("{i} += {}", step.converted())
                };
                self.line(format!(
                    "for ({} {i} = {}; {bound}; {advance}) {{",
                    type_name(value.ty),
                    from.converted()
                ));
                self.inner(body);
                self.names.pop();
                self.line("}");
            }
            StmtKind::Break => self.line("break;"),
            StmtKind::Continue => self.line("continue;"),
            StmtKind::Return => self.line("return;"),
            StmtKind::Barrier => {
                self.settle(&Effect::of(&stmt.kind));
                self.line("__syncthreads();");
            }
            StmtKind::WarpBarrier => {
                self.settle(&Effect::of(&stmt.kind));
                self.line("__syncwarp();");
            }
            StmtKind::Comment(text) => {
                let at_start = self
                    .lines
                    .last()
                    .is_none_or(|line| line.ends_with('{') || line.trim_start().starts_with("//"));
                if !at_start {
                    self.lines.push(String::new());
                    self.origins.push(self.statement);
                }
                for line in wrap::words(text, wrap::WIDTH.saturating_sub(4 * self.depth + 3).max(20)) {
                    self.lines.push(format!("{}// {line}", "    ".repeat(self.depth)).trim_end().to_owned());
                    self.origins.push(self.statement);
                }
            }
        }
    }

    /// `target = expr;`, or `target op= ..;` where that says the same.
    fn assignment(&mut self, place: &Assignee, target: &str, expr: &Expr) {
        match &expr.update {
            Some((updated, "+=", by)) if updated == place && by == "1" => self.line(format!("{target}++;")),
            Some((updated, op, by)) if updated == place => self.line(format!("{target} {op} {by};")),
            _ => self.line(format!("{target} = {};", expr.converted())),
        }
    }
}
