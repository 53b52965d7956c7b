//! Table 4: exponent entropy by model, before and after a Hadamard transform.

use super::table::{Source, Table, figure};
use super::weights::{COLUMNS, described, exponent_entropy};
use super::{Request, consistency};
use crate::cli::answer::Failure;
use ecf8_analysis::numbers::FloatType;
use ecf8_analysis::{USUAL_BLOCK, hadamard};
use ecf8_core::element::element;
use ecf8_core::format::E4M3;
use ecf8_core::synthetic;
use rayon::prelude::*;
use serde_json::json;

/// Numbers from N(0, 1) whose entropy stands for the distribution's, to some .002 bits.
const NORMAL: usize = 1 << 22;

pub(super) fn table(request: &Request<'_>) -> Result<Table, Failure> {
    let (mut lines, mut rows) = (Vec::new(), Vec::new());
    let normal = synthetic::cast(&synthetic::gaussian(1, NORMAL, 1.0));
    let models = request
        .weights
        .iter()
        .map(|weights| (weights.name.as_str(), weights.paper, weights.bytes.as_slice()));
    for (name, paper, bytes) in models.chain([("N(0, 1), figure 4", None, normal.as_slice())]) {
        let before = exponent_entropy(bytes);
        let after = after_hadamard(bytes, COLUMNS)?;
        let papers = paper.map(|model| model.exponent_entropy_bits);
        lines.push(vec![
            name.to_owned(),
            paper.map_or_else(String::new, |model| model.fp8_source.to_owned()),
            figure(papers.map(|[before, _]| before), 4),
            figure(papers.map(|[_, after]| after), 4),
            format!("{before:.4}"),
            format!("{after:.4}"),
        ]);
        rows.push(json!({
            "model": name,
            "paper": papers.map(|[before, after]| json!({ "before_bits": before, "after_bits": after })),
            "here": { "before_bits": before, "after_bits": after, "elements": bytes.len(), "source": Source::Measured },
        }));
    }
    let notes = vec![
        described(request.weights, request.scale),
        format!(
            "bits per exponent, of E4M3 numbers. Generated weights have the paper's entropy before the transform because they are made so; what it is \
         after it is measured. The transform is orthonormal, in blocks of {USUAL_BLOCK} along rows, and rounds to E4M3 again without another scale"
        ),
        consistency::of_entropy(exponent_entropy(&normal)),
    ];
    let measured = Source::Measured.word();
    let head = [
        "model".to_owned(),
        "FP8".to_owned(),
        "paper: before".to_owned(),
        "after".to_owned(),
        format!("before, {measured}"),
        format!("after, {measured}"),
    ];
    let title = "exponent entropy before and after a Hadamard transform".to_owned();
    Ok(Table { number: 4, title, head: head.to_vec(), lines, rows, notes })
}

/// Bits of the exponents' entropy after a Hadamard transform along rows of `columns`; of those rows, whose numbers are all finite.
fn after_hadamard(bytes: &[u8], columns: usize) -> Result<f64, Failure> {
    let e4m3 = element(E4M3.dtype).and_then(FloatType::of);
    let e4m3 = e4m3.ok_or_else(|| Failure::request("E4M3 is not known; please report this"))?;
    let rows = bytes.par_chunks(columns.max(1));
    let rows = rows.filter_map(|row| hadamard::transformed(e4m3, row, columns, USUAL_BLOCK as usize));
    Ok(exponent_entropy(&rows.flatten_iter().collect::<Vec<u8>>()))
}
