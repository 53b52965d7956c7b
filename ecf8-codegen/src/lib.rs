//! The kernel language of ecf8 and the decode strategies written in it. No GPU libraries.
//!
//! - [`lang`]: what a kernel is written in, a `#[kernel]` function over device values.
//! - [`ir`]: what running such a function builds.
//! - [`cuda`]: the IR as CUDA C++ text.
//! - [`launch`]: what a launch of a kernel needs besides the kernel.
//! - [`emulator`]: the IR run on the CPU, a block in lockstep, with every access checked.
//! - [`profile`]: what a kernel would cost a GPU: instructions, memory traffic, predicted speed.
//! - [`strategy`]: the decode strategies, one file each, and their registry.
//! - [`kv`]: kernels that encode and decode pages of K/V caches.

extern crate self as ecf8_codegen;

pub mod cuda;
pub mod delta;
pub mod emulator;
pub mod ir;
pub mod kv;
pub mod lang;
pub mod launch;
pub mod profile;
pub mod sink;
pub mod strategy;
