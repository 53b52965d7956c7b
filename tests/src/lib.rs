//! Tests that cross crates, and what they share; the tests themselves are in the `tests` folder beside this one.
//!
//! - [`cli`]: the `ecf8` program, run in folders of its own.
//! - [`corpus`]: the data that every decoder is tried on, encoded.
//! - [`cxx`]: emitted CUDA, compiled and run by the system's C++ compiler.
//! - [`fuzz`]: what fuzzers call, which is tried without them, too.
//! - [`golden`]: emitted sources that were reviewed once and must stay as they are.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

pub mod cli;
pub mod corpus;
pub mod cxx;
pub mod fuzz;
pub mod golden;

/// Whether the environment variable is `1`: something that a test needs must then be there.
#[must_use]
pub fn is_required(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| value == "1")
}
