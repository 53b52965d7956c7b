//! Tuning by the real program: what it keeps, what it survives, and what `verify` makes of it. On the emulator, which ranks
//! by prediction.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    clippy::zombie_processes,
    reason = "that is how a test fails, also in its helpers"
)]

use ecf8_core::container::{self, CompressOptions, Progress};
use ecf8_core::synthetic::{self, SyntheticTensor};
use ecf8_tests::cli::{Scratch, file, program, weights};
use ecf8_tune::cache::{self, Loaded, Record};
use ecf8_tune::nvrtc::Arch;
use safetensors::Dtype;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// A compressed model, alone in a folder, with a cache folder of its own.
struct ModelFolder {
    folder: TempDir,
}

struct Silent;

impl Progress for Silent {
    fn start(&self, _: &str, _: u64) {}
    fn advance(&self, _: u64) {}
    fn finish(&self) {}
}

impl ModelFolder {
    /// Tensors of these many elements; those of different powers of two are a problem each.
    fn with(elements: &[u64]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = Self { folder };
        let tensors: Vec<SyntheticTensor> = elements
            .iter()
            .enumerate()
            .map(|(index, &count)| {
                let values = synthetic::gaussian(index as u64, usize::try_from(count).unwrap(), 0.003);
                SyntheticTensor::new(&format!("t{index}"), Dtype::F8_E4M3, &[count], synthetic::cast(&values))
            })
            .collect();
        let input = place.folder.path().join("m.safetensors");
        fs::write(&input, synthetic::safetensors_bytes(&[], &tensors).unwrap()).unwrap();
        let options = CompressOptions { scheme: ecf8_core::scheme("exponent-gap"), ..Default::default() };
        container::compress(&input, &place.model(), &options, &Silent).unwrap();
        fs::remove_file(input).unwrap();
        let model = container::CompressedModel::open(&place.model()).unwrap();
        assert_eq!(
            model.files[0].tensors().len(),
            elements.len(),
            "tensors too small to compress are no use here"
        );
        place
    }

    fn model(&self) -> PathBuf {
        self.folder.path().join("m.ecf8.safetensors")
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("m.ecf8.tuning.json")
    }

    fn loaded(&self) -> Loaded {
        cache::load(&self.cache())
    }

    fn command(&self, name: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.arg(name).arg(self.model()).args(["--device", "emulator", "--json"]).args(args);
        command.env("ECF8_CACHE", self.folder.path().join("caches"));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, name: &str, args: &[&str]) -> (Value, String) {
        json_of(&self.command(name, args).output().unwrap())
    }

    fn start_tuning(&self) -> Child {
        self.command("tune", &["--budget", "1h"]).spawn().unwrap()
    }

    /// Everything there is to find out, as a set of names.
    fn all_candidates(&self) -> usize {
        ecf8_tune::tuner::candidates("exponent-gap").len()
    }
}

fn json_of(output: &Output) -> (Value, String) {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && !said.contains("panicked"), "{:?} {said}", output.status);
    (serde_json::from_slice(&output.stdout).unwrap(), said)
}

#[test]
fn a_second_run_finds_everything_and_measures_nothing_and_verify_uses_the_plan() {
    let place = ModelFolder::with(&[4500, 4500]);
    let (first, _) = place.run("tune", &["--budget", "1h"]);
    assert_eq!((&first["timing"], &first["complete"]), (&"predicted".into(), &true.into()));
    assert!(first["runs"].as_u64().unwrap() > 0);
    let problem = &first["problems"][0];
    assert_eq!(problem["candidates"].as_u64(), Some(place.all_candidates() as u64));
    assert!(problem["speed"]["predicted_gb_per_s"].is_number() && problem["speed"]["gb_per_s"].is_null());

    let before = fs::read(place.cache()).unwrap();
    let (second, said) = place.run("tune", &["--budget", "1h"]);
    assert_eq!(
        (second["runs"].as_u64(), second["complete"].as_bool(), said.as_str()),
        (Some(0), Some(true), "")
    );
    assert_eq!(second["problems"][0]["choice"], problem["choice"]);
    assert_eq!(fs::read(place.cache()).unwrap(), before, "nothing was written either");

    let (verified, _) = place.run("verify", &[]);
    assert_eq!(verified["rungs"]["exact"].as_u64(), Some(2), "{verified}");
    let strategy = problem["choice"]["strategy"].as_str().unwrap();
    assert!(verified["variants"].to_string().contains(strategy), "{verified}");
    let (told, _) = place.run("verify", &["--strategy", "gap-cascade"]);
    assert_eq!(told["rungs"], serde_json::json!({}), "what was asked for is not overruled");
}

