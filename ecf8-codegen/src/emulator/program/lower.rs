//! From values to registers: each is given one where it is defined, and gives it back after its last use.

use super::{ArmCode, Code, Instruction, Preset, Program, Register, Step, Ternary};
use crate::ir::{
    Arm, Block, Kernel, Op, Param, Stmt, StmtKind, ValueId, VarId, byte_permute, funnel_left, funnel_right,
};
use std::collections::{HashMap, HashSet};

impl<'k> Program<'k> {
    pub(in super::super) fn new(kernel: &'k Kernel) -> Self {
        let mut lowering = Lowering {
            kernel,
            last_uses: last_uses(kernel),
            values: HashMap::new(),
            presets: Vec::new(),
            constants: HashMap::new(),
            free: Vec::new(),
            registers: kernel.variables.len(),
            statements: 0,
        };
        let scalars = kernel.params.iter().filter_map(|param| match param {
            Param::Scalar(id) => Some(*id),
            Param::Memory(_) => None,
        });
        for (n, id) in scalars.enumerate() {
            lowering.preset(id, Preset::Scalar(n));
        }
        let code = lowering.block(&kernel.body);
        Self {
            kernel,
            code,
            presets: lowering.presets,
            registers: lowering.registers,
            statements: lowering.statements,
        }
    }
}

/// The register of a variable: the first ones, in order.
fn variable(id: VarId) -> Register {
    id.index()
}

struct Lowering<'k> {
    kernel: &'k Kernel,
    /// The statement of its own block at which a value is used last.
    last_uses: HashMap<ValueId, usize>,
    values: HashMap<ValueId, Register>,
    presets: Vec<(Register, Preset)>,
    constants: HashMap<u64, Register>,
    free: Vec<Register>,
    registers: usize,
    /// Statements met so far.
    statements: usize,
}

