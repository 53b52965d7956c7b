//! A row of `ecf8 bench`: one strategy at one size, as a line of a table and as JSON.

use crate::cli::answer::grouped;
use crate::device::CopyBandwidth;
use crate::executor::Timing;
use crate::tuner::{Candidate, Summary};
use serde_json::{Value, json};

/// One strategy at one size.
pub(super) struct BenchRow {
    pub(super) data: &'static str,
    pub(super) scheme: &'static str,
    pub(super) candidate: Candidate,
    /// Tensors that the launch decodes.
    pub(super) tensors: usize,
    pub(super) output_bytes: u64,
    pub(super) encoded_bytes: u64,
    pub(super) outcome: Result<Vec<u64>, String>,
}

/// What is fixed for all rows.
pub(super) struct About {
    pub(super) device: String,
    pub(super) timing: Timing,
    /// Copies within the GPU's memory, to compare with.
    pub(super) copy: Option<CopyBandwidth>,
    /// Why launches were not replayed as a graph.
    pub(super) one_by_one: Option<String>,
}

impl About {
    pub(super) fn copy_gb_per_s(&self) -> Option<f64> {
        self.copy.as_ref().and_then(CopyBandwidth::gb_per_s)
    }

    /// Bytes that a decoder has to move, read and written, as a part of what a copy moves in the same time.
    pub(super) fn share_of_copy(&self, moved: u64, time_ns: f64) -> Option<f64> {
        self.copy_gb_per_s().map(|copy| moved as f64 / time_ns / copy)
    }

    /// Adds to a row what was measured of it, or why nothing was: speeds by the bytes of output, and what part of a copy's the bytes that were `moved`,
    /// read or written, come to.
    pub(super) fn add_outcome(
        &self,
        row: &mut Value,
        output_bytes: u64,
        moved: u64,
        outcome: &Result<Vec<u64>, String>,
    ) {
        match outcome {
            Err(reason) => row["failed"] = json!(reason),
            Ok(samples_ns) => {
                if let Some(summary) = Summary::of(samples_ns) {
                    row["gb_per_s"] = gb_per_s(output_bytes, &summary);
                    row["share_of_copy"] = json!(self.share_of_copy(moved, summary.median_ns));
                    row["samples_ms"] = samples_ns.iter().map(|&sample| json!(sample as f64 / 1e6)).collect();
                }
            }
        }
    }
}

/// Speeds in gigabytes of output per second: the fifth of the samples that are slowest lie below `p20`.
fn gb_per_s(output_bytes: u64, summary: &Summary) -> Value {
    let rate = |time_ns: f64| output_bytes as f64 / time_ns;
    json!({ "median": rate(summary.median_ns), "p20": rate(summary.p80_ns), "p80": rate(summary.p20_ns) })
}

impl BenchRow {
    fn summary(&self) -> Option<Summary> {
        self.outcome.as_ref().ok().and_then(|samples| Summary::of(samples))
    }

    fn rate(&self, time_ns: f64) -> f64 {
        self.output_bytes as f64 / time_ns
    }

    pub(super) fn json(&self, about: &About) -> Value {
        let mut row = json!({
            "data": self.data,
            "scheme": self.scheme,
            "strategy": self.candidate.strategy.name(),
            "params": self.candidate.params,
            "tensors": self.tensors,
            "output_bytes": self.output_bytes,
            "encoded_bytes": self.encoded_bytes,
            "ratio": self.encoded_bytes as f64 / self.output_bytes as f64,
        });
        match (about.timing, self.summary()) {
            (Timing::Predicted, Some(summary)) => {
                row["predicted_gb_per_s"] = json!(self.rate(summary.median_ns));
            }
            _ => {
                let moved = self.output_bytes + self.encoded_bytes;
                about.add_outcome(&mut row, self.output_bytes, moved, &self.outcome);
            }
        }
        row
    }

    pub(super) fn cells(&self, about: &About) -> Vec<String> {
        let summary = self.summary();
        let or_reason = |text: Option<String>| match (&self.outcome, text) {
            (Err(reason), _) => format!("failed: {reason}"),
            (Ok(_), text) => text.unwrap_or_default(),
        };
        let spread = summary.filter(|_| about.timing == Timing::Measured);
        let share = summary.and_then(|summary| {
            about.share_of_copy(self.output_bytes + self.encoded_bytes, summary.median_ns)
        });
        vec![
            self.data.to_owned(),
            grouped(self.output_bytes),
            self.tensors.to_string(),
            format!("{:.4}", self.encoded_bytes as f64 / self.output_bytes as f64),
            self.scheme.to_owned(),
            self.candidate.strategy.name().to_owned(),
            self.candidate.params.to_string(),
            or_reason(summary.map(|summary| format!("{:.0}", self.rate(summary.median_ns)))),
            spread.map_or_else(String::new, |summary| {
                format!("{:.0}-{:.0}", self.rate(summary.p80_ns), self.rate(summary.p20_ns))
            }),
            share.map_or_else(String::new, |share| format!("{:.0} %", 100.0 * share)),
        ]
    }
}
