//! The tuner against scripted devices.

use super::simulated::{Script, Simulated};
use super::*;
use crate::cache::{self, Record};
use crate::executor::{EmulatorExecutor, Target, Timing};
use ecf8_codegen::emulator::Checks;
use ecf8_core::Codebook;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// Candidates to have names for the places in a script; what they are does not matter.
fn space(count: usize) -> Vec<Candidate> {
    static SOME: LazyLock<Vec<Candidate>> = LazyLock::new(|| candidates(ecf8_core::schemes()[0].name()));
    SOME.iter().cloned().cycle().take(count).collect()
}

fn run(device: &mut Simulated, count: usize, known: &Known) -> Tuned {
    tune(
        device,
        &space(count),
        &mut Exhaustive::default(),
        known,
        &Budget::unlimited(),
        &Settings::default(),
        |_| (),
    )
}

/// True times such as tunables give: products of effects, a few good ones, many near them, and a long tail.
fn landscape(count: usize, seed: u64) -> Vec<f64> {
    let noise = ecf8_core::synthetic::gaussian(seed, count + 8, 1.0);
    (0..count)
        .map(|index| {
            let effect = |of: usize, strength: f64| strength * f64::from(noise[of]).abs();
            let tunables = effect(count + index % 3, 0.15) + effect(count + 3 + index / 3 % 4, 0.2);
            1e5 * (tunables + effect(index, 0.08)).exp()
        })
        .collect()
}

#[test]
fn with_ten_percent_noise_the_choice_is_within_three_percent_at_half_the_runs() {
    let settings = Settings::default();
    for count in [24, 93, 220] {
        let mut close = 0;
        for seed in 0..100 {
            let truth = landscape(count, seed);
            let best = truth.iter().copied().fold(f64::INFINITY, f64::min);
            let script = truth.iter().map(|time| Script::Truth(*time)).collect();
            let mut device = Simulated::new(script, 0.10, 1000 + seed);
            let tuned = run(&mut device, count, &Known::default());
            let exhaustive = count * settings.full_runs;
            assert!(2 * device.runs <= exhaustive, "{} of {exhaustive} runs, seed {seed}", device.runs);
            assert_eq!((device.runs, tuned.complete), (tuned.runs, true));
            close += u32::from(truth[tuned.choice.unwrap()] <= 1.03 * best);
        }
        eprintln!("{count} candidates: {close} of 100");
        assert!(close >= 95, "{close} of 100 trials with {count} candidates");
    }
}

#[test]
fn what_was_recorded_can_be_replayed() {
    let truth = landscape(40, 3);
    let script: Vec<Script> = truth.iter().map(|time| Script::Truth(*time)).collect();
    let first = run(&mut Simulated::new(script, 0.05, 1), 40, &Known::default());
    let known = Known { outcomes: first.outcomes, incumbent: first.choice, complete: true };
    let again = run(&mut Simulated::recorded(&known, 2), 40, &Known::default());
    let best = truth.iter().copied().fold(f64::INFINITY, f64::min);
    assert!(truth[again.choice.unwrap()] < 1.05 * best);
}

#[test]
fn a_tuning_cache_is_replayed_with_its_times_and_its_rejections() {
    let all = space(30);
    let mut script: Vec<Script> = landscape(30, 4).iter().map(|time| Script::Truth(*time)).collect();
    script[3] = Script::Rejected("it spills registers".to_owned());
    let first = run(&mut Simulated::new(script, 0.05, 1), 30, &Known::default());
    let fingerprint = Target::fingerprint(&EmulatorExecutor { checks: Checks::Basic });
    let codebook = Codebook::from_text("1233").unwrap();
    let problem = Problem::new(ecf8_core::schemes()[0].name(), "F8_E4M3", &codebook, (1, 1 << 20)).unwrap();
    let record = Record::new(fingerprint, Timing::Measured, problem, 1 << 20, &all, &first);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.tuning.json");
    cache::save(&path, &[record]).unwrap();

    let known = cache::load(&path).records[0].known(&all);
    let mut device = Simulated::recorded(&known, 2);
    let again = run(&mut device, 30, &Known::default());
    assert!(again.complete && device.runs > 0);
    assert_eq!(again.outcomes[3], Some(Outcome::Rejected("it spills registers".to_owned())));
    for (then, now) in first.outcomes.iter().zip(&again.outcomes) {
        if let (Some(Outcome::SamplesNs(then)), Some(Outcome::SamplesNs(now))) = (then, now) {
            assert!(now.iter().all(|sample| then.contains(sample)));
        }
    }
    let median = |index: usize| match &first.outcomes[index] {
        Some(Outcome::SamplesNs(samples)) => Summary::of(samples).unwrap().median_ns,
        _ => f64::INFINITY,
    };
    assert!(median(again.choice.unwrap()) < 1.05 * median(first.choice.unwrap()));
}

