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

/// Bytes of a tensor that is worked on in pieces throughout.
const HUGE_BYTES: usize = 600 << 20;

/// A file with one large tensor.
fn scratch() -> Scratch {
    let scratch = Scratch::new();
    scratch.write("in", large_file("F8_E4M3", BYTES, 1));
    scratch
}

/// A file with one tensor of `bytes` bytes.
fn large_file(dtype: &str, bytes: usize, width: usize) -> Vec<u8> {
    let weights = synthetic::stored_as(dtype, &synthetic::gaussian(1, 8 << 20, 0.05)).unwrap();
    let json = format!(
        r#"{{"large.weight":{{"dtype":"{dtype}","shape":[{}],"data_offsets":[0,{bytes}]}}}}"#,
        bytes / width
    );
    let mut data = weights.repeat(bytes.div_ceil(weights.len()));
    data.truncate(bytes);
    raw_file(json, &data)
}

/// Runs the program, which must succeed, and gives the most memory of its own that it had, in bytes.
fn peak(scratch: &Scratch, line: &str) -> usize {
    peak_of(scratch, line, "RssAnon:")
}

/// The same of what the system says under this key.
fn peak_of(scratch: &Scratch, line: &str, key: &str) -> usize {
    let mut command = scratch.command(line.split(' '));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().unwrap();
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let own = status.lines().find_map(|line| line.strip_prefix(key));
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
fn a_huge_tensor_takes_less_memory_than_it_has_bytes_with_every_page_of_its_file_that_is_mapped() {
    let scratch = Scratch::new();
    scratch.write("in", large_file("BF16", HUGE_BYTES, 2));
    // The largest resident set, in which mapped files count. Much of it is what is made of some 64 MiB of numbers.
    let resident = |line: &str| peak_of(&scratch, line, "VmHWM:");
    assert!(resident("compress in -o out --threads 2") < 400 << 20);
    assert!(resident("compress in --dry-run") < 100 << 20);
    for line in ["verify out --against in", "inspect out", "inspect out --costs"] {
        assert!(resident(line) < 200 << 20, "{line}");
    }
    assert!(resident("decompress out -o back --threads 2") < 200 << 20);
    assert!(scratch.read("back") == scratch.read("in"));
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
