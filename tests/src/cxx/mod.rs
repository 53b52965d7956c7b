//! Emitted CUDA as a program of the system's C++ compiler: a test of the text, not of the IR.
//!
//! The text is compiled nearly as it is: `shim.h` gives meaning to CUDA's words, each kernel gets a namespace of its own so
//! that one program holds many, and dynamic shared memory, which C++ has no words for, becomes a pointer.

mod compiler;
mod program;

pub use compiler::Compiler;
pub use program::Program;
