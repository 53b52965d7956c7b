//! What one instruction computes, and its meaning on bit patterns: the single definition that the builder folds
//! constants with and the emulator agrees with.

use super::types::Ty;
use super::{MemoryId, ValueId, VarId};

/// Operations on two values of one type (shifts take a `u32` amount).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    /// Wrapping sum.
    Add,
    /// Wrapping difference.
    Sub,
    /// Wrapping product.
    Mul,
    /// Quotient, towards zero.
    Div,
    /// Remainder.
    Rem,
    /// Bitwise and.
    And,
    /// Bitwise or.
    Or,
    /// Bitwise exclusive or.
    Xor,
    /// Left shift; an amount of the width or more is an error.
    Shl,
    /// Right shift (arithmetic for `i32`); an amount of the width or more is an error.
    Shr,
    /// The smaller.
    Min,
    /// The larger.
    Max,
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
}

impl BinaryOp {
    /// Whether the result is a `bool`.
    pub fn is_comparison(self) -> bool {
        matches!(self, Self::Eq | Self::Ne | Self::Lt | Self::Le | Self::Gt | Self::Ge)
    }

    /// Whether the right operand is a `u32` shift amount.
    pub fn is_shift(self) -> bool {
        matches!(self, Self::Shl | Self::Shr)
    }
}

/// Operations on one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnaryOp {
    /// Bitwise complement; logical negation of a `bool`.
    Not,
    /// Number of set bits, as `u32`.
    CountOnes,
    /// Number of zero bits above the highest set bit, as `u32`.
    LeadingZeros,
}

/// From which lane of its warp a thread takes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shuffle {
    /// The lane of this number, modulo 32.
    Index,
    /// The lane this many below its own; its own value if there is none.
    Up,
    /// The lane this many above its own; its own value if there is none.
    Down,
    /// The lane whose number differs in these bits.
    Xor,
}

/// Where a thread stands in the launch. All are `u32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Special {
    /// Index of the thread within its block.
    ThreadIdx,
    /// Index of the block within the grid.
    BlockIdx,
    /// Number of blocks.
    GridDim,
}

/// What defines a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// A constant bit pattern.
    Const(u64),
    /// One operand.
    Unary(UnaryOp, ValueId),
    /// Two operands.
    Binary(BinaryOp, ValueId, ValueId),
    /// Conversion to the result's type: truncation or zero extension (sign extension from `i32`); to `bool`: not zero.
    Cast(ValueId),
    /// `condition ? then : otherwise`, both evaluated.
    Select(ValueId, ValueId, ValueId),
    /// The present value of a variable.
    Read(VarId),
    /// The element of a memory at an index, both in units of the result's type, which may differ from the memory's.
    Load(MemoryId, ValueId),
    /// A coordinate of the thread.
    Special(Special),
    /// The upper 32 bits of the 64 bits `high:low` shifted left by `amount` modulo 32.
    FunnelLeft {
        /// The upper half, a `u32`.
        high: ValueId,
        /// The lower half, a `u32`.
        low: ValueId,
        /// A `u32`.
        amount: ValueId,
    },
    /// The lower 32 bits of the 64 bits `high:low` shifted right by `amount` modulo 32.
    FunnelRight {
        /// The upper half, a `u32`.
        high: ValueId,
        /// The lower half, a `u32`.
        low: ValueId,
        /// A `u32`.
        amount: ValueId,
    },
    /// Four bytes of eight: nibble `n` of the third operand names the byte of `second:first` that becomes byte `n`.
    BytePermute(ValueId, ValueId, ValueId),
    /// A bit per lane of the warp: where the condition holds. All lanes take part.
    Ballot(ValueId),
    /// The value that another lane of the warp passes; the last operand is a `u32`. All lanes take part.
    Shuffle(Shuffle, ValueId, ValueId),
}

impl Op {
    /// Calls `f` with each value this operation uses.
    pub fn for_each_operand(&self, mut f: impl FnMut(ValueId)) {
        match *self {
            Op::Const(_) | Op::Read(_) | Op::Special(_) => {}
            Op::Unary(_, a) | Op::Cast(a) | Op::Load(_, a) | Op::Ballot(a) => f(a),
            Op::Binary(_, a, b) | Op::Shuffle(_, a, b) => {
                f(a);
                f(b);
            }
            Op::Select(a, b, c)
            | Op::BytePermute(a, b, c)
            | Op::FunnelLeft { high: a, low: b, amount: c }
            | Op::FunnelRight { high: a, low: b, amount: c } => {
                f(a);
                f(b);
                f(c);
            }
        }
    }
}

