//! `ecf8 kernel profile`.

use super::super::answer::table;
use super::super::progress::Bars;
use super::super::size::size;
use super::data::Amount;
use super::predicted::{Compiled, LaunchRow, predictions_table};
use super::{Answer, DataArgs, Failure, VariantArgs};
use crate::nvrtc::Nvrtc;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use ecf8_codegen::cuda;
use ecf8_codegen::emulator::AccessTrace;
use ecf8_codegen::profile::gpus::{GPUS, Gpu};
use ecf8_codegen::profile::{Class, Profile, profile};
use ecf8_codegen::strategy::{Coding, Params, Strategy};
use ecf8_core::Encoded;
use ecf8_core::container::Progress;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// Count what a kernel would do on a GPU, in the emulator, and predict its speed
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ecf8 kernel profile --strategy gap-wide\n  \
    ecf8 kernel profile --strategy lanes-pair --bytes 8M,64M,512M\n  \
    ecf8 kernel profile --strategy lanes-pair --bytes 218M --tensors 7\n  \
    ecf8 kernel profile --strategy gap-wide --all --set bytes_per_thread=16 --gpu a100_80gb")]
pub(in super::super) struct ProfileCommand {
    #[command(flatten)]
    variant: VariantArgs,
    #[command(flatten)]
    data: DataArgs,
    /// Profile every variant that has the tunables set, best prediction first
    #[arg(long)]
    all: bool,
    /// The GPU that variants are ranked by
    #[arg(long, value_name = "GPU", default_value = "h200", value_parser = gpus())]
    gpu: &'static Gpu,
    /// Predict for launches that decode this many bytes, K, M and G being powers of 1024; several sizes are separated
    /// by commas (default: 512M, or the tensor)
    #[arg(long, value_name = "SIZES", value_delimiter = ',', value_parser = size)]
    bytes: Vec<u64>,
    /// Decode this many tensors of equal size by one launch, as a layer is
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=65536))]
    tensors: u32,
    /// Of each launch emulate only this many thread blocks, spread evenly; 0 for all
    #[arg(long, value_name = "N", default_value_t = 64)]
    blocks: u32,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// The GPUs that predictions are made for, by key.
fn gpus() -> impl TypedValueParser<Value = &'static Gpu> {
    let keys: PossibleValuesParser = GPUS.iter().map(|gpu| gpu.key).collect::<Vec<_>>().into();
    keys.try_map(|key| GPUS.iter().find(|gpu| gpu.key == key).ok_or("there is no such GPU"))
}

/// One variant and what was found.
struct ProfileRow {
    params: Params,
    /// By bytes, ascending; at least one.
    launches: Vec<LaunchRow>,
}

impl ProfileRow {
    /// The largest launch: what is counted is counted there.
    fn largest(&self) -> Option<&LaunchRow> {
        self.launches.last()
    }

    fn speed_on(&self, gpu: &Gpu) -> f64 {
        self.largest().map_or(0.0, |launch| launch.speed_on(gpu))
    }
}

impl ProfileCommand {
    pub(super) fn run(&self) -> Result<Answer, Failure> {
        let (strategy, variants) = self.variant.variants(self.all)?;
        let mut rows: Vec<ProfileRow> =
            variants.into_iter().map(|params| ProfileRow { params, launches: Vec::new() }).collect();
        let mut sizes: Vec<Option<u64>> = self.bytes.iter().copied().map(Some).collect();
        sizes.sort_unstable();
        if sizes.is_empty() {
            sizes.push(self.data.usual().bytes);
        }
        let nvrtc = Nvrtc::find().ok();
        let mut compiled = HashMap::new();
        let bars = Bars::default();
        bars.start("emulating variants", (sizes.len() * rows.len()) as u64);
        let mut scheme = "";
        for bytes in sizes {
            let amount = Amount { bytes, tensors: self.tensors };
            self.data.with_batch(strategy, amount, |encoded, copies| {
                scheme = encoded.scheme.name();
                let batch = vec![encoded; copies];
                for row in &mut rows {
                    row.launches.push(self.launch(
                        strategy,
                        &row.params,
                        &batch,
                        nvrtc.as_ref(),
                        &mut compiled,
                    )?);
                    bars.advance(1);
                }
                Ok(())
            })?;
        }
        bars.finish();
        rows.sort_by(|a, b| b.speed_on(self.gpu).total_cmp(&a.speed_on(self.gpu)));
        let text = match &rows[..] {
            [row] => self.one(strategy, row),
            rows => self.many(strategy, rows),
        };
        let default = strategy.params(&[]).ok();
        let variants: Vec<Value> = rows
            .iter()
            .map(|row| variant_json(strategy, row, default.as_ref() == Some(&row.params)))
            .collect();
        let json = json!({
            "strategy": strategy.name(),
            "scheme": scheme,
            "data": self.data.describe(),
            "tensors": self.tensors,
            "counted_by": "emulator",
            "gpus": GPUS.iter().map(gpu_json).collect::<Vec<_>>(),
            "variants": variants,
        });
        Ok(Answer { text, json, failure: None })
    }

