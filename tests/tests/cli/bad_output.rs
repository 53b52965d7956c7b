//! Outputs that cannot be written: one line says why, the input stays as it is, and nothing half written is left.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use ecf8_tests::cli::{Scratch, file, program, sample, weights};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// A plain file `in` and its compressed form `packed`.
fn scratch() -> Scratch {
    let scratch = Scratch::new();
    scratch.write("in", sample());
    let _ = scratch.ecf8("compress in -o packed").answer();
    scratch
}

#[test]
fn missing_folders_and_files_as_folders_are_named() {
    let scratch = scratch();
    for from in ["compress in", "decompress packed"] {
        scratch.refuses(&format!("{from} -o absent/out"), 2, &["absent", "check the path"]);
        scratch.refuses(&format!("{from} -o in/out"), 2, &["in", "a part of the path is a file"]);
        scratch.refuses(&format!("{from} -o /proc/out"), 2, &["/proc/out"]);
    }
}

#[test]
fn what_exists_is_kept_unless_asked_and_folders_and_devices_even_then() {
    let scratch = scratch();
    scratch.write("there", "precious");
    fs::create_dir(scratch.path("folder")).unwrap();
    for from in ["compress in", "decompress packed"] {
        scratch.refuses(&format!("{from} -o there"), 2, &["there exists already", "choose another"]);
        for output in ["folder", ".", "..", "/", "/dev/null"] {
            for force in ["", " --force"] {
                scratch.refuses(&format!("{from} -o {output}{force}"), 2, &[output, "choose another"]);
            }
        }
    }
    let _ = scratch.ecf8("compress in -o there --force").answer();
    assert!(scratch.read("there") == scratch.read("packed"));
    let _ = scratch.ecf8("decompress packed -o there --force").answer();
    assert!(scratch.read("there") == scratch.read("in"));
}

#[test]
fn the_input_is_never_the_output_under_whatever_name() {
    let scratch = scratch();
    fs::create_dir(scratch.path("folder")).unwrap();
    for (name, from) in [("in", "compress"), ("packed", "decompress")] {
        symlink(name, scratch.path(&format!("{name}.soft"))).unwrap();
        fs::hard_link(scratch.path(name), scratch.path(&format!("{name}.hard"))).unwrap();
        let absolute = scratch.path(name).display().to_string();
        let aliases = [name, &format!("./{name}"), &format!("folder/../{name}"), &absolute];
        let links = [&format!("{name}.soft")[..], &format!("{name}.hard")];
        for output in aliases.into_iter().chain(links) {
            for force in ["", " --force"] {
                scratch.refuses(
                    &format!("{from} {name} -o {output}{force}"),
                    2,
                    &["is the input", "choose another"],
                );
            }
        }
        scratch.refuses(&format!("{from} {name}.soft -o {name}"), 2, &["is the input"]);
    }
}

#[test]
fn a_link_to_nothing_is_not_written_through() {
    let scratch = scratch();
    symlink("elsewhere", scratch.path("link")).unwrap();
    scratch.refuses("compress in -o link", 2, &["link exists already"]);
    assert!(!scratch.path("elsewhere").exists());
}

#[test]
fn a_read_only_folder_is_named() {
    let scratch = scratch();
    let folder = scratch.path("locked");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, Permissions::from_mode(0o555)).unwrap();
    let writable = fs::write(folder.join("probe"), "").is_ok();
    let _ = fs::remove_file(folder.join("probe"));
    let line = "compress in -o locked/out";
    if !writable {
        return scratch.refuses(line, 2, &["locked/out", "check the permissions"]);
    }
    // Permissions do not bind root, so somebody else runs a copy of the program.
    const NOBODY: u32 = 65_534;
    let copy = scratch.path("ecf8");
    fs::copy(program(), &copy).unwrap();
    fs::set_permissions(scratch.path("."), Permissions::from_mode(0o755)).unwrap();
    let before = scratch.contents();
    let mut command = Command::new(&copy);
    let output =
        command.args(line.split(' ')).current_dir(scratch.path(".")).uid(NOBODY).gid(NOBODY).output();
    match output {
        Ok(output) => {
            ecf8_tests::cli::Said::from(output).refuses(2, &["locked/out", "check the permissions"]);
        }
        Err(error) => eprintln!("skipped: nobody else can run the program here: {error}"),
    }
    scratch.assert_unchanged(&before, line);
}

