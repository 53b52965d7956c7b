//! What the bits of a model's weights hold, and what theory says of them. No GPU.
//!
//! The paper that ecf8 is about explains why weights compress (section 2, appendix C): exponents have little entropy,
//! because weights follow α-stable laws, and Hadamard transforms do not change that. Here one's own weights are looked at
//! that way. [`report`] says what is found.

#![cfg_attr(test, allow(clippy::cast_possible_truncation, reason = "tests choose their numbers"))]

mod counts;
pub mod entropy;
pub mod hadamard;
pub mod numbers;
pub mod page;
pub mod report;
pub mod rows;
pub mod stable;
pub mod theory;
