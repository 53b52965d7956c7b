//! How long a kernel takes to decode tensors: measured on a GPU, or predicted for the paper's.

use super::super::answer::Failure;
use super::super::bench;
use super::super::device::Device;
use super::table::Source;
use crate::executor::{CudaExecutor, Target, Timing};
use crate::tuner::{Budget, Candidate, Summary};
use ecf8_codegen::profile::gpus::{GPUS, Gpu};
use ecf8_codegen::profile::{predict, profile};
use ecf8_codegen::strategy::{Params, Strategy, widest_coding};
use ecf8_core::Encoded;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// The paper's kernel, whose variant is not chosen: it is the paper's.
pub(super) const PAPERS: &str = "gap-cascade";

/// The GPU of the paper's tables 6 and 7, by its key.
const PAPERS_GPU: &str = "h100_sxm";

/// Time for looking for the fastest variant of a strategy.
const BUDGET: Duration = Duration::from_secs(1);

/// Runs that are timed.
const RUNS: usize = 50;

/// Blocks of a launch that a prediction looks at.
const BLOCKS: u32 = 16;

/// How long a launch takes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Timed {
    /// In the median.
    pub(super) nanoseconds: f64,
    /// Of each run that was timed; none if it is predicted.
    pub(super) samples_ns: Vec<u64>,
    /// The variant.
    pub(super) params: Params,
}

/// Tells how long launches take.
pub(super) trait Clock {
    /// Whether it measures.
    fn source(&self) -> Source;

    /// The GPU that it is about, for people.
    fn device(&self) -> String;

    /// How it tells, for people.
    fn about(&self) -> String;

    /// Looks for the fastest variant of a strategy for tensors like this one; without it, a strategy has its default.
    fn choose(
        &mut self,
        strategy: &'static dyn Strategy,
        encoded: &Encoded<'_>,
        bytes: &[u8],
    ) -> Result<(), Failure>;

    /// Times one launch that decodes these tensors, whose bytes are at hand to compare.
    fn launch(
        &mut self,
        strategy: &'static dyn Strategy,
        batch: &[&Encoded<'_>],
        bytes: &[&[u8]],
    ) -> Result<Timed, Failure>;

    /// What went wrong and was worked around.
    fn warnings(&self) -> Vec<String>;
}

/// The clock of a device; of the first GPU if none is named, and predictions if there is none.
pub(super) fn open(device: Option<Device>) -> Result<Box<dyn Clock>, Failure> {
    let opened = |ordinal: u32| -> Result<Measured<CudaExecutor>, String> {
        let target = CudaExecutor::open(ordinal).map_err(|error| error.to_string())?;
        let arch = target.device().info().arch;
        target.cache().compiler_version(arch).map_err(|error| error.to_string())?;
        Ok(Measured::new(target, |target| target.cache().take_warnings()))
    };
    match device {
        Some(Device::Cpu) => {
            Err(Failure::request("the cpu runs no kernels: use `--device cuda:0` or `--device emulator`"))
        }
        Some(Device::Emulator) => Ok(Box::new(Predicted::new("the emulator was asked for")?)),
        Some(Device::Cuda(ordinal)) => match opened(ordinal) {
            Ok(clock) => Ok(Box::new(clock)),
            Err(error) => {
                Err(Failure::request(format!("{error}; `--device emulator` predicts without a GPU")))
            }
        },
        None => match opened(0) {
            Ok(clock) => Ok(Box::new(clock)),
            Err(error) => Ok(Box::new(Predicted::new(&error)?)),
        },
    }
}

/// A GPU's own clock.
pub(super) struct Measured<T> {
    target: T,
    warnings: fn(&T) -> Vec<String>,
    /// Variants by strategy.
    chosen: HashMap<&'static str, Candidate>,
}

impl<T: Target> Measured<T> {
    /// The clock of a target, which tells with `warnings` what it has worked around.
    pub(super) fn new(target: T, warnings: fn(&T) -> Vec<String>) -> Self {
        Self { target, warnings, chosen: HashMap::new() }
    }
}

impl<T: Target> Clock for Measured<T> {
    fn source(&self) -> Source {
        match self.target.timing() {
            Timing::Measured => Source::Measured,
            Timing::Predicted => Source::Predicted,
        }
    }

    fn device(&self) -> String {
        self.target.describe()
    }

