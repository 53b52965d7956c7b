use super::*;
use crate::executor::{Fingerprint, Timing};
use crate::nvrtc::Arch;
use crate::tuner::{Candidate, Exhaustive, Known, Outcome, Problem, Tuned, candidates};
use ecf8_codegen::strategy::{Params, Strategy, strategies_for};
use ecf8_core::{Codebook, schemes};
use std::fs;
use std::sync::LazyLock;

fn scheme() -> &'static str {
    schemes()[0].name()
}

/// A few candidates, enough to choose from.
fn space() -> &'static [Candidate] {
    static SPACE: LazyLock<Vec<Candidate>> = LazyLock::new(|| candidates(scheme()));
    &SPACE[..6]
}

fn h200() -> Fingerprint {
    Fingerprint {
        gpu: "NVIDIA H200".to_owned(),
        arch: Arch::SM_90,
        sm_count: 132,
        driver: "580.1".to_owned(),
        nvrtc: "13.0".to_owned(),
    }
}

fn problem(elements: u32, code: &str) -> Problem {
    let codebook = Codebook::from_text(code).unwrap();
    Problem { elements, ..Problem::new(scheme(), "F8_E4M3", &codebook, (1, 1)).unwrap() }
}

/// A complete record that chooses candidate `choice`, all of which were timed.
fn record(fingerprint: Fingerprint, problem: Problem, choice: usize, unix_ms: u64) -> Record {
    let outcome = |index: usize| Outcome::SamplesNs(vec![1000 + 100 * (index != choice) as u64; 3]);
    let tuned = Tuned {
        outcomes: (0..space().len()).map(|index| Some(outcome(index))).collect(),
        choice: Some(choice),
        complete: true,
        runs: 9,
        tried: 6,
        stopped: None,
        fatal: None,
    };
    let record = Record::new(fingerprint, Timing::Measured, problem, 1 << 20, space(), &tuned);
    Record { unix_ms, ..record }
}

fn some_records(count: u32) -> Vec<Record> {
    (0..count).map(|bucket| record(h200(), problem(bucket, "1233"), 1, 5)).collect()
}

#[test]
fn records_come_back_from_the_file_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.tuning.json");
    let records = some_records(5);
    save(&path, &records[..2]).unwrap();
    save(&path, &records[2..]).unwrap();
    let loaded = load(&path);
    assert_eq!((loaded.records, loaded.warning), (records, None));
    let names: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["m.tuning.json"], "nothing else is left beside the weights");
    let json: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let first = &json["records"][0]["record"];
    assert_eq!(json["schema"], SCHEMA);
    assert!(first["candidates"][0]["params"]["bytes_per_thread"].is_string(), "parameters by name: {first}");
}

#[test]
fn what_is_known_goes_round_through_a_record() {
    let known = record(h200(), problem(20, "1233"), 2, 5).known(space());
    assert_eq!(
        (known.incumbent, known.complete, known.is_settled(space(), &Exhaustive::default())),
        (Some(2), true, true)
    );
    assert_eq!(known.outcomes[2], Some(Outcome::SamplesNs(vec![1000; 3])));

    let mut changed = record(h200(), problem(20, "1233"), 2, 5);
    // A record holds its candidates in an order of its own.
    let choice = changed.choice.as_mut().unwrap();
    let chosen = changed.candidates.iter_mut().find(|candidate| candidate.variant == *choice).unwrap();
    chosen.variant.code = "0123456789abcdef".to_owned();
    choice.code = "0123456789abcdef".to_owned();
    let known = changed.known(space());
    assert_eq!(
        (known.incumbent, known.outcomes[2].clone(), known.is_settled(space(), &Exhaustive::default())),
        (None, None, false)
    );
    assert!(!Known::default().is_settled(space(), &Exhaustive::default()));
}

