//! `ecf8 bench --report`: all that a GPU can tell, step by step, those worth most first; kept whenever and however it ends.
//!
//! | file | what it does |
//! |---|---|
//! | `steps` | which steps there are, in which order |
//! | `kept` | what was found, and its file, from which the next run goes on |
//! | `proof` | the self-test of a strategy |
//! | `rates` | its speed by size, alone and as a layer, beside what is predicted |
//! | `tuning` | the tuner beside a search of everything |
//! | `loading` | a model of many tensors loaded |
//! | `pages` | pages of K/V caches encoded and decoded |
//! | `updates` | a layer brought to a later state |
//! | `nvcomp` | nvCOMP on the same bytes |
//! | `markdown` | all of it for people |

mod kept;
mod loading;
mod markdown;
mod nvcomp;
mod pages;
mod proof;
mod rates;
mod steps;
#[cfg(test)]
mod tests;
mod tuning;
mod updates;

use self::kept::{Copies, Kept, Machine, Run, State};
use self::steps::Step;
use super::data::DATA;
use super::row::About;
use super::{Bench, copies};
use crate::cli::answer::{Answer, Failure};
use crate::cli::compress::Goal;
use crate::cli::device::Device;
use crate::cli::steps::Steps;
use crate::device::{CudaDevice, DeviceError};
use crate::executor::{CudaExecutor, Target, nanoseconds};
use crate::kernel_cache::{Compiler, KernelCache};
use crate::nvrtc::Nvrtc;
use crate::tuner::{Budget, Stop};
use ecf8_core::element::Numbers;
use ecf8_core::{Encoded, Scheme};
use serde_json::{Value, json};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant, SystemTime};

/// Tensors of a layer: four of attention and three of the multilayer perceptron.
const LAYER: usize = 7;

/// What a step came to.
struct Outcome {
    found: Value,
    state: State,
    /// Why it has failed.
    why: Option<String>,
}

impl Outcome {
    fn done(found: Value) -> Self {
        Self { found, state: State::Done, why: None }
    }

    /// It has ended, and something is wrong.
    fn wrong(found: Value, why: String) -> Self {
        Self { found, state: State::Failed, why: Some(why) }
    }

    /// It has measured these rows, of which those that something is wrong with say what.
    fn of_rows(rows: Vec<Value>) -> Self {
        let failed = rows.iter().find_map(|row| row["failed"].as_str()).map(str::to_owned);
        let found = Value::from(rows);
        match failed {
            None => Self::done(found),
            Some(why) => Self::wrong(found, why),
        }
    }

    /// An interrupt or the end of the time has ended it.
    fn ended(found: Value) -> Self {
        Self { found, state: State::LeftOut, why: None }
    }
}

/// Weights to decode, in a scheme that is for such.
struct Weights {
    name: &'static str,
    scheme: &'static dyn Scheme,
    bytes: Rc<Vec<u8>>,
}

impl Weights {
    /// Encoded as one tensor.
    fn encoded(&self, bench: &Bench) -> Result<Encoded<'static>, Failure> {
        let numbers = Numbers::e4m3(&self.bytes);
        let codebook = self.scheme.codebook(&self.scheme.symbol_histogram(numbers));
        self.scheme.encode_for(numbers, &(&codebook).into(), Goal::aim(bench.optimize)).map_err(Failure::data)
    }
}

/// What steps are done with.
struct Worker<'a> {
    bench: &'a Bench,
    target: CudaExecutor,
    compiler: Arc<dyn Compiler>,
    interrupt: Arc<AtomicBool>,
    budget: Budget,
    about: About,
    /// What was made last, since it takes its time and several steps want the same.
    made: Option<(&'static str, u64, Rc<Vec<u8>>)>,
}

