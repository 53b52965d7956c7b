//! What a compiler knows about values before it chooses instructions: which are one and the same, which are known when the
//! kernel is compiled, how wide they are, and how much of them anybody looks at.

mod numbering;

use super::known::Known;
use crate::ir::{BinaryOp, Block, Kernel, Op, Special, StmtKind, Ty, UnaryOp, ValueId};

/// What is known about one value.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Fact {
    /// Bits above this one are zero.
    pub(super) bits: u32,
    /// Bits below this one are zero.
    pub(super) zeros: u32,
    /// Bits from this one on nobody looks at.
    pub(super) demanded: u32,
    /// How often it is used.
    pub(super) uses: u32,
    /// How many of the loops around its definition, outermost first, it depends on.
    pub(super) level: usize,
}

/// What is known about a kernel's values.
pub(super) struct Facts<'k> {
    kernel: &'k Kernel,
    pub(super) known: Known,
    facts: Vec<Fact>,
    same: Vec<ValueId>,
    definitions: Vec<Option<&'k Op>>,
}

impl<'k> Facts<'k> {
    pub(super) fn new(kernel: &'k Kernel, known: Known) -> Self {
        let count = kernel.values.len();
        let facts = Self {
            kernel,
            known,
            facts: vec![Fact::default(); count],
            same: (0..count).map(ValueId).collect(),
            definitions: vec![None; count],
        };
        let mut facts = numbering::numbered(facts);
        // Each round carries demand once around the loops; what is not settled by then is taken to be wide.
        let mut variables = vec![0; kernel.variables.len()];
        for _ in 0..8 {
            facts.demand(&kernel.body, &mut variables);
        }
        facts
    }

    /// The value that this one is the same as.
    pub(super) fn same(&self, id: ValueId) -> ValueId {
        self.same[id.index()]
    }

    /// What is known about the value.
    pub(super) fn of(&self, id: ValueId) -> Fact {
        self.facts[self.same(id).index()]
    }

