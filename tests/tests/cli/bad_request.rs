//! Requests that make no sense, or that cannot be served on this machine: one line and exit status 2.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use ecf8_tests::cli::{Said, Scratch, sample};

/// A plain file `in` and its compressed form `packed`.
fn scratch() -> Scratch {
    let scratch = Scratch::new();
    scratch.write("in", sample());
    let _ = scratch.ecf8("compress in -o packed").answer();
    scratch
}

#[test]
fn unknown_names_and_values_are_told_with_those_that_exist() {
    let scratch = scratch();
    let cases: &[(&str, &[&str])] = &[
        ("compress in -o out --scheme zip", &["'zip'", "exponent-gap"]),
        ("compress in -o out --threads 0", &["'0'", "--threads"]),
        ("compress in -o out --threads 1025", &["1025", "1..=1024", "--threads"]),
        ("compress in -o out --threads many", &["'many'", "--threads"]),
        ("verify packed --device gpu", &["'gpu'", "cpu, emulator, or cuda:N"]),
        ("verify packed --device cuda", &["'cuda'", "cuda:0"]),
        ("verify packed --device cuda:-1", &["'cuda:-1'"]),
        ("verify packed --device cuda:4294967296", &["'cuda:4294967296'"]),
        ("verify packed --strategy gap-cascade", &["--device emulator"]),
        ("verify packed --all-variants", &["--device emulator"]),
        ("verify packed --device emulator --strategy fast", &["'fast'", "gap-cascade"]),
        ("verify packed --device emulator --set bytes_per_thread=8", &["--strategy"]),
        ("kernel emit --strategy fast", &["'fast'", "gap-cascade"]),
        ("kernel emit --strategy gap-cascade --set speed=1", &["`speed`", "bytes_per_thread"]),
        (
            "kernel emit --strategy gap-cascade --set bytes_per_thread=5",
            &["bytes_per_thread", "5", "4, 8, 16"],
        ),
        ("kernel emit --strategy gap-cascade --set bytes_per_thread=x", &["bytes_per_thread", "x"]),
        ("kernel emit --strategy gap-cascade --set bytes_per_thread", &["KEY=VALUE", "bytes_per_thread=8"]),
        ("kernel emit --strategy gap-cascade --from packed", &["--tensor"]),
        ("kernel emit --strategy gap-cascade --tensor w", &["--from"]),
        ("kernel compile --strategy gap-cascade --arch hopper", &["'hopper'", "--arch"]),
        ("compress in", &["--output"]),
        ("compress -o out", &["<INPUT>"]),
        ("compress in out", &["'out'"]),
        ("compress in -o out --frce", &["'--frce'", "'--force'"]),
        ("compres in -o out", &["'compres'", "'compress'"]),
        ("kernel emmit", &["'emmit'"]),
    ];
    for (line, words) in cases {
        scratch.refuses(line, 2, words);
    }
}

#[test]
fn a_gpu_that_is_not_there_is_one_line() {
    let scratch = scratch();
    scratch.refuses("verify packed --device cuda:4294967295", 2, &[]);
    let said = scratch.ecf8("verify packed --device cuda:0");
    if said.status == Some(0) {
        eprintln!("skipped: this machine has a GPU");
    } else {
        said.refuses(2, &[]);
    }
}

#[test]
fn a_driver_or_nvrtc_that_is_none_is_one_line() {
    let scratch = scratch();
    scratch.write("libnvrtc.so", "not a library");
    let mut command = scratch.command(["kernel", "compile", "--strategy", "gap-cascade"]);
    let said: Said = command.env("ECF8_NVRTC", scratch.path("libnvrtc.so")).output().unwrap().into();
    said.refuses(2, &["libnvrtc.so"]);
}

#[test]
fn no_arguments_give_help_and_status_2() {
    for line in ["", "kernel"] {
        let said = Scratch::new().ecf8(line);
        assert_eq!((said.status, said.stdout.as_str()), (Some(2), ""));
        assert!(said.stderr.contains("Usage: ecf8"), "{said:?}");
    }
}
