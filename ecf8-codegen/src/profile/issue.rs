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
use crate::ir::{BinaryOp, Block, Kernel, MemoryId, Op, Space, Stmt, StmtKind, Ty, UnaryOp, ValueId};

/// A branch around a block, or a jump.
const JUMP: Counts = Counts::of(Class::Branch, 1.0);

/// Instructions of a block at most if there is to be no branch around it.
const MOST_PREDICATED: f64 = 8.0;

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
    /// Per value: the other one that the instruction which computes it computes besides.
    joined: Vec<Option<ValueId>>,
}

impl<'k> Values<'k> {
    fn new(kernel: &'k Kernel) -> Self {
        let count = kernel.values.len();
        let mut values = Self {
            kernel,
            operations: vec![None; count],
            is_free: vec![false; count],
            joined: vec![None; count],
        };
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
        each_statement(kernel, |_, stmt| {
            let Some((memory, index, bytes)) = values.accessed(&stmt.kind) else { return };
            if values.is_near(memory) {
                for id in values.in_address(index, bytes).0 {
                    values.is_free[id.index()] = true;
                }
            }
        });
        each_statement(kernel, |_, stmt| {
            let StmtKind::Let(id, op) = &stmt.kind else { return };
            let mut operands = Vec::new();
            op.for_each_operand(|operand| operands.push(values.source(operand)));
            let joined = operands.into_iter().find(|inner| {
                // One instruction does two operations, not three.
                uses[inner.index()] == 1
                    && values.joined[inner.index()].is_none()
                    && values.one_does_both(*inner, *id)
            });
            if let Some(inner) = joined {
                (values.is_free[inner.index()], values.joined[id.index()]) = (true, Some(inner));
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

    /// The memory that a statement loads from or stores to, the index, and the bytes that it counts in.
    fn accessed(&self, kind: &StmtKind) -> Option<(MemoryId, ValueId, usize)> {
        let bytes = |values: &[ValueId]| values.iter().map(|id| self.ty(*id).bytes()).sum();
        Some(match kind {
            StmtKind::Let(id, Op::Load(memory, index)) => (*memory, *index, self.ty(*id).bytes()),
            StmtKind::Store(memory, index, value) => (*memory, *index, self.ty(*value).bytes()),
            StmtKind::LoadVector { results, memory, index } => (*memory, *index, bytes(results)),
            StmtKind::StoreVector { memory, index, values } => (*memory, *index, bytes(values)),
            _ => return None,
        })
    }

    fn is_near(&self, memory: MemoryId) -> bool {
        matches!(self.kernel.memory(memory).space, Space::Shared { .. } | Space::DynamicShared)
    }

    /// What of an index takes no instruction, being part of the access: the sum with a constant; and where that leaves bytes
    /// divided by how many an element has, the division, and then, which is also told, so is the address.
    fn in_address(&self, mut index: ValueId, bytes: usize) -> (Vec<ValueId>, bool) {
        let mut free = Vec::new();
        while let Some(Op::Binary(BinaryOp::Add, left, right)) = self.operation(index)
            && self.constant(*right).is_some()
        {
            free.push(index);
            index = *left;
        }
        let is_in_bytes = matches!(self.operation(index),
            Some(Op::Binary(BinaryOp::Div, _, by)) if self.constant(*by) == Some(bytes as u64));
        if is_in_bytes {
            free.push(index);
        }
        (free, is_in_bytes)
    }

    /// Whether compilers make no branch around a block, but have its instructions executed where a condition holds.
    fn is_predicated(&self, block: &Block) -> bool {
        let is_simple = |stmt: &Stmt| match &stmt.kind {
            StmtKind::Let(_, op) => !matches!(op, Op::Ballot(_) | Op::Shuffle(..)),
            StmtKind::LoadVector { .. } | StmtKind::Store(..) | StmtKind::StoreVector { .. } => true,
            StmtKind::Assign(..) | StmtKind::Declare(..) | StmtKind::Comment(_) => true,
            _ => false,
        };
        let costs = |stmt: &Stmt| self.statement(stmt).total();
        block.iter().all(is_simple) && block.iter().map(costs).sum::<f64>() <= MOST_PREDICATED
    }

    /// The assignments of a block that a condition holds for which copy a register, by `IMAD.MOV`: of what is loaded or another
    /// variable's. What is computed goes to its place at once.
    fn moves(&self, block: &Block) -> f64 {
        let is_move = |stmt: &&Stmt| match &stmt.kind {
            StmtKind::Assign(_, value) => {
                matches!(self.operation(self.source(*value)), Some(Op::Read(_) | Op::Load(..)))
            }
            _ => false,
        };
        block.iter().filter(is_move).map(|_| 1.0).sum()
    }

    /// What a statement costs each time, without the blocks inside it.
    fn statement(&self, stmt: &Stmt) -> Counts {
        match &stmt.kind {
            StmtKind::Let(id, _) if self.is_free[id.index()] => Counts::NONE,
            StmtKind::Let(_, Op::Load(..)) => self.access(&stmt.kind, false),
            StmtKind::Let(id, op) => self.operation_costs(*id, op),
            StmtKind::LoadVector { .. } => self.access(&stmt.kind, false),
            StmtKind::Store(..) | StmtKind::StoreVector { .. } => self.access(&stmt.kind, true),
            StmtKind::If { then, otherwise, .. } if otherwise.is_empty() && self.is_predicated(then) => {
                Counts::of(Class::Multiply, self.moves(then))
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
        use BinaryOp::{Add, And, Div, Eq, Max, Min, Mul, Ne, Or, Rem, Shl, Shr, Sub, Xor};
        let halves = |id| if self.ty(id) == Ty::U64 { 2.0 } else { 1.0 };
        let width = halves(id);
        match *op {
            // Of loads, see `access`.
            Op::Const(_) | Op::Read(_) | Op::Special(_) | Op::Load(..) => Counts::NONE,
            Op::Cast(from) if self.is_free_cast(from, id) => Counts::NONE,
            // A comparison with 0; `SEL` of 1 and 0; `SHF` for the sign.
            Op::Cast(from) if self.ty(id) == Ty::Bool => Counts::of(Class::Compare, halves(from)),
            Op::Cast(from) if self.ty(from) == Ty::Bool => Counts::of(Class::Compare, 1.0),
            Op::Cast(_) => Counts::of(Class::Shift, 1.0),
            // Predicates are taken negated; and joined by `PLOP3`, or by a comparison.
            Op::Unary(UnaryOp::Not, _) if self.ty(id) == Ty::Bool => Counts::NONE,
            Op::Binary(And | Or | Xor, ..) if self.ty(id) == Ty::Bool => Counts::of(Class::Compare, 1.0),
            // `POPC`, and `FLO`, which counts from the other end.
            Op::Unary(UnaryOp::Not, _) => Counts::of(Class::Integer, width),
            Op::Unary(UnaryOp::CountOnes, a) => Counts::of(Class::Integer, 2.0 * halves(a) - 1.0),
            Op::Unary(UnaryOp::LeadingZeros, a) => Counts::of(Class::Integer, 2.0 * halves(a)),
            // `IMAD`, which leaves the lanes for integers to others, as compilers do where they can.
            Op::Binary(Add | Sub, ..) if width == 1.0 && self.is_multiply(id) => {
                Counts::of(Class::Multiply, 1.0)
            }
            Op::Binary(Shl, _, amount) if width == 1.0 && self.constant(amount).is_some() => {
                Counts::of(Class::Multiply, 1.0)
            }
            Op::Binary(Mul, _, b) if width == 1.0 && self.is_power_of_two(b) => {
                Counts::of(Class::Multiply, 1.0)
            }
            Op::Binary(Add | Sub | And | Or | Xor, ..) => Counts::of(Class::Integer, width),
            // A shift by 32 only renames registers.
            Op::Binary(Shl | Shr, _, amount) if self.constant(amount) == Some(32) => Counts::NONE,
            // `LOP3` tells whether its result is 0 as well.
            Op::Binary(Eq | Ne, a, b) if self.constant(b) == Some(0) && self.is_logic(a) => Counts::NONE,
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

    /// Whether a sum of 32 bits is an `IMAD`: of two numbers, or of a product and a number.
    fn is_multiply(&self, id: ValueId) -> bool {
        let Some(inner) = self.joined[id.index()] else { return true };
        matches!(self.operation(inner), Some(Op::Binary(BinaryOp::Mul, ..)))
    }

    /// Whether a number of 32 bits is made by logic.
    fn is_logic(&self, id: ValueId) -> bool {
        use BinaryOp::{And, Or, Xor};
        self.ty(id) != Ty::Bool
            && self.ty(id) != Ty::U64
            && matches!(self.operation(id), Some(Op::Binary(And | Or | Xor, ..)))
    }

    fn is_power_of_two(&self, id: ValueId) -> bool {
        self.constant(id).is_some_and(u64::is_power_of_two)
    }

    /// An access of up to 16 bytes per lane, and its address: `IMAD.WIDE` of index and base in global memory, or two
    /// sums where the index has 64 bits or counts bytes; elsewhere `IMAD` or `LEA`.
    fn access(&self, kind: &StmtKind, stores: bool) -> Counts {
        let Some((memory, index, bytes)) = self.accessed(kind) else { return Counts::NONE };
        let (class, is_far) = match (&self.kernel.memory(memory).space, stores) {
            (Space::Global { .. }, false) => (Class::GlobalLoad, true),
            (Space::Global { .. }, true) => (Class::GlobalStore, true),
            (Space::Shared { .. } | Space::DynamicShared, false) => (Class::SharedLoad, false),
            (Space::Shared { .. } | Space::DynamicShared, true) => (Class::SharedStore, false),
            (Space::Table { in_constant_memory, .. }, _) => (Class::Table, !in_constant_memory),
        };
        let address = match (self.constant(index), is_far) {
            (Some(_), _) => Counts::NONE,
            (None, false) if self.in_address(index, bytes).1 => Counts::NONE,
            (None, true) if bytes > 1 && self.ty(index) != Ty::U64 => Counts::of(Class::Multiply, 1.0),
            (None, true) => Counts::of(Class::Integer, 2.0),
            (None, false) => Counts::of(Class::Multiply, 1.0),
        };
        address + Counts::of(class, 1.0)
    }
}