#[test]
fn the_rejected_and_the_wrong_never_win_and_are_never_timed() {
    let mut script = vec![Script::Truth(1000.0); 6];
    script[1] = Script::Rejected("it spills registers".to_owned());
    script[2] = Script::Wrong;
    script[4] = Script::Truth(500.0);
    let mut device = Simulated::new(script, 0.01, 5);
    let tuned = run(&mut device, 6, &Known::default());
    assert_eq!(tuned.choice, Some(4));
    assert_eq!(tuned.outcomes[1], Some(Outcome::Rejected("it spills registers".to_owned())));
    assert_eq!(tuned.outcomes[2], Some(Outcome::Rejected("byte 0 is wrong".to_owned())));
    let (last, before) = device.verified.split_last().unwrap();
    let mut before = before.to_vec();
    before.sort_unstable();
    assert_eq!(before, [0, 2, 3, 4, 5], "each before it is timed");
    assert_eq!(*last, 4, "the winner again at the end");
}

#[test]
fn until_it_is_verified_after_timing_nothing_new_is_chosen() {
    let script: Vec<Script> = landscape(30, 1).iter().map(|time| Script::Truth(*time)).collect();
    let first = run(&mut Simulated::new(script.clone(), 0.1, 1), 30, &Known::default());
    let accepted = first.choice.unwrap();
    let mut outcomes = first.outcomes;
    outcomes[(accepted + 1) % 30] = None;
    let later = Known { outcomes, incumbent: Some(accepted), complete: true };
    for (known, meanwhile) in [(Known::default(), None), (later, Some(accepted))] {
        let mut told = Vec::new();
        let mut device = Simulated::new(script.clone(), 0.1, 3);
        let (budget, settings) = (Budget::unlimited(), Settings::default());
        let mut searcher = Exhaustive::default();
        let tuned = tune(&mut device, &space(30), &mut searcher, &known, &budget, &settings, |now| {
            told.push(now.choice);
        });
        let (last, before) = told.split_last().unwrap();
        assert!(!before.is_empty() && before.iter().all(|choice| *choice == meanwhile), "{before:?}");
        assert!(tuned.choice.is_some() && *last == tuned.choice);
    }
}

#[test]
fn the_hopeless_are_dropped_after_a_few_runs() {
    let mut script = vec![Script::Truth(5000.0); 20];
    script[7] = Script::Truth(1000.0);
    let mut device = Simulated::new(script, 0.02, 5);
    let tuned = run(&mut device, 20, &Known::default());
    assert_eq!(tuned.choice, Some(7));
    for index in (0..20).filter(|index| *index != 7) {
        let Some(Outcome::SamplesNs(samples)) = &tuned.outcomes[index] else { panic!("{index}") };
        assert_eq!(samples.len(), 1, "candidate {index}");
    }
}

#[test]
fn a_second_run_measures_nothing() {
    let script: Vec<Script> = landscape(30, 1).iter().map(|time| Script::Truth(*time)).collect();
    let mut device = Simulated::new(script, 0.1, 1);
    let first = run(&mut device, 30, &Known::default());
    let known = Known { outcomes: first.outcomes.clone(), incumbent: first.choice, complete: true };
    device.runs = 0;
    let second = run(&mut device, 30, &known);
    assert_eq!((second.runs, second.tried, device.runs), (0, 0, 0));
    assert_eq!((second.choice, second.outcomes), (first.choice, first.outcomes));
}