impl Lowering<'_> {
    fn allocate(&mut self) -> Register {
        self.free.pop().unwrap_or_else(|| {
            self.registers += 1;
            self.registers - 1
        })
    }

    fn preset(&mut self, id: ValueId, preset: Preset) {
        let register = match preset {
            Preset::Constant(bits) => match self.constants.get(&bits) {
                Some(&register) => register,
                None => {
                    let register = self.registers;
                    self.registers += 1;
                    self.constants.insert(bits, register);
                    self.presets.push((register, preset));
                    register
                }
            },
            _ => {
                let register = self.registers;
                self.registers += 1;
                self.presets.push((register, preset));
                register
            }
        };
        self.values.insert(id, register);
    }

    fn define(&mut self, id: ValueId) -> Register {
        let register = self.allocate();
        self.values.insert(id, register);
        register
    }

    fn get(&self, id: ValueId) -> Register {
        // Every use is in scope of its definition: the builder has checked that.
        self.values.get(&id).copied().unwrap_or_default()
    }

    fn block(&mut self, block: &Block) -> Code {
        let mut code = Code::new();
        let mut defined: Vec<(usize, Register)> = Vec::new();
        for (i, stmt) in block.iter().enumerate() {
            let statement = self.statements;
            self.statements += 1;
            if let Some(instruction) = self.stmt(stmt) {
                code.push(Step { instruction, at: stmt.at, statement });
            }
            let is_preset = matches!(stmt.kind, StmtKind::Let(_, Op::Const(_) | Op::Special(_)));
            for id in stmt.kind.results() {
                if let (false, Some(&register)) = (is_preset, self.values.get(id)) {
                    defined.push((self.last_uses.get(id).copied().unwrap_or(i), register));
                }
            }
            let (done, rest): (Vec<_>, Vec<_>) = defined.into_iter().partition(|&(last, _)| last <= i);
            self.free.extend(done.into_iter().map(|(_, register)| register));
            defined = rest;
        }
        // The value that the block yields is used after its end, so these stay out of use until then.
        self.free.extend(defined.into_iter().map(|(_, register)| register));
        code
    }

    fn arm(&mut self, arm: &Arm) -> ArmCode {
        let code = self.block(&arm.block);
        ArmCode { code, result: self.get(arm.value) }
    }

    fn stmt(&mut self, stmt: &Stmt) -> Option<Instruction> {
        Some(match &stmt.kind {
            StmtKind::Let(id, op) => return self.op(*id, op),
            StmtKind::Declare(id, None) => Instruction::Declare { variable: *id },
            StmtKind::Declare(id, Some(value)) | StmtKind::Assign(id, value) => {
                Instruction::Assign { variable: *id, to: variable(*id), from: self.get(*value) }
            }
            StmtKind::Store(memory, index, value) => {
                let width = self.kernel.value(*value).ty.bytes();
                Instruction::Store { memory: *memory, width, index: self.get(*index), from: self.get(*value) }
            }
            StmtKind::LoadVector { results, memory, index } => {
                let width = self.width(results);
                let index = self.get(*index);
                let to = results.iter().map(|id| self.define(*id)).collect();
                Instruction::LoadVector { memory: *memory, width, index, to }
            }
            StmtKind::StoreVector { memory, index, values } => {
                let from = values.iter().map(|id| self.get(*id)).collect();
                Instruction::StoreVector {
                    memory: *memory,
                    width: self.width(values),
                    index: self.get(*index),
                    from,
                }
            }
            StmtKind::Choose { result, condition, then, otherwise } => {
                // The result's register must not be one that an arm still needs.
                let to = self.define(*result);
                let (then, otherwise) = (self.arm(then), self.arm(otherwise));
                Instruction::Choose { to, condition: self.get(*condition), then, otherwise }
            }
            StmtKind::If { condition, then, otherwise } => {
                let (then, otherwise) = (self.block(then), self.block(otherwise));
                Instruction::If { condition: self.get(*condition), then, otherwise }
            }
            StmtKind::While { condition, body } => {
                Instruction::While { condition: self.arm(condition), body: self.block(body) }
            }
            StmtKind::For { index, from, to, step, body, .. } => {
                let ty = self.kernel.value(*index).ty;
                let register = self.define(*index);
                let body = self.block(body);
                self.free.push(register);
                let (from, limit, step) = (self.get(*from), self.get(*to), self.get(*step));
                Instruction::For { ty, index: register, from, limit, step, body }
            }
            StmtKind::Break => Instruction::Break,
            StmtKind::Continue => Instruction::Continue,
            StmtKind::Return => Instruction::Return,
            StmtKind::Barrier => Instruction::Barrier,
            StmtKind::WarpBarrier => Instruction::WarpBarrier,
            StmtKind::Comment(_) => return None,
        })
    }

    fn op(&mut self, id: ValueId, op: &Op) -> Option<Instruction> {
        let ty_of = |id: ValueId| self.kernel.value(id).ty;
        let ty = ty_of(id);
        Some(match *op {
            Op::Const(bits) => {
                self.preset(id, Preset::Constant(bits));
                return None;
            }
            Op::Special(special) => {
                self.preset(id, Preset::Special(special));
                return None;
            }
            Op::Unary(op, a) => Instruction::Unary { op, ty: ty_of(a), a: self.get(a), to: self.define(id) },
            Op::Binary(op, a, b) => {
                Instruction::Binary { op, ty: ty_of(a), a: self.get(a), b: self.get(b), to: self.define(id) }
            }
            Op::Cast(a) => Instruction::Cast { from: ty_of(a), ty, a: self.get(a), to: self.define(id) },
            Op::Select(c, a, b) => Instruction::Select {
                condition: self.get(c),
                a: self.get(a),
                b: self.get(b),
                to: self.define(id),
            },
            Op::Read(var) => Instruction::Read { variable: var, from: variable(var), to: self.define(id) },
            Op::Load(memory, index) => {
                Instruction::Load { memory, width: ty.bytes(), index: self.get(index), to: self.define(id) }
            }
            Op::FunnelLeft { high, low, amount } => self.ternary(id, funnel_left, [high, low, amount]),
            Op::FunnelRight { high, low, amount } => self.ternary(id, funnel_right, [high, low, amount]),
            Op::BytePermute(a, b, selector) => self.ternary(id, byte_permute, [a, b, selector]),
            Op::Ballot(condition) => {
                Instruction::Ballot { condition: self.get(condition), to: self.define(id) }
            }
            Op::Shuffle(how, value, lane) => Instruction::Shuffle {
                how,
                value: self.get(value),
                lane: self.get(lane),
                to: self.define(id),
            },
        })
    }

    fn ternary(&mut self, id: ValueId, op: Ternary, of: [ValueId; 3]) -> Instruction {
        let of = of.map(|operand| self.get(operand));
        Instruction::Ternary { op, of, to: self.define(id) }
    }

    /// Bytes of one of these values, which have one type.
    fn width(&self, values: &[ValueId]) -> usize {
        values.first().map_or(1, |value| self.kernel.value(*value).ty.bytes())
    }
}

/// For each value, the statement of the block defining it at which it is used last, itself or by something inside.
fn last_uses(kernel: &Kernel) -> HashMap<ValueId, usize> {
    struct Walk {
        last: HashMap<ValueId, usize>,
        /// Per open block: the values it defines so far, and the statement that is being walked.
        open: Vec<(HashSet<ValueId>, usize)>,
    }
    impl Walk {
        fn use_(&mut self, id: ValueId) {
            if let Some((_, at)) = self.open.iter().rev().find(|(defined, _)| defined.contains(&id)) {
                self.last.insert(id, *at);
            }
        }
        fn block(&mut self, block: &Block, result: Option<ValueId>) {
            self.open.push((HashSet::new(), 0));
            for (i, stmt) in block.iter().enumerate() {
                if let Some((_, at)) = self.open.last_mut() {
                    *at = i;
                }
                stmt.kind.for_each_operand(|id| self.use_(id));
                for (inner, value) in stmt.kind.blocks() {
                    self.block(inner, value);
                }
                if let Some((defined, _)) = self.open.last_mut() {
                    defined.extend(stmt.kind.results());
                }
            }
            if let Some((_, at)) = self.open.last_mut() {
                *at = block.len();
            }
            if let Some(id) = result {
                self.use_(id);
            }
            self.open.pop();
        }
    }
    let mut walk = Walk { last: HashMap::new(), open: Vec::new() };
    walk.block(&kernel.body, None);
    walk.last
}
