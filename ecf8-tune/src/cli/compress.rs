//! `ecf8 compress`, `ecf8 merge` and `ecf8 decompress`.

use super::answer::{Answer, Failure, grouped, printable};
use super::foreign;
use super::gain;
use super::interrupt;
use super::progress::Bars;
use super::threads;
use clap::Args;
use ecf8_core::container::{self, Base, CompressOptions, Report, Share};
use ecf8_core::{Aim, Scheme};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Threads that can be asked for; starting many more takes longer than any work for them.
const MAX_THREADS: i64 = 1024;

/// How a command works that makes an output.
#[derive(Debug, Args)]
pub(super) struct Work {
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

impl Work {
    /// Limits the threads of everything that follows, and has an interrupt remove what is not finished.
    pub(super) fn prepare(&self) -> Result<(), Failure> {
        threads::start(self.threads)?;
        interrupt::clean_up(None);
        Ok(())
    }

    /// Whether an output that exists is replaced.
    pub(super) fn is_forced(&self) -> bool {
        self.force
    }
}

/// Compress a .safetensors file, or a folder with a sharded model: tensors of every dtype, where that makes them
/// smaller
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ecf8 compress model.safetensors -o model.ecf8.safetensors\n  \
    ecf8 compress Qwen3-8B-FP8/ -o Qwen3-8B-ECF8/\n  \
    ecf8 compress model.safetensors -o paper.safetensors --scheme exponent-gap\n  \
    ecf8 compress Qwen3-8B-FP8/ --dry-run\n  \
    ecf8 compress DeepSeek-V3/ -o DeepSeek-V3-ECF8/ --shard $SLURM_ARRAY_TASK_ID/16\n  \
    ecf8 compress step-2000.safetensors -o step-2000.ecf8.safetensors --base step-1000.safetensors\n\n\
    Tensors that would not get smaller are kept as they are, and other files of a folder are copied.\n\
    `--dry-run` tells beforehand what there is to gain.\n\n\
    Every tensor is decoded again and compared before the output gets its name. An input that changes meanwhile is an error.\n\
    Memory: up to some 500 MiB, however large tensors are; with --scheme exponent-gap, as much as the largest tensor besides.")]
pub(super) struct Compress {
    /// File or folder to compress
    input: PathBuf,
    /// Where to write; must not exist yet
    #[arg(short, long, value_name = "OUT", required_unless_present = "dry_run")]
    output: Option<PathBuf>,
    /// Write nothing: tell what is compressed, what is kept and why, and about how large the result would be, from
    /// samples
    #[arg(long)]
    dry_run: bool,
    /// Compress all tensors by this scheme that it takes: those of exponents take floats of 8, 16 and 32 bits
    #[arg(long, value_name = "NAME", value_parser = scheme_names())]
    scheme: Option<String>,
    /// Choose schemes and chunks for one goal only; with `--scheme`, chunks only, of which exponent-gap has none
    /// (default: for all tensors the scheme with the smallest result, unless one that decodes faster takes at most a
    /// tenth of a percent more, of numbers of several bytes a fifth)
    #[arg(long, value_name = "GOAL")]
    optimize: Option<Goal>,
    /// The most codebooks that tensors share, for each scheme (default: as few as cost less than 0.05 % of the
    /// codewords). Not for exponent-gap, where each tensor has its own
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    codebooks: Option<u32>,
    /// The most bits of a codeword: small tables decode faster, long codewords take less (default: the fewest that cost
    /// at most 0.05 % more than 13; `ecf8 inspect --costs` shows what each would cost). Not for exponent-gap, whose
    /// limit is 16
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u8).range(10..=13))]
    code_bits: Option<u8>,
    /// Compress what is there of a model whose index names shards that are not
    #[arg(long)]
    allow_missing_shards: bool,
    /// Have a framework load the folder by ecf8: its config.json gets `"quant_method": "ecf8"` around the model's own
    /// quantisation. `ecf8 decompress` gives the original back
    #[arg(long = "for", value_name = "FRAMEWORK")]
    framework: Option<Framework>,
    /// Store only the difference from BASE: an earlier state of the same model, or the one that it was fine-tuned from, compressed
    /// or not. `ecf8 decompress` needs the same base again. If BASE is a difference itself, give its own base behind it by another
    /// --base, and so on
    #[arg(long, value_name = "BASE", conflicts_with_all = ["dry_run", "shard", "framework"])]
    base: Vec<PathBuf>,
    /// Compress share I of N of a folder's files, I counted from 0, into OUT.parts; run again, it goes on where it was.
    /// When all shares are there, `ecf8 merge` makes OUT of them
    #[arg(long, value_name = "I/N", conflicts_with_all = ["dry_run", "framework", "force"])]
    shard: Option<Share>,
    #[command(flatten)]
    pub(super) work: Work,
}