    /// The operation that defines it, if it is a single one.
    pub(super) fn definition(&self, id: ValueId) -> Option<&'k Op> {
        self.definitions[self.same(id).index()]
    }

    /// The constant that it is.
    pub(super) fn constant(&self, id: ValueId) -> Option<u64> {
        match self.definition(id) {
            Some(Op::Const(bits)) => Some(*bits),
            _ => None,
        }
    }

    /// Whether its value is part of the instructions that use it.
    pub(super) fn is_known(&self, id: ValueId) -> bool {
        self.known.value(id) || self.known.value(self.same(id))
    }

    pub(super) fn ty(&self, id: ValueId) -> Ty {
        self.kernel.value(id).ty
    }

    /// Whether more than 32 of its bits have to be computed.
    pub(super) fn is_wide(&self, id: ValueId) -> bool {
        let fact = self.of(id);
        fact.bits.min(fact.demanded) > 32
    }

    /// Upper bound of its bits, and how many low ones are zero.
    fn extent(&self, op: &Op, ty: Ty) -> (u32, u32) {
        let of = |id: ValueId| (self.of(id).bits, self.of(id).zeros);
        let width = ty.bits();
        let (bits, zeros) = match *op {
            Op::Const(value) => (64 - value.leading_zeros(), value.trailing_zeros()),
            Op::Unary(UnaryOp::Not, _) | Op::FunnelLeft { .. } | Op::FunnelRight { .. } => (width, 0),
            Op::Unary(..) => (7, 0),
            Op::Binary(op, a, b) => {
                let ((a_bits, a_zeros), (b_bits, b_zeros)) = (of(a), of(b));
                let amount = self.constant(b).and_then(|amount| u32::try_from(amount).ok());
                match (op, amount) {
                    (BinaryOp::And, _) => (a_bits.min(b_bits), a_zeros.max(b_zeros)),
                    (BinaryOp::Or | BinaryOp::Xor | BinaryOp::Max, _) => {
                        (a_bits.max(b_bits), a_zeros.min(b_zeros))
                    }
                    (BinaryOp::Add, _) => (a_bits.max(b_bits) + 1, a_zeros.min(b_zeros)),
                    (BinaryOp::Mul, _) => (a_bits + b_bits, a_zeros + b_zeros),
                    (BinaryOp::Shl, Some(by)) => (a_bits + by, a_zeros + by),
                    (BinaryOp::Shl, None) => (width, a_zeros),
                    (BinaryOp::Shr, Some(by)) => (a_bits.saturating_sub(by), a_zeros.saturating_sub(by)),
                    (BinaryOp::Shr | BinaryOp::Div, _) => (a_bits, 0),
                    (BinaryOp::Min, _) => (a_bits.min(b_bits), 0),
                    (BinaryOp::Rem, _) => (b_bits, 0),
                    (BinaryOp::Sub, _) => (width, 0),
                    _ => (1, 0),
                }
            }
            Op::Cast(a) if self.ty(a) == Ty::I32 && ty == Ty::U64 => (64, 0),
            Op::Cast(a) => of(a),
            Op::Select(_, a, b) => (of(a).0.max(of(b).0), of(a).1.min(of(b).1)),
            Op::Special(Special::ThreadIdx) => (10, 0),
            Op::Special(_) => (31, 0),
            Op::Shuffle(_, a, _) => (of(a).0, 0),
            Op::Read(_) | Op::Load(..) | Op::BytePermute(..) | Op::Ballot(_) => (width, 0),
        };
        (bits.min(width), zeros.min(width))
    }

    /// Carries demand from uses to what they use, from the end of the block to its beginning.
    fn demand(&mut self, block: &'k Block, variables: &mut Vec<u32>) {
        for stmt in block.iter().rev() {
            match &stmt.kind {
                StmtKind::Let(id, op) if self.same(*id) == *id => {
                    self.demand_operands(*id, op, variables);
                }
                StmtKind::Let(..) => {}
                StmtKind::Declare(variable, Some(value)) | StmtKind::Assign(variable, value) => {
                    self.want(*value, variables[variable.index()]);
                }
                StmtKind::Store(_, index, value) => {
                    self.want(*index, 64);
                    self.want(*value, self.ty(*value).bits());
                }
                kind => {
                    for (inner, value) in kind.blocks() {
                        if let Some(value) = value {
                            let demanded = kind.results().first().map_or(64, |id| self.of(*id).demanded);
                            self.want(value, demanded);
                        }
                        self.demand(inner, variables);
                    }
                    let mut operands = Vec::new();
                    kind.for_each_operand(|operand| operands.push(operand));
                    for operand in operands {
                        self.want(operand, 64);
                    }
                }
            }
        }
    }

    fn demand_operands(&mut self, id: ValueId, op: &Op, variables: &mut [u32]) {
        let demanded = self.of(id).demanded;
        match *op {
            Op::Read(variable) => {
                let of = &mut variables[variable.index()];
                *of = (*of).max(demanded);
            }
            Op::Binary(BinaryOp::And, a, b) => {
                let mask = |id| self.constant(id).map_or(64, |mask| 64 - mask.leading_zeros());
                let (for_a, for_b) = (demanded.min(mask(b)), demanded.min(mask(a)));
                self.want(a, for_a);
                self.want(b, for_b);
            }
            Op::Binary(
                BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Or | BinaryOp::Xor,
                a,
                b,
            )
            | Op::Select(_, a, b) => {
                self.want(a, demanded);
                self.want(b, demanded);
            }
            Op::Binary(BinaryOp::Shl, a, amount) => {
                let by = self.constant(amount).and_then(|by| u32::try_from(by).ok()).unwrap_or(0);
                self.want(a, demanded.saturating_sub(by));
                self.want(amount, 32);
            }
            Op::Binary(BinaryOp::Shr, a, amount) => {
                let by = self.constant(amount).and_then(|by| u32::try_from(by).ok()).unwrap_or(64);
                self.want(a, (demanded + by).min(self.ty(a).bits()));
                self.want(amount, 32);
            }
            Op::Unary(UnaryOp::Not, a) => self.want(a, demanded),
            Op::Cast(a) if self.ty(id).bits() < self.ty(a).bits() => {
                self.want(a, demanded.min(self.ty(id).bits()));
            }
            Op::Cast(a) if self.ty(id) != Ty::Bool => self.want(a, demanded),
            Op::Shuffle(_, a, lane) => {
                self.want(a, self.ty(a).bits());
                self.want(lane, 32);
            }
            _ => {
                let mut operands = Vec::new();
                op.for_each_operand(|operand| operands.push(operand));
                for operand in operands {
                    self.want(operand, 64);
                }
            }
        }
        if let Op::Select(condition, ..) = *op {
            self.want(condition, 1);
        }
    }

    /// Somebody looks at the low `bits` bits of the value.
    fn want(&mut self, id: ValueId, bits: u32) {
        let same = self.same(id);
        let demanded = &mut self.facts[same.index()].demanded;
        *demanded = (*demanded).max(bits);
    }
}
