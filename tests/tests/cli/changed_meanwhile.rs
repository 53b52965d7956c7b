//! While the program reads a file, another process rewrites it, cuts it, appends to it, or puts another in its place,
//! at random moments. What the program makes is then one of the versions that the file had, or it says in one line that
//! it cannot.
//!
//! `ECF8_ROUNDS=200` tries more moments than the usual few; `ECF8_SEED` others.

#![cfg(unix)]
#![allow(clippy::cast_possible_truncation, reason = "tests choose their numbers")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use ecf8_core::synthetic::{self, SyntheticTensor};
use ecf8_tests::cli::{Said, Scratch, file, weights};
use safetensors::Dtype;
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// SplitMix64, so that a round can be run again by its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) % limit
    }
}

/// The item with this number, beginning again after the last.
fn nth<T: Copy>(items: &[T], number: u64) -> T {
    items[usize::try_from(number % items.len() as u64).unwrap()]
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

/// A file with large and small tensors that compress, one that does not, and one that is not FP8: in two versions of
/// one size.
fn version(seed: u64) -> Vec<u8> {
    let bytes =
        |name: &str, count: usize, bytes| SyntheticTensor::new(name, Dtype::U8, &[count as u64], bytes);
    let mut tensors = vec![
        weights("a.large", seed, 3 << 20),
        bytes("b.kept", 2 << 20, synthetic::noise(seed + 1, 2 << 20)),
        SyntheticTensor::new("c.noise", Dtype::F8_E4M3, &[50_000], synthetic::noise(seed + 2, 50_000)),
    ];
    tensors.extend((0..20).map(|i| weights(&format!("d.small{i}"), seed + 3 + i, 7_000)));
    tensors.push(weights("e.large", seed + 30, 1_500_001));
    file(&tensors)
}

/// How a file is changed.
#[derive(Clone, Copy, Debug)]
enum Change {
    /// Overwritten in place by the other version, piece by piece.
    Rewrite,
    /// Overwritten in place at once.
    RewriteAtOnce,
    /// A page in it is overwritten.
    Page,
    /// Made shorter.
    Cut,
    /// Emptied and written again.
    Again,
    /// Made longer.
    Append,
    /// Another file gets its name.
    Replace,
}

const CHANGES: [Change; 7] = [
    Change::Rewrite,
    Change::RewriteAtOnce,
    Change::Page,
    Change::Cut,
    Change::Again,
    Change::Append,
    Change::Replace,
];

impl Change {
    fn apply(self, path: &Path, other: &[u8], random: &mut Random) {
        let open = || OpenOptions::new().write(true).open(path).unwrap();
        let len = path.metadata().unwrap().len();
        match self {
            Self::Rewrite => {
                let file = open();
                for (index, piece) in other.chunks(1 << 16).enumerate() {
                    file.write_all_at(piece, (index << 16) as u64).unwrap();
                }
                file.set_len(other.len() as u64).unwrap();
            }
            Self::RewriteAtOnce => {
                let file = open();
                file.write_all_at(other, 0).unwrap();
                file.set_len(other.len() as u64).unwrap();
            }
            Self::Page => open().write_all_at(&[0x31; 4096], 20_000 + random.below(len - 30_000)).unwrap(),
            Self::Cut => open().set_len(random.below(len)).unwrap(),
            Self::Again => fs::write(path, other).unwrap(),
            Self::Append => open().write_all_at(&[7; 5000], len).unwrap(),
            Self::Replace => {
                // In a folder of its own, so that nothing but the file is where it is looked for.
                let folder = tempfile::tempdir_in(path.parent().unwrap().parent().unwrap()).unwrap();
                let aside = folder.path().join("aside");
                fs::write(&aside, other).unwrap();
                fs::rename(&aside, path).unwrap();
            }
        }
    }
}

/// Runs the program and changes the file `name` after some time.
fn run(
    scratch: &Scratch,
    line: &str,
    name: &str,
    change: Change,
    (other, random): (&[u8], &mut Random),
    within: Duration,
) -> Said {
    let delay = Duration::from_nanos(random.below(u64::try_from(within.as_nanos()).unwrap()));
    let mut command = scratch.command(line.split(' '));
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(delay);
    change.apply(&scratch.path(name), other, random);
    child.wait_with_output().unwrap().into()
}

/// How long the program takes for this, left alone. What it makes is taken away.
fn duration(scratch: &Scratch, line: &str, made: Option<&str>) -> Duration {
    let start = Instant::now();
    let _ = scratch.ecf8(line).answer();
    let took = start.elapsed();
    made.into_iter().for_each(|name| fs::remove_file(scratch.path(name)).unwrap());
    took
}

/// Each round in a folder within the scratch folder, so that what is left in it shows.
struct Rounds {
    scratch: Scratch,
    counts: BTreeMap<String, u32>,
}

impl Rounds {
    fn new() -> Self {
        let scratch = Scratch::new();
        fs::create_dir(scratch.path("here")).unwrap();
        Self { scratch, counts: BTreeMap::new() }
    }

    /// Checks how the program ended: with an answer, or with one line and nothing but `names` in the folder; of a file that had
    /// changed before, `verify` also tells where. Gives whether it was with an answer.
    fn ended(&mut self, said: &Said, round: &str, names: &[&str]) -> bool {
        let mut found: Vec<_> =
            fs::read_dir(self.scratch.path("here")).unwrap().map(|e| e.unwrap().file_name()).collect();
        found.sort();
        let status = said.status.unwrap_or_else(|| panic!("{round}: ended by a signal: {said:?}"));
        let word = if said.stderr.contains("changed while it was read") { "changed" } else { "other" };
        *self.counts.entry(format!("exit {status}{}", if status == 0 { "" } else { word })).or_default() += 1;
        if status == 0 {
            assert_eq!(said.stderr, "", "{round}");
            return true;
        }
        assert_eq!(found, names, "{round}: {said:?}");
        assert!(status == 1 || status == 2, "{round}: {said:?}");
        said.finds(status, &[names[0]]);
        false
    }
}

#[test]
fn a_file_that_changes_while_it_is_compressed_gives_an_error_or_a_container_of_one_version() {
    let versions = [version(1), version(1001)];
    assert_eq!(versions[0].len(), versions[1].len());
    let (rounds, seed) = (number("ECF8_ROUNDS", 30), number("ECF8_SEED", 1));
    let mut all = Rounds::new();
    all.scratch.write("here/in", &versions[0]);
    let took = duration(&all.scratch, "compress here/in -o here/out", Some("here/out"));
    for round in 0..rounds {
        let mut random = Random(seed << 32 | round);
        let change = nth(&CHANGES, round);
        let what = format!("round {round} of seed {seed}, {change:?}");
        all.scratch.write("here/in", &versions[0]);
        let line = "compress here/in -o here/out";
        let said = run(&all.scratch, line, "here/in", change, (&versions[1], &mut random), took * 5 / 4);
        if all.ended(&said, &what, &["in"]) {
            let last = all.scratch.read("here/in");
            let _ = all.scratch.ecf8("verify here/out").answer();
            let _ = all.scratch.ecf8("decompress here/out -o back --force").answer();
            let back = all.scratch.read("back");
            assert!(
                back == versions[0] || back == last,
                "{what}: the container is of no version of the file"
            );
            fs::remove_file(all.scratch.path("here/out")).unwrap();
        }
    }
    println!("{:?}", all.counts);
}

#[test]
fn a_container_that_changes_while_it_is_read_gives_an_error_or_one_original() {
    let originals = [version(1), version(1001)];
    let mut all = Rounds::new();
    let containers = [0, 1].map(|which| {
        all.scratch.write("in", &originals[which]);
        let _ = all.scratch.ecf8("compress in -o out --force").answer();
        all.scratch.read("out")
    });
    let (rounds, seed) = (number("ECF8_ROUNDS", 30), number("ECF8_SEED", 1));
    all.scratch.write("here/packed", &containers[0]);
    let lines =
        ["decompress here/packed -o here/out", "verify here/packed", "verify here/packed --against in0"];
    all.scratch.write("in0", &originals[0]);
    let took = duration(&all.scratch, lines[0], Some("here/out"));
    for round in 0..rounds {
        let mut random = Random(seed << 32 | 1 << 31 | round);
        let change = nth(&CHANGES, round);
        let line = nth(&lines, random.below(lines.len() as u64));
        let what = format!("round {round} of seed {seed}, {change:?}, {line}");
        all.scratch.write("here/packed", &containers[0]);
        let said =
            run(&all.scratch, line, "here/packed", change, (&containers[1], &mut random), took * 5 / 4);
        if all.ended(&said, &what, &["packed"]) && line == lines[0] {
            let back = all.scratch.read("here/out");
            assert!(originals.contains(&back), "{what}: what came back is no original");
            fs::remove_file(all.scratch.path("here/out")).unwrap();
        }
    }
    println!("{:?}", all.counts);
}

#[test]
fn an_original_that_changes_while_it_is_compared_is_no_difference() {
    let scratch = Scratch::new();
    scratch.write("in", version(1));
    let _ = scratch.ecf8("compress in -o out").answer();
    // Slow enough that the change comes before the end.
    scratch.write("large", file(&(0..3).map(|i| weights(&format!("w{i}"), i, 12 << 20)).collect::<Vec<_>>()));
    let _ = scratch.ecf8("compress large -o large.out").answer();
    let took = duration(&scratch, "verify large.out", None);
    let mut command = scratch.command("verify large.out --against large".split(' '));
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // On a busy machine it may take a while to begin; what is cut before is different.
    let (large, maps) = (scratch.path("large"), format!("/proc/{}/maps", child.id()));
    let is_mapped = || {
        let maps = fs::read_to_string(&maps).unwrap_or_default();
        maps.lines().any(|line| line.ends_with(large.to_str().unwrap()))
    };
    let begun = Instant::now();
    while !is_mapped() && begun.elapsed() < Duration::from_secs(10) {
        std::thread::yield_now();
    }
    std::thread::sleep(took);
    Change::Cut.apply(&large, &[], &mut Random(1));
    let said: Said = child.wait_with_output().unwrap().into();
    // Whether it was already done is left open.
    if said.status != Some(0) {
        said.refuses(1, &["large changed while it was read", "it had"]);
    }
}
