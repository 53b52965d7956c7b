//! Every call that changes something on a disk fails once, the first, the second and so on, until there is none left to fail: the
//! program ends with one line, or does its work all the same. What was there stays, nothing half written has a final name, and
//! the same command works afterwards.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use ecf8_tests::cli::{Said, Scratch, file, weights};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Calls that are made to fail, and how.
const CALLS: [(&str, &str); 9] = [
    ("write", "ENOSPC"),
    ("pwrite64,writev,copy_file_range,sendfile", "ENOSPC"),
    ("rename,renameat,renameat2", "EIO"),
    ("fsync,fdatasync", "EIO"),
    ("mkdir,mkdirat", "ENOSPC"),
    ("ftruncate,fallocate", "ENOSPC"),
    ("link,linkat,symlink,symlinkat", "EIO"),
    ("unlink,unlinkat,rmdir", "EACCES"),
    ("chmod,fchmod,fchmodat", "EPERM"),
];

/// More failures than a command of these tests can have of one kind.
const MOST: u32 = 60;

type Contents = BTreeMap<PathBuf, Option<Vec<u8>>>;

/// What a folder holds but for files that are unfinished by their names, which the next run removes.
fn contents(scratch: &Scratch) -> Contents {
    let mut contents = scratch.contents();
    contents.retain(|path, _| !path.iter().any(|part| is_hidden(part.as_ref())));
    contents
}

fn is_hidden(name: &Path) -> bool {
    let name = name.to_string_lossy();
    name == "cache" || [".ecf8-", ".tuning-"].iter().any(|start| name.starts_with(start))
}

/// A folder with a file, a model, what becomes of them, and outputs that are to be replaced.
fn scratch() -> Scratch {
    let scratch = Scratch::new();
    let small = file(&[weights("a", 1, 3000), weights("b", 2, 700)]);
    scratch.write("in", &small);
    scratch.write("model/a.safetensors", &small);
    scratch.write("model/sub/t.txt", "text");
    let _ = scratch.ecf8("compress in -o packed").answer();
    let _ = scratch.ecf8("compress model -o packed.model").answer();
    scratch
}

/// Runs a line with its `n`th call of a kind failing; whether there was one, and what was said.
fn run(scratch: &Scratch, line: &str, (calls, error): (&str, &str), n: u32) -> Option<(bool, Said)> {
    let log = scratch.path("cache/log");
    let mut command = Command::new("strace");
    command.arg("-f").arg("-o").arg(&log).env("RAYON_NUM_THREADS", "1");
    command.env("ECF8_CACHE", scratch.path("cache"));
    command.args(["-e", &format!("trace={calls}"), "-e", &format!("inject={calls}:error={error}:when={n}")]);
    let said = scratch.traced(command, line)?;
    Some((fs::read_to_string(log).unwrap().contains("(INJECTED)"), said))
}

