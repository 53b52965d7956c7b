//! `ecf8 tune`: which variant decodes the layers of each shape fastest, found out and kept beside the weights.

mod launches;
mod merge;
#[cfg(test)]
mod tests;

use self::launches::{Decode, Group, bytes_per_element, decode, groups, samples};
use self::merge::Merge;
use super::answer::{Answer, Failure, table};
use super::device::{Device, DeviceParser};
use super::steps::Steps;
use crate::cache::{self, Record, TuningCache};
use crate::executor::{CudaExecutor, EmulatorExecutor, Target, Timing};
use crate::model::Model;
use crate::tuner::{self, Budget, Known, Outcome, Problem, Settings, Stop, Summary, Tuned, Workbench};
use clap::{Args, Subcommand};
use ecf8_codegen::emulator::Checks;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// How often what is known is saved while more is found out.
const SAVE_EVERY: Duration = Duration::from_secs(1);

/// Find the fastest kernel for the layers of a model on this GPU, and keep it beside the weights
#[derive(Debug, Args)]
#[command(subcommand_negates_reqs = true, args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:\n  ecf8 tune model.ecf8.safetensors --budget 60s\n  \
    ecf8 tune model.ecf8.safetensors --device emulator\n  \
    ecf8 tune merge h100.tuning.json h200.tuning.json -o model.tuning.json\n\n\
    What was measured is kept when the time is up or Ctrl-C is pressed; another run goes on where this one ended.\n\
    The emulator measures nothing: it ranks by prediction, and says so.")]
pub(super) struct Tune {
    #[command(subcommand)]
    command: Option<TuneCommand>,
    /// Compressed file or folder
    #[arg(required = true)]
    input: Option<PathBuf>,
    /// Where to measure: a GPU as cuda:N, or emulator to predict
    #[arg(long, value_name = "DEVICE", default_value = "cuda:0", value_parser = DeviceParser, hide_possible_values = true)]
    device: Device,
    /// Time to take at most, such as 60s or 5min
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    budget: Duration,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum TuneCommand {
    Merge(Merge),
}

/// What was found out about one problem.
struct TuneRow {
    record: Record,
    tensors: Vec<String>,
    bytes: u64,
    runs: usize,
    tried: usize,
}

/// A time as people write it.
fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|_| "a time is a number and its unit, such as 60s or 5min".to_owned())
}

impl Tune {
    pub(super) fn json(&self) -> bool {
        match &self.command {
            Some(TuneCommand::Merge(merge)) => merge.json,
            None => self.json,
        }
    }

    pub(super) fn run(&self) -> Result<Answer, Failure> {
        if let Some(TuneCommand::Merge(merge)) = &self.command {
            return merge.run();
        }
        match self.device {
            Device::Cpu => Err(Failure::request(
                "the cpu runs no kernels: tune with `--device cuda:0` or `--device emulator`",
            )),
            Device::Emulator => self.tune(&mut EmulatorExecutor { checks: Checks::Full }, &mut decode),
            Device::Cuda(ordinal) => {
                let without = |error: &dyn std::fmt::Display| {
                    Failure::request(format!(
                        "{error}; `--device emulator` ranks by prediction without a GPU"
                    ))
                };
                let mut target = CudaExecutor::open(ordinal).map_err(|error| without(&error))?;
                target
                    .cache()
                    .compiler_version(target.device().info().arch)
                    .map_err(|error| without(&error))?;
                let answer = self.tune(&mut target, &mut decode);
                super::warn(target.cache().take_warnings());
                answer
            }
        }
    }

    fn tune<T: Target>(&self, target: &mut T, decode: &mut Decode<'_>) -> Result<Answer, Failure> {
        let Some(input) = &self.input else { return Err(Failure::request("say which model to tune")) };
        let model = Model::open(input)?;
        let groups = groups(&model);
        let mut cache = TuningCache::open(input);
        let mut warnings = std::mem::take(&mut cache.warnings);
        let interrupt = Arc::new(AtomicBool::new(false));
        super::interrupt::tell(&interrupt);
        let budget = Budget::new(self.budget, interrupt);
        let (mut rows, mut ignored) = (Vec::new(), Vec::new());
        let (mut stopped, mut fatal, mut place) = (None, None, None);
        for (index, group) in groups.iter().enumerate() {
            let share = budget.share(groups.len() - index);
            let done = tune_group(target, &model, group, decode, &mut cache, &share, &mut ignored)?;
            match done.saved {
                Ok(path) => place = Some(path),
                Err(error) => warnings.push(error.to_string()),
            }
            stopped = done.stopped.or(stopped);
            fatal = done.fatal;
            rows.push(done.row);
            if fatal.is_some() || done.stopped == Some(Stop::Interrupt) {
                break;
            }
        }
        warnings.sort();
        warnings.dedup();
        super::warn(warnings.clone());
        let complete = rows.len() == groups.len() && rows.iter().all(|row| row.record.complete);
        let place = place.map(|path| path.display().to_string());
        let runs: usize = rows.iter().map(|row| row.runs).sum();
        let (timing, one_by_one) = (target.timing(), target.one_by_one());
        let json = json!({
            "input": input.display().to_string(),
            "device": target.describe(),
            "fingerprint": target.fingerprint(),
            "timing": timing,
            "cache": place,
            "runs": runs,
            "complete": complete,
            "one_by_one": one_by_one,
            "warnings": warnings,
            "ignored": ignored,
            "problems": rows.iter().map(|row| row.json(timing)).collect::<Vec<_>>(),
        });
        let failure = match (fatal, stopped) {
            (Some(reason), _) => Some(Failure::data(format!(
                "{reason}; what was measured is kept, but nothing new is chosen since it could not be verified again: run it again to go on \
                 without this variant"
            ))),
            (None, Some(Stop::Interrupt)) => {
                Some(Failure::request("interrupted; what was measured is kept, run it again to go on"))
            }
            _ => None,
        };
        let mut text = text(&target.describe(), timing, &rows, runs, complete, place.as_deref(), &ignored);
        text += &super::answer::one_by_one(one_by_one.as_deref());
        Ok(Answer { text, json, failure })
    }
}

