//! `ecf8 compress` and `ecf8 decompress`.

use super::answer::{Answer, Failure, grouped};
use super::interrupt;
use super::progress::Bars;
use clap::Args;
use ecf8_core::Aim;
use ecf8_core::container::{self, CompressOptions};
use serde_json::json;
use std::path::PathBuf;

/// Threads that can be asked for; starting many more takes longer than any work for them.
const MAX_THREADS: i64 = 1024;

/// Compress a .safetensors file, or a folder with a sharded model
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ecf8 compress model.safetensors -o model.ecf8.safetensors\n  \
    ecf8 compress Qwen3-8B-FP8/ -o Qwen3-8B-ECF8/\n  \
    ecf8 compress model.safetensors -o paper.safetensors --scheme exponent-gap\n\n\
    Every tensor is decoded again and compared before the output gets its name.")]
pub(super) struct Compress {
    /// File or folder to compress
    input: PathBuf,
    /// Where to write; must not exist yet
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// Compress all tensors by this scheme
    #[arg(long, value_name = "NAME", value_parser = scheme_names())]
    scheme: Option<String>,
    /// Choose schemes and chunks for one goal only (default: for all tensors the scheme with the smallest result, unless one that
    /// decodes faster takes at most a quarter of a percent more)
    #[arg(long, value_name = "GOAL")]
    optimize: Option<Goal>,
    /// The most codebooks that tensors share, for each scheme (default: as few as cost less than 0.1 % of the codewords)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    codebooks: Option<u32>,
    /// The most bits of a codeword: small tables decode faster, long codewords take less (default: the fewest that cost at most
    /// 0.05 % more than 13; `ecf8 inspect --costs` shows what each would cost)
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u8).range(10..=13))]
    code_bits: Option<u8>,
    /// Threads to use (default: all cores)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=MAX_THREADS))]
    threads: Option<u16>,
    /// Replace the output if it exists
    #[arg(long)]
    force: bool,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// What schemes and chunks are chosen for.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(super) enum Goal {
    /// The smallest output
    Size,
    /// The fastest decoding
    Speed,
}

impl Goal {
    /// What to aim at, with a goal or without one.
    pub(super) fn aim(goal: Option<Self>) -> Aim {
        match goal {
            Some(Self::Size) => Aim::Size,
            Some(Self::Speed) => Aim::Speed,
            None => Aim::default(),
        }
    }
}

/// Restore the original file or folder, byte for byte
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ecf8 decompress model.ecf8.safetensors -o restored.safetensors\n\n\
    A tuning cache that `ecf8 tune` has left in a folder, named after a container there, is not restored: it says so.")]
pub(super) struct Decompress {
    /// Compressed file or folder
    input: PathBuf,
    /// Where to write; must not exist yet
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// Threads to use (default: all cores)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=MAX_THREADS))]
    threads: Option<u16>,
    /// Replace the output if it exists
    #[arg(long)]
    force: bool,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

fn scheme_names() -> clap::builder::PossibleValuesParser {
    ecf8_core::schemes().iter().map(|scheme| scheme.name()).collect::<Vec<_>>().into()
}

/// Limits the threads of everything that follows.
fn use_threads(threads: Option<u16>) -> Result<(), Failure> {
    let Some(threads) = threads else { return Ok(()) };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.into()).build_global();
    pool.map_err(|error| Failure::request(format!("cannot start {threads} threads: {error}; use fewer")))
}

impl Compress {
    pub(super) fn run(&self) -> Result<Answer, Failure> {
        use_threads(self.threads)?;
        interrupt::clean_up(None);
        let options = CompressOptions {
            scheme: self.scheme.as_deref().and_then(ecf8_core::scheme),
            aim: Goal::aim(self.optimize),
            codebooks: self.codebooks.map(|most| most as usize),
            code_bits: self.code_bits,
            overwrite: self.force,
        };
        let report = container::compress(&self.input, &self.output, &options, &Bars::default())?;
        let ratio = ratio(report.output_bytes(), report.input_bytes());
        let compressed: usize = report.files.iter().map(|file| file.compressed_tensors).sum();
        let kept: usize = report.files.iter().map(|file| file.kept_tensors).sum();
        // Said each time, since whoever is given the output cannot see it from its name.
        let needs = if compressed > 0 {
            "; to load it, frameworks need ecf8 (loaders that do not know ecf8 refuse it)"
        } else {
            ""
        };
        let text = format!(
            "{}: {} -> {} bytes ({ratio:.4}); {compressed} tensors compressed, {kept} kept as they are{needs}\n",
            self.output.display(),
            grouped(report.input_bytes()),
            grouped(report.output_bytes()),
        );
        let json = json!({
            "output": self.output.display().to_string(),
            "input_bytes": report.input_bytes(),
            "output_bytes": report.output_bytes(),
            "ratio": ratio,
            "needs_ecf8": compressed > 0,
            "files": report.files,
            "copied": report.copied,
            "compressed_tensors": compressed,
            "kept_tensors": kept,
        });
        Ok(Answer { text, json, failure: None })
    }
}

impl Decompress {
    pub(super) fn run(&self) -> Result<Answer, Failure> {
        use_threads(self.threads)?;
        interrupt::clean_up(None);
        let report = container::decompress(&self.input, &self.output, self.force, &Bars::default())?;
        let mut text = format!(
            "{}: {} -> {} bytes, every checksum agrees\n",
            self.output.display(),
            grouped(report.input_bytes()),
            grouped(report.output_bytes()),
        );
        for name in &report.skipped {
            text += &format!(
                "{name}: not restored, it is a tuning cache of the compressed weights; copy it if the original had it\n"
            );
        }
        let json = json!({
            "output": self.output.display().to_string(),
            "input_bytes": report.input_bytes(),
            "output_bytes": report.output_bytes(),
            "files": report.files,
            "copied": report.copied,
            "skipped": report.skipped,
        });
        Ok(Answer { text, json, failure: None })
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn ratio(compressed: u64, original: u64) -> f64 {
    if original == 0 { 1.0 } else { compressed as f64 / original as f64 }
}
