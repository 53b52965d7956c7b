//! Which instructions each statement issues: a table of operations, and three rules.
//!
//! 1. A statement costs what the table says each time that a warp executes it. A compiler computes some things once
//!    instead of twice, or before a loop; others it computes again to save registers. The two about cancel out.
//! 2. Constants, coordinates, variables and conversions to another width are part of the instruction that uses them.
//! 3. A result that a single other operation uses is free where one instruction does both ([`Values::one_does_both`]).
//!
//! The table counts instructions of SASS as NVRTC emits them for sm_90; sm_80 to sm_120 differ little. Registers have
//! 32 bits, so most operations on 64 take two instructions. OPTIMIZATION.md compares the sums with machine code.

use super::class::{Class, Counts};
use super::each_statement;
use crate::ir::{BinaryOp, Kernel, MemoryId, Op, Space, Stmt, StmtKind, Ty, UnaryOp, ValueId};

/// A branch around a block, or a jump.
const JUMP: Counts = Counts::of(Class::Branch, 1.0);

/// The instructions that each statement issues each time it is executed, and in each round of a loop, in the order of
/// [`Trace::statements`](crate::emulator::Trace::statements).
pub(super) fn table(kernel: &Kernel) -> Vec<[Counts; 2]> {
    let values = Values::new(kernel);
    let mut table = Vec::new();
    each_statement(kernel, |_, stmt| table.push([values.statement(stmt), each_round(&stmt.kind)]));
    table
}

/// What a round of a loop costs beside its body.
fn each_round(kind: &StmtKind) -> Counts {
    match kind {
        StmtKind::While { .. } => JUMP,
        StmtKind::For { .. } => JUMP + Counts::of(Class::Integer, 1.0) + Counts::of(Class::Compare, 1.0),
        _ => Counts::NONE,
    }
}

/// What is to know of a kernel's values.
struct Values<'k> {
    kernel: &'k Kernel,
    /// Per value: the operation that defines it.
    operations: Vec<Option<&'k Op>>,
    /// Per value: whether the instruction that uses it computes it on the side.
    is_free: Vec<bool>,
}

impl<'k> Values<'k> {
    fn new(kernel: &'k Kernel) -> Self {
        let count = kernel.values.len();
        let mut values = Self { kernel, operations: vec![None; count], is_free: vec![false; count] };
        let mut uses = vec![0_u32; count];
        each_statement(kernel, |_, stmt| {
            if let StmtKind::Let(id, op) = &stmt.kind {
                values.operations[id.index()] = Some(op);
            }
            if !values.is_conversion(stmt) {
                stmt.kind.for_each_operand(|id| uses[values.source(id).index()] += 1);
            }
            for value in stmt.kind.blocks().into_iter().filter_map(|(_, value)| value) {
                uses[value.index()] += 1;
            }
        });
        let mut does_two = vec![false; count];
        each_statement(kernel, |_, stmt| {
            let StmtKind::Let(id, op) = &stmt.kind else { return };
            let mut operands = Vec::new();
            op.for_each_operand(|operand| operands.push(values.source(operand)));
            let joined = operands.into_iter().find(|inner| {
                // One instruction does two operations, not three.
                uses[inner.index()] == 1 && !does_two[inner.index()] && values.one_does_both(*inner, *id)
            });
            if let Some(inner) = joined {
                (values.is_free[inner.index()], does_two[id.index()]) = (true, true);
            }
        });
        values
    }

    fn ty(&self, id: ValueId) -> Ty {
        self.kernel.value(id).ty
    }