#[test]
fn changed_code_and_other_gpus_are_ignored_with_a_reason() {
    let place = ModelFolder::with(&[4500]);
    place.run("tune", &["--budget", "1h"]);
    let whole = place.loaded().records.remove(0);
    let replace = |record: Record| {
        fs::remove_file(place.cache()).unwrap();
        cache::save(&place.cache(), &[record]).unwrap();
    };

    let mut changed = whole.clone();
    for candidate in changed.candidates.iter_mut().filter(|one| one.variant.strategy == "gap-cascade") {
        candidate.variant.code = "0123456789abcdef".to_owned();
    }
    let stale = changed.candidates.iter().filter(|one| one.variant.code == "0123456789abcdef").count();
    replace(changed);
    let (tuned, _) = place.run("tune", &["--budget", "1h"]);
    assert_eq!(tuned["runs"].as_u64(), Some(stale as u64), "only what has changed is tried again");
    assert!(tuned["ignored"].to_string().contains("whose code has changed since"), "{tuned}");

    let mut choice_changed = whole.clone();
    choice_changed.choice.as_mut().unwrap().code = "0123456789abcdef".to_owned();
    replace(choice_changed);
    let (verified, _) = place.run("verify", &[]);
    assert!(
        verified["rungs"]["default"] == 1 && verified["ignored"].to_string().contains("has changed since")
    );

    let mut elsewhere = whole;
    elsewhere.fingerprint.gpu = "another GPU".to_owned();
    elsewhere.fingerprint.arch = "sm_80".parse::<Arch>().unwrap();
    replace(elsewhere);
    let (tuned, _) = place.run("tune", &["--budget", "1h"]);
    assert_eq!(tuned["runs"].as_u64(), Some(place.all_candidates() as u64));
    assert!(tuned["ignored"].to_string().contains("another GPU"), "{tuned}");
    assert_eq!(place.loaded().records.len(), 2, "the other GPU's record is kept for it");
}

#[test]
fn fifty_kills_at_random_points_leave_complete_records_only() {
    let place = ModelFolder::with(&[3000, 5000, 9000, 17_000]);
    let mut random = 12345u64;
    let mut most = 0;
    for kill in 0..50 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut child = place.start_tuning();
        std::thread::sleep(Duration::from_millis((random >> 33) % 600));
        child.kill().unwrap();
        child.wait().unwrap();
        let loaded = place.loaded();
        assert_eq!(loaded.warning, None, "kill {kill}");
        let known: usize = loaded.records.iter().map(|record| record.candidates.len()).sum();
        assert!(known >= most, "kill {kill} lost something: {known} of {most}");
        most = known;
    }
    let (last, said) = place.run("tune", &["--budget", "1h"]);
    assert_eq!((last["complete"].as_bool(), said.as_str()), (Some(true), ""));
    let records = place.loaded().records;
    assert_eq!(records.len(), 4);
    assert!(
        records.iter().all(|record| record.complete && record.candidates.len() == place.all_candidates())
    );
    let left =
        fs::read_dir(place.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).filter(|name| {
            let name = name.to_string_lossy();
            name.ends_with(".tuning.json")
        });
    assert_eq!(left.count(), 1);
}

#[test]
fn four_tuners_at_once_on_one_file_lose_no_record() {
    let place = ModelFolder::with(&[3000, 5000, 9000]);
    let children: Vec<Child> = (0..4).map(|_| place.start_tuning()).collect();
    for child in children {
        let (tuned, said) = json_of(&child.wait_with_output().unwrap());
        assert_eq!((tuned["complete"].as_bool(), said.as_str()), (Some(true), ""));
    }
    let loaded = place.loaded();
    assert_eq!(loaded.warning, None);
    assert_eq!(loaded.records.len(), 3);
    assert!(
        loaded
            .records
            .iter()
            .all(|record| record.complete && record.candidates.len() == place.all_candidates())
    );
}