impl Worker<'_> {
    /// Weights as a scheme is for: those of models are what is kept in blocks with a scale each, and codewords for four
    /// exponents are for narrower distributions.
    fn weights(&mut self, scheme: &'static dyn Scheme, count: u64) -> Result<Weights, Failure> {
        let [blocks, narrow, _] = DATA;
        let data = if scheme.name() == "quad-lanes" { narrow } else { blocks };
        let made = self.made.as_ref().filter(|(name, of, _)| (*name, *of) == (data.name, count));
        let bytes = match made {
            Some((_, _, bytes)) => bytes.clone(),
            None => Rc::new(data.bytes(count)?),
        };
        self.made = Some((data.name, count, bytes.clone()));
        Ok(Weights { name: data.name, scheme, bytes })
    }

    /// Weights as most models have them.
    fn weights_of_a_model(&mut self, bytes: u64) -> Result<Weights, Failure> {
        let scheme = ecf8_core::scheme("pair-lanes");
        let scheme = scheme.ok_or_else(|| Failure::request("there is no scheme pair-lanes"))?;
        self.weights(scheme, bytes)
    }

    fn step(&mut self, step: Step) -> Result<Outcome, Failure> {
        match step {
            Step::Proof { strategy, only_default } => proof::run(self, strategy, only_default),
            Step::Rates { strategy, bytes } => rates::run(self, strategy, bytes),
            Step::Tuning { scheme, bytes } => tuning::run(self, scheme, bytes),
            Step::Loading => loading::run(self),
            Step::Pages { numbers } => pages::run(self, numbers),
            Step::Updates => updates::run(self),
            Step::Nvcomp { bytes } => nvcomp::run(self, bytes),
        }
    }
}

/// Makes the report of a folder, or goes on with it.
pub(super) fn run(bench: &Bench, folder: &Path) -> Result<Answer, Failure> {
    let Device::Cuda(ordinal) = bench.device else {
        return Err(Failure::request("a report is of a GPU: say `--device cuda:0`, or leave --report out"));
    };
    let device = CudaDevice::open(ordinal).map_err(Failure::request)?;
    let nvrtc = Nvrtc::find_for(&device.info().machine()).map_err(Failure::request)?;
    let interrupt = Arc::new(AtomicBool::new(false));
    crate::cli::interrupt::tell(&interrupt);
    on_device(bench, folder, &device, Arc::new(nvrtc), KernelCache::open(), interrupt)
}

/// The same on an opened GPU.
fn on_device(
    bench: &Bench,
    folder: &Path,
    device: &CudaDevice,
    compiler: Arc<dyn Compiler>,
    cache: KernelCache,
    interrupt: Arc<AtomicBool>,
) -> Result<Answer, Failure> {
    let gpu = device.info().clone();
    let machine = Machine { gpu, nvrtc: compiler.version(), ecf8: env!("CARGO_PKG_VERSION").to_owned() };
    let mut kept = Kept::open(folder, machine, bench.quick)?;
    let plan = steps::plan(bench)?;
    let mut open: Vec<(usize, Step)> =
        plan.into_iter().map(|step| (kept.place(&step.name(), step.kind()), step)).collect();
    open.retain(|(place, _)| kept.report.steps[*place].state != State::Done);
    // What has failed before, or in what the process ended, comes after all that might still be found out.
    open.sort_by_key(|(place, _)| kept.report.steps[*place].tries);
    let mut ended = None;
    if !open.is_empty() {
        let found = compiler.clone();
        let target =
            CudaExecutor::on(device.clone(), Arc::new(cache.with_compiler(move || Ok(found.clone()))));
        // From here on only kernels by the NVRTC that the report names.
        let version = target.cache().compiler_version(device.info().arch);
        version.map_err(Failure::request)?;
        let time = Duration::from_secs(60 * u64::from(bench.minutes));
        let budget = Budget::new(time, interrupt.clone());
        let (device, timing) = (Target::describe(&target), Target::timing(&target));
        let about = About { device, timing, copy: None, one_by_one: None };
        let mut worker = Worker { bench, target, compiler, interrupt, budget, about, made: None };
        ended = work(&mut worker, &mut kept, &open)?;
    }
    Ok(answer(&kept, ended.as_deref()))
}