    /// Profiles a variant on a launch of these tensors. `compiled` has what is known of kernels by their sources: launches of
    /// several sizes mostly have the same.
    fn launch(
        &self,
        strategy: &dyn Strategy,
        params: &Params,
        batch: &[&Encoded<'_>],
        nvrtc: Option<&Nvrtc>,
        compiled: &mut HashMap<String, Compiled>,
    ) -> Result<LaunchRow, Failure> {
        let coding = batch.first().map(|encoded| Coding::of(encoded));
        let Some(coding) = coding else { return Err(Failure::request("there is nothing to decode")) };
        let kernel = strategy.kernel(params, &coding).map_err(Failure::request)?;
        let launch = strategy.launch(params, batch).map_err(Failure::request)?;
        let sample = (self.blocks > 0).then_some(self.blocks);
        let profile = profile(&kernel, &launch, sample).map_err(Failure::data)?;
        // Of many variants only what they are ranked by is worth the compiler's time.
        let gpus = if self.all { std::slice::from_ref(self.gpu) } else { &GPUS[..] };
        let source = cuda::source(&kernel);
        let compiled = match compiled.entry(source) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let made = Compiled::new(nvrtc, &kernel, new.key(), gpus);
                new.insert(made)
            }
        };
        Ok(LaunchRow::new(profile, compiled))
    }

    /// One variant in full.
    fn one(&self, strategy: &dyn Strategy, row: &ProfileRow) -> String {
        let Some(LaunchRow { profile, .. }) = row.largest() else { return String::new() };
        let mut text = format!(
            "{} {}\n{}; {} of {} thread blocks emulated, {} bytes of output\n\n",
            strategy.name(),
            row.params,
            self.data.describe(),
            profile.trace.blocks,
            profile.trace.grid,
            profile.trace.output_bytes
        );
        let total = profile.instructions_per_byte();
        let classes = Class::ALL.iter().map(|&class| (class.name(), profile.class_per_byte(class)));
        let classes = classes.filter(|&(_, count)| count > 0.0).chain([("all", total)]);
        let instructions =
            classes.map(|(name, count)| vec![name.to_owned(), format!("{count:.2}"), percent(count, total)]);
        text += &table(&["lane-instructions per output byte", "count", "share"], instructions);
        text += &format!(
            "\nactive lanes {:.1} %, barriers per block {:.1}\n\n",
            100.0 * profile.active_lanes,
            profile.barriers_per_block
        );
        let accesses =
            kinds(profile).into_iter().filter(|(.., trace)| trace.accesses > 0).map(|(name, unit, trace)| {
                let (moved, fewest) = moved(unit, trace);
                vec![
                    name.to_owned(),
                    per_byte(trace.bytes as f64, profile),
                    per_byte(moved as f64 * 32.0, profile),
                    unit.to_owned(),
                    format!("{:.2}", ratio(moved, fewest)),
                ]
            });
        text += &table(&["memory", "bytes / byte", "lane-units / byte", "unit", "over the fewest"], accesses);
        text += &format!(
            "global memory moves {} bytes per output byte if each sector moves once\n\n",
            per_byte(profile.dram_bytes as f64, profile)
        );
        text + &predictions_table(&row.launches)
    }

    /// One line per variant.
    fn many(&self, strategy: &dyn Strategy, rows: &[ProfileRow]) -> String {
        let lines = rows.iter().filter_map(|row| {
            let LaunchRow { profile, .. } = row.largest()?;
            let speeds = row.launches.iter().map(|launch| match launch.on(self.gpu) {
                Some(prediction) => format!("{:.0}", prediction.gb_per_s),
                None => "does not fit".to_owned(),
            });
            Some(vec![
                row.params.to_string(),
                format!("{:.2}", profile.instructions_per_byte()),
                format!("{:.0} %", 100.0 * profile.active_lanes),
                format!("{:.2}", ratio(profile.global_loads.sectors, profile.global_loads.fewest_sectors)),
                format!("{:.2}", ratio(profile.global_stores.sectors, profile.global_stores.fewest_sectors)),
                format!("{:.2}", ratio(profile.shared.wavefronts, profile.shared.fewest_wavefronts)),
                speeds.collect::<Vec<_>>().join(", "),
                row.largest()?.on(self.gpu).map_or_else(String::new, |p| p.limited_by.name().to_owned()),
            ])
        });
        let head = [
            "variant",
            "instr / byte",
            "lanes",
            "load sectors",
            "store sectors",
            "bank passes",
            "predicted GB/s",
            "limited by",
        ];
        format!(
            "{} on {}, {}\n{}Sectors and passes are those over the fewest possible. Predictions are no measurements.\n",
            strategy.name(),
            self.gpu.name,
            self.data.describe(),
            table(&head, lines)
        )
    }
}