struct Done {
    row: TuneRow,
    stopped: Option<Stop>,
    fatal: Option<String>,
    saved: Result<PathBuf, cache::SaveError>,
}

fn tune_group<T: Target>(
    target: &mut T,
    model: &Model,
    group: &Group,
    decode: &mut Decode<'_>,
    cache: &mut TuningCache,
    budget: &Budget,
    ignored: &mut Vec<String>,
) -> Result<Done, Failure> {
    let (fingerprint, timing) = (target.fingerprint(), target.timing());
    let Some(batch) = group.batches.first() else {
        return Err(Failure::request("there is nothing to tune"));
    };
    let space = tuner::candidates(&group.problem.scheme);
    let same = |record: &&Record| record.timing == timing && record.problem == group.problem;
    let before = cache.records.iter().filter(same).find(|record| record.fingerprint == fingerprint);
    let known = before.map_or_else(Known::default, |record| record.known(&space));
    notice(cache, before, &known, &group.problem, &fingerprint, ignored);
    let total = space.len() as u64;
    let steps = Steps::start(&format!("tuning for {}", group.problem), total);
    let mut saved = None;
    let mut last = Instant::now();
    let mut searcher = tuner::Exhaustive { first: promising(&cache.records, &group.problem, &space) };
    let finished = known.is_settled(&space, &searcher);
    // If nothing is left to do nothing is decoded either: such a run is over at once.
    let samples = if finished { Vec::new() } else { samples(model, batch, timing, decode)? };
    let elements = samples.iter().map(|(encoded, _)| encoded.elements).sum();
    let record = |tuned: &Tuned| {
        Record::new(fingerprint.clone(), timing, group.problem.clone(), elements, &space, tuned)
    };
    let tuned = if finished {
        tuner::settled(&known)
    } else {
        let (encoded, bytes): (Vec<_>, Vec<_>) =
            samples.iter().map(|(encoded, bytes)| (encoded, bytes.as_slice())).unzip();
        let mut bench = Workbench::new(target, &encoded, &space, &bytes);
        tuner::tune(&mut bench, &space, &mut searcher, &known, budget, &Settings::default(), |tuned| {
            steps.at(tuned.outcomes.iter().flatten().count() as u64);
            if last.elapsed() >= SAVE_EVERY {
                saved = Some(cache.save(&[record(tuned)]));
                last = Instant::now();
            }
        })
    };
    steps.finish();
    let record = match before {
        Some(before) if finished => before.clone(),
        _ => record(&tuned),
    };
    if !finished || saved.is_none() {
        saved = Some(cache.save(std::slice::from_ref(&record)));
    }
    cache.add(vec![record.clone()]);
    let first = batch.first().and_then(|&index| model.compressed(index));
    let width = first.map_or(1, |tensor| bytes_per_element(&tensor));
    let row = TuneRow {
        // They have a dtype in common.
        bytes: record.elements.saturating_mul(width),
        record,
        tensors: group.batches.iter().flatten().map(|&index| model.tensors()[index].name.clone()).collect(),
        runs: tuned.runs,
        tried: tuned.tried,
    };
    let saved = saved.unwrap_or_else(|| cache.save(&[]));
    Ok(Done { row, stopped: tuned.stopped, fatal: tuned.fatal, saved })
}

