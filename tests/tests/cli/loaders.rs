//! Loaders that do not know ecf8 refuse its containers, instead of leaving weights random; those without anything compressed
//! they load.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use ecf8_tests::cli::{Scratch, program};
use std::process::Command;

/// A Python with torch, transformers and diffusers: `python3`, or the one that `ECF8_PYTHON` names.
fn python() -> Option<String> {
    let python = std::env::var("ECF8_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let mut command = Command::new(&python);
    let check = "from importlib.util import find_spec as f; assert all(map(f, ['torch', 'transformers', 'diffusers']))";
    let found = command.args(["-c", check]).output().is_ok_and(|output| output.status.success());
    if !found && ecf8_tests::is_required("ECF8_REQUIRE_TORCH") {
        panic!("{python} has not all of torch, transformers and diffusers");
    }
    found.then_some(python)
}

#[test]
fn stock_loaders_refuse_compressed_weights_and_load_kept_ones() {
    let Some(python) = python() else {
        return eprintln!(
            "skipped: no Python with torch, transformers and diffusers; ECF8_PYTHON can name one"
        );
    };
    let scratch = Scratch::new();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stock_loaders.py");
    let mut command = Command::new(python);
    let output = command.args(["-B", script]).arg(program()).arg(scratch.path(".")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<&str> = said.lines().collect();
    for (line, expected) in lines.iter().zip([
        "transformers of the original loads",
        "transformers refuses",
        "diffusers of the original loads",
        "diffusers refuses",
        "load_state_dict of fp8 refuses",
        "load_state_dict of noise loads",
    ]) {
        assert!(line.starts_with(expected), "expected {expected:?} in\n{said}");
    }
    assert_eq!(lines.len(), 6, "{said}");
}
