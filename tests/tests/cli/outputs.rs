//! Where outputs go: links are followed, modes kept, names and room looked at before the work, and what killed runs
//! left is cleaned up.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use ecf8_tests::cli::{Said, Scratch, file, sample, weights};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A plain file `in`, a folder `model` with it and `config.json`.
fn scratch() -> Scratch {
    let scratch = Scratch::new();
    scratch.write("in", sample());
    scratch.write("model/model.safetensors", sample());
    scratch.write("model/config.json", "{}");
    scratch
}

fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).unwrap().is_symlink()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Files and folders that only unfinished outputs have the names of.
fn leftovers(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(".ecf8-")).collect()
}

#[test]
fn links_are_followed_to_where_the_output_is_meant_to_be() {
    let scratch = scratch();
    fs::create_dir(scratch.path("disk")).unwrap();
    symlink("disk", scratch.path("out")).unwrap();
    for force in ["", " --force"] {
        let _ = scratch.ecf8(&format!("compress model -o out{force}")).answer();
        assert!(is_link(&scratch.path("out")) && scratch.path("disk/model.safetensors").exists());
    }
    scratch.refuses("compress model -o out", 2, &["out exists already"]);
    scratch.write("old", "precious");
    symlink("old", scratch.path("file")).unwrap();
    scratch.refuses("compress in -o file", 2, &["file exists already"]);
    let _ = scratch.ecf8("compress in -o file --force").answer();
    assert!(is_link(&scratch.path("file")) && !is_link(&scratch.path("old")));
    let _ = scratch.ecf8("verify old --against in").answer();
    symlink("nowhere", scratch.path("broken")).unwrap();
    for force in ["", " --force"] {
        scratch.refuses(&format!("compress in -o broken{force}"), 2, &["broken exists already"]);
        scratch.refuses(&format!("compress model -o broken{force}"), 2, &["broken exists already"]);
    }
}

#[test]
fn names_that_no_output_can_have_are_refused_before_the_weights_are_read() {
    let scratch = scratch();
    // Damaged weights, which would be noticed as soon as they are read.
    scratch.write("bad", &sample()[..1000]);
    scratch.write("bads/a.safetensors", &sample()[..1000]);
    let long = "x".repeat(300);
    for input in ["bad", "bads"] {
        scratch.refuses(&format!("compress {input} -o {long}"), 2, &["cannot write", "too long"]);
    }
    scratch.refuses("compress bad -o new/", 2, &["new/", "names a folder", "the output's own name"]);
    let _ = scratch.ecf8("compress model -o new/").answer();
    assert!(scratch.path("new/config.json").exists());
}

#[test]
fn who_may_not_read_the_weights_may_not_read_what_is_made_of_them() {
    let scratch = scratch();
    scratch.write("model/sub/b.safetensors", sample());
    fs::create_dir(scratch.path("model/empty")).unwrap();
    for name in ["in", "model/model.safetensors", "model/config.json", "model/sub/b.safetensors"] {
        chmod(&scratch.path(name), 0o600);
    }
    for name in ["model", "model/sub", "model/empty"] {
        chmod(&scratch.path(name), 0o700);
    }
    let _ = scratch.ecf8("compress in -o packed").answer();
    let _ = scratch.ecf8("decompress packed -o back").answer();
    let _ = scratch.ecf8("compress model -o packed.model").answer();
    let _ = scratch.ecf8("decompress packed.model -o back.model").answer();
    for (name, entry) in scratch.contents() {
        let is_output = ["packed", "back"].iter().any(|start| name.to_string_lossy().starts_with(start));
        let expected = if entry.is_some() { 0o600 } else { 0o700 };
        assert!(!is_output || mode(&scratch.path(name.to_str().unwrap())) == expected, "{}", name.display());
    }
}