    fn operation(&self, id: ValueId) -> Option<&'k Op> {
        self.operations[id.index()]
    }

    /// The constant that the value is.
    fn constant(&self, id: ValueId) -> Option<u64> {
        match self.operation(id) {
            Some(Op::Const(bits)) => Some(*bits),
            _ => None,
        }
    }

    /// Whether the statement only takes a number as one of another width.
    fn is_conversion(&self, stmt: &Stmt) -> bool {
        matches!(stmt.kind, StmtKind::Let(id, Op::Cast(from)) if self.is_free_cast(from, id))
    }

    /// All conversions but those from and to truth values and those that spread a sign.
    fn is_free_cast(&self, from: ValueId, to: ValueId) -> bool {
        !matches!((self.ty(from), self.ty(to)), (Ty::Bool, _) | (_, Ty::Bool) | (Ty::I32, Ty::U64))
    }

    /// The value before conversions that are free.
    fn source(&self, mut id: ValueId) -> ValueId {
        while let Some(Op::Cast(from)) = self.operation(id)
            && self.is_free_cast(*from, id)
        {
            id = *from;
        }
        id
    }

    /// Whether one instruction does two operations: `LOP3` any logic of three inputs, `IADD3` sums of 32 bits, `IMAD` a
    /// product and a sum, `LEA` a shift and a sum; and a comparison joins its result to another's.
    fn one_does_both(&self, inner: ValueId, outer: ValueId) -> bool {
        use BinaryOp::{Add, And, Mul, Or, Shl, Sub, Xor};
        let (Some(Op::Binary(outer_op, ..)), Some(Op::Binary(inner_op, _, right))) =
            (self.operation(outer), self.operation(inner))
        else {
            return false;
        };
        match (outer_op, inner_op) {
            (And | Or | Xor, And | Or | Xor) | (Add | Sub, Mul) => true,
            (And | Or | Xor, comparison) => comparison.is_comparison(),
            (Add | Sub, Shl) => self.constant(*right).is_some(),
            (Add | Sub, Add | Sub) => self.ty(outer) != Ty::U64,
            _ => false,
        }
    }

    /// What a statement costs each time, without the blocks inside it.
    fn statement(&self, stmt: &Stmt) -> Counts {
        let bytes = |values: &[ValueId]| values.iter().map(|id| self.ty(*id).bytes()).sum();
        match &stmt.kind {
            StmtKind::Let(id, _) if self.is_free[id.index()] => Counts::NONE,
            StmtKind::Let(id, op) => self.operation_costs(*id, op),
            StmtKind::LoadVector { results, memory, index } => {
                self.access(*memory, *index, bytes(results), false)
            }
            StmtKind::Store(memory, index, value) => self.access(*memory, *index, bytes(&[*value]), true),
            StmtKind::StoreVector { memory, index, values } => {
                self.access(*memory, *index, bytes(values), true)
            }
            StmtKind::If { .. }
            | StmtKind::Choose { .. }
            | StmtKind::Break
            | StmtKind::Continue
            | StmtKind::Return => JUMP,
            StmtKind::Barrier | StmtKind::WarpBarrier => Counts::of(Class::Barrier, 1.0),
            StmtKind::Declare(..)
            | StmtKind::Assign(..)
            | StmtKind::While { .. }
            | StmtKind::For { .. }
            | StmtKind::Comment(_) => Counts::NONE,
        }
    }

    /// The table.
    fn operation_costs(&self, id: ValueId, op: &Op) -> Counts {
        use BinaryOp::{Add, And, Div, Max, Min, Mul, Or, Rem, Shl, Shr, Sub, Xor};
        let halves = |id| if self.ty(id) == Ty::U64 { 2.0 } else { 1.0 };
        let width = halves(id);
        match *op {
            Op::Const(_) | Op::Read(_) | Op::Special(_) => Counts::NONE,
            Op::Cast(from) if self.is_free_cast(from, id) => Counts::NONE,
            // A comparison with 0; `SEL` of 1 and 0; `SHF` for the sign.
            Op::Cast(from) if self.ty(id) == Ty::Bool => Counts::of(Class::Compare, halves(from)),
            Op::Cast(from) if self.ty(from) == Ty::Bool => Counts::of(Class::Compare, 1.0),
            Op::Cast(_) => Counts::of(Class::Shift, 1.0),
            Op::Load(memory, index) => self.access(memory, index, self.ty(id).bytes(), false),
            // Predicates are taken negated; and joined by `PLOP3`, or by a comparison.
            Op::Unary(UnaryOp::Not, _) if self.ty(id) == Ty::Bool => Counts::NONE,
            Op::Binary(And | Or | Xor, ..) if self.ty(id) == Ty::Bool => Counts::of(Class::Compare, 1.0),
            // `POPC`, and `FLO`, which counts from the other end.
            Op::Unary(UnaryOp::Not, _) => Counts::of(Class::Integer, width),
            Op::Unary(UnaryOp::CountOnes, a) => Counts::of(Class::Integer, 2.0 * halves(a) - 1.0),
            Op::Unary(UnaryOp::LeadingZeros, a) => Counts::of(Class::Integer, 2.0 * halves(a)),
            Op::Binary(Add | Sub | And | Or | Xor, ..) => Counts::of(Class::Integer, width),
            // A shift by 32 only renames registers.
            Op::Binary(Shl | Shr, _, amount) if self.constant(amount) == Some(32) => Counts::NONE,
            Op::Binary(Shl | Shr, ..) => Counts::of(Class::Shift, width),
            Op::Binary(Mul | Div, _, b) if self.is_power_of_two(b) => Counts::of(Class::Shift, width),
            Op::Binary(Rem, _, b) if self.is_power_of_two(b) => Counts::of(Class::Integer, width),
            Op::Binary(Mul, ..) => Counts::of(Class::Multiply, width),
            // The high half of a product with the reciprocal; else the reciprocal in floating point and its correction.
            Op::Binary(Div | Rem, _, b) if self.constant(b).is_some() => {
                Counts::of(Class::Multiply, 2.0 * width)
            }
            Op::Binary(Div | Rem, ..) => Counts::of(Class::Multiply, 16.0 * width),
            // Of 64 bits, a comparison and a selection per half.
            Op::Binary(Min | Max, ..) => Counts::of(Class::Compare, width * width),
            Op::Binary(_, a, _) => Counts::of(Class::Compare, halves(a)),
            Op::Select(..) => Counts::of(Class::Compare, width),
            Op::FunnelLeft { .. } | Op::FunnelRight { .. } | Op::BytePermute(..) => {
                Counts::of(Class::Shift, 1.0)
            }
            Op::Ballot(_) => Counts::of(Class::Warp, 1.0),
            Op::Shuffle(..) => Counts::of(Class::Warp, width),
        }
    }

    fn is_power_of_two(&self, id: ValueId) -> bool {
        self.constant(id).is_some_and(u64::is_power_of_two)
    }

    /// An access of up to 16 bytes per lane, and its address: `IMAD.WIDE` of index and base in global memory, or two
    /// sums where the index has 64 bits or counts bytes; elsewhere `IMAD` or `LEA`.
    fn access(&self, memory: MemoryId, index: ValueId, bytes: usize, stores: bool) -> Counts {
        let (class, is_far) = match (&self.kernel.memory(memory).space, stores) {
            (Space::Global { .. }, false) => (Class::GlobalLoad, true),
            (Space::Global { .. }, true) => (Class::GlobalStore, true),
            (Space::Shared { .. } | Space::DynamicShared, false) => (Class::SharedLoad, false),
            (Space::Shared { .. } | Space::DynamicShared, true) => (Class::SharedStore, false),
            (Space::Table { in_constant_memory, .. }, _) => (Class::Table, !in_constant_memory),
        };
        let address = match (self.constant(index), is_far) {
            (Some(_), _) => Counts::NONE,
            (None, true) if bytes > 1 && self.ty(index) != Ty::U64 => Counts::of(Class::Multiply, 1.0),
            (None, true) => Counts::of(Class::Integer, 2.0),
            (None, false) => Counts::of(Class::Multiply, 1.0),
        };
        address + Counts::of(class, 1.0)
    }
}
