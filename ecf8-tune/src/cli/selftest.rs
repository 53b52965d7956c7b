//! `ecf8 selftest`: every strategy, in every variant, on the whole corpus, must give the original bytes.

use super::answer::{Answer, Failure, table};
use super::device::{Device, DeviceParser};
use super::kernel::strategy_names;
use super::steps::Steps;
use crate::device::CudaDevice;
use crate::executor::{CudaExecutor, Executor, ExecutorError, Target};
use crate::kernel_cache::{Compiler, KernelCache};
use crate::nvrtc::Nvrtc;
use crate::tuner::{self, Candidate, TrialError, Trials, Workbench};
use clap::Args;
use ecf8_codegen::ir;
use ecf8_codegen::strategy::{Coding, Inlined, Params, Strategy, prove, strategies, strategies_for};
use ecf8_core::corpus::{Case, Tier, corpus};
use ecf8_core::{Encoded, Scheme, schemes};
use rayon::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Failures that are told one by one.
const LISTED: usize = 20;

/// How many kernels are compiled between two looks at whether to stop: enough to keep all cores busy, and few enough that stopping is soon.
const TOGETHER: usize = 256;

/// Prove that every strategy decodes the whole corpus exactly, in every variant, on this GPU or on the emulator
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  ecf8 selftest --device cuda:0\n  ecf8 selftest --device emulator --strategy gap-wide\n\n\
    The corpus comes with the program: nothing else is needed on the machine but its driver and NVRTC. The emulator takes the\n\
    quick part of it, a GPU all, unless --quick or --full say otherwise."
)]
pub(super) struct Selftest {
    /// Where to decode: emulator, or a GPU as cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "cuda:0", value_parser = DeviceParser, hide_possible_values = true)]
    device: Device,
    /// Only this strategy
    #[arg(long, value_name = "NAME", value_parser = strategy_names())]
    strategy: Option<String>,
    /// Only the quick part of the corpus, tensors up to some ten thousand elements
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// All of the corpus, tensors up to millions of elements
    #[arg(long)]
    full: bool,
    /// Only the default variant of each strategy: what decodes where nothing was tuned
    #[arg(long)]
    defaults: bool,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Strategies to be tried.
struct Chosen {
    strategies: Vec<&'static dyn Strategy>,
    /// Not in all their variants.
    only_defaults: bool,
}

impl Chosen {
    /// The variants of a strategy that are to be tried, none if it is not chosen.
    fn variants(&self, strategy: &dyn Strategy) -> Vec<Params> {
        let is_chosen = self.strategies.iter().any(|one| one.name() == strategy.name());
        match strategy.params(&[]) {
            _ if !is_chosen => Vec::new(),
            Ok(default) if self.only_defaults => vec![default],
            _ => strategy.variants(),
        }
    }
}

/// What was tried of one strategy.
#[derive(Debug, Default)]
struct Tally {
    variants: usize,
    tensors: usize,
    runs: usize,
    bytes: u64,
}

/// All that was tried.
#[derive(Debug, Default)]
struct Report {
    strategies: BTreeMap<&'static str, Tally>,
    failures: Vec<String>,
    failed: usize,
}

impl Report {
    fn fail(&mut self, failure: String) {
        self.failed += 1;
        if self.failures.len() < LISTED {
            self.failures.push(failure);
        }
    }
}

impl Selftest {
    pub(super) fn run(&self) -> Result<Answer, Failure> {
        let strategies = match &self.strategy {
            Some(name) => vec![super::kernel::find_strategy(name)?],
            None => strategies().to_vec(),
        };
        let chosen = Chosen { strategies, only_defaults: self.defaults };
        let (device, tier, report) = match self.device {
            Device::Cpu => {
                return Err(Failure::request(
                    "the cpu runs no kernels: test with `--device cuda:0` or `--device emulator`",
                ));
            }
            Device::Emulator if self.defaults => {
                return Err(Failure::request(
                    "the emulator takes a minute for all variants: leave out --defaults",
                ));
            }
            Device::Emulator => {
                let tier = if self.full { Tier::Full } else { Tier::Quick };
                ("emulator".to_owned(), tier, on_emulator(&chosen.strategies, tier))
            }
            Device::Cuda(ordinal) => {
                let tier = if self.quick { Tier::Quick } else { Tier::Full };
                let (device, report) = on_gpu(ordinal, &chosen, tier)?;
                (device, tier, report)
            }
        };
        Ok(answer(&device, tier, &report))
    }
}

fn on_emulator(chosen: &[&'static dyn Strategy], tier: Tier) -> Report {
    let mut report = Report::default();
    for strategy in chosen {
        let steps = Steps::start(strategy.name(), 0);
        let done = AtomicUsize::new(0);
        let proof = prove(*strategy, tier, &|progress| {
            let done = 1 + done.fetch_add(1, Ordering::Relaxed);
            steps.of(done as u64, progress.runs as u64);
        });
        steps.finish();
        match proof {
            Ok(proof) => {
                let tally = Tally {
                    variants: proof.variants,
                    tensors: proof.tensors,
                    runs: proof.runs,
                    bytes: proof.bytes,
                };
                report.strategies.insert(strategy.name(), tally);
            }
            Err(disproof) => {
                report.strategies.insert(strategy.name(), Tally::default());
                report.fail(disproof.to_string());
            }
        }
    }
    report
}

fn on_gpu(ordinal: u32, chosen: &Chosen, tier: Tier) -> Result<(String, Report), Failure> {
    let without = |error: &dyn std::fmt::Display| {
        Failure::request(format!("{error}; `selftest --device emulator` needs no GPU"))
    };
    // Without a driver NVRTC would be of no use, so it is missed first.
    let device = CudaDevice::open(ordinal).map_err(|error| without(&error))?;
    let nvrtc = Nvrtc::find_for(&device.info().machine()).map_err(|error| without(&error))?;
    let tried =
        on_device(&device, &(Arc::new(nvrtc) as Arc<dyn Compiler>), chosen, &corpus(tier), &|| false)?;
    tried.ok_or_else(|| Failure::request("stopped"))
}

/// Tries strategies on an opened GPU; nothing is told where `stop` ends it.
fn on_device(
    device: &CudaDevice,
    compiler: &Arc<dyn Compiler>,
    chosen: &Chosen,
    cases: &[Case],
    stop: &dyn Fn() -> bool,
) -> Result<Option<(String, Report)>, Failure> {
    // Thousands of kernels that nobody wants again: kept in memory, and loaded, tensor by tensor.
    let cache = || {
        let compiler = compiler.clone();
        Arc::new(KernelCache::in_memory().with_compiler(move || Ok(compiler.clone())))
    };
    let executor = |cache: &Arc<KernelCache>| CudaExecutor::on(device.clone(), cache.clone());
    let mut report = Report::default();
    for strategy in &chosen.strategies {
        let tally = Tally { variants: chosen.variants(*strategy).len(), ..Tally::default() };
        report.strategies.insert(strategy.name(), tally);
    }
    let steps = Steps::start("tensors of the corpus", ((cases.len() + 1) * schemes().len()) as u64);
    let mut done = 0;
    for &scheme in schemes() {
        let variants: Vec<(&'static dyn Strategy, Params)> = strategies_for(scheme.name())
            .flat_map(|strategy| chosen.variants(strategy).into_iter().map(move |params| (strategy, params)))
            .collect();
        for cases in cases.chunks((TOGETHER / variants.len().max(1)).max(1)) {
            if stop() {
                return Ok(None);
            }
            let suited = cases.par_iter().filter(|case| !variants.is_empty() && case.suits(scheme));
            let tensors = suited.map(|case| Tensor::new(case, scheme)).collect::<Result<Vec<_>, _>>()?;
            let cache = cache();
            let kernels: Vec<_> = tensors.iter().flat_map(|tensor| tensor.kernels(&variants)).collect();
            // What cannot be compiled says so again below.
            executor(&cache).compile(&kernels);
            for tensor in &tensors {
                try_tensor(&mut executor(&cache), tensor, &variants, &mut report)?;
            }
            done += cases.len() as u64;
            steps.at(done);
        }
    }
    for &scheme in schemes() {
        try_together(&mut executor(&cache()), cases, scheme, chosen, &mut report)?;
        done += 1;
        steps.at(done);
    }
    steps.finish();
    Ok(Some((Executor::describe(&executor(&cache())), report)))
}

/// Tries one strategy on an opened GPU, in its default variant or in all, on these cases of the quick corpus; nothing is told
/// where `stop` ends it.
pub(super) fn of_strategy(
    device: &CudaDevice,
    compiler: &Arc<dyn Compiler>,
    strategy: &'static dyn Strategy,
    only_defaults: bool,
    cases: &[Case],
    stop: &dyn Fn() -> bool,
) -> Result<Option<Answer>, Failure> {
    let chosen = Chosen { strategies: vec![strategy], only_defaults };
    let tried = on_device(device, compiler, &chosen, cases, stop)?;
    Ok(tried.map(|(device, report)| answer(&device, Tier::Quick, &report)))
}

/// The tensors of the corpus under one scheme by one launch, all of them or those with the same codebook, by all
/// variants of the strategies that take several.
fn try_together<T: Target>(
    target: &mut T,
    cases: &[Case],
    scheme: &'static dyn Scheme,
    chosen: &Chosen,
    report: &mut Report,
) -> Result<(), Failure> {
    let encode = |case: &Case| {
        let broken =
            |error| Failure::data(format!("{} ({}): {error}; report this", case.name, scheme.name()));
        case.encode(scheme).map_err(broken)
    };
    let cases: Vec<&Case> = cases.iter().filter(|case| case.suits(scheme)).collect();
    let encoded = cases.iter().map(|case| encode(case)).collect::<Result<Vec<_>, _>>()?;
    let mut variants = tuner::candidates(scheme.name());
    variants
        .retain(|one| one.strategy.takes_several() && chosen.variants(one.strategy).contains(&one.params));
    for inlined in [Inlined::Codebook, Inlined::MaxLen] {
        let mut together: BTreeMap<_, Vec<(&Case, &Encoded<'_>)>> = BTreeMap::new();
        let taken = cases.iter().zip(&encoded).filter(|(_, encoded)| inlined.takes(&encoded.codebooks));
        for (&case, encoded) in taken {
            together.entry(inlined.in_common(scheme, Coding::of(encoded))).or_default().push((case, encoded));
        }
        // Nothing is launched for tensors without elements.
        together
            .retain(|_, tensors| tensors.len() > 1 && tensors.iter().any(|(case, _)| !case.bytes.is_empty()));
        let variants: Vec<Candidate> =
            variants.iter().filter(|one| one.strategy.inlined(&one.params) == Ok(inlined)).cloned().collect();
        for tensors in together.values() {
            try_batch(target, tensors, &variants, report)?;
        }
    }
    Ok(())
}

/// Tensors by one launch, by these variants.
fn try_batch<T: Target>(
    target: &mut T,
    tensors: &[(&Case, &Encoded<'_>)],
    variants: &[Candidate],
    report: &mut Report,
) -> Result<(), Failure> {
    let batch: Vec<&Encoded<'_>> = tensors.iter().map(|(_, encoded)| *encoded).collect();
    let bytes: Vec<&[u8]> = tensors.iter().map(|(case, _)| &case.bytes[..]).collect();
    let mut bench = Workbench::new(target, &batch, variants, &bytes);
    let indices: Vec<usize> = (0..variants.len()).collect();
    let compiled = bench.compile(&indices);
    for ((index, compiled), Candidate { strategy, params, .. }) in indices.iter().zip(compiled).zip(variants)
    {
        if let Some(tally) = report.strategies.get_mut(strategy.name()) {
            tally.runs += 1;
            tally.bytes += bytes.iter().map(|bytes| bytes.len() as u64).sum::<u64>();
        }
        let first = tensors.first().map_or("", |(case, _)| &case.name);
        let of =
            || format!("{} {params}, {} tensors by one launch, first {first}", strategy.name(), batch.len());
        match compiled.and_then(|()| bench.verify(*index)) {
            Ok(()) => {}
            Err(TrialError::Fatal(error)) => return Err(Failure::data(format!("{}: {error}", of()))),
            Err(error) => report.fail(format!("{}: {error}", of())),
        }
    }
    Ok(())
}

/// One tensor under one scheme.
struct Tensor<'a> {
    case: &'a Case,
    place: String,
    encoded: Encoded<'a>,
}

impl<'a> Tensor<'a> {
    fn new(case: &'a Case, scheme: &'static dyn Scheme) -> Result<Self, Failure> {
        let place = format!("{} ({})", case.name, scheme.name());
        let broken = |error: &dyn std::fmt::Display| Failure::data(format!("{place}: {error}; report this"));
        let encoded: Encoded<'_> = case.encode(scheme).map_err(|error| broken(&error))?;
        if encoded.decode_reference().map_err(|error| broken(&error))? != case.bytes {
            return Err(broken(&"the reference decoder does not give the original bytes"));
        }
        Ok(Self { case, place, encoded })
    }

    fn is_taken_by(&self, (strategy, params): &(&'static dyn Strategy, Params)) -> bool {
        strategy.inlined(params).is_ok_and(|inlined| inlined.takes(&self.encoded.codebooks))
    }

    /// The kernels of those variants that take it.
    fn kernels(&self, variants: &[(&'static dyn Strategy, Params)]) -> Vec<ir::Kernel> {
        let variants = variants.iter().filter(|variant| self.is_taken_by(variant));
        variants
            .filter_map(|(strategy, params)| strategy.kernel(params, &Coding::of(&self.encoded)).ok())
            .collect()
    }
}

/// Tries a tensor by all variants.
fn try_tensor(
    executor: &mut CudaExecutor,
    tensor: &Tensor<'_>,
    variants: &[(&'static dyn Strategy, Params)],
    report: &mut Report,
) -> Result<(), Failure> {
    let Tensor { case, place, encoded } = tensor;
    let mut counted: Vec<&str> = Vec::new();
    for (strategy, params) in variants.iter().filter(|variant| tensor.is_taken_by(variant)) {
        let decoded = executor.decode(*strategy, params, encoded);
        if let Some(tally) = report.strategies.get_mut(strategy.name()) {
            tally.runs += 1;
            tally.bytes += case.bytes.len() as u64;
            if !counted.contains(&strategy.name()) {
                counted.push(strategy.name());
                tally.tensors += 1;
            }
        }
        let variant = format!("{} {params}, {place}", strategy.name());
        match decoded {
            Ok(bytes) if bytes == case.bytes => {}
            Ok(bytes) => {
                let same =
                    bytes.iter().zip(&case.bytes).take_while(|(found, wanted)| found == wanted).count();
                report.fail(format!("{variant}: wrong from byte {same} on"));
            }
            Err(ExecutorError::Device(error)) => {
                // After a fault nothing else would work either.
                return Err(Failure::data(format!("{variant}: {error}")));
            }
            Err(error) => report.fail(format!("{variant}: {error}")),
        }
    }
    Ok(())
}

fn answer(device: &str, tier: Tier, report: &Report) -> Answer {
    let tier = match tier {
        Tier::Quick => "quick",
        Tier::Full => "full",
    };
    let rows = report.strategies.iter().map(|(name, tally)| {
        vec![
            (*name).to_owned(),
            tally.variants.to_string(),
            tally.tensors.to_string(),
            tally.runs.to_string(),
            super::answer::grouped(tally.bytes),
        ]
    });
    let runs: usize = report.strategies.values().map(|tally| tally.runs).sum();
    let mut text = table(&["strategy", "variants", "tensors", "decodings", "bytes"], rows);
    for failure in &report.failures {
        text += &format!("failed: {failure}\n");
    }
    let exact = report.failed == 0;
    if exact {
        text += &format!("{device}, {tier} corpus: all {runs} decodings exact\n");
    }
    let strategies: Vec<Value> = report
        .strategies
        .iter()
        .map(|(name, tally)| {
            json!({
                "name": name,
                "variants": tally.variants,
                "tensors": tally.tensors,
                "runs": tally.runs,
                "bytes": tally.bytes,
            })
        })
        .collect();
    let json = json!({
        "device": device,
        "tier": tier,
        "strategies": strategies,
        "runs": runs,
        "failed": report.failed,
        "failures": report.failures,
        "exact": exact,
    });
    let message = || format!("{} failures on {device}; report them", report.failed);
    Answer { text, json, failure: (!exact).then(|| Failure::data(message())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::tests::graph::count;
    use crate::device::tests::{fake, is_child};
    use crate::executor::EmulatorExecutor;
    use crate::kernel_cache::tests::Fake;
    use ecf8_codegen::emulator::Checks;

    #[test]
    fn all_tensors_are_decoded_in_one_context_and_leave_nothing_in_it() {
        const TEST: &str =
            "cli::selftest::tests::all_tensors_are_decoded_in_one_context_and_leave_nothing_in_it";
        if !is_child() {
            return fake::run(TEST, "any kernel");
        }
        let device = CudaDevice::open(0).unwrap();
        let strategy = super::super::kernel::find_strategy("lanes-pair").map_err(|_| "no strategy").unwrap();
        let chosen = Chosen { strategies: vec![strategy], only_defaults: false };
        let compiler: Arc<dyn Compiler> = Arc::new(Fake("13.0"));
        let before = ["fake_contexts", "fake_allocations"].map(count);
        let cases: Vec<Case> =
            corpus(Tier::Quick).into_iter().filter(|case| case.bytes.len() < 500).collect();
        let (_, report) = on_device(&device, &compiler, &chosen, &cases, &|| false)
            .map_err(|_| "a fault")
            .unwrap()
            .unwrap();
        // The kernels of this driver write nothing.
        assert!(report.strategies["lanes-pair"].tensors > 5 && report.failed > 5, "{report:?}");
        assert_eq!(before, [1, 0]);
        assert_eq!(["fake_contexts", "fake_modules"].map(count), [1, 0], "made in all, and still loaded");
    }

    #[test]
    fn tensors_with_several_codebooks_are_tried_together() {
        let cases: Vec<Case> =
            corpus(Tier::Quick).into_iter().filter(|case| case.bytes.len() < 5000).collect();
        let strategies =
            strategies().iter().copied().filter(|strategy| strategy.name().starts_with("lanes-")).collect();
        let chosen = Chosen { strategies, only_defaults: false };
        let mut report = Report::default();
        chosen.strategies.iter().for_each(|strategy| {
            report.strategies.insert(strategy.name(), Tally::default());
        });
        let mut target = EmulatorExecutor { checks: Checks::Basic };
        for scheme in schemes() {
            try_together(&mut target, &cases, *scheme, &chosen, &mut report).map_err(|_| "a fault").unwrap();
        }
        assert_eq!((report.failed, &report.failures[..]), (0, &[][..]));
        let runs: Vec<usize> = report.strategies.values().map(|tally| tally.runs).collect();
        assert!(runs.iter().all(|runs| *runs >= 10), "{runs:?}");
    }
}
