//! `ecf8 reproduce`: the paper's tables, each row beside what this machine gives.
//!
//! | file | what it does |
//! |---|---|
//! | `paper` | what the paper reports, as data |
//! | `consistency` | whether its figures agree with each other |
//! | `table` | a table of it with ours beside it, for people and for scripts |
//! | `weights`, `real` | the weights that tables are measured on: generated ones, and those of files |
//! | `memory`, `entropy`, `encoding` | tables 1; 4; 8 and 9 |
//! | `speed`, `latency` | tables 6; 7 |
//! | `clock`, `matmul` | how long decoding and multiplying take, on a GPU or predicted |

mod clock;
mod consistency;
mod encoding;
mod entropy;
mod latency;
mod matmul;
mod memory;
mod paper;
mod real;
mod speed;
mod table;
#[cfg(test)]
mod tests;
mod weights;

use self::clock::Clock;
use self::table::Table;
use self::weights::Weights;
use super::answer::{Answer, Failure};
use super::device::{Device, DeviceParser};
use super::results;
use super::size::size;
use super::steps::Steps;
use clap::{Args, ValueEnum};
use ecf8_core::synthetic;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Bytes after which weights of a given size are the same again: making them takes longer than all else that is done with them.
const REPEATED: u64 = 64 << 20;

/// Sizes of tables 6 and 8, as options have them.
const SIZES: &str = "8M,32M,64M,128M,256M,512M";

/// A table of the paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    /// Memory saved, by model
    #[value(name = "1")]
    Memory,
    /// Exponent entropy by model, before and after a Hadamard transform
    #[value(name = "4")]
    Entropy,
    /// Speed of the decoding kernel, by size
    #[value(name = "6")]
    Speed,
    /// Latency of a layer of Qwen3-8B, by batch
    #[value(name = "7")]
    Latency,
    /// Encoding speed, by size
    #[value(name = "8")]
    Encoding,
    /// Encoding time of a model, by model
    #[value(name = "9")]
    EncodingOfModels,
    /// All of these
    All,
}

/// Reproduce the paper's tables here: its figures beside measured ones, and predicted ones where a GPU is missing
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ecf8 reproduce 1\n  ecf8 reproduce all --output tables.json\n  \
    ecf8 reproduce 1 --scale 64M\n  ecf8 reproduce 4 --weights Qwen3-8B-FP8/\n  \
    ecf8 reproduce 6 --device cuda:0 --json\n  ecf8 reproduce 6 --device emulator --sizes 8M,64M\n\n\
    Tables 1, 4 and 9 are of models: generated weights stand for each, whose exponents have the entropy that the paper \
    measured, unless --weights names real ones. Of files without F8_E4M3 matrices, those of wider types are cast. \
    Tables 6 to 8 are of generated weights always. Every column says whether it is measured here, predicted, or the \
    paper's, and notes say where the paper contradicts itself.")]
pub(super) struct Reproduce {
    /// The table, by its number in the paper
    #[arg(value_enum, value_name = "TABLE")]
    which: Which,
    /// Bytes of weights for each model, or at most to read of real ones; K, M and G being powers of 1024
    #[arg(long, value_name = "SIZE", default_value = "4M", value_parser = size)]
    scale: u64,
    /// Measure tables 1, 4 and 9 on the weights of this file or folder, compressed or not
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Sizes for tables 6 and 8, separated by commas
    #[arg(long, value_name = "SIZES", value_delimiter = ',', default_value = SIZES, value_parser = size)]
    sizes: Vec<u64>,
    /// Where tables 6 and 7 are measured: a GPU as cuda:N, or emulator to predict them for the paper's H100 (default:
    /// cuda:0 if there is one)
    #[arg(long, value_name = "DEVICE", value_parser = DeviceParser, hide_possible_values = true)]
    device: Option<Device>,
    /// Also write the raw results to this file, as JSON
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace that file if it exists
    #[arg(long, requires = "output")]
    force: bool,
    /// Print Markdown
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// What tables are made of.
struct Request<'a> {
    weights: &'a [Weights],
    /// Bytes of generated weights for each model.
    scale: u64,
    sizes: &'a [u64],
    /// A folder for files that are compressed.
    scratch: &'a Path,
}

