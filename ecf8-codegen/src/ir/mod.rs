//! The typed intermediate representation of a kernel: a tree of statements over values, variables and memories.
//!
//! A *value* is defined once, by one [`Op`], and never changes. A *variable* is declared once and assigned often. A
//! *memory* is an array: a kernel parameter in global memory, a shared array, or a constant table. Control flow is
//! structured; every statement remembers the line of Rust that it was written on.

mod builder;
mod op;
mod prune;
mod scope;
mod types;

pub use builder::{BuildErrors, Builder};
pub use op::{
    BinaryOp, Op, Shuffle, Special, UnaryOp, binary, byte_permute, cast, funnel_left, funnel_right, unary,
};
pub use types::Ty;

use std::fmt;

/// Names a value: an index into [`Kernel::values`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(pub(crate) usize);

/// Names a variable: an index into [`Kernel::variables`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VarId(pub(crate) usize);

/// Names a memory: an index into [`Kernel::memories`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemoryId(pub(crate) usize);

impl ValueId {
    /// Position in [`Kernel::values`].
    pub fn index(self) -> usize {
        self.0
    }
}
impl VarId {
    /// Position in [`Kernel::variables`].
    pub fn index(self) -> usize {
        self.0
    }
}
impl MemoryId {
    /// Position in [`Kernel::memories`].
    pub fn index(self) -> usize {
        self.0
    }
}

/// Names a call of a device function: an index into [`Kernel::calls`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub(crate) usize);

/// The place in the Rust source that something was written at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Location {
    /// Path of the source file, as the compiler was given it.
    pub file: &'static str,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
    /// The call that made it part of the kernel, if it is in a device function.
    pub call: Option<CallId>,
}

impl Location {
    /// The place of the caller of the caller: put `#[track_caller]` on every function in between.
    #[track_caller]
    pub fn here() -> Self {
        let at = std::panic::Location::caller();
        Self { file: at.file(), line: at.line(), column: at.column(), call: None }
    }
}

/// Where the device function that holds `at` was called, where the function around that call was, and so on.
fn callers(calls: &[Location], at: Location) -> Vec<Location> {
    std::iter::successors(Some(at), |at| calls.get(at.call?.0).copied()).skip(1).collect()
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// A value's type and the name its author gave it, if any.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// Type.
    pub ty: Ty,
    /// The author's name for it.
    pub name: Option<String>,
    /// Whether the author wrote it on a line of its own, as a `let` or a parameter of the kernel.
    pub is_let: bool,
}

/// A mutable variable, private to each thread.
#[derive(Clone, Debug, PartialEq)]
pub struct Variable {
    /// Type.
    pub ty: Ty,
    /// The author's name for it.
    pub name: String,
}

/// An array.
#[derive(Clone, Debug, PartialEq)]
pub struct Memory {
    /// The author's name for it.
    pub name: String,
    /// Type of one element.
    pub ty: Ty,
    /// Where it lives.
    pub space: Space,
}

/// Where a memory lives, who may write it, and how long it is.
#[derive(Clone, Debug, PartialEq)]
pub enum Space {
    /// A buffer in global memory, passed as a kernel parameter.
    Global {
        /// Whether the kernel may store to it.
        writable: bool,
    },
    /// An array of `elements` in shared memory.
    Shared {
        /// Length in elements.
        elements: usize,
    },
    /// Shared memory whose size is given at launch. At most one per kernel.
    DynamicShared,
    /// A constant table, compiled into the kernel.
    Table {
        /// Contents, one bit pattern per element.
        data: Vec<u64>,
        /// Whether it lies in constant memory, which serves one address to a warp at a time, or in global memory.
        in_constant_memory: bool,
    },
}

/// A kernel parameter, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Param {
    /// A global buffer.
    Memory(MemoryId),
    /// A scalar, the same for every thread.
    Scalar(ValueId),
}

/// A statement and where it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Stmt {
    /// What it does.
    pub kind: StmtKind,
    /// Where it was written.
    pub at: Location,
}

/// A sequence of statements.
pub type Block = Vec<Stmt>;

/// A block and the value it yields.
#[derive(Clone, Debug, PartialEq)]
pub struct Arm {
    /// Statements.
    pub block: Block,
    /// Result.
    pub value: ValueId,
}

