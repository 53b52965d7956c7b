//! `ecf8 analyze`.

mod csv;
mod page;
mod text;

use super::answer::{Answer, Failure};
use super::progress::Bars;
use clap::Args;
use ecf8_analysis::kinds::Kinds;
use ecf8_analysis::{Options, USUAL_BLOCK, USUAL_SAMPLE};
use ecf8_core::container;
use serde_json::json;
use std::path::PathBuf;

/// Look at what the bits of a model's weights hold: entropies, Hadamard transforms, fitted laws, and sizes by every scheme
///
/// Everything is counted of all elements, but for two things: the Hadamard transform is done of at most 2^20 elements of a
/// tensor, spread over it, unless --full is given, and sizes are predicted from as many.
///
/// Numbers of F32 and F64 are counted as their upper 16 bits and single bytes below: of these, mantissa and element are sums of
/// the parts' entropies, upper bounds. Sign and exponent are exact. Scales beside FP8 tensors are not applied.
///
/// The Hadamard transform is orthonormal, in blocks along rows; what is left of a row is transformed in smaller powers of two. Its
/// result is rounded to the tensor's type again, without another scale, and what is beyond its largest number becomes that.
///
/// Symmetric α-stable laws are fitted to numbers as values that lie evenly in the cells that they were rounded from.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ecf8 analyze model.safetensors\n  \
    ecf8 analyze Qwen3-8B-FP8/ --tensors\n  \
    ecf8 analyze Qwen3-8B-ECF8/ --json | jq '.kinds[] | {name, exponent: .entropy.exponent}'\n  \
    ecf8 analyze model.safetensors --csv > tensors.csv\n  \
    ecf8 analyze model.safetensors --report report.html --figures figures\n  \
    ecf8 analyze model.safetensors --kind 'attention=self_attn\\.[qkvo]_proj' --kind 'mlp=\\.mlp\\.'")]
pub(super) struct Analyze {
    /// Files or folders, compressed or not
    #[arg(required = true, value_name = "MODEL")]
    models: Vec<PathBuf>,
    /// Also show every tensor
    #[arg(long)]
    tensors: bool,
    /// Tensors whose name matches this pattern are of this kind, before the usual rules; may be given again
    #[arg(long, value_name = "NAME=REGEX", value_parser = kind)]
    kind: Vec<(String, String)>,
    /// Elements in a block of the Hadamard transform, a power of two; 0 for no transform
    #[arg(long, value_name = "N", default_value_t = USUAL_BLOCK, value_parser = block)]
    hadamard_block: u32,
    /// Transform all elements, not only a sample
    #[arg(long)]
    full: bool,
    #[command(flatten)]
    outputs: page::Outputs,
    /// Print a line of comma-separated values per tensor
    #[arg(long, conflicts_with_all = ["json", "tensors"])]
    csv: bool,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Reads `NAME=REGEX`.
fn kind(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, pattern)) if !name.is_empty() && !pattern.is_empty() => {
            let own = [(name.to_owned(), pattern.to_owned())];
            Kinds::new(&own)?;
            let [own] = own;
            Ok(own)
        }
        _ => Err("a kind is given as NAME=REGEX, such as attention=self_attn".to_owned()),
    }
}

/// Reads the size of a block.
fn block(text: &str) -> Result<u32, String> {
    let wrong =
        || "a block has a power of two of elements, from 2 to 65536, or 0 for no transform".to_owned();
    let block: u32 = text.parse().map_err(|_| wrong())?;
    let is_possible = block == 0 || (block.is_power_of_two() && (2..=1 << 16).contains(&block));
    if is_possible { Ok(block) } else { Err(wrong()) }
}

impl Analyze {
    pub(super) fn run(&self) -> Result<Answer, Failure> {
        for path in &self.models {
            if matches!(container::foreign_files(path), Ok(Some(_))) {
                return Err(Failure::request(format!(
                    "{} was compressed by another program; `ecf8 import` makes of it what can be analysed",
                    path.display()
                )));
            }
        }
        self.outputs.require_places()?;
        let options = Options {
            hadamard_block: self.hadamard_block,
            sample: if self.full { None } else { Some(USUAL_SAMPLE) },
            kinds: Kinds::new(&self.kind).map_err(Failure::request)?,
        };
        let analysis = ecf8_analysis::analyze(&self.models, &options, &Bars::default())?;
        let written = self.outputs.write(&analysis)?;
        let text =
            if self.csv { csv::lines(&analysis) } else { text::of(&analysis, self.tensors) + &written };
        Ok(Answer { text, json: json!(analysis), failure: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_powers_of_two() {
        assert_eq!(["0", "2", "128", "65536"].map(|text| block(text).unwrap()), [0, 2, 128, 65536]);
        for wrong in ["", "1", "3", "131072", "-2", "x"] {
            assert!(block(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn kinds_have_a_name_and_a_pattern() {
        assert_eq!(kind("a=b=c").unwrap(), ("a".to_owned(), "b=c".to_owned()));
        for wrong in ["", "a", "a=", "=b", "a=("] {
            assert!(kind(wrong).is_err(), "{wrong}");
        }
    }
}
