//! Machine code as a disassembler shows it: what the emulator's instruction counts are calibrated against.
//!
//! No NVIDIA GPU is needed: NVRTC makes a cubin with line information, `nvdisasm` or `cuobjdump` lists its instructions with
//! the line of CUDA each comes from, the printer of `ecf8-codegen` knows the statement of the kernel behind each line, and
//! the emulator how often a statement is executed.
//! - `find`: where the disassembler is.
//! - `listing`: its text, read.
//! - `flow`: basic blocks and loops.
//! - `outline`: the kernel's statements, their loops, and how often they are executed.
//! - `dynamic`: how often each basic block is executed, and so how many instructions are issued per byte of output.
//! - `unmapped`: whether that can be right.

mod dynamic;
mod find;
mod flow;
mod listing;
mod outline;
#[cfg(test)]
mod tests;
mod unmapped;

pub use dynamic::{DynamicCount, HotLoop, count};
pub use find::{Disassembler, DisassemblerError};
pub use listing::{Instruction, Listing};
pub use unmapped::Unmapped;