#[test]
fn only_what_is_new_is_timed_with_the_incumbent() {
    let script: Vec<Script> = landscape(30, 1).iter().map(|time| Script::Truth(*time)).collect();
    let first = run(&mut Simulated::new(script.clone(), 0.1, 1), 30, &Known::default());
    let mut outcomes = first.outcomes.clone();
    let (changed, incumbent) = (29, first.choice.unwrap());
    outcomes[changed] = None;
    let mut device = Simulated::new(script, 0.1, 2);
    let known = Known { outcomes, incumbent: first.choice, complete: true };
    run(&mut device, 30, &known);
    device.verified.sort_unstable();
    device.verified.dedup();
    assert_eq!(device.verified, [incumbent, changed]);
}

#[test]
fn where_the_choice_is_no_more_the_others_are_timed_again() {
    let old = |times: [u64; 3]| times.map(|time| Some(Outcome::SamplesNs(vec![time; 20])));
    let [a, b, hopeless] = old([1000, 1200, 9000]);
    // The code of candidate 2, which had been chosen, has changed.
    let known = Known { outcomes: vec![a, b, None, hopeless], incumbent: None, complete: true };
    let changed = [Script::Truth(5000.0), Script::Rejected("it spills registers".to_owned()), Script::Wrong];
    for (seed, changed) in (0..).zip(changed) {
        let script = vec![Script::Truth(1000.0), Script::Truth(1200.0), changed, Script::Truth(9000.0)];
        let mut device = Simulated::new(script, 0.01, seed);
        let tuned = run(&mut device, 4, &known);
        assert_eq!((tuned.choice, tuned.complete), (Some(0), true));
        assert!(!device.verified.contains(&3), "the hopeless stay as they are");
        assert_eq!(tuned.outcomes[3], known.outcomes[3]);
    }
    // If nothing that could win works any more, the rest is looked at after all.
    let script = vec![Script::Wrong, Script::Wrong, Script::Wrong, Script::Truth(9000.0)];
    assert_eq!(run(&mut Simulated::new(script, 0.01, 7), 4, &known).choice, Some(3));
}

#[test]
fn an_incumbent_stays_unless_it_is_beaten_by_more_than_the_noise() {
    let outcome = || Some(Outcome::SamplesNs(vec![1000; 20]));
    let choose = |rival: f64, seed: u64| {
        let script = vec![Script::Truth(1000.0), Script::Truth(rival)];
        let known = Known { outcomes: vec![outcome(), None], incumbent: Some(0), complete: true };
        run(&mut Simulated::new(script, 0.02, seed), 2, &known).choice
    };
    for seed in 0..20 {
        assert_eq!(choose(998.0, seed), Some(0), "a little faster, seed {seed}");
        assert_eq!(choose(800.0, seed), Some(1), "much faster, seed {seed}");
    }
}

#[test]
fn time_up_and_interrupts_keep_what_was_measured_and_the_next_run_goes_on() {
    let script: Vec<Script> = landscape(30, 1).iter().map(|time| Script::Truth(*time)).collect();
    let mut device = Simulated::new(script, 0.1, 1);
    let interrupt = Arc::new(AtomicBool::new(false));
    let budget = Budget::new(Duration::from_secs(3600), interrupt.clone());
    let settings = Settings::default();
    let mut steps = 0;
    let stop_soon = |tuned: &Tuned| {
        steps += 1;
        let stop = tuned.outcomes.iter().flatten().count() >= 10 || steps > 40;
        interrupt.store(stop, std::sync::atomic::Ordering::Relaxed);
    };
    let all = space(30);
    let mut halves = Halves;
    let first = tune(&mut device, &all, &mut halves, &Known::default(), &budget, &settings, stop_soon);
    assert_eq!((first.stopped, first.complete), (Some(Stop::Interrupt), false));
    assert!(first.choice.is_some());
    assert_eq!(device.verified.last().copied(), first.choice, "once more before it is kept");
    let measured = first.outcomes.iter().flatten().count();
    assert!((1..30).contains(&measured), "{measured}");

    let known = Known { outcomes: first.outcomes, incumbent: first.choice, complete: false };
    let second = run(&mut device, 30, &known);
    assert!(second.complete && second.outcomes.iter().all(Option::is_some));

    let up = Budget::new(Duration::ZERO, Arc::default());
    let none = tune(&mut device, &all, &mut Exhaustive::default(), &Known::default(), &up, &settings, |_| ());
    assert_eq!((none.stopped, none.choice, none.runs), (Some(Stop::Time), None, 0));
}