/// What a statement does.
#[derive(Clone, Debug, PartialEq)]
pub enum StmtKind {
    /// Defines a value.
    Let(ValueId, Op),
    /// Declares a variable, with or without a first value.
    Declare(VarId, Option<ValueId>),
    /// Assigns to a variable.
    Assign(VarId, ValueId),
    /// Stores a value to an element of a memory: the index, in units of the value's type, then the value.
    Store(MemoryId, ValueId, ValueId),
    /// Loads neighbouring elements, 8 or 16 bytes in all, by one access.
    LoadVector {
        /// The values defined, 2 or 4 of one type.
        results: Vec<ValueId>,
        /// From where.
        memory: MemoryId,
        /// Which vector, counted in vectors.
        index: ValueId,
    },
    /// Stores neighbouring elements, 8 or 16 bytes in all, by one access.
    StoreVector {
        /// To where.
        memory: MemoryId,
        /// Which vector, counted in vectors.
        index: ValueId,
        /// 2 or 4 values of one type.
        values: Vec<ValueId>,
    },
    /// Defines a value by one of two arms, of which only one is evaluated: `?:`, `&&`, `||`.
    Choose {
        /// The value defined.
        result: ValueId,
        /// Which arm.
        condition: ValueId,
        /// Taken where the condition holds.
        then: Arm,
        /// Taken elsewhere.
        otherwise: Arm,
    },
    /// Two-way branch.
    If {
        /// Which block.
        condition: ValueId,
        /// Runs where the condition holds.
        then: Block,
        /// Runs elsewhere.
        otherwise: Block,
    },
    /// Loops while the condition, evaluated anew each time, holds.
    While {
        /// Evaluates the condition.
        condition: Arm,
        /// Runs each time.
        body: Block,
    },
    /// Counts `index` from `from` up to, not including, `to`, which are evaluated once.
    For {
        /// The counter, constant within the body.
        index: ValueId,
        /// First value.
        from: ValueId,
        /// Bound.
        to: ValueId,
        /// Increment.
        step: ValueId,
        /// Unroll hint: `None` leaves it to the compiler, `Some(0)` asks for all, `Some(n)` for n.
        unroll: Option<u32>,
        /// Runs each time.
        body: Block,
    },
    /// Leaves the innermost loop.
    Break,
    /// Goes on with the innermost loop's next round.
    Continue,
    /// Ends this thread.
    Return,
    /// Waits for every thread of the block; orders shared and global memory among them.
    Barrier,
    /// Waits for every thread of the warp; orders shared and global memory among them.
    WarpBarrier,
    /// A comment by the author.
    Comment(String),
}

/// A kernel, complete.
#[derive(Clone, Debug, PartialEq)]
pub struct Kernel {
    /// The entry point's name.
    pub name: String,
    /// The author's documentation, line by line.
    pub docs: Vec<String>,
    /// What the emitted source says about itself: strategy, variant, codebook; in order.
    pub header: Vec<(String, String)>,
    /// Threads per block that every launch uses.
    pub threads: u32,
    /// Blocks that are to fit on a multiprocessor, which limits the registers; 0 leaves it to the compiler.
    pub blocks_per_sm: u32,
    /// Parameters in order.
    pub params: Vec<Param>,
    /// All memories.
    pub memories: Vec<Memory>,
    /// All variables.
    pub variables: Vec<Variable>,
    /// All values.
    pub values: Vec<Value>,
    /// Where device functions were called.
    pub calls: Vec<Location>,
    /// What a thread does.
    pub body: Block,
}

