//! `ecf8 bench`: how fast every strategy decodes here, with the raw samples.

mod choose;
mod data;
mod report;
mod row;

pub(super) use self::choose::choose;
use self::data::DATA;
use self::row::{About, BenchRow};
use super::answer::{Answer, Failure, table};
use super::compress::Goal;
use super::device::{Device, DeviceParser};
use super::steps::Steps;
use crate::device::{CopyBandwidth, CudaDevice};
use crate::executor::{CudaExecutor, EmulatorExecutor, Target, Timing};
use crate::tuner::{Budget, Candidate, TrialError, Trials, Workbench};
use clap::Args;
use ecf8_codegen::emulator::Checks;
use ecf8_codegen::strategy::strategies_for;
use ecf8_core::element::Numbers;
use ecf8_core::{Encoded, schemes};
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

/// Bytes of the largest tensor that variants are chosen on; what is best there is timed at the other sizes.
const CHOSEN_AT: u64 = 64 << 20;

/// Tensors of a layer that is decoded by one launch, for a row of its own: as many bytes together as variants are
/// chosen on.
const LAYER: usize = 8;

/// Elements of tensors on the emulator, unless others are asked for.
const EMULATED: &str = "256K";

/// Measure how fast every strategy decodes on this GPU, for several sizes of tensors; or all that a GPU can tell
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ecf8 bench --json > h200.json\n  \
    ecf8 bench --sizes 8M,64M --strategies gap-cascade,gap-wide --budget 30s\n  \
    ecf8 bench --device emulator\n  \
    ecf8 bench --report h200 --nvcomp /usr/lib/libnvcomp.so.6\n\n\
    Weights are generated: Gaussian, scaled in 128x128 blocks, and cast as they are at two deviations. \
    For each strategy the fastest variant is looked for first. At one size, 64M if it is among them, \
    there is also a row for eight tensors of an eighth of it by one launch. The emulator gives \
    predictions, under other names.\n\n\
    With --report, DIR gets report.json and report.md, rewritten after every step: the machine, the \
    self-test of every strategy, copies, each strategy's default variant by size, alone and as a layer \
    of seven, beside what is predicted for this GPU, the tuner beside a search of everything, and \
    loading. What the time does not suffice for is named there. The same command with the same DIR \
    goes on with what is missing, also after Ctrl-C or a crash.")]
pub(super) struct Bench {
    /// Where to measure: a GPU as cuda:N, or emulator to predict
    #[arg(long, value_name = "DEVICE", default_value = "cuda:0", value_parser = DeviceParser, hide_possible_values = true)]
    device: Device,
    /// Sizes of the tensors in bytes of output, K, M and G being powers of 1024 (default: 8M,64M,512M,1G; on
    /// the emulator 256K; in a report 8M,64M,218M,512M)
    #[arg(long, value_name = "SIZES", value_delimiter = ',', value_parser = super::size::size)]
    sizes: Vec<u64>,
    /// Only these strategies
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = super::kernel::strategy_names())]
    strategies: Vec<String>,
    /// Lay tensors out for one goal, as `ecf8 compress --optimize` does
    #[arg(long, value_name = "GOAL")]
    optimize: Option<Goal>,
    /// Runs that are timed of each row
    #[arg(long, value_name = "N", default_value = "50", value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// Time for looking for the fastest variant of one strategy on one kind of data; in a report, of one scheme
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    budget: Duration,
    /// Measure all that this GPU can tell, in order of worth, into this folder; with the same folder again, what is missing
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Time for the report in minutes; what does not fit is left out
    #[arg(long, value_name = "N", default_value = "10", value_parser = clap::value_parser!(u16).range(1..), requires = "report")]
    minutes: u16,
    /// Report on small tensors only, a few runs of each: for trying it out
    #[arg(long, requires = "report")]
    quick: bool,
    /// Measure nvCOMP 6, too: its ANS for FP8 on the same bytes. Takes the path of libnvcomp.so.6
    #[arg(long, value_name = "PATH", requires = "report")]
    nvcomp: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Several tensors, which one launch decodes.