impl Which {
    /// The tables that are asked for.
    fn tables(self) -> Vec<Self> {
        match self {
            Self::All => {
                vec![
                    Self::Memory,
                    Self::Entropy,
                    Self::Speed,
                    Self::Latency,
                    Self::Encoding,
                    Self::EncodingOfModels,
                ]
            }
            one => vec![one],
        }
    }

    /// Whether it is of models.
    fn is_of_models(self) -> bool {
        matches!(self, Self::Memory | Self::Entropy | Self::EncodingOfModels)
    }

    /// Whether it is about kernels.
    fn is_of_kernels(self) -> bool {
        matches!(self, Self::Speed | Self::Latency)
    }
}

impl Reproduce {
    pub(super) fn run(&self) -> Result<Answer, Failure> {
        if let Some(output) = &self.output {
            results::require_place(output, self.force)?;
        }
        let tables = self.which.tables();
        let scratch = memory::scratch()?;
        let needs_weights = tables.iter().any(|table| table.is_of_models());
        let weights =
            if needs_weights { weights::weights(self.weights.as_deref(), self.scale)? } else { Vec::new() };
        let request =
            Request { weights: &weights, scale: self.scale, sizes: &self.sizes, scratch: scratch.path() };
        let needs_clock = tables.iter().any(|table| table.is_of_kernels());
        let mut clock = if needs_clock { Some(clock::open(self.device)?) } else { None };
        let steps = Steps::start("reproducing tables", tables.len() as u64);
        let mut made = Vec::new();
        for (done, table) in tables.into_iter().enumerate() {
            steps.at(done as u64);
            made.push(of(table, &request, self.device, clock.as_deref_mut())?);
        }
        steps.finish();
        if let Some(clock) = &clock {
            super::warn(clock.warnings());
        }
        self.answer(&made)
    }

    fn answer(&self, tables: &[Table]) -> Result<Answer, Failure> {
        let json = json!({
            "ecf8_reproduce": 1,
            "version": env!("CARGO_PKG_VERSION"),
            "date": humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            "command": std::env::args().collect::<Vec<_>>().join(" "),
            "scale_bytes": self.scale,
            "tables": tables.iter().map(Table::json).collect::<Vec<_>>(),
        });
        if let Some(output) = &self.output {
            results::write(output, format!("{json:#}\n").as_bytes())?;
        }
        let one = if self.markdown { Table::markdown } else { Table::text };
        let text = tables.iter().map(one).collect::<Vec<_>>().join("\n");
        Ok(Answer { text, json, failure: None })
    }
}

/// Makes one table.
fn of(
    which: Which,
    request: &Request<'_>,
    device: Option<Device>,
    clock: Option<&mut (dyn Clock + '_)>,
) -> Result<Table, Failure> {
    match (which, clock) {
        (Which::Memory, _) => memory::table(request),
        (Which::Entropy, _) => entropy::table(request),
        (Which::Encoding, _) => encoding::by_size(request),
        (Which::EncodingOfModels, _) => encoding::of_models(request),
        (Which::Speed, Some(clock)) => speed::table(request, clock),
        (Which::Latency, Some(clock)) => {
            let (mut matmul, warning) = matmul::times(device);
            super::warn(warning);
            latency::table(request, clock, matmul.as_mut(), &paper::LAYER)
        }
        (Which::Speed | Which::Latency | Which::All, _) => {
            Err(Failure::request("this table cannot be made here; please report this"))
        }
    }
}

/// E4M3 numbers from N(0, 1), as the paper's tables of kernels and encoders are of.
fn normal(bytes: u64) -> Result<Vec<u8>, Failure> {
    let too_large = |_| Failure::request("a size is too large; use smaller ones");
    let [count, made] = [bytes, bytes.min(REPEATED)].map(|bytes| usize::try_from(bytes).map_err(too_large));
    let (count, made) = (count?, made?);
    Ok(synthetic::repeated(synthetic::cast(&synthetic::gaussian(1, made, 1.0)), count))
}