#[test]
fn copies_of_what_is_read_only_can_be_written() {
    let scratch = scratch();
    for name in ["in", "model/model.safetensors", "model/config.json"] {
        chmod(&scratch.path(name), 0o444);
    }
    let _ = scratch.ecf8("compress in -o packed").answer();
    let _ = scratch.ecf8("compress model -o packed.model").answer();
    for name in ["packed", "packed.model/model.safetensors", "packed.model/config.json"] {
        assert_eq!(mode(&scratch.path(name)), 0o644, "{name}");
    }
}

/// Starts the program and waits until it has begun its output.
fn started(scratch: &Scratch, line: &str) -> Child {
    let mut command = scratch.command(line.split(' '));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Until it holds the lock: one that is stopped in the moment before is taken for dead, and makes another output
    // when it goes on.
    let is_locked = |path: &PathBuf| {
        fs::File::open(path).is_ok_and(|file| matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock)))
    };
    while !leftovers(&scratch.path(".")).iter().any(is_locked) {
        assert!(child.try_wait().unwrap().is_none(), "{line} ended too soon");
        std::thread::yield_now();
    }
    child
}

/// Something that takes a while to compress, as a file and as a folder.
fn large() -> Scratch {
    let scratch = scratch();
    let large = file(&(0..4).map(|i| weights(&format!("w{i}"), i, 12 << 20)).collect::<Vec<_>>());
    scratch.write("large", &large);
    scratch.write("larger/a.safetensors", large);
    scratch
}

#[test]
fn what_a_killed_run_left_is_removed_by_the_next_which_says_so() {
    let scratch = large();
    for line in ["compress large -o out", "compress larger -o out"] {
        let mut child = started(&scratch, line);
        child.kill().unwrap();
        child.wait().unwrap();
        let left = leftovers(&scratch.path("."));
        assert_eq!(left.len(), 1, "{line}");
        let said = scratch.ecf8("compress in -o small");
        let name = left[0].file_name().unwrap().to_str().unwrap();
        assert!(said.status == Some(0) && said.stderr.contains(name), "{said:?}");
        assert!(said.stderr.contains("was removed") && said.stderr.lines().count() == 1, "{said:?}");
        assert!(leftovers(&scratch.path(".")).is_empty());
        fs::remove_file(scratch.path("small")).unwrap();
    }
}

#[test]
fn what_another_run_is_at_work_on_is_left_alone() {
    let scratch = large();
    for (line, out) in [("compress large -o out", "out"), ("compress larger -o outs", "outs")] {
        let child = started(&scratch, line);
        let stop = |signal: &str| {
            assert!(
                Command::new("kill")
                    .args(["-s", signal, &child.id().to_string()])
                    .status()
                    .unwrap()
                    .success()
            );
        };
        stop("STOP");
        let _ = scratch.ecf8("compress in -o small --force").answer();
        stop("CONT");
        let _ = Said::from(child.wait_with_output().unwrap()).answer();
        let _ = scratch.ecf8(&format!("verify {out}")).answer();
    }
}

#[test]
fn a_folder_that_a_killed_run_had_moved_aside_is_put_back() {
    let scratch = scratch();
    scratch.write(".ecf8-a1B2c3.old/precious/weights", "data");
    scratch.write(".ecf8-a1B2c4.old/model/config.json", "an older one");
    let said = scratch.ecf8("compress in -o packed");
    assert!(said.status == Some(0) && said.stderr.contains("precious was put back"), "{said:?}");
    assert_eq!(scratch.read("precious/weights"), b"data");
    assert_eq!(scratch.read("model/config.json"), b"{}");
    assert!(leftovers(&scratch.path(".")).is_empty());
    // Names that merely look alike are nobody's leftovers.
    for name in [".ecf8-notes.tmp/a", ".ecf8-a1B2c3", ".ecf8-a1B2c3d.tmp"] {
        scratch.write(name, "mine");
    }
    let _ = scratch.ecf8("compress in -o packed --force").answer();
    assert_eq!(leftovers(&scratch.path(".")).len(), 3);
}

