//! What a kernel did wrong, and where.

use crate::ir::{Kernel, Location};
use std::fmt;

/// What a kernel did wrong.
#[derive(Debug, Clone, PartialEq)]
pub enum FaultKind {
    /// An index beyond the end.
    OutOfBounds {
        /// The memory.
        memory: String,
        /// The element asked for.
        index: u64,
        /// Elements there are.
        elements: u64,
    },
    /// A read of something that was never written.
    Uninitialised {
        /// The memory or variable.
        what: String,
        /// The element, if it is a memory.
        index: Option<u64>,
    },
    /// Two threads at one place between two barriers, at least one of them writing.
    Race {
        /// The memory.
        memory: String,
        /// The element.
        index: u64,
        /// What this thread did.
        access: &'static str,
        /// What the other thread did.
        other_access: &'static str,
        /// The other thread.
        other_thread: u32,
        /// The line of Rust of what it did, if that is known.
        other_at: Option<Location>,
    },
    /// A write where another block has written.
    Overlap {
        /// The memory.
        memory: String,
        /// The element.
        index: u64,
        /// The other block.
        other_block: u32,
    },
    /// A barrier that some threads of the block do not reach.
    DivergentBarrier {
        /// Threads that are there.
        present: u32,
        /// Threads that should be.
        expected: u32,
    },
    /// An exchange between the lanes of a warp in which some do not take part.
    DivergentWarp {
        /// What the lanes do together.
        operation: &'static str,
        /// Lanes that are there.
        present: u32,
        /// Lanes that should be.
        expected: u32,
    },
    /// A shift by the width of the type or more.
    Shift {
        /// The amount.
        amount: u64,
        /// Bits of the type.
        bits: u32,
    },
    /// A division by zero.
    DivisionByZero,
    /// A quotient that its type cannot hold: the least `i32` by −1.
    DivisionOverflow,
    /// A loop that does not end.
    Endless {
        /// Rounds after which it was given up.
        rounds: u64,
    },
    /// A byte of an output that no thread wrote, though it should be written.
    NeverWritten {
        /// The output.
        memory: String,
        /// Which byte, from 0.
        byte: usize,
    },
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfBounds { memory, index, elements } => {
                write!(f, "{memory}[{index}] is out of bounds: it has {elements} elements")
            }
            Self::Uninitialised { what, index: Some(index) } => {
                write!(f, "{what}[{index}] is read, but nobody has written it")
            }
            Self::Uninitialised { what, index: None } => {
                write!(f, "variable `{what}` is read before it is assigned")
            }
            Self::Race { memory, index, access, other_access, other_thread, other_at } => {
                write!(
                    f,
                    "race: this thread {access} {memory}[{index}], which thread {other_thread} {other_access} "
                )?;
                if let Some(at) = other_at {
                    write!(f, "at {at} ")?;
                }
                f.write_str(
                    "since the last barrier: put a `barrier()` in between, or a `sync_warp()` within one warp",
                )
            }
            Self::Overlap { memory, index, other_block } => {
                write!(f, "{memory}[{index}] is written, but block {other_block} has written it too")
            }
            Self::DivergentBarrier { present, expected } => write!(
                f,
                "barrier reached by {present} of {expected} threads: move it out of the branch that only they take"
            ),
            Self::DivergentWarp { operation, present, expected } => write!(
                f,
                "{operation} reached by {present} of the warp's {expected} lanes: move it out of the branch or loop that only \
                 they are in"
            ),
            Self::Shift { amount, bits } => write!(
                f,
                "shift by {amount} of a type with {bits} bits, which has no meaning: shift by less, or by `funnel_left`, which \
                 counts modulo 32"
            ),
            Self::DivisionByZero => f.write_str("division by zero"),
            Self::DivisionOverflow => f.write_str("the least i32 divided by -1 does not fit an i32"),
            Self::Endless { rounds } => write!(f, "this loop has not ended after {rounds} rounds"),
            Self::NeverWritten { memory, byte } => {
                write!(f, "byte {byte} of {memory} is not written by any thread")
            }
        }
    }
}

/// What a kernel did wrong, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// What.
    pub kind: FaultKind,
    /// The kernel's name.
    pub kernel: String,
    /// The line of Rust.
    pub at: Option<Location>,
    /// If that is in a device function: where it was called, and the one that called it, and so on.
    pub callers: Vec<Location>,
    /// The block, unless it concerns the whole launch.
    pub block: Option<u32>,
    /// The thread within the block, unless it concerns the whole block.
    pub thread: Option<u32>,
}

impl Fault {
    /// A fault of the launch as a whole.
    pub(super) fn whole_launch(kernel: &Kernel, at: Option<Location>, kind: FaultKind) -> Self {
        Self { kind, kernel: kernel.name.clone(), at, callers: Vec::new(), block: None, thread: None }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(at) = self.at {
            write!(f, "{at}: ")?;
        }
        for caller in &self.callers {
            write!(f, "called from {caller}: ")?;
        }
        write!(f, "kernel `{}`", self.kernel)?;
        if let Some(block) = self.block {
            write!(f, ", block {block}")?;
        }
        if let Some(thread) = self.thread {
            write!(f, ", thread {thread}")?;
        }
        write!(f, ": {}", self.kind)
    }
}

impl std::error::Error for Fault {}
