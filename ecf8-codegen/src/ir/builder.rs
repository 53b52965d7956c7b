//! Builds a [`Kernel`] statement by statement, folding what is already known.

use super::{
    Arm, BinaryOp, Block, CallId, Kernel, Location, Memory, MemoryId, Op, Param, Space, Stmt, StmtKind, Ty,
    UnaryOp, Value, ValueId, VarId, Variable, binary, cast, unary,
};
use super::{prune, scope};
use std::collections::HashMap;
use std::fmt;

/// What is wrong with a kernel, each with the place it was written at.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub struct BuildErrors {
    /// The kernel's name.
    pub kernel: String,
    /// Every mistake found, in order.
    pub errors: Vec<(Location, String)>,
}

impl fmt::Display for BuildErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kernel `{}` cannot be built", self.kernel)?;
        for (at, message) in &self.errors {
            write!(f, "; {at}: {message}")?;
        }
        Ok(())
    }
}

/// A loop that is being written.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Loop {
    /// Runs on the device; `break` leaves it there.
    Device,
    /// Runs while the kernel is built; `depth` blocks were open when it began.
    Host { depth: usize },
}

/// A kernel under construction: the innermost open block receives each statement.
#[derive(Debug)]
pub struct Builder {
    kernel: Kernel,
    open: Vec<Block>,
    loops: Vec<Loop>,
    constants: HashMap<ValueId, u64>,
    /// The device function being run.
    call: Option<CallId>,
    known_calls: HashMap<Location, CallId>,
    errors: Vec<(Location, String)>,
}

impl Builder {
    /// An empty kernel whose every launch has `threads` threads per block.
    pub fn new(name: &str, docs: &[&str], threads: u32, blocks_per_sm: u32) -> Self {
        Self {
            kernel: Kernel {
                name: name.to_owned(),
                docs: docs.iter().map(|&line| line.to_owned()).collect(),
                header: Vec::new(),
                threads,
                blocks_per_sm,
                params: Vec::new(),
                memories: Vec::new(),
                variables: Vec::new(),
                values: Vec::new(),
                calls: Vec::new(),
                body: Vec::new(),
            },
            open: vec![Vec::new()],
            loops: Vec::new(),
            constants: HashMap::new(),
            call: None,
            known_calls: HashMap::new(),
            errors: Vec::new(),
        }
    }

    /// The finished kernel, or every mistake that was made on the way.
    pub fn finish(mut self) -> Result<Kernel, BuildErrors> {
        self.kernel.body = self.open.pop().unwrap_or_default();
        for (n, memory) in self.kernel.memories.iter_mut().enumerate() {
            if memory.name.is_empty() {
                memory.name = format!("memory{n}");
            }
        }
        self.errors.extend(scope::misplaced_uses(&self.kernel));
        if self.errors.is_empty() {
            prune::drop_unused(&mut self.kernel);
            Ok(self.kernel)
        } else {
            for (at, message) in &mut self.errors {
                for caller in self.kernel.callers(*at) {
                    message.push_str(&format!(" (called from {caller})"));
                }
            }
            Err(BuildErrors { kernel: self.kernel.name, errors: self.errors })
        }
    }

    /// Records a mistake; building goes on, so that several are reported at once. What an unrolled loop repeats is
    /// recorded once.
    pub fn error(&mut self, at: Location, message: impl Into<String>) {
        let error = (self.in_call(at), message.into());
        if !self.errors.contains(&error) {
            self.errors.push(error);
        }
    }

    /// Appends a statement.
    pub fn push(&mut self, at: Location, kind: StmtKind) {
        let at = self.in_call(at);
        if let Some(block) = self.open.last_mut() {
            block.push(Stmt { kind, at });
        }
    }

    /// The place, as one in the device function being run.
    fn in_call(&self, at: Location) -> Location {
        Location { call: self.call, ..at }
    }

    /// A device function, called at this place, begins.
    pub fn enter_call(&mut self, at: Location) {
        let at = self.in_call(at);
        let calls = &mut self.kernel.calls;
        self.call = Some(*self.known_calls.entry(at).or_insert_with(|| {
            calls.push(at);
            CallId(calls.len() - 1)
        }));
    }