#[test]
fn where_verifying_takes_all_the_time_what_half_of_it_sufficed_for_is_timed() {
    let mut device = Simulated::new(vec![Script::Truth(1000.0); 40], 0.01, 1);
    device.verifying = Duration::from_millis(100);
    let budget = Budget::new(Duration::from_secs(1), Arc::default());
    let (all, settings) = (space(40), Settings::default());
    let tuned =
        tune(&mut device, &all, &mut Exhaustive::default(), &Known::default(), &budget, &settings, |_| ());
    assert_eq!((tuned.stopped, tuned.complete), (Some(Stop::Time), false));
    assert!(tuned.choice.is_some() && tuned.runs > 0, "{tuned:?}");
}

/// Gives ten candidates at a time.
#[derive(Debug)]
struct Halves;

impl Searcher for Halves {
    fn next(
        &mut self,
        space: &[Candidate],
        tried: &std::collections::BTreeSet<usize>,
        _: &[usize],
    ) -> Vec<usize> {
        (0..space.len()).filter(|index| !tried.contains(index)).take(10).collect()
    }
}

#[test]
fn a_fault_ends_the_run_and_the_culprit_is_never_tried_again() {
    let mut script = vec![Script::Truth(1000.0); 4];
    script[2] = Script::Faults;
    let mut device = Simulated::new(script.clone(), 0.01, 5);
    let first = run(&mut device, 4, &Known::default());
    assert_eq!(first.fatal.as_deref(), Some("it faults"));
    assert_eq!(first.outcomes[2], Some(Outcome::Rejected("it faults".to_owned())));
    assert_eq!((first.choice, first.complete), (None, false), "nothing could be verified again");
    let known = Known { outcomes: first.outcomes, incumbent: first.choice, complete: false };
    let second = run(&mut Simulated::new(script, 0.01, 6), 4, &known);
    assert!(second.complete && second.fatal.is_none());
    assert!(second.choice.is_some_and(|index| index != 2));
}

#[test]
fn what_there_was_no_memory_for_is_not_rejected_and_is_tried_by_the_next_run() {
    let mut script = vec![Script::Truth(1000.0), Script::Postponed, Script::Truth(3000.0)];
    let first = run(&mut Simulated::new(script.clone(), 0.01, 5), 3, &Known::default());
    assert_eq!((first.outcomes[1].clone(), first.choice, first.complete), (None, Some(0), false));
    let known = Known { outcomes: first.outcomes, incumbent: first.choice, complete: first.complete };
    script[1] = Script::Truth(500.0);
    let second = run(&mut Simulated::new(script, 0.01, 6), 3, &known);
    assert_eq!((second.choice, second.complete), (Some(1), true));
}

#[test]
fn after_a_fault_the_choice_of_an_earlier_run_stays_unless_it_is_at_fault() {
    let outcome = || Some(Outcome::SamplesNs(vec![1000; 20]));
    for (culprit, choice) in [(1, Some(0)), (0, None)] {
        let mut script = vec![Script::Truth(1000.0), Script::Truth(100.0)];
        script[culprit] = Script::Faults;
        let known = Known { outcomes: vec![outcome(), None], incumbent: Some(0), complete: true };
        let tuned = run(&mut Simulated::new(script, 0.01, 5), 2, &known);
        assert_eq!((tuned.choice, tuned.fatal.is_some()), (choice, true));
    }
}

#[test]
fn what_is_promising_is_tried_first_and_everything_once() {
    let all = space(40);
    let mut search = Exhaustive { first: vec![7, 31, 7, 2] };
    let order = search.next(&all, &[31].into(), &[]);
    assert_eq!((&order[..2], order.len()), (&[7, 2][..], 39));
    let mut sorted = order.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), 39);
}
