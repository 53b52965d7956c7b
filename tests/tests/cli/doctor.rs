//! What the doctor says to type, on machines that lack one thing or another.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use ecf8_tests::cli::{Said, Scratch};
use serde_json::Value;
use std::fs::{self, File};
use std::process::Command;

/// The doctor in a folder, on a machine that is described by environment variables, in which only the program's own search
/// for things is left.
fn doctor(scratch: &Scratch, json: bool, set: &[(&str, &str)]) -> Command {
    let mut command = scratch.command(["doctor"].into_iter().chain(json.then_some("--json")));
    for variable in
        ["ECF8_NVRTC", "VIRTUAL_ENV", "CUDA_HOME", "CUDA_PATH", "CUDA_ROOT", "CONDA_PREFIX", "CXX"]
    {
        command.env_remove(variable);
    }
    command.envs(set.iter().copied());
    command
}

fn findings(scratch: &Scratch, set: &[(&str, &str)]) -> Value {
    Said::from(doctor(scratch, true, set).output().unwrap()).json()
}

#[test]
fn each_thing_that_is_missing_comes_with_the_command_that_brings_it() {
    let scratch = Scratch::new();
    scratch.write("file", "");
    let file = scratch.path("file");
    let cases = [
        ("C++ compiler", "CXX", "no-such-compiler", "unset CXX"),
        ("NVRTC", "ECF8_NVRTC", "/no/such/libnvrtc.so", "unset ECF8_NVRTC"),
        ("kernel cache", "ECF8_CACHE", file.to_str().unwrap(), "export ECF8_CACHE=\"$(mktemp -d)\""),
        ("temporary folder", "TMPDIR", file.to_str().unwrap(), "export TMPDIR=/var/tmp"),
    ];
    for (what, variable, value, command) in cases {
        let found = findings(&scratch, &[(variable, value)]);
        let finding = &found[what.replace([' ', '+'], "_")];
        assert_eq!((&finding["found"], &finding["type"]), (&false.into(), &command.into()), "{found:#}");
        let text = Said::from(doctor(&scratch, false, &[(variable, value)]).output().unwrap()).answer();
        let lines: Vec<&str> = text.lines().collect();
        let at = lines.iter().position(|line| line.starts_with(&format!("missing  {what}: "))).expect(&text);
        assert!(lines[at + 1].starts_with("         without it: "), "{text}");
        assert_eq!(lines[at + 2], format!("         type: {command}"), "{text}");
    }
}

#[test]
fn without_libraries_and_programs_packages_are_named_that_have_them() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("bin")).unwrap();
    for program in ["apt-get", "dnf"] {
        scratch.write(&format!("bin/{program}"), "");
    }
    let bin = scratch.path("bin");
    let found = findings(&scratch, &[("PATH", bin.to_str().unwrap()), ("HOME", bin.to_str().unwrap())]);
    assert_eq!(found["C___compiler"]["type"], "sudo apt-get install g++", "{found:#}");
    assert_eq!(found["Python_package"]["type"], "sudo apt-get install python3-pip", "{found:#}");
    let nvrtc = &found["NVRTC"];
    if nvrtc["found"] == false {
        assert!(nvrtc["type"].as_str().unwrap().starts_with("pip install nvidia-cuda-nvrtc"), "{found:#}");
    }
}

#[test]
fn what_is_there_needs_nothing_to_be_typed() {
    let scratch = Scratch::new();
    scratch.write("bin/python3", format!("#!/bin/sh\necho {}\n", env!("CARGO_PKG_VERSION")));
    scratch.write("bin/c++", "#!/bin/sh\necho a compiler\n");
    for program in ["python3", "c++"] {
        executable(&scratch.path(&format!("bin/{program}")));
    }
    let (bin, cache) = (scratch.path("bin"), scratch.path("still/to/be/made"));
    let found =
        findings(&scratch, &[("PATH", bin.to_str().unwrap()), ("ECF8_CACHE", cache.to_str().unwrap())]);
    for what in ["C___compiler", "Python_package", "kernel_cache", "temporary_folder", "unfinished_outputs"] {
        assert_eq!((&found[what]["found"], &found[what]["type"]), (&true.into(), &Value::Null), "{found:#}");
    }
    assert!(!cache.exists(), "looking makes no folder");
    scratch.write("bin/python3", "#!/bin/sh\necho 0.0.1\n");
    executable(&scratch.path("bin/python3"));
    let found = findings(&scratch, &[("PATH", bin.to_str().unwrap())]);
    assert!(found["Python_package"]["type"].as_str().unwrap().contains("pip install"), "{found:#}");
}

fn executable(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn what_interrupted_runs_left_is_named_and_what_is_at_work_is_not() {
    let scratch = Scratch::new();
    for name in [".ecf8-abc123.tmp", ".ecf8-abc124.tmp", ".ecf8-other.tmp", "model.safetensors"] {
        scratch.write(name, "something");
    }
    let held = File::open(scratch.path(".ecf8-abc124.tmp")).unwrap();
    held.lock().unwrap();
    let found = findings(&scratch, &[]);
    assert_eq!(found["unfinished_outputs"]["type"], "rm -r ./.ecf8-abc123.tmp", "{found:#}");
    assert_eq!(scratch.contents().len(), 5, "looking removes nothing");
}