/// Runs the program where no file may be larger than `blocks` of 512 bytes, which plays a disk that fills up.
fn on_full_disk(scratch: &Scratch, blocks: u32, line: &str, words: &[&str]) {
    let before = scratch.contents();
    let mut shell = Command::new("sh");
    shell.args([
        "-c",
        "trap '' XFSZ; ulimit -f \"$1\" || exit 99; shift; exec \"$@\"",
        "sh",
        &blocks.to_string(),
    ]);
    shell.arg(program()).args(line.split(' ')).current_dir(scratch.path("."));
    ecf8_tests::cli::Said::from(shell.output().unwrap()).refuses(2, words);
    scratch.assert_unchanged(&before, line);
}

#[test]
fn a_disk_that_fills_up_midway_leaves_nothing_behind() {
    let scratch = Scratch::new();
    let large = file(&[weights("a", 1, 1 << 20), weights("b", 2, 1 << 20)]);
    scratch.write("in", &large);
    scratch.write("model/a.safetensors", sample());
    scratch.write("model/b.bin", vec![0; 200_000]);
    scratch.write("model/c.safetensors", large);
    let _ = scratch.ecf8("compress in -o packed").answer();
    let _ = scratch.ecf8("compress model -o packed.model").answer();
    let words = |name| ["cannot write", name, "free some space"];
    for blocks in [0, 1, 100, 2000] {
        on_full_disk(&scratch, blocks, "compress in -o out", &words("out"));
        on_full_disk(&scratch, blocks, "decompress packed -o out", &words("out"));
    }
    on_full_disk(&scratch, 2000, "compress model -o out", &words("c.safetensors"));
    on_full_disk(&scratch, 2000, "decompress packed.model -o out", &words("c.safetensors"));
    on_full_disk(&scratch, 100, "compress model -o out", &["cannot copy", "model/b.bin", "free some space"]);
    on_full_disk(&scratch, 100, "compress in -o packed --force", &words("packed"));
}

#[test]
fn a_file_system_that_is_full_leaves_nothing_behind() {
    let scratch = scratch();
    let disk = scratch.path("disk");
    fs::create_dir(&disk).unwrap();
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(&disk).output();
    if !mount.is_ok_and(|mount| mount.status.success()) {
        eprintln!("skipped: a small file system cannot be mounted here");
        return;
    }
    scratch.write("large", file(&[weights("a", 1, 1 << 20)]));
    let said = scratch.ecf8("compress large -o disk/out");
    let left = fs::read_dir(&disk).unwrap().count();
    assert!(Command::new("umount").arg(&disk).status().unwrap().success());
    said.refuses(2, &["cannot write disk/out", "free some space"]);
    assert_eq!(left, 0);
}

#[test]
fn answers_that_cannot_be_written_are_failures_but_nobody_must_listen_to_the_end() {
    let scratch = scratch();
    let full = fs::File::options().write(true).open("/dev/full");
    if let Ok(full) = full {
        let output = scratch.command(["inspect", "packed"]).stdout(full).output().unwrap();
        ecf8_tests::cli::Said::from(output).refuses(2, &["standard output", "No space left"]);
    }
    for line in ["inspect packed", "inspect packed --json", "kernel emit --strategy gap-cascade", "--help"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = scratch.command(line.split(' ')).stdout(writer).output().unwrap();
        assert_eq!(ecf8_tests::cli::Said::from(output).answer(), "", "{line}");
    }
}