#[test]
fn merging_keeps_everything_whatever_the_order() {
    let mut older = record(h200(), problem(20, "1233"), 1, 5);
    let mut newer = record(h200(), problem(20, "1233"), 2, 6);
    let only_older = older.candidates[0].variant.clone();
    newer.candidates.remove(0);
    older.candidates.remove(5);
    let other = record(h200(), problem(21, "1233"), 0, 1);
    let one = merge(vec![older.clone(), other.clone()], vec![newer.clone()]);
    assert_eq!(one, merge(vec![newer.clone()], vec![other, older]));
    assert_eq!(one.len(), 2);
    assert_eq!(one[0].choice, newer.choice);
    assert_eq!(one[0].candidates.len(), 6);
    assert!(one[0].candidates.iter().any(|candidate| candidate.variant == only_older));
    assert_eq!(merge(one.clone(), one.clone()), one);
}

#[test]
fn many_writers_at_once_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.tuning.json");
    let records = some_records(40);
    std::thread::scope(|scope| {
        for part in records.chunks(10) {
            let path = &path;
            scope.spawn(move || part.iter().for_each(|one| save(path, std::slice::from_ref(one)).unwrap()));
        }
    });
    assert_eq!(load(&path).records, records);
}

#[test]
fn what_killed_writers_left_goes_after_an_hour() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let then = std::time::SystemTime::now() - std::time::Duration::from_secs(7200);
    for name in [".tuning-old.tmp", ".tuning-young.tmp", ".tuning-other", "notes.tmp"] {
        let file = fs::File::create(place(name)).unwrap();
        if name != ".tuning-young.tmp" {
            file.set_modified(then).unwrap();
        }
    }
    save(&place("m.tuning.json"), &some_records(1)).unwrap();
    assert!(!place(".tuning-old.tmp").exists());
    for name in [".tuning-young.tmp", ".tuning-other", "notes.tmp", "m.tuning.json"] {
        assert!(place(name).exists(), "{name}");
    }
}

#[test]
fn every_truncation_is_one_line_of_warning_and_the_file_is_rebuilt() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.tuning.json");
    let records = some_records(2);
    save(&path, &records).unwrap();
    let whole = fs::read(&path).unwrap();
    for length in (0..whole.len() - 2).step_by(41) {
        fs::write(&path, &whole[..length]).unwrap();
        let loaded = load(&path);
        let warning = loaded.warning.unwrap();
        assert!(loaded.records.is_empty() && !warning.contains('\n'), "{length}: {warning}");
        save(&path, &records).unwrap();
        assert_eq!(fs::read(&path).unwrap(), whole);
    }
}

#[test]
fn no_flipped_bit_ever_changes_a_record() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.tuning.json");
    let records = some_records(2);
    save(&path, &records).unwrap();
    let whole = fs::read(&path).unwrap();
    for at in (0..whole.len()).step_by(3) {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        fs::write(&path, &flipped).unwrap();
        let loaded = load(&path);
        assert!(loaded.records.iter().all(|record| records.contains(record)), "byte {at}");
        let lost = loaded.records.len() < records.len();
        assert_eq!(loaded.warning.is_some(), lost, "byte {at}: {:?}", loaded.warning);
        assert!(loaded.warning.is_none_or(|warning| !warning.contains('\n')));
    }
}

