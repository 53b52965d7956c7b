//! How much memory a large tensor takes, and what is said where there is not so much.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use ecf8_core::synthetic;
use ecf8_tests::cli::{Said, Scratch, program, raw_file};
use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Bytes of the tensor: more than are worked on together with others.
const BYTES: usize = 128 << 20;

/// A file with one large tensor.
fn scratch() -> Scratch {
    let scratch = Scratch::new();
    let weights = synthetic::cast(&synthetic::gaussian(1, 8 << 20, 0.05));
    let json =
        format!(r#"{{"large.weight":{{"dtype":"F8_E4M3","shape":[{BYTES}],"data_offsets":[0,{BYTES}]}}}}"#);
    scratch.write("in", raw_file(json, &weights.repeat(BYTES / weights.len())));
    scratch
}

/// Runs the program, which must succeed, and gives the most memory of its own that it had, in bytes.
fn peak(scratch: &Scratch, line: &str) -> usize {
    let mut command = scratch.command(line.split(' '));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().unwrap();
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let own = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let own = own.and_then(|own| own.trim().strip_suffix(" kB")?.parse::<usize>().ok()).unwrap_or(0);
        peak = peak.max(own << 10);
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(child.wait().unwrap().success(), "{line}");
    println!("{line}: {} MiB", peak >> 20);
    peak
}

#[test]
fn compressing_takes_less_memory_than_the_tensor_and_reading_takes_little() {
    let scratch = scratch();
    assert!(peak(&scratch, "compress in -o out --threads 2") < BYTES * 9 / 10);
    let little = 50 << 20;
    assert!(peak(&scratch, "verify out --against in") < little);
    assert!(peak(&scratch, "decompress out -o back --threads 2") < little);
    // The paper's scheme takes .84 of the tensor, and what its gaps are recorded in meanwhile.
    assert!(peak(&scratch, "compress in -o gap --scheme exponent-gap --threads 2") < BYTES + (16 << 20));
    assert!(peak(&scratch, "verify gap --against back") < little);
}

#[test]
fn where_there_is_no_memory_for_a_tensor_one_line_says_so_and_nothing_is_left() {
    let scratch = scratch();
    let before = scratch.contents();
    // Enough for the program and the mapped file, but not for what is made of it. Memory that the C library sets aside
    // for each thread would count, too.
    let limit = (BYTES >> 10) * 3 / 2;
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("ulimit -v {limit}; exec \"$0\" compress in -o out --threads 1")])
        .arg(program());
    command.env("MALLOC_ARENA_MAX", "1").current_dir(scratch.path("."));
    let said: Said = command.output().unwrap().into();
    said.refuses(2, &["in: there is no memory for the ", " bytes", "`large.weight`", "ulimit"]);
    scratch.assert_unchanged(&before, "without memory");
}
