//! PTX, the assembly language that NVRTC makes of CUDA C++ on the way to machine code: as much of it as kernels of whole
//! numbers need. What is not known is an error that names it, never ignored.
//!
//! Text becomes statements (`parse`), and these, once it is known where their module lies in memory, become
//! instructions (`decode`) that the GPU runs.

mod decode;
mod op;
mod parse;
mod token;
mod words;

pub(crate) use op::{
    Binary, Comparison, Instruction, Logic, Op, Register, Shuffle, Source, Space, Special, Type, Unary, Vote,
};
pub use parse::{Global, Module};

use std::fmt;

/// Text that is no PTX, or PTX that is not simulated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PtxError {
    line: u32,
    what: String,
}

impl PtxError {
    fn at(line: u32, what: impl Into<String>) -> Self {
        Self { line, what: what.into() }
    }
}

impl fmt::Display for PtxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} of the PTX: {}", self.line, self.what)
    }
}

impl std::error::Error for PtxError {}

/// A kernel, ready to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// Its name.
    pub name: String,
    /// Where each parameter begins in the block of all of them, and its size, in bytes.
    pub parameters: Vec<(usize, usize)>,
    /// Most threads of a block.
    pub max_threads: u32,
    /// Bytes of shared memory that each block has besides what its launch asks for.
    pub static_shared: usize,
    /// How many registers each thread has.
    pub(crate) registers: usize,
    pub(crate) code: Vec<Instruction>,
    /// Numbers that stand in the code.
    pub(crate) constants: Vec<u64>,
    /// The text of each instruction.
    pub(crate) lines: Vec<String>,
}

impl Kernel {
    /// Bytes of all parameters.
    #[must_use]
    pub fn parameter_bytes(&self) -> usize {
        self.parameters.last().map_or(0, |(start, size)| start + size)
    }
}