#[test]
fn hostile_files_are_refused_on_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.tuning.json");
    let sealed = |record: &Record| {
        save(&path, std::slice::from_ref(record)).unwrap();
        fs::read_to_string(&path).unwrap()
    };
    let mut endless = record(h200(), problem(20, "1233"), 1, 5);
    endless.candidates[0].outcome = Outcome::SamplesNs(vec![u64::MAX]);
    let mut instant = record(h200(), problem(20, "1233"), 1, 5);
    instant.candidates[0].outcome = Outcome::SamplesNs(vec![0]);
    let mut shapeless = record(h200(), problem(20, "1233"), 1, 5);
    shapeless.problem.elements = 4_000_000_000;
    let mut escape = record(h200(), problem(20, "1233"), 1, 5);
    escape.fingerprint.gpu = "\u{1b}[2J\nGPU".to_owned();
    let crafted = [&endless, &instant, &shapeless, &escape].map(|record| {
        let _ = fs::remove_file(&path);
        sealed(record)
    });
    let deep = format!("{{\"schema\":{SCHEMA},\"records\":[{}", "[".repeat(1_000_000));
    let huge = r#"{"schema":2,"records":[{"checksum":"0","record":{"unix_ms":1e308}}]}"#.to_owned();
    let negative = r#"{"schema":-1,"records":[]}"#.to_owned();
    for text in crafted.into_iter().chain([deep, huge, negative, "null".to_owned(), "[]".to_owned()]) {
        fs::write(&path, &text).unwrap();
        let loaded = load(&path);
        let warning = loaded.warning.unwrap();
        assert!(loaded.records.is_empty() && !warning.chars().any(char::is_control), "{warning}");
    }
    // Not UTF-8, endless, and no file at all.
    fs::write(&path, [0xff, 0xfe, 0x00]).unwrap();
    assert!(load(&path).warning.is_some());
    assert!(load(folder.path()).warning.is_some_and(|warning| warning.contains("no file")));
    assert!(load(&folder.path().join("none")).warning.is_none());
    #[cfg(unix)]
    assert!(load(Path::new("/dev/zero")).warning.is_some());
}

#[test]
fn tricks_with_names_lead_nowhere() {
    let mut tricky = record(h200(), problem(20, "1233"), 1, 5);
    tricky.choice.as_mut().unwrap().strategy = "../../../etc/passwd".to_owned();
    let plan =
        plan(&[tricky], &[], &h200(), Timing::Measured, &problem(20, "1233"), &mut |_, _| Ok(())).unwrap();
    assert_eq!(plan.rung, Rung::Default);
    assert!(plan.ignored[0].contains("there is no strategy `../../../etc/passwd`"), "{:?}", plan.ignored);
}

#[test]
fn a_cache_that_names_a_strategy_which_is_no_more_is_read_and_what_else_it_knows_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.tuning.json");
    let mut removed = record(h200(), problem(20, "1233"), 1, 5);
    removed.choice.as_mut().unwrap().strategy = "gap-onepass".to_owned();
    removed.candidates[0].variant.strategy = "gap-onepass".to_owned();
    let records = [removed, record(h200(), problem(21, "1233"), 2, 5)];
    save(&path, &records).unwrap();
    let loaded = load(&path);
    assert_eq!((&loaded.records[..], &loaded.warning), (&records[..], &None));
    let known = loaded.records[0].known(space());
    assert_eq!((known.incumbent, known.outcomes.iter().flatten().count()), (None, space().len() - 1));
    let near = plan(&records, &[], &h200(), Timing::Measured, &problem(20, "1233"), &mut |_, _| Ok(()));
    let near = near.unwrap();
    assert_eq!((near.rung, &near.params), (Rung::SameArchitecture, &space()[2].params));
    assert!(near.ignored[0].contains("there is no strategy `gap-onepass`"), "{:?}", near.ignored);
}

#[test]
fn records_of_single_tensors_as_they_once_were_are_ignored_with_the_reason_and_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.tuning.json");
    let earlier = r#"{"schema":1,"records":[{"checksum":"0","record":{"problem":{"shape_bucket":20}}}]}"#;
    fs::write(&path, earlier).unwrap();
    let loaded = load(&path);
    let warning = loaded.warning.unwrap();
    assert!(loaded.records.is_empty() && !loaded.is_no_cache, "{warning}");
    assert!(
        warning.contains("version 1, not 2") && warning.contains("`ecf8 tune` makes it anew"),
        "{warning}"
    );
    save(&path, &some_records(2)).unwrap();
    assert_eq!(load(&path).records, some_records(2));
}

