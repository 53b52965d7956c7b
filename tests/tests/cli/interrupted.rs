//! Interrupted in the middle: the output's name never stands for half a file, and what can be tidied up is.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use ecf8_tests::cli::{Scratch, file, program, weights};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// A file and a folder that take long enough to compress, and what becomes of them.
fn scratch() -> Scratch {
    let scratch = Scratch::new();
    let large = file(&(0..4).map(|i| weights(&format!("w{i}"), i, 12 << 20)).collect::<Vec<_>>());
    scratch.write("model/a.txt", "first");
    scratch.write("model/b.safetensors", &large);
    scratch.write("in", large);
    scratch
}

fn is_temporary(name: &Path) -> bool {
    name.to_string_lossy().starts_with(".ecf8-")
}

fn top_level(scratch: &Scratch) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(scratch.path(".")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into()).collect();
    names.sort();
    names
}

/// Starts the program, waits until it has begun its output, and sends it the signal.
fn interrupted(scratch: &Scratch, line: &str, signal: &str) -> Output {
    // Whoever runs the tests may have had signals ignored, as `nohup` does, which is inherited.
    let mut command = Command::new("env");
    command.arg("--default-signal").arg(program()).args(line.split(' ')).current_dir(scratch.path("."));
    let mut child: Child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while !top_level(scratch).iter().any(|name| is_temporary(name)) {
        assert!(child.try_wait().unwrap().is_none(), "{line} ended before it could be interrupted");
        std::thread::yield_now();
    }
    let kill = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status();
    assert!(kill.unwrap().success());
    child.wait_with_output().unwrap()
}

#[test]
fn interrupts_leave_nothing_and_end_the_process_as_signals_do() {
    let scratch = scratch();
    let before = scratch.contents();
    for line in ["compress in -o out", "compress model -o out"] {
        for (signal, number) in
            [("INT", 2), ("TERM", 15), ("HUP", 1), ("QUIT", 3), ("XCPU", 24), ("ALRM", 14), ("USR1", 10)]
        {
            let output = interrupted(&scratch, line, signal);
            assert_eq!(output.status.signal(), Some(number), "{line}: {output:?}");
            assert_eq!(output.stdout, b"");
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(said.starts_with("ecf8: interrupted") && said.lines().count() == 1, "{said:?}");
            scratch.assert_unchanged(&before, line);
        }
    }
}

#[test]
fn killed_at_once_it_leaves_temporary_files_at_most_and_can_be_run_again() {
    let scratch = scratch();
    let names = top_level(&scratch);
    let good = scratch.read("in");
    for line in ["compress in -o out", "compress model -o out"] {
        let output = interrupted(&scratch, line, "KILL");
        assert_eq!(output.status.signal(), Some(9), "{line}: {output:?}");
        let left: Vec<_> = top_level(&scratch).into_iter().filter(|name| !is_temporary(name)).collect();
        assert_eq!(left, names, "{line}");
        assert!(scratch.read("in") == good && scratch.read("model/b.safetensors") == good);
    }
    let said = scratch.ecf8("compress in -o out");
    assert!(said.status == Some(0) && said.stderr.contains("was removed"), "{said:?}");
    assert!(!top_level(&scratch).iter().any(|name| is_temporary(name)));
    let _ = scratch.ecf8("verify out --against in").answer();
}

#[test]
fn what_is_to_be_replaced_stays_until_its_replacement_is_whole() {
    let scratch = scratch();
    scratch.write("out", "precious");
    let before = scratch.contents();
    let _ = interrupted(&scratch, "compress in -o out --force", "TERM");
    scratch.assert_unchanged(&before, "replacing a file");
    fs::remove_file(scratch.path("out")).unwrap();
    scratch.write("out/precious", "data");
    let before = scratch.contents();
    let _ = interrupted(&scratch, "compress model -o out --force", "INT");
    scratch.assert_unchanged(&before, "replacing a folder");
}

#[test]
fn the_end_of_a_terminal_that_is_to_be_ignored_is_ignored() {
    let scratch = scratch();
    let mut command = Command::new("env");
    command.arg("--ignore-signal=HUP").arg(program()).args(["compress", "model", "-o", "out"]);
    let child =
        command.current_dir(scratch.path(".")).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while !top_level(&scratch).iter().any(|name| is_temporary(name)) {
        std::thread::yield_now();
    }
    assert!(Command::new("kill").args(["-s", "HUP", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
}
