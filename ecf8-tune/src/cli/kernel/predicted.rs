//! What launches of a variant are predicted to take, in tables and in JSON.

use super::super::answer::table;
use super::super::size::in_words;
use crate::nvrtc::{Arch, CompileRequest, Nvrtc};
use ecf8_codegen::ir::Kernel;
use ecf8_codegen::profile::gpus::{GPUS, Gpu};
use ecf8_codegen::profile::predict::{Prediction, predictions};
use ecf8_codegen::profile::{Profile, Registers};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Registers per thread by architecture, as far as NVRTC was asked and could say.
#[derive(Debug, Default)]
pub(super) struct Compiled(BTreeMap<u32, u32>);

impl Compiled {
    /// Asks NVRTC, if there is one, for the architectures of `gpus`; `source` is the kernel's.
    pub(super) fn new(nvrtc: Option<&Nvrtc>, kernel: &Kernel, source: &str, gpus: &[Gpu]) -> Self {
        let Some(nvrtc) = nvrtc else { return Self::default() };
        let mut registers = BTreeMap::new();
        let name = format!("{}.cu", kernel.name);
        for gpu in gpus {
            if registers.contains_key(&gpu.arch) {
                continue;
            }
            let Ok(arch) = Arch::from_capability(gpu.arch / 10, gpu.arch % 10) else { continue };
            // An architecture that this NVRTC does not know is predicted for with the estimate.
            let request = CompileRequest { name: &name, source, arch, options: &[] };
            if let Ok(compiled) = nvrtc.compile(&request) {
                registers.insert(gpu.arch, compiled.report.registers);
            }
        }
        Self(registers)
    }

    fn on(&self, gpu: &Gpu) -> Option<u32> {
        self.0.get(&gpu.arch).copied()
    }
}

/// One launch and its times.
pub(super) struct LaunchRow {
    /// Bytes that it writes.
    pub(super) bytes: u64,
    pub(super) profile: Profile,
    predictions: Vec<Prediction>,
}

impl LaunchRow {
    pub(super) fn new(profile: Profile, compiled: &Compiled) -> Self {
        let predictions = predictions(&profile, |gpu| compiled.on(gpu));
        Self { bytes: profile.launch_bytes, profile, predictions }
    }

    /// The prediction for one GPU, if the variant fits it.
    pub(super) fn on(&self, gpu: &Gpu) -> Option<&Prediction> {
        self.predictions.iter().find(|prediction| prediction.gpu.key == gpu.key)
    }

    pub(super) fn speed_on(&self, gpu: &Gpu) -> f64 {
        self.on(gpu).map_or(0.0, |prediction| prediction.gb_per_s)
    }

    /// What `value` says of each GPU, by its key.
    pub(super) fn by_gpu(&self, value: impl Fn(&Prediction) -> Value) -> Value {
        let values = self.predictions.iter().map(|p| (p.gpu.key.to_owned(), value(p)));
        values.collect::<Map<_, _>>().into()
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "output_bytes": self.bytes,
            "grid": self.profile.trace.grid,
            "blocks_emulated": self.profile.trace.blocks,
            "predicted": self.by_gpu(prediction_json),
        })
    }
}

/// The times of launches on all GPUs.
pub(super) fn predictions_table(rows: &[LaunchRow]) -> String {
    let head =
        ["GPU", "launch", "predicted GB/s", "limited by", "working warps per SM", "waves", "registers"];
    let lines = GPUS.iter().flat_map(|gpu| {
        rows.iter().map(move |row| match row.on(gpu) {
            Some(prediction) => vec![
                gpu.name.to_owned(),
                in_words(row.bytes),
                format!("{:.0}", prediction.gb_per_s),
                prediction.limited_by.name().to_owned(),
                format!("{:.1}", prediction.warps_per_sm),
                format!("{:.2}", prediction.waves),
                registers(prediction.registers),
            ],
            None => vec![gpu.name.to_owned(), in_words(row.bytes), "does not fit".to_owned()],
        })
    });
    table(&head, lines.map(padded))
        + "Predictions are made from counts and data sheets, and are not measurements. Registers after ~ are estimated.\n"
}

/// A line with all columns.
fn padded(mut line: Vec<String>) -> Vec<String> {
    line.resize(7, String::new());
    line
}

fn registers(registers: Registers) -> String {
    match registers {
        Registers::Compiled(count) => count.to_string(),
        Registers::Estimated(count) => format!("~{count}"),
    }
}

fn prediction_json(prediction: &Prediction) -> Value {
    let shares: Map<String, Value> =
        prediction.shares.iter().map(|(resource, share)| (resource.key().to_owned(), json!(share))).collect();
    json!({
        "gb_per_s": prediction.gb_per_s,
        "microseconds": prediction.nanoseconds / 1e3,
        "limited_by": prediction.limited_by,
        "shares_of_time": shares,
        "working_warps_per_sm": prediction.warps_per_sm,
        "blocks_per_sm": prediction.blocks_per_sm,
        "waves": prediction.waves,
        "registers": prediction.registers,
    })
}
