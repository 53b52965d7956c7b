//! Instructions as the simulated GPU runs them: names are numbers of registers, types are known, and what can be decided
//! before the kernel runs is.

/// A register of a thread. It holds no more bits than its type has.
pub(crate) type Register = u16;

/// Registers that every thread has, which tell where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Special {
    Thread = 0,
    Threads = 1,
    Block = 2,
    Blocks = 3,
    Lane = 4,
    /// Of what PTX writes as `_`.
    Sink = 5,
}

impl Special {
    pub(crate) const COUNT: usize = 6;

    pub(crate) const fn register(self) -> Register {
        self as Register
    }
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Register(Register),
    /// One of the kernel's constants.
    Constant(u16),
}

/// The type of a whole number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Type {
    pub(crate) bits: u32,
    pub(crate) is_signed: bool,
}

impl Type {
    pub(crate) fn bytes(self) -> usize {
        self.bits as usize / 8
    }

    pub(crate) fn cut(self, value: u64) -> u64 {
        if self.bits >= 64 { value } else { value & ((1 << self.bits) - 1) }
    }

    /// The value of a register of this type, with its sign if it has one.
    pub(crate) fn wide(self, value: u64) -> u64 {
        let above = 64 - self.bits;
        if self.is_signed {
            ((value << above).cast_signed() >> above).cast_unsigned()
        } else {
            self.cut(value)
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unary {
    Not,
    Negate,
    CountOnes,
    LeadingZeros,
    Reverse,
    Absolute,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binary {
    Add,
    Subtract,
    MultiplyLow,
    MultiplyHigh,
    /// The result has twice the bits.
    MultiplyWide,
    Divide,
    Remainder,
    And,
    Or,
    Xor,
    ShiftLeft,
    ShiftRight,
    Least,
    Greatest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// How a comparison is joined with another predicate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Logic {
    And,
    Or,
    Xor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Space {
    Global,
    /// Global memory through the cache that is not kept coherent.
    ReadOnly,
    Shared,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shuffle {
    Up,
    Down,
    Butterfly,
    Index,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vote {
    Ballot,
    Any,
    All,
    Uniform,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instruction {
    /// A predicate without which the instruction does nothing, and whether that is to be false.
    pub(crate) guard: Option<(Register, bool)>,
    pub(crate) op: Op,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// Copies a value, with its sign if `from` has one.
    Convert {
        to: Register,
        from: Type,
        value: Source,
        as_type: Type,
    },
    Unary {
        op: Unary,
        to: Register,
        of: Type,
        value: Source,
    },
    Binary {
        op: Binary,
        to: Register,
        of: Type,
        a: Source,
        b: Source,
    },
    /// `op(a, b) + c`, where `op` multiplies.
    MultiplyAdd {
        op: Binary,
        to: Register,
        of: Type,
        a: Source,
        b: Source,
        c: Source,
    },
    Compare {
        how: Comparison,
        to: Register,
        of: Type,
        a: Source,
        b: Source,
        and: Option<(Logic, Register, bool)>,
    },
    Select {
        to: Register,
        yes: Source,
        no: Source,
        by: Register,
    },
    /// The bytes of two words that the digits of a third name.
    Permute {
        to: Register,
        low: Source,
        high: Source,
        by: Source,
    },
    /// 32 of 64 bits, those `by` places from the upper end, or the lower if not `is_left`.
    Funnel {
        to: Register,
        low: Source,
        high: Source,
        by: Source,
        is_left: bool,
        is_clamped: bool,
    },
    /// Bits of `from` over those of `into`.
    Insert {
        to: Register,
        of: Type,
        from: Source,
        into: Source,
        start: Source,
        count: Source,
    },
    Extract {
        to: Register,
        of: Type,
        from: Source,
        start: Source,
        count: Source,
    },
    /// Any function of three bits, given as its table.
    Logic3 {
        to: Register,
        a: Source,
        b: Source,
        c: Source,
        table: u8,
    },
    /// A wide register from halves, and the other way round.
    Join {
        to: Register,
        low: Source,
        high: Source,
        half: u32,
    },
    Part {
        low: Register,
        high: Register,
        value: Source,
        half: u32,
    },
    LoadParameter {
        to: Register,
        start: u16,
        of: Type,
    },
    Load {
        to: [Register; 4],
        count: u8,
        of: Type,
        space: Space,
        base: Source,
        offset: i32,
    },
    Store {
        from: [Source; 4],
        count: u8,
        of: Type,
        space: Space,
        base: Source,
        offset: i32,
    },
    Branch {
        to: u32,
    },
    Return,
    /// Waits for all threads of the block.
    Barrier,
    /// Waits for the lanes of the mask.
    WarpSync {
        mask: Source,
    },
    Shuffle {
        how: Shuffle,
        to: Register,
        is_inside: Register,
        value: Source,
        by: Source,
        limit: Source,
        mask: Source,
    },
    Vote {
        how: Vote,
        to: Register,
        value: Register,
        is_negated: bool,
        mask: Source,
    },
}
