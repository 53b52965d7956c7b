//! What compressing gives, or would give, by dtype: for `compress --dry-run` and for `inspect` of what is not compressed.

use super::answer::{Answer, grouped};
use ecf8_core::container::{DtypeSummary, Estimate};
use serde_json::json;
use std::path::Path;

/// What compressing would give.
pub(super) fn answer(input: &Path, estimate: &Estimate) -> Answer {
    let ratio = ratio(estimate.predicted_bytes, estimate.input_bytes);
    let mut text = format!(
        "{}: {} bytes, compressed about {} (predicted ratio {ratio:.3}, from samples of {} bytes)\n",
        input.display(),
        grouped(estimate.input_bytes),
        grouped(estimate.predicted_bytes),
        grouped(estimate.sampled_bytes),
    );
    text += &lines(&estimate.dtypes);
    let done = estimate.files.iter().filter(|file| file.is_compressed).count();
    if done > 0 {
        text +=
            &format!("{done} of {} files compressed already, counted as they are\n", estimate.files.len());
    }
    if estimate.copied > 0 {
        let (files, bytes) = (estimate.copied, grouped(estimate.copied_bytes));
        text += &format!("other files: {files}, {bytes} bytes, copied as they are\n");
    }
    let json = json!({
        "input": input.display().to_string(),
        "input_bytes": estimate.input_bytes,
        "predicted_bytes": estimate.predicted_bytes,
        "predicted_ratio": ratio,
        "sampled_bytes": estimate.sampled_bytes,
        "dtypes": estimate.dtypes,
        "files": estimate.files,
        "copied": estimate.copied,
        "copied_bytes": estimate.copied_bytes,
    });
    Answer { text, json, failure: None }
}

/// A line per dtype.
pub(super) fn lines(dtypes: &[DtypeSummary]) -> String {
    dtypes.iter().map(line).collect()
}

fn line(one: &DtypeSummary) -> String {
    let fate = if one.compressed { "compressed" } else { "kept" };
    let tensors = if one.tensors == 1 {
        "1 tensor".to_owned()
    } else {
        format!("{} tensors", grouped(one.tensors as u64))
    };
    let gained = match one.stored_bytes.filter(|_| one.compressed) {
        Some(stored) => format!(" -> {}, ratio {:.4}", grouped(stored), ratio(stored, one.bytes)),
        None => String::new(),
    };
    let (dtype, role, why, bytes) = (&one.dtype, one.role.word(), &one.why, grouped(one.bytes));
    format!("{dtype}{role}: {fate}, {why}; {tensors}, {bytes} bytes{gained}\n")
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn ratio(predicted: u64, original: u64) -> f64 {
    if original == 0 { 1.0 } else { predicted as f64 / original as f64 }
}
