//! A file that was begun by a command which was killed is gone on with by the same command: batches of tensors that were written stay,
//! if they are as the journal says; and whatever a killed run left, the output is what it would have been.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use ecf8_tests::cli::{Scratch, contents, file, weights};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// Tensors of the file, each of which makes a batch.
const TENSORS: u64 = 3;

/// A file of three batches, alone and in a folder.
fn scratch() -> Scratch {
    let scratch = Scratch::new();
    let tensors: Vec<_> = (0..TENSORS).map(|i| weights(&format!("w{i}"), i, 33 << 20)).collect();
    scratch.write("in", file(&tensors));
    scratch.write("model/config.json", "{}");
    fs::hard_link(scratch.path("in"), scratch.path("model/model.safetensors")).unwrap();
    scratch
}

/// The journal of what is being written, and what it tells of.
fn journal(scratch: &Scratch) -> Option<(PathBuf, PathBuf)> {
    let entries = fs::read_dir(scratch.path(".")).unwrap().map(|entry| entry.unwrap().path());
    entries.into_iter().find_map(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with(".ecf8-") && name.ends_with(".journal") {
            Some((path.clone(), path.with_extension("tmp")))
        } else if name.starts_with(".ecf8-") && path.join(".ecf8.journal").is_file() {
            Some((path.join(".ecf8.journal"), path.join("model.safetensors")))
        } else {
            None
        }
    })
}

/// Starts a command and kills it once its journal has some batches; gives the journal and what it tells of.
fn killed(scratch: &Scratch, line: &str, batches: usize) -> (PathBuf, PathBuf) {
    let mut command = scratch.command(line.split(' '));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let noted = || {
        let (journal, data) = journal(scratch)?;
        let text = fs::read_to_string(&journal).ok()?;
        // What it is about, and the plan.
        (text.matches('\n').count() >= 2 + batches).then_some((journal, data))
    };
    let found = loop {
        if let Some(found) = noted() {
            break found;
        }
        assert!(child.try_wait().unwrap().is_none(), "{line} ended before it was killed");
        std::thread::yield_now();
    };
    child.kill().unwrap();
    let _ = child.wait().unwrap();
    found
}

/// How many tensors a run says that it took over.
fn taken(stderr: &str) -> u64 {
    let said = stderr.lines().find_map(|line| line.split_once(": an interrupted run had written "));
    said.map_or(0, |(_, rest)| rest.split(' ').next().unwrap().parse().unwrap())
}

/// The names in the folder.
fn names(scratch: &Scratch) -> Vec<String> {
    let entries = fs::read_dir(scratch.path(".")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// What is done to what a killed run left: to the journal, and to what it tells of.
type Change = (&'static str, fn(&Path, &Path), std::ops::RangeInclusive<u64>);

fn flip(path: &Path, at: u64) {
    let file = fs::File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 4], at).unwrap();
}

#[test]
fn batches_that_a_killed_run_wrote_are_kept_if_they_are_right_and_the_output_is_the_same() {
    let scratch = scratch();
    let plain = names(&scratch);
    let changes: [Change; 7] = [
        ("nothing", |_, _| {}, 1..=TENSORS),
        (
            "a line that was not ended",
            |journal, _| {
                let length = journal.metadata().unwrap().size();
                fs::File::options().write(true).open(journal).unwrap().set_len(length - 1).unwrap();
            },
            0..=TENSORS - 1,
        ),
        (
            "a length in the journal",
            |journal, _| {
                let text = fs::read_to_string(journal).unwrap();
                let (head, batch) = text.trim_end().rsplit_once("\"lengths\":[").unwrap();
                fs::write(journal, format!("{head}\"lengths\":[1{batch}\n")).unwrap();
            },
            0..=TENSORS - 1,
        ),
        ("no journal", |journal, _| fs::remove_file(journal).unwrap(), 0..=0),
        ("a byte of the first batch", |_, data| flip(data, 20 << 20), 0..=0),
        (
            "what was written of the next batch",
            |_, data| {
                let mut file = fs::File::options().append(true).open(data).unwrap();
                file.write_all(&[7; 100_000]).unwrap();
            },
            1..=TENSORS,
        ),
        (
            "a file that was cut",
            |_, data| {
                fs::File::options().write(true).open(data).unwrap().set_len(1 << 20).unwrap();
            },
            0..=0,
        ),
    ];
    // A folder's file is gone on with in the same way.
    for (line, changes) in [
        ("compress in -o out --threads 2", &changes[..]),
        ("compress model -o out --threads 2", &changes[..2]),
    ] {
        let _ = scratch.ecf8(line).answer();
        let expected = contents(&scratch.path("."));
        let clear = || {
            let out = scratch.path("out");
            if out.is_dir() { fs::remove_dir_all(out).unwrap() } else { fs::remove_file(out).unwrap() }
        };
        clear();
        for (what, change, expected_taken) in changes {
            let (journal, data) = killed(&scratch, line, 1);
            change(&journal, &data);
            let said = scratch.ecf8(line);
            assert_eq!(said.status, Some(0), "{line}, {what}: {said:?}");
            assert!(expected_taken.contains(&taken(&said.stderr)), "{line}, {what}: {said:?}");
            assert!(contents(&scratch.path(".")) == expected, "{line}, {what}");
            clear();
            assert_eq!(names(&scratch), plain, "{line}, {what}");
        }
    }
}

#[test]
fn what_another_command_or_input_has_begun_is_not_gone_on_with() {
    let scratch = scratch();
    let _ = killed(&scratch, "compress in -o out --threads 2", 1);
    let said = scratch.ecf8("compress in -o out --scheme pair-lanes");
    assert!(
        said.status == Some(0) && taken(&said.stderr) == 0 && said.stderr.contains("was removed"),
        "{said:?}"
    );
    fs::remove_file(scratch.path("out")).unwrap();
    let _ = killed(&scratch, "compress in -o out --threads 2", 1);
    // Of the same name, but a number in its first tensor.
    let middle = 12 << 20;
    flip(&scratch.path("in"), middle);
    let said = scratch.ecf8("compress in -o out");
    assert!(said.status == Some(0) && taken(&said.stderr) == 0, "{said:?}");
    let _ = scratch.ecf8("verify out --against in").answer();
    assert_eq!(names(&scratch), ["in", "model", "out"]);
}
