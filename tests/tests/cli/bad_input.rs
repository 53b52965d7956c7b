//! Inputs that are no valid safetensors files: each is refused in one line that names file, tensor and remedy, and nothing
//! is touched or left behind.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]
#![allow(clippy::cast_possible_truncation, reason = "the numbers are small")]

use ecf8_tests::cli::{Scratch, raw_file, sample, weights};

/// Compresses, verifies, inspects and decompresses the file, which every command must refuse alike.
fn refused(bytes: &[u8], status: i32, words: &[&str]) {
    let scratch = Scratch::new();
    scratch.write("bad.safetensors", bytes);
    let words = [&["bad.safetensors"], words].concat();
    for line in
        ["compress bad.safetensors -o out", "decompress bad.safetensors -o out", "verify bad.safetensors"]
    {
        scratch.refuses(line, status, &words);
    }
    scratch.refuses("inspect bad.safetensors --json", status, &words);
}

fn entry(dtype: &str, shape: &str, begin: &str, end: &str) -> String {
    format!(r#"{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{begin},{end}]}}"#)
}

/// A file whose only tensor `some.weight` has this entry.
fn one(entry: &str, data_bytes: usize) -> Vec<u8> {
    raw_file(format!(r#"{{"some.weight":{entry}}}"#), &vec![7; data_bytes])
}

#[test]
fn downloads_that_brought_something_else_than_weights_are_named() {
    refused(
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7\n",
        1,
        &["Git LFS", "git lfs pull"],
    );
    refused(b"<!DOCTYPE html><html></html>", 1, &["a web page", "fetch the weights again"]);
    refused(b"", 1, &["not a safetensors file", "empty", "fetch the weights again"]);
    refused(b"PK\x03\x04 and so on", 1, &["a zip archive", "convert it"]);
    refused(&[0; 10_000], 1, &["zeros where its header should be"]);
}

#[test]
fn files_of_other_kinds_are_requests_gone_wrong() {
    let kinds: [&[u8]; 5] =
        [b"short", b"#!/bin/sh\necho hello\n", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", &[0; 64], &[0xff; 64]];
    for bytes in kinds {
        refused(bytes, 2, &["not a safetensors file", "give a .safetensors file"]);
    }
}

#[test]
fn every_truncation_is_noticed() {
    let whole = sample();
    let header = 8 + u64::from_le_bytes(*whole.first_chunk().unwrap()) as usize;
    for length in [9, 10, header / 2, header - 1] {
        refused(&whole[..length], 1, &["header claims", "truncated or damaged, fetch it again"]);
    }
    for length in [header, header + 1, header + 6400, header + 6900, whole.len() - 1] {
        refused(&whole[..length], 1, &["tensor `b.weight`", "truncated or damaged, fetch it again"]);
    }
    refused(&[&whole[..], b"x"].concat(), 1, &["belong to no tensor", "appended"]);
}

#[test]
fn header_lengths_that_lie_are_noticed() {
    let lie = |length: u64| {
        let mut bytes = sample();
        bytes[..8].copy_from_slice(&length.to_le_bytes());
        bytes
    };
    refused(&lie(0), 1, &["the header is not valid", "fetch it again"]);
    refused(&lie(17), 1, &["the header is not valid", "fetch it again"]);
    for length in [20_000, 100_000_001, 1 << 40, 1 << 63, u64::MAX, u64::MAX - 8] {
        refused(&lie(length), 1, &["header claims", "fetch it again"]);
    }
    // Longer than it is, so that data are read as JSON.
    refused(&lie(sample().len() as u64 - 8), 1, &["the header is not valid"]);
}

#[test]
fn a_header_over_the_limit_is_refused_even_if_it_is_there() {
    let scratch = Scratch::new();
    let path = scratch.path("bad.safetensors");
    std::fs::write(&path, [&100_000_001u64.to_le_bytes()[..], b"{}"].concat()).unwrap();
    // Sparse: the rest of the header is zeros that no disk holds.
    std::fs::File::options().write(true).open(&path).unwrap().set_len(100_000_100).unwrap();
    for line in ["compress bad.safetensors -o out", "verify bad.safetensors"] {
        scratch
            .ecf8(line)
            .refuses(1, &["bad.safetensors", "100000001", "limit of 100,000,000", "or as several files"]);
    }
    assert!(!scratch.path("out").exists());
}

#[test]
fn headers_that_are_not_the_right_json_are_refused() {
    let deep = format!("{{\"a\":{}", "[".repeat(200_000));
    let jsons = [
        "{",
        "{]",
        "{}x",
        "{\"a\":}",
        "{\"__metadata__\":{\"a\":1}}",
        "{\"__metadata__\":[]}",
        "{\"\\ud800\":1}",
        &deep,
    ];
    for json in jsons {
        refused(&raw_file(json, b""), 1, &["the header is not valid", "fetch it again"]);
    }
    refused(&raw_file(b"{\"\xff\":1}", b""), 1, &["the header is not valid"]);
    refused(&raw_file("[]", b""), 2, &["not a safetensors file"]);
}

#[test]
fn entries_that_contradict_themselves_name_the_tensor() {
    let named = |words: &[&'static str]| [&["tensor `some.weight`"], words].concat();
    refused(&one(&entry("F8_E3M4", "[4]", "0", "4"), 4), 1, &named(&["unknown dtype \"F8_E3M4\""]));
    refused(&one(&entry("f32", "[1]", "0", "4"), 4), 1, &named(&["unknown dtype \"f32\""]));
    refused(&one(&entry("F32", "[2]", "0", "4"), 4), 1, &named(&["span 4 bytes", "need 8"]));
    refused(&one(&entry("F8_E4M3", "[]", "0", "4"), 4), 1, &named(&["span 4 bytes", "need 1"]));
    refused(&one(&entry("F4", "[3]", "0", "1"), 1), 1, &named(&["whole bytes"]));
    for shape in
        ["[-1]", "[1.5]", "[4.0]", "[1e2]", "[18446744073709551616]", "[\"4\"]", "[[4]]", "4", "null", "{}"]
    {
        refused(&one(&entry("U8", shape, "0", "4"), 4), 1, &named(&["whole numbers"]));
    }
    for shape in ["[18446744073709551615,2]", "[4294967296,4294967296]", "[9223372036854775808,2,0]"] {
        refused(&one(&entry("U8", shape, "0", "4"), 4), 1, &named(&["shape overflows"]));
    }
    for (begin, end) in
        [("-1", "3"), ("0.5", "4"), ("0", "1e400"), ("0", "18446744073709551616"), ("null", "4")]
    {
        refused(&one(&entry("U8", "[4]", begin, end), 4), 1, &["fetch"]);
    }
    refused(&one(&entry("U8", "[4]", "4", "0"), 4), 1, &named(&["before it starts"]));
    for entry in
        ["3", "null", "[]", "{}", r#"{"dtype":"U8"}"#, r#"{"dtype":8,"shape":[4],"data_offsets":[0,4]}"#]
    {
        refused(&one(entry, 4), 1, &named(&["header is damaged"]));
    }
    for offsets in ["[0]", "[0,4,4]", "[]", "4"] {
        let entry = format!(r#"{{"dtype":"U8","shape":[4],"data_offsets":{offsets}}}"#);
        refused(&one(&entry, 4), 1, &named(&["two whole numbers"]));
    }
}

#[test]
fn offsets_that_overlap_leave_holes_or_leave_the_file_are_noticed() {
    let two = |one: (u64, u64), other: (u64, u64), data: usize| {
        let [one, other] = [one, other].map(|(begin, end)| {
            entry("U8", &format!("[{}]", end - begin), &begin.to_string(), &end.to_string())
        });
        raw_file(format!(r#"{{"first":{one},"second":{other}}}"#), &vec![1; data])
    };
    refused(&two((0, 4), (3, 7), 7), 1, &["tensor `second`", "within `first`", "header is damaged"]);
    refused(&two((0, 4), (0, 4), 4), 1, &["`first`", "`second`", "header is damaged"]);
    refused(&two((0, 8), (2, 6), 8), 1, &["tensor `second`", "within `first`"]);
    refused(&two((0, 4), (5, 8), 8), 1, &["bytes 4 to 5 of the data belong to no tensor"]);
    refused(&two((1, 4), (4, 8), 8), 1, &["bytes 0 to 1 of the data belong to no tensor"]);
    refused(&two((0, 4), (4, 8), 9), 1, &["bytes 8 to 9 of the data belong to no tensor"]);
    refused(&two((0, 4), (4, 9), 8), 1, &["tensor `second` ends at byte 9", "has 8", "fetch it again"]);
    let huge = entry("U8", "[1152921504606846976]", "0", "1152921504606846976");
    refused(&one(&huge, 4), 1, &["tensor `some.weight` ends at byte 1152921504606846976"]);
}

#[test]
fn names_that_occur_twice_are_noticed() {
    let (one, other) = (entry("U8", "[4]", "0", "4"), entry("U8", "[4]", "4", "8"));
    for again in ["some.weight", "some\\u002eweight"] {
        let json = format!(r#"{{"some.weight":{one},"{again}":{other}}}"#);
        refused(&raw_file(json, &[0; 8]), 1, &["names `some.weight` twice", "write it again"]);
    }
    refused(&raw_file(r#"{"__metadata__":{},"__metadata__":{}}"#, b""), 1, &["`__metadata__` twice"]);
}

#[test]
fn hostile_names_are_printed_harmlessly_on_one_line() {
    let name = r"\u001b[2Jgone\necf8: all is well\r\u0007";
    let json = format!(r#"{{"{name}":{}}}"#, entry("U8", "[4]", "0", "5"));
    refused(&raw_file(json, &[0; 5]), 1, &[r"\u{1b}[2Jgone\necf8: all is well\r\u{7}"]);

    // In answers too.
    let scratch = Scratch::new();
    let mut tensor = weights("", 1, 6000);
    tensor.name = "\u{1b}[2Jtwo\nlines\t".to_owned();
    scratch.write("in", ecf8_tests::cli::file(&[tensor]));
    let _ = scratch.ecf8("compress in -o packed").answer();
    let text = scratch.ecf8("inspect packed").answer();
    assert!(text.contains(r"\u{1b}[2Jtwo\nlines\t") && !text.contains('\u{1b}'), "{text}");
    #[cfg(unix)]
    scratch.run(["inspect", "no\nsuch\x1bfile"]).refuses(2, &[r"no\nsuch\u{1b}file"]);
}

#[test]
#[cfg(unix)]
fn pipes_devices_and_unreadable_files_are_named_and_never_waited_for() {
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;
    let scratch = Scratch::new();
    assert!(Command::new("mkfifo").arg(scratch.path("pipe")).status().unwrap().success());
    for input in ["pipe", "/dev/null", "/dev/zero"] {
        for line in [
            format!("compress {input} -o out"),
            format!("decompress {input} -o out"),
            format!("verify {input}"),
        ] {
            scratch.refuses(&line, 2, &[input, "not a regular file; give a .safetensors file"]);
        }
    }
    std::fs::create_dir(scratch.path("model")).unwrap();
    std::fs::rename(scratch.path("pipe"), scratch.path("model/pipe")).unwrap();
    scratch.write("model/w.safetensors", sample());
    scratch.refuses("compress model -o out", 2, &["model/pipe is a pipe", "move it out"]);

    scratch.refuses("compress absent -o out", 2, &["absent", "check the path"]);
    scratch.write("secret", sample());
    std::fs::set_permissions(scratch.path("secret"), std::fs::Permissions::from_mode(0o0)).unwrap();
    if std::fs::read(scratch.path("secret")).is_ok() {
        eprintln!("skipped: this user can read files without permission");
    } else {
        scratch.ecf8("compress secret -o out").refuses(2, &["secret", "check the permissions"]);
        assert!(!scratch.path("out").exists());
    }
}

#[test]
fn plain_and_compressed_files_are_not_taken_for_each_other() {
    let scratch = Scratch::new();
    scratch.write("in.safetensors", sample());
    for line in
        ["verify in.safetensors", "inspect in.safetensors --costs", "decompress in.safetensors -o out"]
    {
        scratch.refuses(line, 2, &["in.safetensors", "not compressed by ecf8", "compress it first"]);
    }
    let _ = scratch.ecf8("compress in.safetensors -o packed").answer();
    scratch.refuses("compress packed -o out", 2, &["packed", "compressed already", "decompress it first"]);
}