    /// The innermost device function ends.
    pub fn leave_call(&mut self) {
        self.call = self.call.and_then(|call| self.kernel.calls.get(call.0)?.call);
    }

    /// A value of type `ty` without a definition: the caller defines it.
    pub fn new_value(&mut self, ty: Ty) -> ValueId {
        self.kernel.values.push(Value { ty, name: None, is_let: false });
        ValueId(self.kernel.values.len() - 1)
    }

    /// The type of a value; one that belongs to another kernel is an error and counts as `u32`.
    pub fn ty(&mut self, at: Location, id: ValueId) -> Ty {
        if let Some(value) = self.kernel.values.get(id.0) {
            return value.ty;
        }
        self.error(at, "this value belongs to another kernel: build it inside this one");
        Ty::U32
    }

    /// Names a value after the author's `let`; the first `let` stays.
    pub fn name_value(&mut self, id: ValueId, name: &str) {
        if let Some(value) = self.kernel.values.get_mut(id.0)
            && !value.is_let
        {
            value.name = Some(name.to_owned());
            value.is_let = true;
        }
    }

    /// A name for a value in case that it needs one.
    pub fn suggest_name(&mut self, id: ValueId, name: &str) {
        if let Some(value) = self.kernel.values.get_mut(id.0) {
            value.name.get_or_insert_with(|| name.to_owned());
        }
    }

    /// Names a memory after the author's `let`; the first name stays.
    pub fn name_memory(&mut self, id: MemoryId, name: &str) {
        if let Some(memory) = self.kernel.memories.get_mut(id.0)
            && memory.name.is_empty()
        {
            name.clone_into(&mut memory.name);
        }
    }

    /// Defines a value.
    pub fn define(&mut self, at: Location, ty: Ty, op: Op) -> ValueId {
        let id = self.new_value(ty);
        if let Op::Const(bits) = op {
            self.constants.insert(id, bits);
        }
        self.push(at, StmtKind::Let(id, op));
        id
    }

    /// The bit pattern of a value that is a constant.
    pub fn known(&self, id: ValueId) -> Option<u64> {
        self.constants.get(&id).copied()
    }

    /// A constant.
    pub fn constant(&mut self, at: Location, ty: Ty, bits: u64) -> ValueId {
        self.define(at, ty, Op::Const(bits))
    }

    /// `a op b`, folded if both are known; what has no value (a shift by the width or more, division by zero) is an error.
    pub fn binary(&mut self, at: Location, op: BinaryOp, a: ValueId, b: ValueId) -> ValueId {
        let ty = self.ty(at, a);
        let result = if op.is_comparison() { Ty::Bool } else { ty };
        let (known_a, known_b) = (self.known(a), self.known(b));
        if let Some(amount) = known_b
            && binary(ty, op, known_a.unwrap_or(0), amount).is_none()
        {
            let reason = if op.is_shift() {
                format!("shift by {amount}, but a {ty} has only {} bits", ty.bits())
            } else if amount == 0 {
                "division by zero".to_owned()
            } else {
                "this quotient does not fit an i32".to_owned()
            };
            self.error(at, reason);
            return self.constant(at, result, 0);
        }
        match (known_a, known_b) {
            (Some(x), Some(y)) => {
                let bits = binary(ty, op, x, y).unwrap_or(0);
                self.constant(at, result, bits)
            }
            (_, Some(0)) if is_neutral_zero(op) => a,
            (Some(0), _) if matches!(op, BinaryOp::Add | BinaryOp::Or | BinaryOp::Xor) => b,
            (_, Some(1)) if matches!(op, BinaryOp::Mul | BinaryOp::Div) => a,
            (Some(1), _) if op == BinaryOp::Mul => b,
            _ => self.define(at, result, Op::Binary(op, a, b)),
        }
    }

    /// `op a`, folded if known. Counts are `u32`.
    pub fn unary(&mut self, at: Location, op: UnaryOp, a: ValueId) -> ValueId {
        let ty = self.ty(at, a);
        let result = if op == UnaryOp::Not { ty } else { Ty::U32 };
        match self.constants.get(&a) {
            Some(&x) => self.constant(at, result, unary(ty, op, x)),
            None => self.define(at, result, Op::Unary(op, a)),
        }
    }