/// Lets every call of `line` fail once, with the folder each time as `prepare` makes it. `is_right` looks at what is there
/// after a success, which must be the case also where only the answer could not be written.
fn survives(line: &str, prepare: impl Fn() -> Scratch, is_right: impl Fn(&Scratch)) {
    let mut failures = 0;
    let mut scratch = prepare();
    fs::create_dir_all(scratch.path("cache")).unwrap();
    let mut before = contents(&scratch);
    for kind in CALLS {
        for n in 1.. {
            assert!(n < MOST, "{line}: {} are endless", kind.0);
            let what = format!("{line}, {}:{}:{n}", kind.0, kind.1);
            let Some((was_injected, said)) = run(&scratch, line, kind, n) else { return };
            assert!(matches!(said.status, Some(0 | 2)), "{what}: {said:?}");
            let is_unheard = said.stderr.contains("standard output");
            let is_done = said.status == Some(0) || is_unheard;
            let after = contents(&scratch);
            if is_done {
                is_right(&scratch);
            } else {
                failures += 1;
                said.refuses(2, &[]);
                // What is whole and cannot get its name gets another, and the line says which.
                let is_kept = said.stderr.contains("it is whole, under the name");
                let kept = |path: &PathBuf| is_kept && path.to_string_lossy().contains(".finished");
                let new = after.keys().filter(|path| !before.contains_key(*path) && !kept(path));
                assert_eq!(new.collect::<Vec<_>>(), Vec::<&PathBuf>::new(), "{what}: {said:?}");
                for (path, bytes) in &before {
                    assert!(after.get(path) == Some(bytes), "{what}: {} changed: {said:?}", path.display());
                }
                let said = scratch.command(line.split(' ')).env("ECF8_CACHE", scratch.path("cache")).output();
                let said = Said::from(said.unwrap());
                assert_eq!(said.status, Some(0), "{what}, and then: {said:?}");
                is_right(&scratch);
            }
            scratch = prepare();
            fs::create_dir_all(scratch.path("cache")).unwrap();
            before = contents(&scratch);
            if !was_injected {
                break;
            }
        }
    }
    // What cannot be written beside a model goes to the user's cache.
    assert!(failures > 2 || line.starts_with("tune"), "{line}: only {failures} failures");
}

#[test]
fn compressing_a_file() {
    let prepare = || {
        let scratch = scratch();
        scratch.write("old", "precious");
        scratch
    };
    survives("compress in -o old --force", prepare, |scratch| {
        let _ = scratch.ecf8("verify old --against in").answer();
    });
}

#[test]
fn compressing_a_folder() {
    survives("compress model -o out", scratch, |scratch| {
        let _ = scratch.ecf8("verify out --against model").answer();
    });
}

#[test]
fn decompressing_a_file() {
    survives("decompress packed -o out", scratch, |scratch| {
        assert!(scratch.read("out") == scratch.read("in"));
    });
}

#[test]
fn decompressing_a_folder_in_the_place_of_another() {
    let prepare = || {
        let scratch = scratch();
        scratch.write("old/precious", "data");
        scratch
    };
    survives("decompress packed.model -o old --force", prepare, |scratch| {
        assert!(scratch.read("old/a.safetensors") == scratch.read("model/a.safetensors"));
        assert!(scratch.read("old/sub/t.txt") == b"text" && !scratch.path("old/precious").exists());
    });
}

#[test]
fn merging_shares() {
    let prepare = || {
        let scratch = scratch();
        let _ = scratch.ecf8("compress model -o out --shard 0/1").answer();
        scratch
    };
    survives("merge model -o out", prepare, |scratch| {
        let _ = scratch.ecf8("verify out --against model").answer();
    });
}

#[test]
fn tuning() {
    survives("tune packed --device emulator --budget 1ms", scratch, |scratch| {
        let beside = scratch.path("packed.tuning.json");
        let text = fs::read(beside).ok().or_else(|| {
            let found = ecf8_tests::cli::contents(&scratch.path("cache"));
            found.into_iter().find(|(path, _)| path.to_string_lossy().ends_with(".tuning.json"))?.1
        });
        let cache: serde_json::Value =
            serde_json::from_slice(&text.expect("a tuning cache somewhere")).unwrap();
        assert!(cache["records"].is_array());
    });
}

#[test]
fn where_no_thread_can_be_started_the_work_is_done_by_one() {
    let scratch = scratch();
    // Threads beyond the process itself, and what waits for signals.
    for line in ["compress in -o out", "verify packed", "inspect packed", "decompress packed -o back"] {
        let Some(said) = scratch.with_failing(&["inject=clone3,clone:error=EAGAIN"], line) else { return };
        assert_eq!((said.status, said.stderr.as_str()), (Some(0), ""), "{line}: {said:?}");
    }
    assert!(scratch.read("back") == scratch.read("in"));
    let said = scratch.with_failing(&["inject=clone3,clone:error=EAGAIN"], "compress in -o x --threads 2");
    said.unwrap().refuses(2, &["cannot start 2 threads", "use fewer"]);
}
