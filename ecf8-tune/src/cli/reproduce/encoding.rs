//! Tables 8 and 9: encoding speed, and what encoding a model takes.

use super::memory::{PAPERS, compressed};
use super::paper::{ENCODINGS, MB, WORKERS};
use super::table::{Source, Table, figure};
use super::weights::described;
use super::{Request, consistency, normal};
use crate::cli::answer::Failure;
use crate::cli::size::in_words;
use ecf8_core::element::Numbers;
use ecf8_core::{Aim, Scheme, scheme};
use rayon::{ThreadPool, ThreadPoolBuilder};
use serde_json::json;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Encoding is repeated until it has taken so long.
const LONG_ENOUGH: Duration = Duration::from_millis(200);

/// Bytes of weights from which the default scheme for them is told.
const TOLD_FROM: usize = 4 << 20;

/// One thread to measure on.
fn one_thread() -> Result<ThreadPool, Failure> {
    let why =
        |error| Failure::request(format!("cannot start a thread to measure on: {error}; end other programs"));
    ThreadPoolBuilder::new().num_threads(1).build().map_err(why)
}

/// MB/s, of 2^20 bytes, at which the pool counts, makes a codebook and encodes: the median of some runs.
fn rate(pool: &ThreadPool, with: &'static dyn Scheme, bytes: &[u8]) -> Result<f64, Failure> {
    let encode = || {
        let begun = Instant::now();
        let numbers = Numbers::e4m3(bytes);
        let codebook = with.codebook(&with.symbol_histogram(numbers));
        let encoded = with.encode_for(numbers, &(&codebook).into(), Aim::default()).map_err(Failure::data)?;
        black_box(&encoded);
        Ok::<f64, Failure>(begun.elapsed().as_secs_f64())
    };
    let begun = Instant::now();
    let mut seconds = Vec::new();
    while seconds.is_empty() || begun.elapsed() < LONG_ENOUGH {
        seconds.push(pool.install(encode)?);
    }
    seconds.sort_by(f64::total_cmp);
    let median = seconds.get(seconds.len() / 2).copied().unwrap_or(f64::NAN);
    Ok(bytes.len() as f64 / MB / median.max(1e-9))
}

/// The scheme that `ecf8 compress` would choose for weights, if there are no others in their file.
pub(super) fn default_scheme(request: &Request<'_>, bytes: &[u8]) -> Result<&'static dyn Scheme, Failure> {
    let some = bytes.get(..TOLD_FROM).unwrap_or(bytes);
    let name = compressed(request.scratch, some, None)?.scheme;
    scheme(name).or(scheme(PAPERS)).ok_or_else(|| Failure::request(format!("there is no scheme {name}")))
}

fn papers() -> Result<&'static dyn Scheme, Failure> {
    scheme(PAPERS).ok_or_else(|| Failure::request(format!("there is no scheme {PAPERS}")))
}

/// Table 8.
pub(super) fn by_size(request: &Request<'_>) -> Result<Table, Failure> {
    let pool = one_thread()?;
    let (mut lines, mut rows) = (Vec::new(), Vec::new());
    let default = default_scheme(request, &normal(TOLD_FROM as u64)?)?;
    for &size in request.sizes {
        let bytes = normal(size)?;
        let paper = ENCODINGS.iter().find(|row| row.mb << 20 == size);
        let [gap, chosen] = [rate(&pool, papers()?, &bytes)?, rate(&pool, default, &bytes)?];
        let times = |rate: f64| paper.map(|paper| rate / paper.mb_per_s);
        lines.push(vec![
            in_words(size),
            figure(paper.map(|paper| paper.mb_per_s), 2),
            format!("{gap:.0}"),
            figure(times(gap), 0),
            format!("{chosen:.0}"),
            figure(times(chosen), 0),
        ]);
        let of = |name, rate| json!({ "scheme": name, "mb_per_s": rate, "source": Source::Measured });
        rows.push(json!({
            "bytes": size, "paper": paper, "exponent_gap": of(PAPERS, gap), "default": of(default.name(), chosen),
        }));
    }
    let measured = Source::Measured.word();
    let head = [
        "size".to_owned(),
        "paper: MB/s".to_owned(),
        format!("exponent-gap, MB/s, {measured}"),
        "times the paper's".to_owned(),
        format!("{} (the default), MB/s, {measured}", default.name()),
        "times the paper's".to_owned(),
    ];
    let notes = vec![
        "MB are 2^20 bytes, as in the paper. Here one thread counts, makes the codebook and encodes N(0, 1) in E4M3 in memory; the paper \
         does not say how many threads its figures are of, and what it encodes. Larger sizes repeat 64 MiB"
            .to_owned(),
    ];
    let title = "encoding speed by size".to_owned();
    Ok(Table { number: 8, title, head: head.to_vec(), lines, rows, notes })
}

/// Table 9.
pub(super) fn of_models(request: &Request<'_>) -> Result<Table, Failure> {
    let pool = one_thread()?;
    let (mut lines, mut rows) = (Vec::new(), Vec::new());
    for weights in request.weights {
        let default = default_scheme(request, &weights.bytes)?;
        let [gap, chosen] = [papers()?, default].map(|scheme| rate(&pool, scheme, &weights.bytes));
        let (gap, chosen) = (gap?, chosen?);
        let minutes = |rate: f64| weights.whole / (rate * MB * WORKERS) / 60.0;
        lines.push(vec![
            weights.name.clone(),
            figure(weights.paper.map(|model| model.gb[0]), 2),
            figure(weights.paper.map(|model| 60.0 * model.encoding_hours), 1),
            format!("{gap:.0}"),
            format!("{:.2}", minutes(gap)),
            default.name().to_owned(),
            format!("{chosen:.0}"),
            format!("{:.2}", minutes(chosen)),
        ]);
        let of = |name, rate| {
            json!({
                "scheme": name,
                "mb_per_s_of_one_worker": { "value": rate, "source": Source::Measured },
                "hours": { "value": minutes(rate) / 60.0, "source": Source::Predicted },
            })
        };
        rows.push(json!({
            "model": weights.name,
            "paper": weights.paper.map(|model| json!({ "gb": model.gb[0], "hours": model.encoding_hours })),
            "weights": weights.json(),
            "exponent_gap": of(PAPERS, gap),
            "default": of(default.name(), chosen),
        }));
    }
    let notes = vec![
        described(request.weights, request.scale),
        format!(
            "minutes here are the model's FP8 bytes by the speed of one thread, measured, times {WORKERS} workers, as the paper has it: without reading and \
             writing, and as if memory sufficed for all"
        ),
        consistency::of_encoding(),
    ];
    let head = [
        "model",
        "paper: GB",
        "minutes",
        "exponent-gap, MB/s, measured here",
        "minutes, predicted",
        "default",
        "MB/s, measured here",
        "minutes, predicted",
    ];
    let title = format!("encoding time of a model with {WORKERS} workers");
    Ok(Table { number: 9, title, head: head.map(str::to_owned).to_vec(), lines, rows, notes })
}
