//! `ecf8 inspect`.

use super::answer::{Answer, Failure, grouped, table};
use super::foreign;
use super::gain;
use super::progress::Bars;
use clap::Args;

use ecf8_core::container::{self, BaseNeeded, CodeCost, CompressOptions, CompressedModel, Following};
use ecf8_core::{Codebook, Error};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Show sizes, entropies and codebooks of a compressed file or folder, or what compressing another would gain
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ecf8 inspect model.ecf8.safetensors\n  \
    ecf8 inspect Qwen3-8B-ECF8/ --json | jq .ratio\n  \
    ecf8 inspect model.ecf8.safetensors --costs")]
pub(super) struct Inspect {
    /// File or folder: a compressed one, or one of which about is told what compressing it would give
    input: PathBuf,
    /// Also show what the compressed tensors would take by each scheme with each limit of codewords, and what several
    /// codebooks for one tensor gain; decodes them all
    #[arg(long)]
    costs: bool,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Code lengths that are shown one by one.
const SHOWN: usize = 16;

/// The lengths of a codebook, symbol by symbol, as it writes them; of a large one, how many there are.
fn code_lengths(text: &str) -> String {
    if text.len() <= SHOWN {
        return text.to_owned();
    }
    let Ok(codebook) = Codebook::from_text(text) else { return text.to_owned() };
    let (least, most) = (codebook.min_len(), codebook.max_len());
    format!("{} symbols, {least} to {most} bits", codebook.present().len())
}

/// A line per scheme and limit.
fn cost_table(costs: &[CodeCost]) -> String {
    let rows = costs.iter().map(|cost| {
        vec![
            cost.scheme.to_owned(),
            cost.code_bits.to_string(),
            grouped(cost.bytes),
            format!("{:.4}", cost.ratio),
            grouped(cost.escaped),
        ]
    });
    table(&["codewords of", "at most, bits", "bytes, without metadata", "ratio", "symbols patched"], rows)
}

/// A line per tensor with several codebooks, the one that gains most by them first.
fn following_table(following: &[Following]) -> String {
    if following.is_empty() {
        return "no tensor has several codebooks, so following the data gains nothing here\n".to_owned();
    }
    let mut by_gain: Vec<&Following> = following.iter().collect();
    by_gain.sort_by_key(|one| std::cmp::Reverse(one.gain_bytes));
    let rows = by_gain.into_iter().map(|one| {
        let sign = if one.gain_bytes < 0 { "-" } else { "" };
        vec![
            one.name.clone(),
            one.scheme.to_owned(),
            one.runs.to_string(),
            one.codebooks.to_string(),
            grouped(one.bytes),
            grouped(one.codebook_bytes),
            grouped(one.one_bytes),
            grouped(one.one_codebook_bytes),
            sign.to_owned() + &grouped(one.gain_bytes.unsigned_abs()),
            format!("{:.2} %", one.gain_percent),
        ]
    });
    let head = [
        "tensor",
        "scheme",
        "runs",
        "codebooks",
        "bytes",
        "of codebooks",
        "bytes with one",
        "of that codebook",
        "gained",
        "of the original",
    ];
    "what several codebooks for one tensor gain; bytes: of codewords, patches and raw bits\n".to_owned()
        + &table(&head, rows)
}

impl Inspect {
    /// What compressing the input would give, since it is not compressed, which shows at `path`.
    fn would_give(&self, path: &Path) -> Result<Answer, Failure> {
        if self.costs {
            let error = Error::NotCompressed { path: path.to_owned() };
            return Err(Failure::request(format!("{error}; --costs is for what is compressed")));
        }
        let estimate = container::estimate(&self.input, &CompressOptions::default())?;
        let mut answer = gain::answer(&self.input, &estimate);
        answer.text.insert_str(0, "not compressed; what `ecf8 compress` would give:\n");
        answer.json["is_compressed"] = json!(false);
        Ok(answer)
    }

    pub(super) fn run(&self) -> Result<Answer, Failure> {
        let model = match CompressedModel::open(&self.input) {
            Err(Error::NotCompressed { path }) => {
                return foreign::inspect(&self.input)?.map_or_else(|| self.would_give(&path), Ok);
            }
            model => model?,
        };
        let inspection = container::inspect(&model);
        let rows = inspection.tensors.iter().map(|tensor| {
            vec![
                tensor.name.clone(),
                tensor.dtype.clone(),
                tensor.scheme.to_owned(),
                grouped(tensor.original_bytes),
                grouped(tensor.compressed_bytes),
                format!("{:.4}", tensor.ratio),
                tensor.exponent_entropy_bits.map_or(String::new(), |bits| format!("{bits:.3}")),
                tensor.byte_entropy_bits.map_or(String::new(), |bits| format!("{bits:.3}")),
                code_lengths(&tensor.codebook)
                    + &match tensor.codebooks {
                        1 => String::new(),
                        count => format!(", the first of {count} codebooks"),
                    }
                    + &tensor.dictionary.map_or(String::new(), |numbers| {
                        format!(", of places in a list of {}", grouped(numbers as u64))
                    }),
            ]
        });
        let head = [
            "tensor",
            "dtype",
            "scheme",
            "bytes",
            "compressed",
            "ratio",
            "H(exponent)",
            "H(byte)",
            "code lengths",
        ];
        let needed = model.base_needed();
        let mut text = String::new();
        if let Some(BaseNeeded { name, checksum, .. }) = &needed {
            text += &format!("the difference from {name} (checksum {checksum}); its tensors are:\n\n");
        }
        if !inspection.tensors.is_empty() {
            text += &table(&head, rows);
            text += "\nH: entropy in bits. Code lengths: bits of each symbol's codeword, in order, as a digit (a is 10) where they are \
                few;\n0 or a capital letter (A for 0, B for 1, ...) stands for symbols without one: J for nine of them\n\n";
        }
        let codebooks = &inspection.codebooks;
        text += &format!(
            "compressed tensors  {} -> {} bytes, ratio {:.4}, all metadata included\n\
             kept tensors        {}, {} bytes\n\
             whole model         {} -> {} bytes\n\
             codebooks           {}{}\n",
            grouped(inspection.original_bytes),
            grouped(inspection.compressed_bytes),
            inspection.ratio,
            inspection.kept_tensors,
            grouped(inspection.kept_bytes),
            grouped(inspection.file_original_bytes),
            grouped(inspection.file_bytes),
            codebooks.count,
            if codebooks.per_tensor_bytes == 0 {
                String::new()
            } else {
                format!(
                    "; exponents coded one by one would take {} bytes with a codebook per tensor, {} with one per file",
                    grouped(codebooks.per_tensor_bytes),
                    grouped(codebooks.shared_bytes),
                )
            },
        );
        text += &gain::lines(&inspection.dtypes);
        let mut json = json!(inspection);
        json["base"] = json!(needed.map(|needed| needed.name));
        if self.costs {
            let costs = container::code_costs(&model, &Bars::default())?;
            text += &format!("\n{}\n{}", cost_table(&costs.codes), following_table(&costs.following));
            json["costs"] = json!(costs.codes);
            json["following"] = json!(costs.following);
        }
        model.check_unchanged()?;
        Ok(Answer { text, json, failure: None })
    }
}