#[test]
fn damaged_caches_are_one_line_of_warning_for_verify_and_rebuilt_by_tune() {
    let place = ModelFolder::with(&[4500]);
    place.run("tune", &["--budget", "1h"]);
    let whole = fs::read(place.cache()).unwrap();
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let deep = format!("{{\"schema\":1,\"records\":{}", "[".repeat(100_000)).into_bytes();
    for damaged in [whole[..37].to_vec(), flipped, deep, Vec::new(), vec![0xff; 1000]] {
        fs::write(place.cache(), &damaged).unwrap();
        let (verified, said) = place.run("verify", &[]);
        assert_eq!((verified["exact"].as_bool(), said.lines().count()), (Some(true), 1), "{said}");
        assert!(said.starts_with("ecf8: warning: "), "{said}");
        let (tuned, _) = place.run("tune", &["--budget", "1h"]);
        assert_eq!(tuned["complete"].as_bool(), Some(true));
        assert_eq!(place.loaded().warning, None, "it is whole again");
    }
}

#[cfg(unix)]
#[test]
fn an_interrupt_keeps_what_was_found_out() {
    let place = ModelFolder::with(&[60_000, 30_000, 15_000, 7_000]);
    let child = place.start_tuning();
    std::thread::sleep(Duration::from_millis(700));
    let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    if !interrupted.is_ok_and(|status| status.success()) {
        eprintln!("skipped: no command called kill");
        return;
    }
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), answer["complete"].as_bool()), (Some(2), Some(false)), "{said}");
    assert!(said.contains("interrupted; what was measured is kept") && said.lines().count() == 1, "{said}");
    let (kept, told) = (place.loaded().records, answer["problems"].as_array().unwrap().len());
    assert_eq!(kept.len(), told);
}

#[test]
fn joining_caches_loses_nothing() {
    let (one, other) = (ModelFolder::with(&[3000, 5000]), ModelFolder::with(&[3000, 9000]));
    one.run("tune", &["--budget", "1h"]);
    other.run("tune", &["--budget", "1h"]);
    let joined = one.folder.path().join("c.tuning.json");
    let merge = |inputs: [&Path; 2]| {
        Command::new(program()).args(["tune", "merge"]).args(inputs).arg("-o").arg(&joined).output().unwrap()
    };
    assert!(merge([&one.cache(), &other.cache()]).status.success());
    let records = cache::load(&joined).records;
    let problem = |record: &Record| record.problem.clone();
    for record in one.loaded().records.iter().chain(&other.loaded().records) {
        assert!(records.iter().any(|joined| problem(joined) == problem(record)), "{}", record.problem);
    }
    let missing = merge([&one.cache(), Path::new("no such file")]);
    assert_eq!(missing.status.code(), Some(2));
}

#[test]
fn without_a_driver_every_gpu_command_is_one_line_that_says_what_still_works() {
    if ecf8_tune::device::devices().is_ok() {
        eprintln!("skipped: there is a GPU");
        return;
    }
    let place = ModelFolder::with(&[3000]);
    let model = place.model();
    let model = model.to_str().unwrap();
    let device = ["--device", "cuda:0"];
    for args in [&["tune", model][..], &["bench"], &["selftest"], &["verify", model]] {
        let output = Command::new(program()).args(args).args(device).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{args:?}: {said}");
        assert!(said.contains("--device"), "{args:?}: {said}");
    }
}

#[test]
fn a_tuning_cache_beside_the_weights_is_no_difference_from_the_original() {
    let scratch = Scratch::new();
    scratch.write("model/model.safetensors", file(&[weights("layers.0.weight", 1, 9000)]));
    let _ = scratch.ecf8("compress model -o packed").answer();
    scratch.write("packed/model.tuning.json", r#"{"schema":1,"records":[]}"#);
    let _ = scratch.ecf8("verify packed --against model").answer();
    scratch.write("packed/other.json", "{}");
    scratch.refuses("verify packed --against model", 1, &["the original has no other.json"]);
}