/// `a op b` on operands of type `ty`; `None` where it has no value (division by zero, shift by the width or more).
#[inline]
pub fn binary(ty: Ty, op: BinaryOp, a: u64, b: u64) -> Option<u64> {
    let signed = |x: u64| i64::from(low_i32(x));
    let ordered = |less: fn(&i64, &i64) -> bool, unsigned_less: fn(&u64, &u64) -> bool| {
        u64::from(if ty == Ty::I32 { less(&signed(a), &signed(b)) } else { unsigned_less(&a, &b) })
    };
    let wide = match op {
        BinaryOp::Add => a.wrapping_add(b),
        BinaryOp::Sub => a.wrapping_sub(b),
        BinaryOp::Mul => a.wrapping_mul(b),
        BinaryOp::Div if ty == Ty::I32 => low_i32(a).checked_div(low_i32(b))?.cast_unsigned().into(),
        BinaryOp::Rem if ty == Ty::I32 => low_i32(a).checked_rem(low_i32(b))?.cast_unsigned().into(),
        BinaryOp::Div => a.checked_div(b)?,
        BinaryOp::Rem => a.checked_rem(b)?,
        BinaryOp::And => a & b,
        BinaryOp::Or => a | b,
        BinaryOp::Xor => a ^ b,
        BinaryOp::Shl | BinaryOp::Shr if b >= u64::from(ty.bits()) => return None,
        BinaryOp::Shl => a << b,
        BinaryOp::Shr if ty == Ty::I32 => (low_i32(a) >> b).cast_unsigned().into(),
        BinaryOp::Shr => a >> b,
        BinaryOp::Min if ty == Ty::I32 => low_i32(a).min(low_i32(b)).cast_unsigned().into(),
        BinaryOp::Max if ty == Ty::I32 => low_i32(a).max(low_i32(b)).cast_unsigned().into(),
        BinaryOp::Min => a.min(b),
        BinaryOp::Max => a.max(b),
        BinaryOp::Eq => u64::from(a == b),
        BinaryOp::Ne => u64::from(a != b),
        BinaryOp::Lt => ordered(i64::lt, u64::lt),
        BinaryOp::Le => ordered(i64::le, u64::le),
        BinaryOp::Gt => ordered(i64::gt, u64::gt),
        BinaryOp::Ge => ordered(i64::ge, u64::ge),
    };
    Some(if op.is_comparison() { wide } else { wide & ty.mask() })
}

/// `op a` on an operand of type `ty`.
#[inline]
pub fn unary(ty: Ty, op: UnaryOp, a: u64) -> u64 {
    match op {
        UnaryOp::Not => !a & ty.mask(),
        UnaryOp::CountOnes => a.count_ones().into(),
        UnaryOp::LeadingZeros => u64::from(a.leading_zeros()) - (64 - u64::from(ty.bits())),
    }
}

/// The conversion of `a` from type `from` to type `to`.
#[inline]
pub fn cast(from: Ty, to: Ty, a: u64) -> u64 {
    match (from, to) {
        (_, Ty::Bool) => u64::from(a != 0),
        (Ty::I32, Ty::U64) => i64::from(low_i32(a)).cast_unsigned(),
        _ => a & to.mask(),
    }
}

/// [`Op::FunnelLeft`].
#[inline]
pub fn funnel_left(high: u64, low: u64, amount: u64) -> u64 {
    ((high << 32 | low) << (amount & 31)) >> 32
}

/// [`Op::FunnelRight`].
#[inline]
pub fn funnel_right(high: u64, low: u64, amount: u64) -> u64 {
    ((high << 32 | low) >> (amount & 31)) & Ty::U32.mask()
}

/// [`Op::BytePermute`]. As in CUDA, the fourth bit of a nibble is not used.
#[inline]
pub fn byte_permute(first: u64, second: u64, selector: u64) -> u64 {
    let bytes = second << 32 | first;
    (0..4).fold(0, |out, n| {
        let from = selector >> (4 * n) & 7;
        out | (bytes >> (8 * from) & 0xff) << (8 * n)
    })
}

/// The low 32 bits as a signed number.
#[inline]
#[allow(clippy::cast_possible_truncation)] // dropping the high half is what this is for
fn low_i32(x: u64) -> i32 {
    (x as u32).cast_signed()
}