/// The kinds of accesses, with what is counted of each.
fn kinds(profile: &Profile) -> [(&'static str, &'static str, &AccessTrace); 5] {
    [
        ("global loads", "sectors", &profile.global_loads),
        ("global stores", "sectors", &profile.global_stores),
        ("shared", "bank passes", &profile.shared),
        ("constant tables", "addresses", &profile.constant_tables),
        ("global tables", "L1 lines", &profile.global_tables),
    ]
}

/// What an access moved and the fewest that it could have.
fn moved(unit: &str, trace: &AccessTrace) -> (u64, u64) {
    if unit == "sectors" {
        (trace.sectors, trace.fewest_sectors)
    } else {
        (trace.wavefronts, trace.fewest_wavefronts)
    }
}

fn ratio(count: u64, fewest: u64) -> f64 {
    if fewest == 0 { 1.0 } else { count as f64 / fewest as f64 }
}

fn percent(part: f64, whole: f64) -> String {
    if whole == 0.0 { String::new() } else { format!("{:.0} %", 100.0 * part / whole) }
}

fn per_byte(count: f64, profile: &Profile) -> String {
    let bytes = profile.trace.output_bytes;
    if bytes == 0 { "0".to_owned() } else { format!("{:.2}", count / bytes as f64) }
}

fn variant_json(strategy: &dyn Strategy, row: &ProfileRow, is_default: bool) -> Value {
    let Some(largest) = row.largest() else { return Value::Null };
    let profile = &largest.profile;
    let classes: Map<String, Value> = Class::ALL
        .iter()
        .map(|&class| (class.name().replace(' ', "_"), profile.class_per_byte(class).into()))
        .collect();
    let counters: Map<String, Value> = kinds(profile)
        .into_iter()
        .map(|(name, unit, trace)| {
            let (moved, fewest) = moved(unit, trace);
            let value = json!({
                "accesses": trace.accesses,
                "bytes": trace.bytes,
                unit.replace(' ', "_"): moved,
                "fewest": fewest,
                "over_fewest": ratio(moved, fewest),
            });
            (name.replace(' ', "_"), value)
        })
        .collect();
    json!({
        "strategy": strategy.name(),
        "params": row.params,
        "is_default": is_default,
        "blocks": profile.trace.blocks,
        "grid": profile.trace.grid,
        "output_bytes": profile.trace.output_bytes,
        "instructions_per_byte": profile.instructions_per_byte(),
        "classes_per_byte": classes,
        "active_lanes": profile.active_lanes,
        "barriers_per_block": profile.barriers_per_block,
        "dram_bytes": profile.dram_bytes,
        "l2_bytes": profile.l2_bytes,
        "shared_bytes": profile.shared_bytes,
        "counters": counters,
        "predicted_gb_per_s": largest.by_gpu(|prediction| prediction.gb_per_s.into()),
        "limited_by": largest.by_gpu(|prediction| json!(prediction.limited_by)),
        "launches": row.launches.iter().map(LaunchRow::json).collect::<Vec<_>>(),
    })
}

fn gpu_json(gpu: &Gpu) -> Value {
    json!({
        "key": gpu.key,
        "name": gpu.name,
        "multiprocessors": gpu.multiprocessors,
        "clock_ghz": gpu.clock_ghz,
        "bandwidth_gb_per_s": gpu.bandwidth(),
        "source": gpu.source,
    })
}
