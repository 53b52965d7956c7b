//! `ecf8 kernel profile`.

use super::super::answer::table;
use super::super::progress::Bars;
use super::{Answer, DataArgs, Failure, VariantArgs};
use clap::Args;
use ecf8_codegen::emulator::AccessTrace;
use ecf8_codegen::profile::gpus::{GPUS, Gpu};
use ecf8_codegen::profile::predict::{Prediction, predictions};
use ecf8_codegen::profile::{Class, Profile, profile};
use ecf8_codegen::strategy::{Coding, Params, Strategy};
use ecf8_core::Encoded;
use ecf8_core::container::Progress;
use serde_json::{Map, Value, json};

/// Count what a kernel would do on a GPU, in the emulator, and predict its speed
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ecf8 kernel profile --strategy gap-wide\n  \
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
    #[arg(long, value_name = "GPU", default_value = "h200", value_parser = gpu)]
    gpu: &'static Gpu,
    /// Emulate only this many thread blocks, spread evenly; 0 for all
    #[arg(long, value_name = "N", default_value_t = 64)]
    blocks: u32,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// The GPU of this key.
fn gpu(key: &str) -> Result<&'static Gpu, String> {
    GPUS.iter().find(|gpu| gpu.key == key).ok_or_else(|| {
        let known: Vec<&str> = GPUS.iter().map(|gpu| gpu.key).collect();
        format!("there are: {}", known.join(", "))
    })
}

/// One variant and what was found.
struct ProfileRow {
    params: Params,
    profile: Profile,
    predictions: Vec<Prediction>,
}

impl ProfileRow {
    /// The prediction for one GPU, if the variant fits it.
    fn on(&self, gpu: &Gpu) -> Option<&Prediction> {
        self.predictions.iter().find(|prediction| prediction.gpu.key == gpu.key)
    }

    fn speed_on(&self, gpu: &Gpu) -> f64 {
        self.on(gpu).map_or(0.0, |prediction| prediction.gb_per_s)
    }
}

impl ProfileCommand {
    pub(super) fn run(&self) -> Result<Answer, Failure> {
        let (strategy, variants) = self.variant.variants(self.all)?;
        let (scheme, mut rows) = self.data.with_encoded(strategy, |encoded| {
            Ok((encoded.scheme.name(), self.rows(strategy, variants, encoded)?))
        })?;
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
            "counted_by": "emulator",
            "gpus": GPUS.iter().map(gpu_json).collect::<Vec<_>>(),
            "variants": variants,
        });
        Ok(Answer { text, json, failure: None })
    }

    fn rows(
        &self,
        strategy: &dyn Strategy,
        variants: Vec<Params>,
        encoded: &Encoded<'_>,
    ) -> Result<Vec<ProfileRow>, Failure> {
        let bars = Bars::default();
        bars.start("emulating variants", encoded.elements * variants.len() as u64);
        let sample = (self.blocks > 0).then_some(self.blocks);
        let mut rows = Vec::new();
        for params in variants {
            let kernel = strategy.kernel(&params, &Coding::of(encoded)).map_err(Failure::request)?;
            let launch = strategy.launch(&params, &[encoded]).map_err(Failure::request)?;
            let profile = profile(&kernel, &launch, sample).map_err(Failure::data)?;
            let predictions = predictions(&profile);
            rows.push(ProfileRow { params, profile, predictions });
            bars.advance(encoded.elements);
        }
        bars.finish();
        Ok(rows)
    }

    /// One variant in full.
    fn one(&self, strategy: &dyn Strategy, row: &ProfileRow) -> String {
        let profile = &row.profile;
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
        let gpus = GPUS.iter().map(|gpu| match row.on(gpu) {
            Some(prediction) => vec![
                gpu.name.to_owned(),
                format!("{:.0}", prediction.gb_per_s),
                prediction.limited_by.name().to_owned(),
                prediction.warps.to_string(),
            ],
            None => vec![gpu.name.to_owned(), "does not fit".to_owned(), String::new(), "0".to_owned()],
        });
        text += &table(&["GPU", "predicted GB/s", "limited by", "warps per SM"], gpus);
        text + "Predictions are upper bounds from counts and data sheets, not measurements.\n"
    }

    /// One line per variant.
    fn many(&self, strategy: &dyn Strategy, rows: &[ProfileRow]) -> String {
        let lines = rows.iter().map(|row| {
            let profile = &row.profile;
            let prediction = row.on(self.gpu);
            vec![
                row.params.to_string(),
                format!("{:.2}", profile.instructions_per_byte()),
                format!("{:.0} %", 100.0 * profile.active_lanes),
                format!("{:.2}", ratio(profile.global_loads.sectors, profile.global_loads.fewest_sectors)),
                format!("{:.2}", ratio(profile.global_stores.sectors, profile.global_stores.fewest_sectors)),
                format!("{:.2}", ratio(profile.shared.wavefronts, profile.shared.fewest_wavefronts)),
                prediction.map_or_else(|| "does not fit".to_owned(), |p| format!("{:.0}", p.gb_per_s)),
                prediction.map_or_else(String::new, |p| p.limited_by.name().to_owned()),
            ]
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
            "{} on {}, {}\n{}Sectors and passes are those over the fewest possible. Predictions are upper bounds, not measurements.\n",
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
    let profile = &row.profile;
    let by_gpu = |value: &dyn Fn(&Prediction) -> Value| -> Value {
        row.predictions
            .iter()
            .map(|prediction| (prediction.gpu.key.to_owned(), value(prediction)))
            .collect::<Map<_, _>>()
            .into()
    };
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
        "predicted_gb_per_s": by_gpu(&|prediction| prediction.gb_per_s.into()),
        "limited_by": by_gpu(&|prediction| json!(prediction.limited_by)),
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