struct Cut<'b> {
    encoded: Vec<Encoded<'static>>,
    bytes: Vec<&'b [u8]>,
}

/// Copies within a GPU's memory: of several times any L2, and little of any memory.
fn copies(device: &CudaDevice) -> Result<CopyBandwidth, Failure> {
    let bytes = (device.info().memory_bytes / 16).min(512 << 20);
    device.copy_bandwidth(usize::try_from(bytes).map_err(Failure::request)?, 20).map_err(Failure::request)
}

/// Verifies one variant on tensors that one launch decodes, and times it: the nanoseconds of each run, or the one prediction.
pub(super) fn timed<T: Target>(
    target: &mut T,
    batch: &[&Encoded<'_>],
    bytes: &[&[u8]],
    candidate: &Candidate,
    runs: usize,
) -> Result<Vec<u64>, TrialError> {
    let one = std::slice::from_ref(candidate);
    let mut bench = Workbench::new(target, batch, one, bytes);
    bench.compile(&[0]).pop().unwrap_or(Ok(()))?;
    bench.verify(0)?;
    let warm_up = bench.time(0, 3)?;
    match bench.timing() {
        Timing::Measured => bench.time(0, runs),
        Timing::Predicted => Ok(warm_up),
    }
}

impl Bench {
    pub(super) fn run(&self) -> Result<Answer, Failure> {
        if let Some(folder) = &self.report {
            return report::run(self, folder);
        }
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
                let copy = copies(target.device())?;
                let answer = self.bench(&mut target, Some(copy));
                super::warn(target.cache().take_warnings());
                answer
            }
        }
    }

    /// Runs that are timed of each row.
    fn runs(&self) -> usize {
        const QUICK: u16 = 3;
        usize::from(if self.quick { self.runs.min(QUICK) } else { self.runs })
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
                        .encode_for(Numbers::e4m3(&bytes), &codebook.into(), Goal::aim(self.optimize))
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
                                    let Cut { encoded, bytes } = self.cut(&encoded, &bytes, LAYER)?;
                                    let batch: Vec<&Encoded<'_>> = encoded.iter().collect();
                                    if !batch.is_empty() {
                                        rows.push(self.row(target, &batch, &bytes, data.name, choice));
                                    }
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

    /// The bytes of a tensor cut into several, each encoded as the whole is; none, if there are too few.
    fn cut<'b>(&self, whole: &Encoded<'_>, bytes: &'b [u8], tensors: usize) -> Result<Cut<'b>, Failure> {
        let each = bytes.len() / tensors;
        let bytes: Vec<&[u8]> =
            bytes.chunks_exact(each.max(1)).take(if each == 0 { 0 } else { tensors }).collect();
        let encode = |bytes: &&[u8]| {
            let (numbers, aim) = (Numbers::e4m3(bytes), Goal::aim(self.optimize));
            whole.scheme.encode_for(numbers, &whole.codebooks.first().into(), aim).map_err(Failure::data)
        };
        let encoded = bytes.iter().map(encode).collect::<Result<Vec<_>, _>>()?;
        Ok(Cut { encoded, bytes })
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
        let timed = timed(target, batch, bytes, candidate, self.runs());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::logged::Logged;
    use serde_json::Value;

    fn bench(sizes: Vec<u64>) -> Bench {
        let strategies = vec!["lanes-pair".to_owned()];
        let (device, budget) = (Device::Emulator, Duration::ZERO);
        let (report, nvcomp) = (None, None);
        let (minutes, quick) = (10, false);
        Bench {
            device,
            sizes,
            strategies,
            optimize: None,
            runs: 1,
            budget,
            report,
            minutes,
            quick,
            nvcomp,
            json: true,
        }
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
            ecf8_codegen::strategy::strategies().iter().map(|strategy| strategy.name().to_owned()).collect();
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