/// Notes which records could not be used, and why.
fn notice(
    cache: &TuningCache,
    before: Option<&Record>,
    known: &Known,
    problem: &Problem,
    fingerprint: &crate::executor::Fingerprint,
    ignored: &mut Vec<String>,
) {
    let mut add = |reason: String| {
        if !ignored.contains(&reason) {
            ignored.push(reason);
        }
    };
    for record in cache.records.iter().filter(|record| record.problem == *problem) {
        if record.fingerprint != *fingerprint {
            add(format!("records of another device: {}", record.fingerprint.to_string().escape_debug()));
        }
    }
    let Some(before) = before else { return };
    let usable = known.outcomes.iter().flatten().count();
    if usable < before.candidates.len() {
        let gone = before.candidates.len() - usable;
        add(format!("{gone} candidates of {problem}, whose code has changed since or which are no more"));
    }
}

/// What to try first, as places in the space: what was chosen for the nearest problems that are known, and then all
/// that was predicted for the nearest one, the fastest first.
fn promising(records: &[Record], problem: &Problem, space: &[tuner::Candidate]) -> Vec<usize> {
    let mut near: Vec<&Record> = records.iter().filter(|record| record.problem.is_like(problem)).collect();
    near.sort_by_key(|record| {
        record.problem.size_distance(problem) + record.problem.class.distance(&problem.class)
    });
    let chosen = near.iter().filter_map(|record| record.known(space).incumbent);
    let mut promising: Vec<usize> = chosen.collect();
    if let Some(record) = near.iter().find(|record| record.timing == Timing::Predicted) {
        promising.extend(tuner::by_median(&record.known(space).outcomes));
    }
    promising
}

impl TuneRow {
    /// Times of the choice, if there is one.
    fn summary(&self) -> Option<Summary> {
        let choice = self.record.choice.as_ref()?;
        let chosen = self.record.candidates.iter().find(|candidate| candidate.variant == *choice)?;
        match &chosen.outcome {
            Outcome::SamplesNs(samples) => Summary::of(samples),
            Outcome::Rejected(_) => None,
        }
    }

    fn rejected(&self) -> usize {
        let outcomes = self.record.candidates.iter().map(|candidate| &candidate.outcome);
        outcomes.filter(|outcome| matches!(outcome, Outcome::Rejected(_))).count()
    }

    /// Gigabytes per second at a time of a launch in nanoseconds.
    fn rate(&self, time_ns: f64) -> f64 {
        self.bytes as f64 / time_ns
    }

    fn json(&self, timing: Timing) -> Value {
        let speed = self.summary().map_or(Value::Null, |summary| match timing {
            Timing::Measured => json!({ "gb_per_s": {
                "median": self.rate(summary.median_ns),
                "p20": self.rate(summary.p80_ns),
                "p80": self.rate(summary.p20_ns),
            }}),
            Timing::Predicted => json!({ "predicted_gb_per_s": self.rate(summary.median_ns) }),
        });
        json!({
            "problem": self.record.problem,
            "tensors": self.tensors,
            "elements": self.record.elements,
            "candidates": self.record.candidates.len(),
            "rejected": self.rejected(),
            "tried": self.tried,
            "runs": self.runs,
            "complete": self.record.complete,
            "choice": self.record.choice,
            "speed": speed,
        })
    }
}

fn text(
    device: &str,
    timing: Timing,
    rows: &[TuneRow],
    runs: usize,
    complete: bool,
    place: Option<&str>,
    ignored: &[String],
) -> String {
    let lines = rows.iter().map(|row| {
        let choice = row.record.choice.as_ref().map_or_else(
            || "none works".to_owned(),
            |choice| {
                let params: Vec<_> =
                    choice.params.iter().map(|(name, value)| format!("{name}={value}")).collect();
                format!("{} {}", choice.strategy, params.join(" "))
            },
        );
        let speed =
            row.summary().map_or(String::new(), |summary| format!("{:.0}", row.rate(summary.median_ns)));
        let spread = row.summary().filter(|_| timing == Timing::Measured).map_or(String::new(), |summary| {
            format!("{:.0}-{:.0}", row.rate(summary.p80_ns), row.rate(summary.p20_ns))
        });
        vec![
            row.record.problem.to_string(),
            row.tensors.len().to_string(),
            row.record.candidates.len().to_string(),
            row.rejected().to_string(),
            choice,
            speed,
            spread,
        ]
    });
    let rate = match timing {
        Timing::Measured => "GB/s",
        Timing::Predicted => "GB/s, predicted",
    };
    let head = ["problem", "tensors", "candidates", "rejected", "choice", rate, "p20-p80"];
    let mut text = if rows.is_empty() { String::new() } else { table(&head, lines) + "\n" };
    for reason in ignored {
        text += &format!("ignored: {reason}\n");
    }
    let what = match (timing, runs) {
        (_, 0) => "nothing was left to do".to_owned(),
        (Timing::Measured, runs) => format!("{runs} runs measured"),
        (Timing::Predicted, runs) => format!("{runs} candidates predicted, none measured"),
    };
    let state = if complete { "complete" } else { "not complete yet, run it again to go on" };
    text += &format!("{device}: {what}; {state}; {}\n", place.unwrap_or("not saved"));
    text
}
