//! Table 7: what decoding adds to a layer's multiplications, by batch.

use super::clock::Clock;
use super::matmul::MatmulTimes;
use super::paper::{LATENCIES, MODELS, Matrix, model_named};
use super::speed::Way;
use super::table::{Source, Table};
use super::weights::generated;
use super::{Request, consistency};
use crate::cli::answer::Failure;
use ecf8_core::synthetic::repeated;
use serde_json::{Value, json};

/// The model whose layer it is.
const MODEL: &str = "Qwen3-8B-FP8";

/// Bytes of weights that are made; a matrix has them again and again.
const MADE: u64 = 16 << 20;

/// How long a layer takes to be decoded in one way.
struct Decoding {
    way: Way,
    milliseconds: f64,
    json: Value,
}

pub(super) fn table(
    request: &Request<'_>,
    clock: &mut dyn Clock,
    matmul: &mut dyn MatmulTimes,
    layer: &[Matrix],
) -> Result<Table, Failure> {
    let all: u64 = layer.iter().map(Matrix::weights).sum();
    let model = model_named(MODEL).unwrap_or(&MODELS[0]);
    let made = generated(model, 7, all.min(MADE))?.bytes;
    let largest = layer.iter().map(Matrix::weights).max().unwrap_or_default();
    let largest = usize::try_from(largest).map_err(Failure::request)?;
    let count = made.len();
    let bytes = repeated(made, largest.max(count));
    let tensors = layer.iter().map(|matrix| {
        let count = usize::try_from(matrix.weights()).map_err(Failure::request)?;
        Ok(bytes.get(..count).unwrap_or(&bytes))
    });
    let tensors = tensors.collect::<Result<Vec<&[u8]>, Failure>>()?;
    let papers = decoding(clock, Way::papers()?, &tensors)?;
    let default = decoding(clock, Way::default_for(request, &bytes[..count])?, &tensors)?;

    let (mut lines, mut rows) = (Vec::new(), Vec::new());
    for paper in &LATENCIES {
        let mut fp8 = 0.0;
        for matrix in layer {
            fp8 += matmul.nanoseconds(paper.batch, matrix)? / 1e6;
        }
        let share = |decoding: &Decoding| 100.0 * decoding.milliseconds / (fp8 + decoding.milliseconds);
        lines.push(vec![
            paper.batch.to_string(),
            format!("{:.2}", paper.fp8_ms),
            format!("{:.2}", paper.ecf8_ms),
            format!("{:.1}", paper.overhead_percent),
            format!("{:.0}", paper.overhead_of_fp8()),
            format!("{fp8:.3}"),
            format!("{:.3}", fp8 + papers.milliseconds),
            format!("{:.1}", share(&papers)),
            format!("{:.3}", fp8 + default.milliseconds),
            format!("{:.1}", share(&default)),
            format!("{:.1}", 100.0 * default.milliseconds / paper.ecf8_ms),
        ]);
        let of = |decoding: &Decoding| {
            json!({
                "decoding": decoding.json,
                "ms": fp8 + decoding.milliseconds,
                "overhead_percent_of_all": share(decoding),
                "overhead_percent_of_fp8": 100.0 * decoding.milliseconds / fp8,
            })
        };
        rows.push(json!({
            "batch": paper.batch,
            "device": clock.device(),
            "paper": paper,
            "paper_overhead_percent_of_fp8": paper.overhead_of_fp8(),
            "fp8": { "ms": fp8, "source": matmul.source(), "about": matmul.about() },
            "papers_kernel": of(&papers),
            "default": of(&default),
        }));
    }
    Ok(Table {
        number: 7,
        title: format!("latency of a layer of {MODEL} by batch, {:.1} million weights", all as f64 / 1e6),
        head: head(clock.source(), matmul.source(), &papers, &default),
        lines,
        rows,
        notes: notes(clock, matmul, &papers, &default),
    })
}

fn head(decoding: Source, matmul: Source, papers: &Decoding, default: &Decoding) -> Vec<String> {
    let (matmul, decoding) = (matmul.word(), decoding.word());
    let columns = [
        "batch".to_owned(),
        "paper, H100: FP8, ms".to_owned(),
        "ECF8, ms".to_owned(),
        "overhead, % of that".to_owned(),
        "% of FP8".to_owned(),
        format!("FP8, ms, {matmul}"),
        format!("with {}, ms, {decoding}", papers.way.strategy.name()),
        "overhead, %".to_owned(),
        format!("with {} (the default), ms, {decoding}", default.way.strategy.name()),
        "overhead, %".to_owned(),
        "decoding, % of the paper's ECF8".to_owned(),
    ];
    columns.to_vec()
}

fn notes(clock: &dyn Clock, matmul: &dyn MatmulTimes, papers: &Decoding, default: &Decoding) -> Vec<String> {
    let mut notes = vec![
        format!(
            "decoding the layer takes {:.3} ms by {} and {:.3} ms by {}, {}; weights have {MODEL}'s exponent entropy",
            papers.milliseconds,
            papers.way.strategy.name(),
            default.milliseconds,
            default.way.strategy.name(),
            clock.about(),
        ),
        format!(
            "FP8, {}: {}. It is of the multiplications alone, the paper's of a layer as its framework runs it; so the last column has our \
             decoding beside the paper's whole time",
            matmul.source().word(),
            matmul.about()
        ),
    ];
    notes.extend(consistency::of_latency());
    notes
}

/// Times the decoding of tensors by one launch.
fn decoding(clock: &mut dyn Clock, way: Way, tensors: &[&[u8]]) -> Result<Decoding, Failure> {
    let encoded = way.encoded(tensors)?;
    let largest = encoded.iter().zip(tensors).max_by_key(|(_, bytes)| bytes.len());
    if let Some((encoded, bytes)) = largest {
        clock.choose(way.strategy, encoded, bytes)?;
    }
    let timed = clock.launch(way.strategy, &encoded.iter().collect::<Vec<_>>(), tensors)?;
    let bytes: usize = tensors.iter().map(|bytes| bytes.len()).sum();
    let json = way.json(bytes as u64, &timed, clock.source());
    Ok(Decoding { way, milliseconds: timed.nanoseconds / 1e6, json })
}
