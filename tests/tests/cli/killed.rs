//! Killed at any moment, a command that is given again ends in what it would have given undisturbed.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use ecf8_tests::cli::{Scratch, contents, file, weights};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime};

/// How often a command is killed, unless `ECF8_TEST_KILLS` says another number.
const KILLS: u64 = 8;

/// A model of a dozen files, of different sizes.
fn scratch() -> Scratch {
    let scratch = Scratch::new();
    for (index, size) in (0..12).zip((100_000..).step_by(30_000)) {
        let tensors = [0, 1].map(|i| weights(&format!("w{i}"), 2 * index + i, size));
        scratch.write(&format!("model/{index:02}.safetensors"), file(&tensors));
    }
    scratch.write("model/config.json", "{}");
    scratch
}

/// Of each finished part: which file it is, and when it was written.
fn finished(scratch: &Scratch) -> BTreeMap<PathBuf, (u64, SystemTime)> {
    use std::os::unix::fs::MetadataExt;
    let entries = fs::read_dir(scratch.path("out.parts")).into_iter().flatten();
    let entries = entries.map(|entry| entry.unwrap().path());
    let finished =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "safetensors"));
    finished
        .map(|path| {
            let metadata = path.metadata().unwrap();
            (path, (metadata.ino(), metadata.modified().unwrap()))
        })
        .collect()
}

/// Of each file of weights in unfinished folders, by its inode: what it is called.
fn unfinished(scratch: &Scratch) -> BTreeMap<u64, String> {
    use std::os::unix::fs::DirEntryExt;
    let entries = fs::read_dir(scratch.path(".")).unwrap().map(|entry| entry.unwrap());
    let folders = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(".ecf8-"));
    let files = folders.flat_map(|folder| fs::read_dir(folder.path()).into_iter().flatten().flatten());
    let named = files.map(|file| (file.ino(), file.file_name().into_string().unwrap()));
    named.filter(|(_, name)| name.ends_with(".safetensors")).collect()
}

/// Starts the program and kills it after a while; gives whether it had not ended by then.
fn killed(scratch: &Scratch, line: &str, after: Duration) -> bool {
    let mut command = scratch.command(line.split(' '));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(after);
    let is_at_work = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    let _ = child.wait().unwrap();
    is_at_work
}

/// How many files a run says that it took over.
fn taken_of(stderr: &str) -> usize {
    stderr.matches("an interrupted run had finished it").count()
}

/// A number below `below`, the next one of a series.
fn next(state: &mut u64, below: u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % below
}

#[test]
fn killed_at_random_moments_it_ends_in_the_same_by_the_same_command() {
    let kills = std::env::var("ECF8_TEST_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let scratch = scratch();
    let plain = "compress model -o out --threads 2";
    let whole = || {
        let start = Instant::now();
        let _ = scratch.ecf8(plain).answer();
        let (takes, made) = (start.elapsed(), contents(&scratch.path("out")));
        fs::remove_dir_all(scratch.path("out")).unwrap();
        (takes, made)
    };
    // The shortest of some: a first run takes longer, and most kills are to come while a run is at work.
    let (takes, expected) = [(); 5].map(|()| whole()).into_iter().min_by_key(|(takes, _)| *takes).unwrap();
    let (mut state, mut at_work, mut kept, mut taken) = (20_261_126, 0, 0, 0);
    println!("seed {state}, {kills} kills, undisturbed {takes:?}");
    for kill in 0..kills {
        // Both ways by turns; a share keeps what is finished.
        let is_share = kill % 2 == 0;
        let line = if is_share { format!("{plain} --shard 0/1") } else { plain.to_owned() };
        let after = Duration::from_micros(next(&mut state, takes.as_micros().try_into().unwrap()));
        at_work += u64::from(killed(&scratch, &line, after));
        assert!(is_share || !scratch.path("out").exists() || contents(&scratch.path("out")) == expected);
        let before = finished(&scratch);
        kept += before.len();
        let unfinished = unfinished(&scratch);
        if !scratch.path("out").exists() {
            // It may say that it removed what was left, and which files it took over: these are the same ones.
            let said = scratch.ecf8(&line);
            assert_eq!(said.status, Some(0), "kill {kill}: {said:?}");
            for name in said
                .stderr
                .lines()
                .filter_map(|line| line.split(": an interrupted run had finished it").next())
            {
                let Some(name) = name.split(' ').next_back().filter(|name| name.ends_with(".safetensors"))
                else {
                    continue;
                };
                use std::os::unix::fs::MetadataExt;
                let inode = scratch.path("out").join(name).metadata().unwrap().ino();
                assert_eq!(unfinished.get(&inode).map(String::as_str), Some(name), "kill {kill}");
                taken += 1;
            }
            // All but the one at work were finished.
            assert!(
                is_share || taken_of(&said.stderr) + 1 >= unfinished.len(),
                "kill {kill}: {unfinished:?} {said:?}"
            );
        }
        if is_share {
            let after = finished(&scratch);
            assert_eq!(after.len(), 12);
            // What was finished is not made again: at most the file that was at work is.
            assert!(before.iter().all(|(path, seen)| after[path] == *seen), "kill {kill} after {before:?}");
            let said = scratch.ecf8("merge model -o out");
            assert_eq!(said.status, Some(0), "kill {kill}: {said:?}");
        }
        assert!(contents(&scratch.path("out")) == expected, "kill {kill}: {line}");
        fs::remove_dir_all(scratch.path("out")).unwrap();
        let names = fs::read_dir(scratch.path(".")).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(names.collect::<Vec<_>>(), ["model"], "kill {kill}: {line}");
    }
    println!("{at_work} of {kills} at work, {kept} files kept, {taken} taken over");
    assert!(at_work * 2 > kills && kept > 0 && taken > 0);
}
