//! `ecf8 bench`: how fast every strategy decodes here, with the raw samples.

mod row;

use self::row::{About, BenchRow};
use super::answer::{Answer, Failure, table};
use super::compress::Goal;
use super::steps::Steps;
use super::verify::Device;
use crate::device::CopyBandwidth;
use crate::executor::{CudaExecutor, EmulatorExecutor, Target, Timing};
use crate::tuner::{self, Budget, Candidate, Known, Outcome, Settings, Stop, Trials, Workbench};
use clap::Args;
use ecf8_codegen::emulator::Checks;
use ecf8_codegen::strategy::{Params, strategies, strategies_for};
use ecf8_core::element::Numbers;
use ecf8_core::{Encoded, schemes, synthetic};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

/// Side of the matrices, where blocks have a scale each.
const COLUMNS: usize = 4096;

/// Bytes of the largest tensor that variants are chosen on; what is best there is timed at the other sizes.
const CHOSEN_AT: u64 = 64 << 20;

/// Tensors of a layer that is decoded by one launch, for a row of its own: as many bytes together as variants are
/// chosen on.
const LAYER: usize = 8;

/// Elements of tensors on the emulator, unless others are asked for.
const EMULATED: &str = "256K";

/// Measure how fast every strategy decodes on this GPU, for several sizes of tensors
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ecf8 bench --json > h200.json\n  \
    ecf8 bench --sizes 8M,64M --strategies gap-cascade,gap-wide --budget 30s\n  \
    ecf8 bench --device emulator\n\n\
    Weights are generated: Gaussian, scaled in 128x128 blocks, and cast as they are at two deviations. For each strategy the\n\
    fastest variant is looked for first. At one size, 64M if it is among them, there is also a row for eight tensors of an\n\
    eighth of it by one launch. The emulator gives predictions, under other names.")]
pub(super) struct Bench {
    /// Where to measure: a GPU as cuda:N, or emulator to predict
    #[arg(long, value_name = "DEVICE", default_value = "cuda:0")]
    device: Device,
    /// Sizes of the tensors in bytes of output, K, M and G being powers of 1024 (default: 8M,64M,512M,1G; on
    /// the emulator 256K)
    #[arg(long, value_name = "SIZES", value_delimiter = ',', value_parser = super::size::size)]
    sizes: Vec<u64>,
    /// Only these strategies
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = names())]
    strategies: Vec<String>,
    /// Lay tensors out for one goal, as `ecf8 compress --optimize` does
    #[arg(long, value_name = "GOAL")]
    optimize: Option<Goal>,
    /// Runs that are timed of each row
    #[arg(long, value_name = "N", default_value = "50", value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// Time for looking for the fastest variant of one strategy on one kind of data
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    budget: Duration,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

fn names() -> clap::builder::PossibleValuesParser {
    strategies().iter().map(|strategy| strategy.name()).collect::<Vec<_>>().into()
}

/// Generated weights of one kind.
#[derive(Clone, Copy)]
struct Data {
    name: &'static str,
    /// Standard deviation; scaled in blocks if there is none.
    sigma: Option<f32>,
}

const DATA: [Data; 3] = [
    Data { name: "Gaussian, 128x128 blocks", sigma: None },
    Data { name: "Gaussian, sigma 0.02, cast", sigma: Some(0.02) },
    Data { name: "Gaussian, sigma 0.03, cast", sigma: Some(0.03) },
];

impl Data {
    fn bytes(self, count: u64) -> Result<Vec<u8>, Failure> {
        let count =
            usize::try_from(count).map_err(|_| Failure::request("a size is too large; use smaller ones"))?;
        Ok(match self.sigma {
            Some(sigma) => synthetic::cast(&synthetic::gaussian(1, count, sigma)),
            None => synthetic::block_scaled(&synthetic::gaussian(1, count, 1.0), COLUMNS).bytes,
        })
    }
}

impl Bench {
    pub(super) fn run(&self) -> Result<Answer, Failure> {
        match self.device {
            Device::Cpu => Err(Failure::request(
                "the cpu runs no kernels: bench with `--device cuda:0` or `--device emulator`",
            )),
            Device::Emulator => self.bench(&mut EmulatorExecutor { checks: Checks::Basic }, None),
            Device::Cuda(ordinal) => {
                let without = |error: &dyn std::fmt::Display| {
                    Failure::request(format!("{error}; `--device emulator` predicts without a GPU"))
                };
                let mut target = CudaExecutor::open(ordinal).map_err(|error| without(&error))?;
                target
                    .cache()
                    .compiler_version(target.device().info().arch)
                    .map_err(|error| without(&error))?;
                // Several times any L2, and little of any memory.
                let bytes = (target.device().info().memory_bytes / 16).min(512 << 20);
                let copy = usize::try_from(bytes).map_err(Failure::request).and_then(|bytes| {
                    target.device().copy_bandwidth(bytes, 20).map_err(Failure::request)
                })?;
                let answer = self.bench(&mut target, Some(copy));
                super::warn(target.cache().take_warnings());
                answer
            }
        }
    }