/// Put together what `compress --shard` has made of a folder: each part is compared with its original, byte for byte, and the
/// other files are copied
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ecf8 merge DeepSeek-V3/ -o DeepSeek-V3-ECF8/\n\n\
    DeepSeek-V3-ECF8/ is what one `ecf8 compress` would have given; DeepSeek-V3-ECF8.parts/ is removed.")]
pub(super) struct Merge {
    /// Folder that was compressed
    input: PathBuf,
    /// The output of `compress --shard`
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// Merge what is there of a model whose index names shards that are not
    #[arg(long)]
    allow_missing_shards: bool,
    /// Have a framework load the folder by ecf8, as `compress --for` does
    #[arg(long = "for", value_name = "FRAMEWORK")]
    framework: Option<Framework>,
    #[command(flatten)]
    pub(super) work: Work,
}

/// What loads a compressed folder.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(super) enum Framework {
    /// transformers and diffusers, with the Python package: `import ecf8.transformers`
    Transformers,
}

/// What schemes and chunks are chosen for.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(super) enum Goal {
    /// The smallest output that these options can give: several ways are compared, so it takes longer
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
#[command(after_help = "Examples:\n  ecf8 decompress model.ecf8.safetensors -o restored.safetensors\n  \
    ecf8 decompress --partial damaged.ecf8.safetensors -o saved.safetensors\n  \
    ecf8 decompress step-2000.ecf8.safetensors -o step-2000.safetensors --base step-1000.safetensors\n\n\
    Takes some 150 MiB of memory, however large tensors are.\n\
    A tuning cache that `ecf8 tune` has left in a folder, named after a container there, is not restored: it says so.")]
pub(super) struct Decompress {
    /// Compressed file or folder
    input: PathBuf,
    /// Where to write; must not exist yet
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// Save what is good of a damaged file or folder: damaged tensors and files are left out and named, and the exit status
    /// is 1. Without damage, the original is restored as ever
    #[arg(long)]
    partial: bool,
    /// What the input was compressed as the difference from; if that is a difference itself, its own base behind it by another
    /// --base, and so on
    #[arg(long, value_name = "BASE", conflicts_with = "partial")]
    base: Vec<PathBuf>,
    /// Of a file or folder of another compressor, which it also takes: the original, or one with the same tensors, for names
    /// and shapes
    #[arg(long, value_name = "ORIGINAL", conflicts_with = "partial")]
    like: Option<PathBuf>,
    #[command(flatten)]
    pub(super) work: Work,
}

fn scheme_names() -> clap::builder::PossibleValuesParser {
    ecf8_core::schemes().iter().map(|scheme| scheme.name()).collect::<Vec<_>>().into()
}

