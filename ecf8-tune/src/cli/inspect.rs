//! `ecf8 inspect`.

use super::answer::{Answer, Failure, grouped, table};
use super::progress::Bars;
use clap::Args;
use ecf8_core::Codebook;
use ecf8_core::container::{self, CodeCost, Model};
use serde_json::json;
use std::path::PathBuf;

/// Show sizes, entropies and codebooks of a compressed file or folder
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ecf8 inspect model.ecf8.safetensors\n  \
    ecf8 inspect Qwen3-8B-ECF8/ --json | jq .ratio\n  \
    ecf8 inspect model.ecf8.safetensors --costs")]
pub(super) struct Inspect {
    /// Compressed file or folder
    input: PathBuf,
    /// Also show what the compressed tensors would take by each scheme with each limit of codewords; decodes them all
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

impl Inspect {
    pub(super) fn run(&self) -> Result<Answer, Failure> {
        let model = Model::open(&self.input)?;
        let inspection = container::inspect(&model);
        let rows = inspection.tensors.iter().map(|tensor| {
            vec![
                tensor.name.clone(),
                tensor.dtype.clone(),
                tensor.scheme.to_owned(),
                grouped(tensor.original_bytes),
                grouped(tensor.compressed_bytes),
                format!("{:.4}", tensor.ratio),
                format!("{:.3}", tensor.exponent_entropy_bits),
                format!("{:.3}", tensor.byte_entropy_bits),
                code_lengths(&tensor.codebook),
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
        let mut text = if inspection.tensors.is_empty() { String::new() } else { table(&head, rows) + "\n" };
        let codebooks = &inspection.codebooks;
        text += &format!(
            "compressed tensors  {} -> {} bytes, ratio {:.4}, all metadata included\n\
             kept tensors        {}, {} bytes\n\
             whole model         {} -> {} bytes\n\
             codebooks           {}; codewords and codebooks take {} bytes with one per tensor, {} with one per file\n",
            grouped(inspection.original_bytes),
            grouped(inspection.compressed_bytes),
            inspection.ratio,
            inspection.kept_tensors,
            grouped(inspection.kept_bytes),
            grouped(inspection.file_original_bytes),
            grouped(inspection.file_bytes),
            codebooks.count,
            grouped(codebooks.per_tensor_bytes),
            grouped(codebooks.shared_bytes),
        );
        let mut json = json!(inspection);
        if self.costs {
            let costs = container::code_costs(&model, &Bars::default())?;
            text += &format!("\n{}", cost_table(&costs));
            json["costs"] = json!(costs);
        }
        model.check_unchanged()?;
        Ok(Answer { text, json, failure: None })
    }
}