    fn sizes(&self, timing: Timing) -> Vec<u64> {
        let usual: &[&str] = match timing {
            Timing::Measured => &["8M", "64M", "512M", "1G"],
            Timing::Predicted => &[EMULATED],
        };
        if self.sizes.is_empty() {
            usual.iter().filter_map(|text| super::size::size(text).ok()).collect()
        } else {
            self.sizes.clone()
        }
    }

    fn bench<T: Target>(&self, target: &mut T, copy: Option<CopyBandwidth>) -> Result<Answer, Failure> {
        let (device, timing) = (target.describe(), target.timing());
        let mut about = About { device, timing, copy, one_by_one: None };
        let interrupt = Arc::new(AtomicBool::new(false));
        super::interrupt::tell(&interrupt);
        let sizes = self.sizes(about.timing);
        let at = sizes.iter().copied().filter(|size| *size <= CHOSEN_AT).max().or(sizes.first().copied());
        let pairs: usize = schemes().iter().map(|scheme| self.chosen(scheme.name()).len()).sum();
        let steps = Steps::start("benchmarking", (DATA.len() * pairs * (sizes.len() + 1)) as u64);
        let mut done = 0;
        let mut rows = Vec::new();
        for data in DATA {
            // Chosen at one size first, then timed at all.
            let mut choices: Vec<(&'static str, Candidate)> = Vec::new();
            for (round, &size) in at.iter().chain(&sizes).enumerate() {
                let bytes = data.bytes(size)?;
                for scheme in schemes() {
                    let codebook = scheme.codebook(&scheme.symbol_histogram(Numbers::e4m3(&bytes)));
                    let encoded = scheme
                        .encode_for(Numbers::e4m3(&bytes), &codebook, Goal::aim(self.optimize))
                        .map_err(Failure::data)?;
                    for name in self.chosen(scheme.name()) {
                        if interrupt.load(std::sync::atomic::Ordering::Relaxed) {
                            return Err(Failure::request("interrupted"));
                        }
                        if round == 0 {
                            let budget = Budget::new(self.budget, interrupt.clone());
                            let choice = choose(target, &encoded, &bytes, name, &budget)?;
                            choices.push((scheme.name(), choice));
                        } else {
                            let wanted = |(of, choice): &&(&'static str, Candidate)| {
                                *of == scheme.name() && choice.strategy.name() == name
                            };
                            if let Some((_, choice)) = choices.iter().find(wanted) {
                                rows.push(self.row(target, &[&encoded], &[&bytes], data.name, choice));
                                if Some(size) == at && choice.strategy.takes_several() {
                                    rows.extend(self.layer(target, &encoded, &bytes, data.name, choice)?);
                                }
                            }
                        }
                        done += 1;
                        steps.at(done);
                    }
                }
            }
        }
        steps.finish();
        about.one_by_one = target.one_by_one();
        Ok(self.answer(&about, &target.fingerprint(), &rows))
    }

    /// The strategies to run for a scheme.
    fn chosen(&self, scheme: &str) -> Vec<&'static str> {
        let all = strategies_for(scheme).map(|strategy| strategy.name());
        all.filter(|name| self.strategies.is_empty() || self.strategies.iter().any(|wanted| wanted == name))
            .collect()
    }

    /// Verifies and times one variant on the bytes of a tensor, cut into several that one launch decodes; nothing, if
    /// there are too few.
    fn layer<T: Target>(
        &self,
        target: &mut T,
        whole: &Encoded<'_>,
        bytes: &[u8],
        data: &'static str,
        candidate: &Candidate,
    ) -> Result<Option<BenchRow>, Failure> {
        let one = bytes.len() / LAYER;
        if one == 0 {
            return Ok(None);
        }
        let pieces: Vec<&[u8]> = bytes.chunks_exact(one).take(LAYER).collect();
        let encode = |bytes: &&[u8]| {
            whole
                .scheme
                .encode_for(Numbers::e4m3(bytes), &whole.codebook, Goal::aim(self.optimize))
                .map_err(Failure::data)
        };
        let encoded = pieces.iter().map(encode).collect::<Result<Vec<_>, _>>()?;
        let batch: Vec<&Encoded<'_>> = encoded.iter().collect();
        Ok(Some(self.row(target, &batch, &pieces, data, candidate)))
    }

