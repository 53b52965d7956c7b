//! Small files that ask for much: no allocation goes beyond 64 MiB and four times the file, as the system counts what a process
//! may write to (`ulimit -d`).
//!
//! One thing is larger by the format: the header of the original, of up to 100,000,000 bytes, which DEFLATE may store in a
//! few hundred KB, is in memory as a whole, and so is what is read of it.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use ecf8_core::synthetic::{SyntheticTensor, safetensors_bytes};
use ecf8_tests::cli::{Said, Scratch, program};
use ecf8_tests::fuzz::container_with;
use safetensors::Dtype;
use std::process::Command;

/// What a process takes that does nothing: stacks of threads, the program's own data.
const PROGRAM: u64 = 16 << 20;

/// Runs the program where it may have no more memory than it should ask for. It answers or refuses, and is not told that there
/// is no memory.
fn within_bounds(scratch: &Scratch, name: &str, line: &str) -> Said {
    let bytes = scratch.read(name).len() as u64;
    assert!(bytes < 1 << 20, "{name} has {bytes} bytes");
    let limit = (PROGRAM + (64 << 20) + 4 * bytes) >> 10;
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -d \"$1\" || exit 99; shift; exec \"$@\"", "sh", &limit.to_string()]);
    shell.arg(program()).args(line.split(' ')).current_dir(scratch.path(".")).env("RAYON_NUM_THREADS", "1");
    let said = Said::from(shell.output().unwrap());
    assert!(matches!(said.status, Some(0 | 1)), "{line}: {said:?}");
    assert!(!said.stderr.contains("memory"), "{line}: {said:?}");
    said
}

#[test]
fn tensors_that_are_much_larger_than_their_file_are_decoded_in_pieces() {
    let scratch = Scratch::new();
    let zeros = SyntheticTensor::new("zeros", Dtype::F8_E4M3, &[100_000_000], vec![0; 100_000_000]);
    let twos =
        SyntheticTensor::new("twos", Dtype::I64, &[12_000_000], [2, 0, 0, 0, 0, 0, 0, 0].repeat(12_000_000));
    for (name, tensor) in [("zeros", zeros), ("twos", twos)] {
        scratch.write("in", safetensors_bytes(&[], &[tensor]).unwrap());
        let said = scratch.ecf8(&format!("compress in -o {name} --scheme ans-lanes"));
        assert_eq!(said.status, Some(0), "{said:?}");
        for line in
            [format!("verify {name}"), format!("decompress {name} -o {name}.back"), format!("inspect {name}")]
        {
            let said = within_bounds(&scratch, name, &line);
            assert_eq!(said.status, Some(0), "{line}: {said:?}");
        }
        assert!(scratch.read(&format!("{name}.back")) == scratch.read("in"));
    }
}

#[test]
fn manifests_that_deflate_to_nothing_are_refused_before_they_are_read_as_lists() {
    let scratch = Scratch::new();
    let many = |one: &str, count: usize| vec![one; count].join(",");
    let bombs = [
        format!(r#"{{"codebooks":[{}],"tensors":[]}}"#, many(r#""""#, 9_000_000)),
        format!(r#"{{"codebooks":[],"tensors":[{{"name":"a","x":[{}]}}]}}"#, many("0", 15_000_000)),
        format!(r#"{{"codebooks":[],"tensors":[{{"name":"a","shape":[{}]}}]}}"#, many("0", 15_000_000)),
        format!(r#"{{"x":[{}],"codebooks":[],"tensors":[]}}"#, many("[]", 9_000_000)),
    ];
    for (number, bomb) in bombs.iter().enumerate() {
        let file = container_with(0, bomb).or_else(|| container_with(1, bomb)).unwrap();
        scratch.write("bomb", file);
        for line in ["verify bomb", "decompress bomb -o out", "inspect bomb"] {
            let said = within_bounds(&scratch, "bomb", line);
            said.refuses(1, &["bomb", "more values than a file of its size can need"]);
            assert!(!scratch.path("out").exists(), "{number}");
        }
    }
}