#[test]
fn a_launch_of_as_many_elements_in_another_number_of_tensors_is_another_problem() {
    let wanted = problem(20, "1233");
    let several = record(h200(), Problem { tensors: 3, ..wanted.clone() }, 2, 9);
    let near = record(h200(), problem(21, "1233"), 1, 5);
    let other_dtype = record(h200(), Problem { dtype: "BF16".to_owned(), ..wanted.clone() }, 3, 9);
    let other_operation = record(h200(), Problem { operation: "gemv".to_owned(), ..wanted.clone() }, 3, 9);
    let ask = |records: &[Record]| {
        plan(records, &[], &h200(), Timing::Measured, &wanted, &mut |_, _| Ok(())).unwrap()
    };
    let found = ask(&[several.clone(), near]);
    assert_eq!((found.rung, &found.params), (Rung::SameArchitecture, &space()[1].params), "the nearer one");
    assert_eq!(ask(&[several]).rung, Rung::SameArchitecture);
    assert_eq!(ask(&[other_dtype, other_operation]).rung, Rung::Default);
}

#[test]
fn a_file_of_a_later_version_is_neither_used_nor_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.tuning.json");
    let later = r#"{"schema":3,"records":[],"more":true}"#;
    fs::write(&path, later).unwrap();
    assert!(load(&path).warning.is_some_and(|warning| warning.contains("version 3")));
    assert!(matches!(save(&path, &some_records(1)), Err(SaveError::Later { .. })));
    assert_eq!(fs::read_to_string(&path).unwrap(), later);
}

#[test]
fn a_place_that_cannot_be_written_falls_back_to_the_users_cache() {
    let folder = tempfile::tempdir().unwrap();
    let cache = TuningCache {
        places: Places {
            beside: folder.path().join("no such folder/m.tuning.json"),
            fallback: Some(folder.path().join("tunings/m.tuning.json")),
        },
        ..TuningCache::default()
    };
    let place = cache.save(&some_records(1)).unwrap();
    assert_eq!(Some(&place), cache.places.fallback.as_ref());
    assert_eq!(load(&place).records.len(), 1);
}

#[test]
fn the_ladder_is_climbed_down_rung_by_rung() {
    let wanted = problem(20, "1233");
    let ask = |records: &[Record], bundled: &[Record]| {
        let plan = plan(records, bundled, &h200(), Timing::Measured, &wanted, &mut |_, _| Ok(())).unwrap();
        let choice = space()
            .iter()
            .position(|one| one.params == plan.params && one.strategy.name() == plan.strategy.name());
        (plan.rung, choice)
    };
    let exact = record(h200(), wanted.clone(), 1, 5);
    let other_driver = record(Fingerprint { driver: "570.0".to_owned(), ..h200() }, wanted.clone(), 2, 9);
    let other_class = record(h200(), problem(20, "2222"), 3, 9);
    let other_bucket = record(h200(), problem(23, "1233"), 4, 9);
    let other_gpu = record(Fingerprint { gpu: "NVIDIA H100".to_owned(), ..h200() }, wanted.clone(), 5, 9);
    let other_arch = Fingerprint { arch: "sm_80".parse().unwrap(), gpu: "A100".to_owned(), ..h200() };
    let other_arch = record(other_arch, wanted.clone(), 5, 9);
    let predicted =
        Record { timing: Timing::Predicted, ..record(other_arch.fingerprint.clone(), wanted.clone(), 3, 9) };
    let all = [exact, other_driver, other_class, other_bucket, other_gpu, predicted, other_arch];
    let expected = [
        (Rung::Exact, Some(1)),
        (Rung::SameBucket, Some(2)),
        (Rung::SameBucket, Some(3)),
        (Rung::SameArchitecture, Some(5)),
        (Rung::SameArchitecture, Some(5)),
        (Rung::Predicted, Some(3)),
    ];
    for (start, expected) in expected.into_iter().enumerate() {
        assert_eq!(ask(&all[start..], &[]), expected, "without the first {start}");
    }
    assert_eq!(ask(&all[3..4], &[]), (Rung::SameArchitecture, Some(4)));
    assert_eq!(ask(&all[5..], &all[..1]), (Rung::Bundled, Some(1)), "bundled before predicted");
    assert_eq!(ask(&[], &[]).0, Rung::Default);
    let plan = plan(&all[6..], &[], &h200(), Timing::Measured, &wanted, &mut |_, _| Ok(())).unwrap();
    assert_eq!(plan.rung, Rung::Default);
    assert!(
        plan.ignored.iter().any(|reason| reason.contains("another GPU, A100 (sm_80)")),
        "{:?}",
        plan.ignored
    );
}