/// Does the steps one after the other; why it ended early, if it did.
fn work(worker: &mut Worker<'_>, kept: &mut Kept, open: &[(usize, Step)]) -> Result<Option<String>, Failure> {
    kept.report.runs.push(Run {
        date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        command: std::env::args().collect::<Vec<_>>().join(" "),
        ..Run::default()
    });
    kept.save()?;
    let copy = copies(worker.target.device())?;
    if let Some(run) = kept.run() {
        run.copy_before = Some(Copies::from(copy.clone()));
    }
    worker.about.copy = Some(copy);
    let mut ended = None;
    for (nth, &(place, step)) in open.iter().enumerate() {
        ended = worker.budget.stop().map(|stop| why(stop).to_owned());
        if ended.is_some() {
            break;
        }
        let entry = &mut kept.report.steps[place];
        (entry.state, entry.why) = (State::Begun, None);
        entry.tries += 1;
        kept.save()?;
        let (begun, name) = (Instant::now(), step.name());
        // A self-test shows how far it is itself.
        let bar = (!matches!(step, Step::Proof { .. })).then(|| Steps::start(&name, open.len() as u64));
        bar.iter().for_each(|bar| bar.at(nth as u64));
        let outcome = worker.step(step);
        drop(bar);
        let Outcome { found, state, why } =
            outcome.unwrap_or_else(|failure| Outcome::wrong(Value::Null, failure.message().to_owned()));
        let entry = &mut kept.report.steps[place];
        if state == State::LeftOut {
            entry.tries -= 1;
        }
        (entry.found, entry.state, entry.why) = (found, state, why);
        entry.seconds = begun.elapsed().as_secs_f64();
        if let Some(run) = kept.run() {
            run.one_by_one = Target::one_by_one(&worker.target);
            run.warnings.extend(worker.target.cache().take_warnings());
        }
        kept.save()?;
        // After a fault nothing works any more in this process.
        if let (State::Failed, Err(error)) = (state, worker.target.device().synchronize()) {
            ended = Some(error.to_string());
            break;
        }
    }
    // A step may have been the last one and ended by the clock.
    let ended = ended.or_else(|| {
        let is_open = open.iter().any(|(place, _)| kept.report.steps[*place].state == State::LeftOut);
        is_open.then(|| worker.budget.stop().map_or("it was not finished", why).to_owned())
    });
    let was_interrupted = worker.budget.stop() == Some(Stop::Interrupt);
    if !was_interrupted
        && let Ok(copy) = copies(worker.target.device())
        && let Some(run) = kept.run()
    {
        run.copy_after = Some(Copies::from(copy));
    }
    for entry in kept.report.steps.iter_mut().filter(|entry| entry.state == State::LeftOut) {
        entry.why.clone_from(&ended);
    }
    kept.save()?;
    Ok(ended)
}

/// Nanoseconds of each of `runs` times that `work` is queued. Before that it is queued once, so that nothing is done for the first time.
fn queued<E: From<DeviceError>>(
    device: &CudaDevice,
    runs: u16,
    mut work: impl FnMut() -> Result<(), E>,
) -> Result<Vec<u64>, E> {
    work()?;
    let times = device.time(usize::from(runs), |_| work())?;
    Ok(times.into_iter().map(|ms| nanoseconds(f64::from(ms))).collect())
}

/// The times of work whose results were looked at, or why there are none: that it failed, or that its results are `wrong`.
fn proven<E: std::fmt::Display>(
    times: Result<Vec<u64>, E>,
    is_right: bool,
    wrong: &str,
) -> Result<Vec<u64>, String> {
    let times = times.map_err(|error| error.to_string())?;
    if is_right { Ok(times) } else { Err(wrong.to_owned()) }
}

fn why(stop: Stop) -> &'static str {
    match stop {
        Stop::Time => "the time was up",
        Stop::Interrupt => "interrupted",
    }
}

/// The report as it is now. It is no failure that the time was up.
fn answer(kept: &Kept, ended: Option<&str>) -> Answer {
    let count = |state| kept.report.steps.iter().filter(|entry| entry.state == state).count();
    let (failed, all) = (count(State::Failed), kept.report.steps.len());
    let failure = match ended {
        Some(reason) if reason == why(Stop::Interrupt) => Some(Failure::request(
            "interrupted; what was found is kept, and the same command goes on from there",
        )),
        Some(reason) if reason != why(Stop::Time) => Some(Failure::data(format!(
            "{reason}; what was found is kept, and the same command goes on from there"
        ))),
        _ if failed > 0 => Some(Failure::data(format!("{failed} of {all} steps failed; they say why"))),
        _ => None,
    };
    Answer { text: markdown::markdown(&kept.report), json: json!(kept.report), failure }
}
