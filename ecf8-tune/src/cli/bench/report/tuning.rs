//! Whether the tuner finds what a search of everything does, and how long each takes.

use super::super::Cut;
use super::markdown::{count, percent, rate, text};
use super::{LAYER, Outcome, Worker};
use crate::cli::answer::Failure;
use crate::executor::CudaExecutor;
use crate::kernel_cache::KernelCache;
use crate::tuner::{
    self, Budget, Candidate, Exhaustive, Known, Outcome as Tried, Settings, Summary, Tuned, Workbench,
};
use ecf8_core::{Encoded, Scheme};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Instant;

/// Variants of a quick report.
const QUICK_VARIANTS: usize = 3;

/// Runs of each that a quick report's search of everything times.
const QUICK_RUNS: usize = 6;

/// A search, and the seconds that it took.
struct Search {
    tuned: Tuned,
    seconds: f64,
}

pub(super) fn run(
    worker: &mut Worker<'_>,
    scheme: &'static dyn Scheme,
    bytes: u64,
) -> Result<Outcome, Failure> {
    let weights = worker.weights(scheme, bytes)?;
    let encoded = weights.encoded(worker.bench)?;
    let Cut { encoded, bytes } = worker.bench.cut(&encoded, &weights.bytes, LAYER)?;
    let batch: Vec<&Encoded<'_>> = encoded.iter().collect();
    let mut space = tuner::candidates(scheme.name());
    let mut settings = Settings::default();
    if worker.bench.quick {
        // The default among them.
        space.sort_by_key(|candidate| !tuner::is_default(candidate));
        space.truncate(QUICK_VARIANTS);
        settings.full_runs = QUICK_RUNS;
    }
    let limit = Budget::new(worker.bench.budget, worker.interrupt.clone());
    let tuner = search(worker, &batch, &bytes, &space, &settings, &limit);
    // The same race, but nobody is ever out of it, and it is not over before each has run as often as that.
    let settings = Settings {
        full_runs: 2 * settings.full_runs,
        hopeless: f64::INFINITY,
        certainty: f64::INFINITY,
        tolerance: f64::NEG_INFINITY,
        finalists: usize::MAX,
        ..settings
    };
    let all = search(worker, &batch, &bytes, &space, &settings, &worker.budget.clone());

    let output: u64 = bytes.iter().map(|bytes| bytes.len() as u64).sum();
    let speed = |index: usize| {
        let Some(Some(Tried::SamplesNs(samples))) = all.tuned.outcomes.get(index) else { return None };
        Summary::of(samples).map(|summary| output as f64 / summary.median_ns)
    };
    let best = tuner::by_median(&all.tuned.outcomes).first().copied();
    let default = space.iter().position(tuner::is_default);
    let of = |index: Option<usize>| index.and_then(speed);
    let loss = of(best).zip(of(tuner.tuned.choice)).map(|(best, chosen)| best / chosen - 1.0);
    let rejected = all.tuned.outcomes.iter().flatten().filter(|tried| matches!(tried, Tried::Rejected(_)));
    let told = |search: &Search, index: Option<usize>| {
        json!({
            "choice": index.and_then(|index| space.get(index)).map(variant),
            "gb_per_s": of(index),
            "seconds": search.seconds,
            "runs": search.tuned.runs,
            "complete": search.tuned.complete,
        })
    };
    let found = json!({
        "scheme": scheme.name(),
        "data": weights.name,
        "tensors": batch.len(),
        "output_bytes": output,
        "candidates": space.len(),
        "rejected": rejected.count(),
        // All speeds are from the search of everything, which has timed all in turns.
        "tuner": told(&tuner, tuner.tuned.choice),
        "all": told(&all, best),
        "default_gb_per_s": of(default),
        "loss": loss,
    });
    Ok(match tuner.tuned.fatal.or(all.tuned.fatal) {
        Some(why) => Outcome::wrong(found, why),
        None if all.tuned.stopped.is_some() => Outcome::ended(found),
        None if best.is_none() => Outcome::wrong(found, "no variant works".to_owned()),
        None => Outcome::done(found),
    })
}

/// A search with no kernel compiled before, so that two of them take what they take.
fn search(
    worker: &Worker<'_>,
    batch: &[&Encoded<'_>],
    bytes: &[&[u8]],
    space: &[Candidate],
    settings: &Settings,
    budget: &Budget,
) -> Search {
    let compiler = worker.compiler.clone();
    let cache = KernelCache::in_memory().with_compiler(move || Ok(compiler.clone()));
    let mut target = CudaExecutor::on(worker.target.device().clone(), Arc::new(cache));
    let begun = Instant::now();
    let mut bench = Workbench::new(&mut target, batch, space, bytes);
    let (mut searcher, known) = (Exhaustive::default(), Known::default());
    let tuned = tuner::tune(&mut bench, space, &mut searcher, &known, budget, settings, |_| ());
    Search { tuned, seconds: begun.elapsed().as_secs_f64() }
}

fn variant(candidate: &Candidate) -> String {
    format!("{} {}", candidate.strategy.name(), candidate.params)
}

pub(super) const HEAD: &[&str] = &[
    "scheme",
    "bytes",
    "tensors",
    "candidates",
    "default GB/s",
    "tuner's choice",
    "GB/s",
    "after s",
    "best of all",
    "GB/s",
    "after s",
    "tuner loses",
];

pub(super) fn lines(found: &Value) -> Vec<Vec<String>> {
    if found.is_null() {
        return Vec::new();
    }
    let search = |of: &Value| {
        let seconds = of["seconds"].as_f64().map_or_else(String::new, |seconds| format!("{seconds:.1}"));
        [text(&of["choice"]), rate(&of["gb_per_s"]), seconds]
    };
    let mut line = vec![
        text(&found["scheme"]),
        count(&found["output_bytes"]),
        count(&found["tensors"]),
        count(&found["candidates"]),
        rate(&found["default_gb_per_s"]),
    ];
    line.extend(search(&found["tuner"]));
    line.extend(search(&found["all"]));
    line.push(percent(&found["loss"]));
    vec![line]
}
