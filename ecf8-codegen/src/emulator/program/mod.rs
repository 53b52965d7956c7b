//! The IR with registers instead of values: what is known for the whole launch has a register that is set once, and a
//! register is used again when its value is no longer needed.

mod lower;

use crate::ir::{BinaryOp, Kernel, Location, MemoryId, Shuffle, Special, Ty, UnaryOp, VarId};

/// Names a register.
pub(super) type Register = usize;

/// What is in a register before the block starts.
#[derive(Debug, Clone, Copy)]
pub(super) enum Preset {
    Constant(u64),
    /// The n-th scalar parameter.
    Scalar(usize),
    Special(Special),
}

/// One instruction.
#[derive(Debug)]
pub(super) enum Instruction {
    Unary {
        op: UnaryOp,
        ty: Ty,
        to: Register,
        a: Register,
    },
    Binary {
        op: BinaryOp,
        ty: Ty,
        to: Register,
        a: Register,
        b: Register,
    },
    Cast {
        from: Ty,
        ty: Ty,
        to: Register,
        a: Register,
    },
    Select {
        to: Register,
        condition: Register,
        a: Register,
        b: Register,
    },
    Load {
        memory: MemoryId,
        width: usize,
        to: Register,
        index: Register,
    },
    Read {
        variable: VarId,
        to: Register,
        from: Register,
    },
    Declare {
        variable: VarId,
    },
    Assign {
        variable: VarId,
        to: Register,
        from: Register,
    },
    Store {
        memory: MemoryId,
        width: usize,
        index: Register,
        from: Register,
    },
    LoadVector {
        memory: MemoryId,
        width: usize,
        index: Register,
        to: Vec<Register>,
    },
    StoreVector {
        memory: MemoryId,
        width: usize,
        index: Register,
        from: Vec<Register>,
    },
    /// A function of three registers.
    Ternary {
        op: Ternary,
        to: Register,
        of: [Register; 3],
    },
    Ballot {
        to: Register,
        condition: Register,
    },
    Shuffle {
        how: Shuffle,
        to: Register,
        value: Register,
        lane: Register,
    },
    Choose {
        to: Register,
        condition: Register,
        then: ArmCode,
        otherwise: ArmCode,
    },
    If {
        condition: Register,
        then: Code,
        otherwise: Code,
    },
    While {
        condition: ArmCode,
        body: Code,
    },
    For {
        ty: Ty,
        index: Register,
        from: Register,
        limit: Register,
        step: Register,
        body: Code,
    },
    Break,
    Continue,
    Return,
    Barrier,
    WarpBarrier,
}

/// What a [`Instruction::Ternary`] computes in each lane.
pub(super) type Ternary = fn(u64, u64, u64) -> u64;

/// An instruction, the statement that it comes from, and where that was written.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) instruction: Instruction,
    pub(super) at: Location,
    /// The statement's number, counted from 0 in the order of the text, those inside another after it.
    pub(super) statement: usize,
}

/// Instructions in order.
pub(super) type Code = Vec<Step>;

/// Instructions and the register of their result.
#[derive(Debug)]
pub(super) struct ArmCode {
    pub(super) code: Code,
    pub(super) result: Register,
}

/// A kernel ready to run.
#[derive(Debug)]
pub(super) struct Program<'k> {
    pub(super) kernel: &'k Kernel,
    pub(super) code: Code,
    pub(super) presets: Vec<(Register, Preset)>,
    pub(super) registers: usize,
    /// Statements of the kernel, inner ones included.
    pub(super) statements: usize,
}
