//! How fast a strategy's default variant decodes, alone and as a layer, beside what is predicted.

use super::super::row::BenchRow;
use super::super::{Cut, choose};
use super::markdown::{count, measured, rate, text};
use super::{LAYER, Outcome, Worker, steps};
use crate::cli::answer::Failure;
use crate::executor::Target;
use crate::tuner::{Budget, Candidate};
use ecf8_codegen::profile::gpus::Gpu;
use ecf8_codegen::profile::predict::{Prediction, predict};
use ecf8_codegen::profile::{Registers, profile};
use ecf8_codegen::strategy::{Strategy, widest_coding};
use ecf8_core::Encoded;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Thread blocks that are emulated for a prediction.
const BLOCKS: u32 = 16;

pub(super) fn run(
    worker: &mut Worker<'_>,
    strategy: &'static dyn Strategy,
    bytes: u64,
) -> Result<Outcome, Failure> {
    let weights = worker.weights(steps::scheme_of(strategy)?, bytes)?;
    let encoded = weights.encoded(worker.bench)?;
    // No time to choose: the default, or what is most like it and fits.
    let at_once = Budget::new(Duration::ZERO, Arc::default());
    let candidate = choose(&mut worker.target, &encoded, &weights.bytes, strategy.name(), &at_once)?;
    let mut rows = vec![one(worker, weights.name, &[&encoded], &[&weights.bytes], &candidate)];
    if strategy.takes_several() {
        let Cut { encoded, bytes } = worker.bench.cut(&encoded, &weights.bytes, LAYER)?;
        let batch: Vec<&Encoded<'_>> = encoded.iter().collect();
        if !batch.is_empty() {
            rows.push(one(worker, weights.name, &batch, &bytes, &candidate));
        }
    }
    Ok(Outcome::of_rows(rows))
}

/// Times one launch, and predicts it.
fn one(
    worker: &mut Worker<'_>,
    data: &'static str,
    batch: &[&Encoded<'_>],
    bytes: &[&[u8]],
    candidate: &Candidate,
) -> Value {
    let row: BenchRow = worker.bench.row(&mut worker.target, batch, bytes, data, candidate);
    let mut row = row.json(&worker.about);
    row["predicted"] = prediction(worker, batch, candidate).map_or(Value::Null, |prediction| {
        json!({
            "gpu": prediction.gpu.key,
            "gb_per_s": prediction.gb_per_s,
            "limited_by": prediction.limited_by,
        })
    });
    row
}

/// As `ecf8 kernel profile` predicts it, if this GPU is among those that it knows.
fn prediction(worker: &mut Worker<'_>, batch: &[&Encoded<'_>], candidate: &Candidate) -> Option<Prediction> {
    let info = worker.target.device().info();
    let gpu = Gpu::known(&info.name, info.arch.number(), info.sm_count)?;
    let (strategy, params) = (candidate.strategy, &candidate.params);
    let kernel = strategy.kernel(params, &widest_coding(batch)?).ok()?;
    let launch = strategy.launch(params, batch).ok()?;
    let report = worker.target.compile(std::slice::from_ref(&kernel)).pop()?.ok()??;
    let profile = profile(&kernel, &launch, Some(BLOCKS)).ok()?;
    predict(&profile, gpu, Registers::Compiled(report.registers))
}

pub(super) const HEAD: &[&str] =
    &["weights", "bytes", "tensors", "strategy", "ratio", "GB/s", "p20-p80", "of copy", "predicted GB/s"];

pub(super) fn lines(found: &Value) -> Vec<Vec<String>> {
    let line = |row: &Value| {
        let mut line = vec![
            text(&row["data"]),
            count(&row["output_bytes"]),
            count(&row["tensors"]),
            text(&row["strategy"]),
        ];
        line.extend(measured(row));
        line.push(rate(&row["predicted"]["gb_per_s"]));
        line
    };
    found.as_array().into_iter().flatten().map(line).collect()
}
