//! A strategy's decodings of the corpus: `ecf8 selftest`, strategy by strategy.

use super::markdown::{count, text};
use super::{Outcome, Worker};
use crate::cli::answer::Failure;
use crate::cli::selftest;
use ecf8_codegen::strategy::Strategy;
use ecf8_core::corpus::{Case, Tier, corpus};
use serde_json::Value;

/// Bytes of the largest tensors in a quick report, and of how many such cases it takes one.
const QUICK_BYTES: usize = 1024;
const QUICK_ONE_OF: usize = 4;

pub(super) fn run(
    worker: &Worker<'_>,
    strategy: &'static dyn Strategy,
    only_default: bool,
) -> Result<Outcome, Failure> {
    let mut cases: Vec<Case> = corpus(Tier::Quick);
    if worker.bench.quick {
        cases.retain(|case| case.bytes.len() <= QUICK_BYTES);
        cases = cases.into_iter().step_by(QUICK_ONE_OF).collect();
    }
    let stop = || worker.budget.stop().is_some();
    let device = worker.target.device();
    let tried = selftest::of_strategy(device, &worker.compiler, strategy, only_default, &cases, &stop)?;
    Ok(match tried {
        None => Outcome::ended(Value::Null),
        Some(answer) => match answer.failure {
            None => Outcome::done(answer.json),
            Some(failure) => Outcome::wrong(answer.json, failure.message().to_owned()),
        },
    })
}

pub(super) const HEAD: &[&str] = &["strategy", "variants", "tensors", "decodings", "bytes", "not exact"];

pub(super) fn lines(found: &Value) -> Vec<Vec<String>> {
    let strategies = found["strategies"].as_array().into_iter().flatten();
    let line = |one: &Value| {
        let counts = ["variants", "tensors", "runs", "bytes"].map(|key| count(&one[key]));
        [text(&one["name"])].into_iter().chain(counts).chain([count(&found["failed"])]).collect()
    };
    strategies.map(line).collect()
}