impl Compress {
    /// Refuses options that would be without effect.
    fn check_choices(&self) -> Result<(), Failure> {
        let name = ecf8_core::layout::exponent_gap::EXPONENT_GAP.name();
        if self.scheme.as_deref() != Some(name) {
            return Ok(());
        }
        let given = [
            (self.code_bits.is_some(), "--code-bits", "its codewords have up to 16 bits"),
            (self.optimize.is_some(), "--optimize", "it has no chunks to choose"),
            (self.codebooks.is_some(), "--codebooks", "each of its tensors has a codebook of its own"),
        ];
        match given.into_iter().find(|(is_given, ..)| *is_given) {
            Some((_, option, why)) => Err(Failure::request(format!(
                "{option} has no effect with --scheme {name}: {why}; leave one of them out"
            ))),
            None => Ok(()),
        }
    }

    pub(super) fn run(&self) -> Result<Answer, Failure> {
        self.work.prepare()?;
        self.check_choices()?;
        let options = CompressOptions {
            scheme: self.scheme.as_deref().and_then(ecf8_core::scheme),
            aim: Goal::aim(self.optimize),
            codebooks: self.codebooks.map(|most| most as usize),
            code_bits: self.code_bits,
            overwrite: self.work.force,
            allow_missing_shards: self.allow_missing_shards,
            for_transformers: matches!(self.framework, Some(Framework::Transformers)),
        };
        let Some(output) = self.output.as_ref().filter(|_| !self.dry_run) else {
            let mut answer = gain::answer(&self.input, &container::estimate(&self.input, &options)?);
            answer.text += "Nothing was written.\n";
            return Ok(answer);
        };
        let bars = Bars::default();
        if let Some(base) = self.base.first() {
            let opened = Base::open(&self.base)?;
            let report = container::compress_against(&self.input, output, &opened, &options, &bars)?;
            return Ok(answer_beside(output, base, &report, &bars));
        }
        let Some(share) = self.shard else {
            let report = container::compress(&self.input, output, &options, &bars)?;
            return Ok(answer(output, &report, &bars));
        };
        let report = container::compress_share(&self.input, output, share, &options, &bars)?;
        let mut answer = answer(output, &report, &bars);
        answer.text += "When all shares are finished, `ecf8 merge` makes the output of them.\n";
        Ok(answer)
    }
}

impl Merge {
    pub(super) fn run(&self) -> Result<Answer, Failure> {
        self.work.prepare()?;
        let options = CompressOptions {
            overwrite: self.work.force,
            allow_missing_shards: self.allow_missing_shards,
            for_transformers: matches!(self.framework, Some(Framework::Transformers)),
            ..CompressOptions::default()
        };
        let bars = Bars::default();
        let report = container::merge(&self.input, &self.output, &options, &bars)?;
        Ok(answer(&self.output, &report, &bars))
    }
}

/// What is told of what was compressed as the difference from a base.
fn answer_beside(output: &Path, base: &Path, report: &Report, bars: &Bars) -> Answer {
    let mut answer = answer(output, report, bars);
    let told: usize = report.files.iter().map(|file| file.compressed_tensors).sum();
    let others: usize = report.files.iter().map(|file| file.kept_tensors).sum();
    answer.text = format!(
        "{}: {} -> {} bytes ({:.4}); {told} tensors told from {}, {others} without it\n\
         `ecf8 decompress --base` restores it; loaders need the restored one.\n{}",
        output.display(),
        grouped(report.input_bytes()),
        grouped(report.output_bytes()),
        ratio(report.output_bytes(), report.input_bytes()),
        base.display(),
        copied(report),
    );
    answer.json["base"] = json!(base.display().to_string());
    answer
}

