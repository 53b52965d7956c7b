//! What each construct of the kernel language means: small kernels on the emulator, and their emitted text compiled by the
//! system's C++ compiler, against plain Rust.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "that is how a test fails, also in its helpers"
)]

mod arithmetic;
mod build_errors;
mod case;
mod control;
mod conversions;
mod functions;
mod memory;
mod names;
mod warp;

use ecf8_tests::cxx::{Compiler, Program};

#[test]
fn the_emitted_text_means_the_same_as_the_kernel() {
    let Some(compiler) = Compiler::find() else { return };
    let cases: Vec<_> = [
        arithmetic::all(),
        conversions::all(),
        control::all(),
        functions::all(),
        memory::all(),
        names::all(),
        warp::all(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let kernels: Vec<_> = cases.iter().map(|(_, case)| case.kernel.clone()).collect();
    let program = Program::new(&compiler, &kernels).unwrap_or_else(|error| panic!("{error}"));
    let mut failures = Vec::new();
    for (number, (name, case)) in cases.iter().enumerate() {
        match program.run(&[(number, &case.launch())]) {
            Ok(outputs) if outputs[0] == case.expected => {}
            Ok(outputs) => failures.push(format!("{name}: {:?}, not {:?}", outputs[0], case.expected)),
            Err(error) => failures.push(format!("{name}: {error}")),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    println!("{} kernels", cases.len());
}