    fn about(&self) -> String {
        format!(
            "{} on {}: the median of {RUNS} launches, whose bytes were compared before; of {PAPERS}, which is the paper's, the default variant, of \
             others the fastest of what {} s of tuning found",
            self.source().word(),
            self.device(),
            BUDGET.as_secs()
        )
    }

    fn choose(
        &mut self,
        strategy: &'static dyn Strategy,
        encoded: &Encoded<'_>,
        bytes: &[u8],
    ) -> Result<(), Failure> {
        let time = if strategy.name() == PAPERS { Duration::ZERO } else { BUDGET };
        let budget = Budget::new(time, Arc::default());
        let candidate = bench::choose(&mut self.target, encoded, bytes, strategy.name(), &budget)?;
        self.chosen.insert(strategy.name(), candidate);
        Ok(())
    }

    fn launch(
        &mut self,
        strategy: &'static dyn Strategy,
        batch: &[&Encoded<'_>],
        bytes: &[&[u8]],
    ) -> Result<Timed, Failure> {
        if let (None, Some(first), Some(bytes)) =
            (self.chosen.get(strategy.name()), batch.first(), bytes.first())
        {
            let at_once = Budget::new(Duration::ZERO, Arc::default());
            let candidate = bench::choose(&mut self.target, first, bytes, strategy.name(), &at_once)?;
            self.chosen.insert(strategy.name(), candidate);
        }
        let nothing = || Failure::request(format!("{}: there is nothing to decode", strategy.name()));
        let candidate = self.chosen.get(strategy.name()).ok_or_else(nothing)?;
        let timed = bench::timed(&mut self.target, batch, bytes, candidate, RUNS);
        let samples_ns = timed.map_err(|error| Failure::data(format!("{}: {error}", strategy.name())))?;
        let summary = Summary::of(&samples_ns).ok_or_else(nothing)?;
        Ok(Timed { nanoseconds: summary.median_ns, samples_ns, params: candidate.params.clone() })
    }

    fn warnings(&self) -> Vec<String> {
        (self.warnings)(&self.target)
    }
}

/// The profiler's model of the paper's GPU.
pub(super) struct Predicted {
    gpu: &'static Gpu,
    /// Why it is not measured.
    why: String,
}

impl Predicted {
    pub(super) fn new(why: &str) -> Result<Self, Failure> {
        let gpu = GPUS.iter().find(|gpu| gpu.key == PAPERS_GPU);
        let gpu = gpu.ok_or_else(|| Failure::request(format!("nothing is known of {PAPERS_GPU}")))?;
        Ok(Self { gpu, why: why.to_owned() })
    }
}

impl Clock for Predicted {
    fn source(&self) -> Source {
        Source::Predicted
    }

    fn device(&self) -> String {
        self.gpu.name.to_owned()
    }

    fn about(&self) -> String {
        format!(
            "predicted for an {}, because nothing was measured ({}): by the emulator's counts, for default variants. On GPUs, kernels were measured \
             to be .53 to .9 times as fast as predicted (README)",
            self.device(),
            self.why
        )
    }

    fn choose(&mut self, _: &'static dyn Strategy, _: &Encoded<'_>, _: &[u8]) -> Result<(), Failure> {
        Ok(())
    }

    fn launch(
        &mut self,
        strategy: &'static dyn Strategy,
        batch: &[&Encoded<'_>],
        _: &[&[u8]],
    ) -> Result<Timed, Failure> {
        let name = strategy.name();
        let params = strategy.params(&[]).map_err(Failure::request)?;
        let coding = widest_coding(batch);
        let coding = coding.ok_or_else(|| Failure::request(format!("{name}: there is nothing to decode")))?;
        let kernel = strategy.kernel(&params, &coding).map_err(Failure::request)?;
        let launch = strategy.launch(&params, batch).map_err(Failure::request)?;
        let profile = profile(&kernel, &launch, Some(BLOCKS)).map_err(Failure::data)?;
        // As the tuner's predictions: with the estimate of registers also where NVRTC could tell.
        let prediction = predict::predict(&profile, self.gpu, profile.registers);
        let prediction =
            prediction.ok_or_else(|| Failure::request(format!("{name} does not fit {}", self.gpu.name)))?;
        Ok(Timed { nanoseconds: prediction.nanoseconds, samples_ns: Vec::new(), params })
    }

    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }
}