    /// Verifies and times one variant on tensors that one launch decodes.
    fn row<T: Target>(
        &self,
        target: &mut T,
        batch: &[&Encoded<'_>],
        bytes: &[&[u8]],
        data: &'static str,
        candidate: &Candidate,
    ) -> BenchRow {
        let one = std::slice::from_ref(candidate);
        let mut bench = Workbench::new(target, batch, one, bytes);
        let compiled = bench.compile(&[0]).pop().unwrap_or(Ok(()));
        let timed = compiled.and_then(|()| bench.verify(0)).and_then(|()| {
            let warm_up = bench.time(0, 3)?;
            match bench.timing() {
                Timing::Measured => bench.time(0, self.runs.into()),
                Timing::Predicted => Ok(warm_up),
            }
        });
        BenchRow {
            data,
            scheme: batch.first().map_or("", |encoded| encoded.scheme.name()),
            candidate: candidate.clone(),
            tensors: batch.len(),
            output_bytes: bytes.iter().map(|bytes| bytes.len() as u64).sum(),
            encoded_bytes: batch.iter().map(|encoded| encoded.bytes()).sum(),
            outcome: timed.map_err(|error| error.to_string()),
        }
    }

    fn answer(&self, about: &About, fingerprint: &crate::executor::Fingerprint, rows: &[BenchRow]) -> Answer {
        let json = json!({
            "device": fingerprint.gpu,
            "arch": fingerprint.arch,
            "multiprocessors": fingerprint.sm_count,
            "driver": fingerprint.driver,
            "nvrtc": fingerprint.nvrtc,
            "timing": about.timing,
            "copy_gb_per_s": about.copy_gb_per_s(),
            "copy_bytes": about.copy.as_ref().map(|copy| copy.bytes),
            "copy_samples_ms": about.copy.as_ref().map(|copy| &copy.samples_ms),
            "one_by_one": about.one_by_one,
            "date": humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            "command": std::env::args().collect::<Vec<_>>().join(" "),
            "version": env!("CARGO_PKG_VERSION"),
            "rows": rows.iter().map(|row| row.json(about)).collect::<Vec<_>>(),
        });
        let lines = rows.iter().map(|row| row.cells(about));
        let rate = match about.timing {
            Timing::Measured => "GB/s",
            Timing::Predicted => "GB/s, predicted",
        };
        let head = [
            "data", "bytes", "tensors", "ratio", "scheme", "strategy", "variant", rate, "p20-p80", "of copy",
        ];
        let copy =
            about.copy_gb_per_s().map_or_else(String::new, |rate| format!("; copies at {rate:.0} GB/s"));
        let graphs = super::answer::one_by_one(about.one_by_one.as_deref());
        let text = format!("{}{copy}\n{graphs}{}", about.device, table(&head, lines));
        let wrong = rows.iter().filter(|row| row.outcome.is_err()).count();
        let failure = (wrong > 0)
            .then(|| Failure::data(format!("{wrong} of {} rows failed; they say why", rows.len())));
        Answer { text, json, failure }
    }
}

/// The fastest variant of a strategy for a tensor; its defaults if nothing was found out in time.
fn choose<T: Target>(
    target: &mut T,
    encoded: &Encoded<'_>,
    bytes: &[u8],
    strategy: &str,
    budget: &Budget,
) -> Result<Candidate, Failure> {
    let scheme = encoded.scheme.name();
    let all = tuner::candidates(scheme);
    let space: Vec<Candidate> =
        all.into_iter().filter(|candidate| candidate.strategy.name() == strategy).collect();
    let default = space.iter().find(|candidate| tuner::is_default(candidate)).or(space.first());
    let nothing = || Failure::request(format!("strategy {strategy} has no variant for scheme {scheme}"));
    let default = default.cloned().ok_or_else(nothing)?;
    let mut bench = Workbench::new(target, &[encoded], &space, &[bytes]);
    let mut searcher = tuner::Exhaustive::default();
    let (known, settings) = (Known::default(), Settings::default());
    let tuned = tuner::tune(&mut bench, &space, &mut searcher, &known, budget, &settings, |_| ());
    if tuned.stopped == Some(Stop::Interrupt) {
        return Err(Failure::request("interrupted"));
    }
    if let Some(reason) = tuned.fatal {
        return Err(Failure::data(format!("{strategy}: {reason}")));
    }
    let timed = |index: &usize| matches!(tuned.outcomes.get(*index), Some(Some(Outcome::SamplesNs(_))));
    if let Some(choice) = tuned.choice.filter(timed).and_then(|index| space.get(index)) {
        return Ok(choice.clone());
    }
    // Nothing was timed: the default, or what is most like it among those that were not rejected and fit.
    let limits = target.limits();
    let is_possible = |params: &Params| {
        let index = space.iter().position(|candidate| candidate.params == *params)?;
        let rejected = matches!(tuned.outcomes.get(index), Some(Some(Outcome::Rejected(_))));
        let fits = limits.check_variant(default.strategy, params, encoded).is_ok();
        (fits && !rejected).then(|| space[index].clone())
    };
    let near = tuner::nearest_first(default.strategy, &default.params);
    Ok(near.iter().find_map(is_possible).unwrap_or(default))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::logged::Logged;
    use serde_json::Value;

    fn bench(sizes: Vec<u64>) -> Bench {
        let strategies = vec!["lanes-pair".to_owned()];
        let (device, budget) = (Device::Emulator, Duration::ZERO);
        Bench { device, sizes, strategies, optimize: None, runs: 1, budget, json: true }
    }

    #[test]
    fn a_gpu_is_measured_from_8_megabytes_to_a_gigabyte_and_the_emulator_asked_for_little() {
        assert_eq!(bench(vec![]).sizes(Timing::Measured), [8 << 20, 64 << 20, 512 << 20, 1 << 30]);
        assert_eq!(bench(vec![]).sizes(Timing::Predicted), [256 << 10]);
        assert_eq!(bench(vec![7]).sizes(Timing::Measured), [7]);
    }

    #[test]
    fn the_answer_has_the_samples_of_the_copy_and_why_no_graph_was_replayed() {
        let copy = CopyBandwidth { bytes: 1_000_000, samples_ms: vec![0.5, 0.25, 1.0] };
        let mut target = Logged::new();
        target.one_by_one = Some("the driver is too old".to_owned());
        let answer = bench(vec![4096]).bench(&mut target, Some(copy)).unwrap();
        assert_eq!(answer.json["copy_samples_ms"], json!([0.5, 0.25, 1.0]));
        assert_eq!(
            (&answer.json["copy_bytes"], &answer.json["copy_gb_per_s"]),
            (&json!(1_000_000), &json!(4.0))
        );
        assert_eq!(answer.json["one_by_one"], "the driver is too old");
        let line = "launches are timed one by one, not as a graph: the driver is too old\n";
        assert!(answer.text.contains(line), "{}", answer.text);

        let answer = bench(vec![4096]).bench(&mut Logged::new(), None).unwrap();
        assert!(answer.json["one_by_one"].is_null() && answer.json["copy_samples_ms"].is_null());
        assert!(!answer.text.contains("graph"), "{}", answer.text);
        // A tensor of each kind of data, and eight of an eighth.
        assert_eq!(answer.json["rows"].as_array().unwrap().len(), 2 * DATA.len());
    }

    #[test]
    fn a_layer_of_eight_tensors_is_one_launch_also_where_they_leave_gaps() {
        // Tensors start at multiples of 256 bytes in the output.
        let strategies: Vec<String> =
            strategies().iter().map(|strategy| strategy.name().to_owned()).collect();
        let bench = Bench { strategies, ..bench(vec![5000, 8192, 7]) };
        let answer = bench.bench(&mut EmulatorExecutor { checks: Checks::Full }, None).unwrap();
        let rows = answer.json["rows"].as_array().unwrap();
        assert!(rows.iter().all(|row| row["failed"].is_null()), "{}", answer.text);
        let layers: Vec<&Value> = rows.iter().filter(|row| row["tensors"] == 8).collect();
        let each = ecf8_codegen::strategy::strategies().len() * DATA.len();
        assert_eq!((layers.len(), rows.len()), (each, 4 * each));
        assert!(layers.iter().all(|row| row["output_bytes"] == 8192));

        let answer =
            Bench { sizes: vec![5000], ..bench }.bench(&mut EmulatorExecutor { checks: Checks::Full }, None);
        let rows = answer.unwrap().json["rows"].as_array().unwrap().clone();
        assert!(rows.iter().all(|row| row["failed"].is_null()), "{rows:?}");
        assert_eq!(rows.iter().filter(|row| row["tensors"] == 8).count(), each);
    }

    #[test]
    fn a_default_that_does_not_fit_the_device_is_not_what_is_timed() {
        let answer = bench(vec![4096]).bench(&mut Logged::with_shared_bytes(24 << 10), None).unwrap();
        for row in answer.json["rows"].as_array().unwrap() {
            assert_ne!(row["params"]["warps_per_block"], "16", "{row}");
            assert!(row["failed"].is_null(), "{row}");
        }
    }
}