#[test]
fn leftovers_in_a_models_folder_are_no_part_of_the_model() {
    let scratch = scratch();
    scratch.write("model/.ecf8-a1B2c3.tmp", "half a container");
    scratch.write("model/.ecf8-a1B2c4.tmp/x.safetensors", "half a container");
    let said = scratch.ecf8("compress model -o packed");
    assert!(said.status == Some(0) && said.stderr.matches("unfinished output").count() == 2, "{said:?}");
    assert!(leftovers(&scratch.path("packed")).is_empty());
}

/// Runs `f` with a disk of 8 MiB mounted on the folder `name`.
fn on_small_disk(scratch: &Scratch, name: &str, f: impl FnOnce()) {
    let disk = scratch.path(name);
    fs::create_dir_all(&disk).unwrap();
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"]).arg(&disk).output();
    if !mount.is_ok_and(|mount| mount.status.success()) {
        eprintln!("skipped: a small file system cannot be mounted here");
        return;
    }
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f));
    assert!(Command::new("umount").arg(&disk).status().unwrap().success());
    if let Err(panic) = done {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn a_folder_that_a_disk_is_mounted_on_is_filled() {
    let scratch = scratch();
    on_small_disk(&scratch, "out", || {
        let _ = scratch.ecf8("compress model -o out").answer();
        let _ = scratch.ecf8("verify out --against model").answer();
        assert!(leftovers(&scratch.path("out")).is_empty());
        let said = scratch.ecf8("compress model -o out --force");
        said.refuses(2, &["a disk is mounted on out", "choose a folder in it"]);
    });
}

#[test]
fn a_disk_without_room_is_noticed_before_the_work() {
    let scratch = large();
    let _ = scratch.ecf8("compress large -o packed").answer();
    scratch.write("copies/a.safetensors", sample());
    scratch.write("copies/large.bin", vec![1; 9 << 20]);
    on_small_disk(&scratch, "disk", || {
        for line in
            ["compress large -o disk/out", "decompress packed -o disk/out", "compress copies -o disk/out"]
        {
            scratch.ecf8(line).refuses(2, &["cannot write disk/out", "are needed", "free some space"]);
            assert_eq!(fs::read_dir(scratch.path("disk")).unwrap().count(), 0);
        }
    });
}

#[test]
fn file_systems_without_exclusive_renames_or_hard_links_get_outputs_too() {
    let scratch = scratch();
    let calls = ["inject=renameat2:error=EINVAL", "inject=link,linkat:error=EPERM"];
    let Some(said) = scratch.with_failing(&calls, "compress in -o packed") else { return };
    let _ = said.answer();
    let _ = scratch.ecf8("verify packed --against in").answer();
    scratch.write("old/precious", "data");
    for line in ["compress model -o folder", "compress model -o old --force"] {
        let _ = scratch.with_failing(&calls, line).unwrap().answer();
    }
    let _ = scratch.ecf8("verify old --against model").answer();
    assert!(leftovers(&scratch.path(".")).is_empty() && !scratch.path("old/precious").exists());
}

#[test]
fn an_output_that_cannot_get_its_name_is_kept_under_another() {
    let scratch = scratch();
    // The rename to its own name is refused; the next one, to the other name, is not.
    for (line, rename) in [("compress in -o packed", "renameat"), ("compress model -o folder", "rename")] {
        let calls = [
            "inject=renameat2:error=EINVAL".to_owned(),
            "inject=link,linkat:error=EPERM".to_owned(),
            format!("inject={rename}:error=EIO:when=1"),
        ];
        let calls: Vec<&str> = calls.iter().map(String::as_str).collect();
        let Some(said) = scratch.with_failing(&calls, line) else { return };
        let name = line.rsplit(' ').next().unwrap();
        said.refuses(2, &[name, "Input/output error", &format!("{name}.finished")]);
        let _ = scratch.ecf8(&format!("verify {name}.finished")).answer();
        assert!(leftovers(&scratch.path(".")).is_empty() && !scratch.path(name).exists());
    }
}