/// What is told of what was compressed.
pub(super) fn answer(output: &Path, report: &Report, bars: &Bars) -> Answer {
    let ratio = ratio(report.output_bytes(), report.input_bytes());
    let compressed: usize = report.files.iter().map(|file| file.compressed_tensors).sum();
    let kept: usize = report.files.iter().map(|file| file.kept_tensors).sum();
    let mut text = format!(
        "{}: {} -> {} bytes ({ratio:.4}); {compressed} tensors compressed, {kept} kept as they are\n",
        output.display(),
        grouped(report.input_bytes()),
        grouped(report.output_bytes()),
    );
    text += &gain::lines(&report.kept());
    if compressed > 0 {
        text += "Frameworks need ecf8 to load it: loaders that do not know ecf8 refuse it.\n";
    }
    text += &copied(report);
    let json = json!({
        "output": output.display().to_string(),
        "input_bytes": report.input_bytes(),
        "output_bytes": report.output_bytes(),
        "ratio": ratio,
        "kept": report.kept(),
        "needs_ecf8": compressed > 0,
        "files": report.files,
        "copied": report.copied,
        "copied_bytes": report.copied_bytes,
        "notes": bars.notes(),
        "compressed_tensors": compressed,
        "kept_tensors": kept,
    });
    Answer { text, json, failure: None }
}

impl Decompress {
    pub(super) fn run(&self) -> Result<Answer, Failure> {
        self.work.prepare()?;
        let foreign =
            || foreign::decompress(&self.input, self.like.as_deref(), &self.output, self.work.force);
        if !self.partial
            && let Some(answer) = foreign()?
        {
            return Ok(answer);
        }
        let bars = Bars::default();
        let (input, output, force) = (&self.input, &self.output, self.work.force);
        let report = match (self.partial, &*self.base) {
            (true, _) => container::decompress_partial(input, output, force, &bars)?,
            (false, []) => container::decompress(input, output, force, &bars)?,
            (false, bases) => container::decompress_beside(input, output, &Base::open(bases)?, force, &bars)?,
        };
        let lost = report.lost_lines();
        let mut text = format!(
            "{}: {} -> {} bytes, every checksum of the tensors agrees\n",
            self.output.display(),
            grouped(report.input_bytes()),
            grouped(report.output_bytes()),
        );
        text += &copied(&report);
        let checked = report.copied.len() - report.unchecked.len();
        match checked {
            0 => {}
            1 => text += "1 of them is as it was when the folder was compressed\n",
            _ => text += &format!("{checked} of them are as they were when the folder was compressed\n"),
        }
        if !report.unchecked.is_empty() {
            text += &format!("no checksum is known of: {}\n", some(&report.unchecked));
        }
        for name in &report.skipped {
            text += &format!(
                "{name}: not restored, it is a tuning cache of the compressed weights; copy it if the original had it\n"
            );
        }
        for line in &lost {
            text += &format!("left out: {}\n", printable(line));
        }
        let json = json!({
            "output": self.output.display().to_string(),
            "input_bytes": report.input_bytes(),
            "output_bytes": report.output_bytes(),
            "files": report.files,
            "copied": report.copied,
            "copied_bytes": report.copied_bytes,
            "unchecked": report.unchecked,
            "skipped": report.skipped,
            "lost": lost,
            "notes": bars.notes(),
        });
        let (input, output) = (self.input.display(), self.output.display());
        let failure = match &*lost {
            [] => None,
            [one] => Some(format!("{input}: {one}; {output} has all the rest")),
            more => Some(format!("{input}: {} things are left out; {output} has all the rest", more.len())),
        };
        Ok(Answer { text, json, failure: failure.map(Failure::data) })
    }
}

/// A line about the files that were copied, if there were any.
fn copied(report: &Report) -> String {
    match report.copied.len() {
        0 => String::new(),
        1 => format!(
            "1 other file ({} bytes) copied as it is: {}\n",
            grouped(report.copied_bytes),
            report.copied[0]
        ),
        count => format!(
            "{count} other files ({} bytes) copied as they are: {}\n",
            grouped(report.copied_bytes),
            some(&report.copied)
        ),
    }
}

/// Some names, and how many more there are.
pub(super) fn some(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| printable(name)).collect();
    let more = names.len().saturating_sub(SHOWN);
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn ratio(compressed: u64, original: u64) -> f64 {
    if original == 0 { 1.0 } else { compressed as f64 / original as f64 }
}