impl Kernel {
    /// Where the device function that holds `at` was called, where the function around that call was, and so on; nothing
    /// for a line of the kernel itself.
    pub fn callers(&self, at: Location) -> Vec<Location> {
        callers(&self.calls, at)
    }
    /// Where the statement with this number was written, counted from 0 in the order of the text, those inside another after
    /// it.
    pub fn place_of_statement(&self, number: usize) -> Option<Location> {
        fn find(block: &Block, left: &mut usize) -> Option<Location> {
            block.iter().find_map(|stmt| {
                if *left == 0 {
                    return Some(stmt.at);
                }
                *left -= 1;
                stmt.kind.blocks().into_iter().find_map(|(inner, _)| find(inner, left))
            })
        }
        find(&self.body, &mut { number })
    }
    /// The value's type and name.
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.0]
    }
    /// The variable's type and name.
    pub fn variable(&self, id: VarId) -> &Variable {
        &self.variables[id.0]
    }
    /// The memory's type, name and place.
    pub fn memory(&self, id: MemoryId) -> &Memory {
        &self.memories[id.0]
    }
    /// Static shared memory per block, in bytes, as laid out in order of declaration.
    pub fn static_shared_bytes(&self) -> usize {
        (0..self.memories.len()).map(MemoryId).fold(0, |bytes, id| match self.memory(id) {
            Memory { space: Space::Shared { elements }, ty, .. } => {
                bytes.next_multiple_of(self.alignment(id).unwrap_or(ty.bytes())) + elements * ty.bytes()
            }
            _ => bytes,
        })
    }
    /// What a table or an array of a block must start at a multiple of, in bytes, if that is more than its elements ask for.
    pub fn alignment(&self, id: MemoryId) -> Option<usize> {
        const WIDEST: usize = 16;
        (self.widest_access(id) > self.memory(id).ty.bytes()).then_some(WIDEST)
    }
    /// Bytes of the widest load from or store to a memory; 0 if there is none.
    pub fn widest_access(&self, id: MemoryId) -> usize {
        self.widest_in(&self.body, id)
    }

    fn widest_in(&self, block: &Block, id: MemoryId) -> usize {
        let bytes = |values: &[ValueId]| values.iter().map(|value| self.value(*value).ty.bytes()).sum();
        let widths = block.iter().map(|stmt| {
            let own = match &stmt.kind {
                StmtKind::Let(value, Op::Load(from, _)) if *from == id => bytes(&[*value]),
                StmtKind::Store(to, _, value) if *to == id => bytes(&[*value]),
                StmtKind::LoadVector { results, memory, .. } if *memory == id => bytes(results),
                StmtKind::StoreVector { memory, values, .. } if *memory == id => bytes(values),
                _ => 0,
            };
            let inner = stmt.kind.blocks().into_iter().map(|(block, _)| self.widest_in(block, id));
            inner.fold(own, usize::max)
        });
        widths.fold(0, usize::max)
    }
}

impl StmtKind {
    /// Calls `f` with each value that the statement itself uses, not those of blocks inside it.
    pub fn for_each_operand(&self, mut f: impl FnMut(ValueId)) {
        match self {
            StmtKind::Let(_, op) => op.for_each_operand(f),
            StmtKind::Declare(_, init) => init.iter().copied().for_each(f),
            StmtKind::Assign(_, value) => f(*value),
            StmtKind::Store(_, index, value) => {
                f(*index);
                f(*value);
            }
            StmtKind::LoadVector { index, .. } => f(*index),
            StmtKind::StoreVector { index, values, .. } => {
                f(*index);
                values.iter().copied().for_each(f);
            }
            StmtKind::Choose { condition, .. } | StmtKind::If { condition, .. } => f(*condition),
            StmtKind::For { from, to, step, .. } => {
                f(*from);
                f(*to);
                f(*step);
            }
            StmtKind::While { .. }
            | StmtKind::Break
            | StmtKind::Continue
            | StmtKind::Return
            | StmtKind::Barrier
            | StmtKind::WarpBarrier
            | StmtKind::Comment(_) => {}
        }
    }

    /// The values that the statement defines for those after it.
    pub fn results(&self) -> &[ValueId] {
        match self {
            StmtKind::Let(result, _) | StmtKind::Choose { result, .. } => std::slice::from_ref(result),
            StmtKind::LoadVector { results, .. } => results,
            _ => &[],
        }
    }

    /// The blocks inside the statement, each with the value it yields, if any.
    pub fn blocks(&self) -> Vec<(&Block, Option<ValueId>)> {
        match self {
            StmtKind::Choose { then, otherwise, .. } => {
                vec![(&then.block, Some(then.value)), (&otherwise.block, Some(otherwise.value))]
            }
            StmtKind::If { then, otherwise, .. } => vec![(then, None), (otherwise, None)],
            StmtKind::While { condition, body } => {
                vec![(&condition.block, Some(condition.value)), (body, None)]
            }
            StmtKind::For { body, .. } => vec![(body, None)],
            _ => Vec::new(),
        }
    }
}