    /// `a as to`, folded if known; nothing if `a` already has that type.
    pub fn cast(&mut self, at: Location, to: Ty, a: ValueId) -> ValueId {
        let from = self.ty(at, a);
        if from == to {
            return a;
        }
        match self.constants.get(&a) {
            Some(&x) => self.constant(at, to, cast(from, to, x)),
            None => self.define(at, to, Op::Cast(a)),
        }
    }

    /// Declares a memory; parameters are also appended to the parameter list.
    pub fn memory(&mut self, at: Location, name: &str, ty: Ty, space: Space) -> MemoryId {
        let id = MemoryId(self.kernel.memories.len());
        match space {
            Space::Global { .. } => self.kernel.params.push(Param::Memory(id)),
            Space::DynamicShared
                if self.kernel.memories.iter().any(|other| other.space == Space::DynamicShared) =>
            {
                self.error(
                    at,
                    "a kernel has at most one dynamic shared array: give the others a fixed length",
                );
            }
            _ => {}
        }
        self.kernel.memories.push(Memory { name: name.to_owned(), ty, space });
        id
    }

    /// Declares a scalar parameter.
    pub fn scalar_param(&mut self, name: &str, ty: Ty) -> ValueId {
        let id = self.new_value(ty);
        self.name_value(id, name);
        self.kernel.params.push(Param::Scalar(id));
        id
    }

    /// Declares a variable in the innermost open block.
    pub fn variable(&mut self, at: Location, name: &str, ty: Ty, init: Option<ValueId>) -> VarId {
        let id = VarId(self.kernel.variables.len());
        self.kernel.variables.push(Variable { ty, name: name.to_owned() });
        self.push(at, StmtKind::Declare(id, init));
        id
    }

    /// Opens a block: statements go there until [`Builder::close`].
    pub fn open(&mut self) {
        self.open.push(Vec::new());
    }

    /// Closes the innermost block and hands it over. The kernel's own body stays open.
    pub fn close(&mut self) -> Block {
        if self.open.len() > 1 { self.open.pop().unwrap_or_default() } else { Vec::new() }
    }

    /// Defines a value by one of two arms; with a known condition only that arm is kept.
    pub fn choose(&mut self, at: Location, condition: ValueId, then: Arm, otherwise: Arm) -> ValueId {
        if let Some(&known) = self.constants.get(&condition) {
            let arm = if known != 0 { then } else { otherwise };
            if let Some(block) = self.open.last_mut() {
                block.extend(arm.block);
            }
            return arm.value;
        }
        let ty = self.ty(at, then.value);
        let result = self.new_value(ty);
        self.push(at, StmtKind::Choose { result, condition, then, otherwise });
        result
    }

    /// A device loop begins.
    pub fn enter_device_loop(&mut self) {
        self.loops.push(Loop::Device);
    }

    /// A loop that runs at build time begins.
    pub fn enter_host_loop(&mut self) {
        self.loops.push(Loop::Host { depth: self.open.len() });
    }

    /// The innermost loop ends.
    pub fn leave_loop(&mut self) {
        self.loops.pop();
    }

    /// `break` or `continue`: a statement in a device loop. In a build-time loop it takes effect now, which the
    /// caller does if this returns true; there it must not depend on a device condition.
    pub fn jump(&mut self, at: Location, kind: StmtKind) -> bool {
        match self.loops.last() {
            Some(Loop::Device) => {
                self.push(at, kind);
                false
            }
            Some(&Loop::Host { depth }) => {
                if self.open.len() > depth {
                    self.error(
                        at,
                        "this loop is unrolled when the kernel is built, so it cannot be left on a device condition: \
                         loop over a device range instead, `for i in rolled(a..b)`",
                    );
                    return false;
                }
                true
            }
            None => {
                self.error(at, "`break` and `continue` need a loop around them");
                false
            }
        }
    }
}

/// Whether `a op 0` is `a`.
fn is_neutral_zero(op: BinaryOp) -> bool {
    matches!(op, BinaryOp::Add | BinaryOp::Sub | BinaryOp::Or | BinaryOp::Xor | BinaryOp::Shl | BinaryOp::Shr)
}
