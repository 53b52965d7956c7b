//! The Python package passes its own tests, where there is a Python that has what they need: maturin, numpy, safetensors and
//! pytest; torch and the frameworks for those that are about them.
#![allow(clippy::panic, clippy::unwrap_used, reason = "that is how a test fails")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// The Python that `ECF8_PYTHON` names, or that of `target/ci-venv`.
fn python(root: &Path) -> PathBuf {
    let named = std::env::var_os("ECF8_PYTHON").map(PathBuf::from);
    named.unwrap_or_else(|| root.join("target/ci-venv/bin/python"))
}

#[test]
fn the_wheel_is_built_and_passes_its_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let python = python(root);
    let has_all = "import maturin, numpy, pytest, safetensors";
    let found = Command::new(&python).args(["-c", has_all]).output();
    if !found.as_ref().is_ok_and(|output| output.status.success()) {
        let why = found.map_or_else(
            |error| error.to_string(),
            |output| String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        );
        let why = format!(
            "{}: {why}; `python3 -m venv target/ci-venv && target/ci-venv/bin/pip install maturin numpy pytest safetensors torch \
             transformers diffusers peft accelerate ray`",
            python.display()
        );
        assert!(!ecf8_tests::is_required("ECF8_REQUIRE_PYTHON"), "{why}");
        return eprintln!("skipped: {why}");
    }
    let mut tests = Command::new("bash");
    tests.arg(root.join("ecf8-python/test.sh")).arg(python.parent().unwrap().parent().unwrap());
    // What the workspace's tests have compiled is used again: Rust's libraries, and the GPU that is none.
    let simcuda = std::env::current_exe().unwrap().with_file_name("libecf8_simcuda.so");
    let output = tests.env("ECF8_PROFILE", "dev").env("ECF8_SIMCUDA", simcuda).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    // What is skipped for want of a framework shows here, too.
    print!("{said}");
    assert!(output.status.success(), "{}: {said}{}", output.status, String::from_utf8_lossy(&output.stderr));
    assert!(said.contains(" passed"), "no test was run: {said}");
}