#[test]
fn a_choice_whose_code_has_changed_is_ignored_with_the_reason() {
    let mut changed = record(h200(), problem(20, "1233"), 1, 5);
    changed.choice.as_mut().unwrap().code = "0123456789abcdef".to_owned();
    let plan =
        plan(&[changed], &[], &h200(), Timing::Measured, &problem(20, "1233"), &mut |_, _| Ok(())).unwrap();
    assert_eq!(plan.rung, Rung::Default);
    assert!(plan.ignored.iter().any(|reason| reason.contains("has changed since")), "{:?}", plan.ignored);
}

#[test]
fn without_nvrtc_any_version_of_it_is_exact() {
    let known = record(h200(), problem(20, "1233"), 1, 5);
    let without = Fingerprint { nvrtc: String::new(), ..h200() };
    let plan =
        plan(&[known], &[], &without, Timing::Measured, &problem(20, "1233"), &mut |_, _| Ok(())).unwrap();
    assert_eq!(plan.rung, Rung::Exact);
}

#[test]
fn a_choice_that_does_not_fit_gives_way_to_the_next_rung_and_to_the_variant_most_like_the_default() {
    let wanted = problem(20, "1233");
    let exact = record(h200(), wanted.clone(), 1, 5);
    let other = record(h200(), problem(23, "1233"), 4, 9);
    let chosen = |index: usize| (space()[index].strategy.name(), space()[index].params.clone());
    let ask = |refused: &[(&str, Params)]| {
        let refuse = |strategy: &'static dyn Strategy, params: &Params| {
            let is_refused = refused.iter().any(|(name, no)| *name == strategy.name() && no == params);
            if is_refused { Err("it needs too much".to_owned()) } else { Ok(()) }
        };
        let records = [exact.clone(), other.clone()];
        plan(&records, &[], &h200(), Timing::Measured, &wanted, &mut { refuse }).unwrap()
    };
    assert_eq!(ask(&[]).rung, Rung::Exact);
    let next = ask(&[chosen(1)]);
    assert_eq!((next.rung, (next.strategy.name(), next.params)), (Rung::SameArchitecture, chosen(4)));
    assert!(next.ignored[0].ends_with("does not fit here: it needs too much"), "{:?}", next.ignored);

    let default = strategies_for(scheme()).next().unwrap();
    let usual = default.params(&[]).unwrap();
    let last = ask(&[chosen(1), chosen(4), (default.name(), usual.clone())]);
    assert_eq!((last.rung, last.strategy.name()), (Rung::Default, default.name()));
    let changed = last.params.iter().filter(|(name, value)| usual.get(name) != Some(*value)).count();
    assert_eq!(changed, 1, "{}", last.params);
    let note = format!("{} {} is taken instead", default.name(), last.params);
    assert!(last.ignored.iter().any(|line| line.ends_with(&note)), "{:?}", last.ignored);
}

#[test]
fn where_no_variant_fits_it_is_an_error_that_names_the_default() {
    let refuse = &mut |_: &'static dyn Strategy, _: &Params| Err("it needs too much".to_owned());
    let none = plan(&[], &[], &h200(), Timing::Measured, &problem(20, "1233"), refuse).unwrap_err();
    let default = strategies_for(scheme()).next().unwrap();
    let text = none.to_string();
    assert!(text.contains(&format!("{} {}", default.name(), default.params(&[]).unwrap())), "{text}");
    assert!(text.contains("it needs too much") && text.lines().count() == 1, "{text}");
    let unknown = Problem { scheme: "none".to_owned(), ..problem(20, "1233") };
    let none = plan(&[], &[], &h200(), Timing::Measured, &unknown, &mut |_, _| Ok(())).unwrap_err();
    assert!(matches!(none, NoPlan::NoStrategy { .. }), "{none}");
}
