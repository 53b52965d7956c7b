//! `ecf8 kernel compile`.

use super::super::answer::table;
use super::{Answer, DataArgs, Failure, VariantArgs};
use crate::device::{Occupancy, occupancy};
use crate::nvrtc::{Arch, CompileReport, CompileRequest, Nvrtc, NvrtcError};
use crate::sass::{self, Disassembler, DynamicCount, Unmapped};
use clap::Args;
use ecf8_codegen::cuda;
use ecf8_codegen::ir::Kernel;
use ecf8_codegen::profile::{Profile, profile};
use ecf8_codegen::strategy::{Coding, Params, Strategy};
use ecf8_core::Encoded;
use rayon::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Thread blocks that are emulated to learn how often each statement is executed.
const SAMPLE: u32 = 16;

/// Compile a kernel with NVRTC, no GPU needed, and report what it needs of one
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ecf8 kernel compile --strategy gap-cascade --arch sm_80,sm_90")]
pub(in super::super) struct Compile {
    #[command(flatten)]
    variant: VariantArgs,
    #[command(flatten)]
    data: DataArgs,
    /// Architectures to compile for
    #[arg(long, value_name = "sm_XX", value_delimiter = ',', default_value = "sm_75,sm_80,sm_90,sm_120")]
    arch: Vec<Arch>,
    /// Compile every variant that has the tunables set
    #[arg(long)]
    all: bool,
    /// Keep the cubin, of one variant for one architecture
    #[arg(long, short, value_name = "FILE", conflicts_with = "all")]
    output: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// One variant, ready to compile.
struct CompileJob {
    params: Params,
    kernel: Kernel,
    source: String,
    map: Vec<Option<usize>>,
    dynamic_shared_bytes: u32,
    profile: Option<Profile>,
}

/// One variant that does not compile for one architecture.
struct Refused {
    job: usize,
    arch: Arch,
    reason: String,
}

/// One variant on one architecture.
struct CompileRow {
    job: usize,
    arch: Arch,
    report: CompileReport,
    cubin: Vec<u8>,
    occupancy: Option<Occupancy>,
    sass: Option<Sass>,
}

/// What is known of the machine code.
struct Sass {
    instructions: usize,
    counted: Result<DynamicCount, Unmapped>,
}

impl Compile {
    pub(super) fn run(&self) -> Result<Answer, Failure> {
        let (strategy, variants) = self.variant.variants(self.all)?;
        if self.output.is_some() && self.arch.len() != 1 {
            return Err(Failure::request("--output keeps one cubin: name one architecture with --arch"));
        }
        let nvrtc = Nvrtc::find().map_err(Failure::request)?;
        let disassembler = Disassembler::find();
        let jobs: Vec<CompileJob> =
            self.data.with_batch(strategy, self.data.usual(), |encoded, copies| {
                let batch = vec![encoded; copies];
                variants
                    .into_iter()
                    .map(|params| job(strategy, params, &batch, disassembler.is_ok()))
                    .collect()
            })?;
        let tasks: Vec<(usize, Arch)> =
            (0..jobs.len()).flat_map(|job| self.arch.iter().map(move |&arch| (job, arch))).collect();
        let compiled: Vec<Result<CompileRow, Refused>> = tasks
            .par_iter()
            .map(|&(n, arch)| {
                compile(&nvrtc, disassembler.as_ref().ok(), n, &jobs[n], arch).map_err(|error| Refused {
                    job: n,
                    arch,
                    reason: error.to_string(),
                })
            })
            .collect();
        let (mut rows, mut refused) = (Vec::new(), Vec::new());
        for result in compiled {
            match result {
                Ok(row) => rows.push(row),
                // Of many variants, those that cannot be compiled are a finding; the only one is what was asked for.
                Err(why) if self.all => refused.push(why),
                Err(why) => return Err(Failure::request(why.reason)),
            }
        }
        if let (Some(path), [row]) = (&self.output, &rows[..]) {
            std::fs::write(path, &row.cubin).map_err(|error| {
                Failure::request(format!("cannot write {}: {error}; choose another place", path.display()))
            })?;
        }
        let mut text = format!("{}, NVRTC {}\n", strategy.name(), nvrtc.version());
        for (n, job) in jobs.iter().enumerate() {
            text += &format!("\n{}\n", job.params);
            text += &table(&HEAD, rows.iter().filter(|row| row.job == n).map(|row| line(row, job)));
            for why in refused.iter().filter(|why| why.job == n) {
                text += &format!(" {}  {}\n", why.arch, why.reason);
            }
        }
        match &disassembler {
            Ok(_) => text += &hot_loops(&rows, &jobs),
            Err(error) => text += &format!("\nno instruction counts: {error}\n"),
        }
        let variants: Vec<Value> = jobs
            .iter()
            .enumerate()
            .map(|(n, job)| {
                let compiled = rows.iter().filter(|row| row.job == n).map(|row| row_json(row, job));
                let refused = refused.iter().filter(|why| why.job == n);
                let refused = refused.map(|why| json!({ "arch": why.arch, "error": why.reason }));
                let architectures: Vec<Value> = compiled.chain(refused).collect();
                json!({ "params": job.params, "architectures": architectures })
            })
            .collect();
        let mut json = json!({
            "strategy": strategy.name(),
            "nvrtc": nvrtc.version(),
            "disassembler": disassembler.as_ref().ok().map(|found| found.program().display().to_string()),
        });
        if self.all {
            json["variants"] = variants.into();
        } else if let Some(variant) = variants.into_iter().next() {
            json["params"] = variant["params"].clone();
            json["architectures"] = variant["architectures"].clone();
        }
        Ok(Answer { text, json, failure: None })
    }
}

/// The kernel, its source, and what a launch of it does.
fn job(
    strategy: &dyn Strategy,
    params: Params,
    batch: &[&Encoded<'_>],
    traced: bool,
) -> Result<CompileJob, Failure> {
    let coding = batch.first().map(|encoded| Coding::of(encoded));
    let Some(coding) = coding else { return Err(Failure::request("there is nothing to decode")) };
    let kernel = strategy.kernel(&params, &coding).map_err(Failure::request)?;
    let launch = strategy.launch(&params, batch).map_err(Failure::request)?;
    let profile =
        if traced { Some(profile(&kernel, &launch, Some(SAMPLE)).map_err(Failure::data)?) } else { None };
    let (source, map) = cuda::source_with_map(&kernel);
    Ok(CompileJob { params, kernel, source, map, dynamic_shared_bytes: launch.dynamic_shared_bytes, profile })
}

fn compile(
    nvrtc: &Nvrtc,
    disassembler: Option<&Disassembler>,
    n: usize,
    job: &CompileJob,
    arch: Arch,
) -> Result<CompileRow, NvrtcError> {
    let name = format!("{}.cu", job.kernel.name);
    let request = CompileRequest { name: &name, source: &job.source, arch, options: &[] };
    let compiled = nvrtc.compile(&request)?;
    let sass = match (disassembler, &job.profile) {
        (Some(disassembler), Some(profile)) => {
            let request = CompileRequest { options: &["-lineinfo"], ..request };
            let cubin = nvrtc.compile(&request)?.image;
            // A disassembler older than the architecture is no reason to withhold the rest.
            let listing = disassembler.list(&cubin, &job.kernel.name).ok();
            listing.map(|listing| Sass {
                instructions: listing.instructions.len(),
                counted: sass::count(&job.kernel, profile, &job.map, &listing),
            })
        }
        _ => None,
    };
    let report = compiled.report;
    let shared = report.shared_bytes.saturating_add(job.dynamic_shared_bytes);
    let occupancy = occupancy(arch, job.kernel.threads, report.registers, shared);
    Ok(CompileRow { job: n, arch, report, cubin: compiled.image, occupancy, sass })
}

const HEAD: [&str; 9] = [
    "arch",
    "registers",
    "spill stores",
    "spill loads",
    "shared static+dynamic",
    "occupancy",
    "cubin bytes",
    "SASS",
    "SASS issued / byte",
];

fn line(row: &CompileRow, job: &CompileJob) -> Vec<String> {
    let report = &row.report;
    let or_unknown = |known: Option<String>| known.unwrap_or_else(|| "?".to_owned());
    vec![
        row.arch.to_string(),
        report.registers.to_string(),
        report.spill_stores.to_string(),
        report.spill_loads.to_string(),
        format!("{}+{}", report.shared_bytes, job.dynamic_shared_bytes),
        or_unknown(row.occupancy.map(|of| format!("{:.0} %", 100.0 * of.fraction()))),
        report.cubin_bytes.to_string(),
        or_unknown(row.sass.as_ref().map(|sass| sass.instructions.to_string())),
        or_unknown(row.sass.as_ref().map(|sass| match &sass.counted {
            Ok(counted) => format!("{:.1}", counted.instructions_per_byte),
            Err(_) => "cannot be mapped".to_owned(),
        })),
    ]
}

/// What the hottest loop of each variant and architecture consists of.
fn hot_loops(rows: &[CompileRow], jobs: &[CompileJob]) -> String {
    let mut text = String::from("\nhottest loops (issued counts: machine code × emulated executions)\n");
    for row in rows {
        let variant = if jobs.len() > 1 { format!("{} ", jobs[row.job].params) } else { String::new() };
        let hot = match row.sass.as_ref().map(|sass| &sass.counted) {
            Some(Ok(DynamicCount { hot_loop: Some(hot), .. })) => hot,
            Some(Err(why)) => {
                text += &format!("{variant}{}: cannot be mapped: {why}\n", row.arch);
                continue;
            }
            _ => continue,
        };
        let mut mix: Vec<(&String, &usize)> = hot.mix.iter().collect();
        mix.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        let mix: Vec<String> = mix.iter().map(|(opcode, count)| format!("{count} {opcode}")).collect();
        text += &format!(
            "{variant}{}: lines {} to {}, {} instructions, {:.0} % of those issued: {}\n",
            row.arch,
            hot.lines.0,
            hot.lines.1,
            hot.instructions,
            100.0 * hot.share,
            mix.join(", ")
        );
    }
    text
}

fn row_json(row: &CompileRow, job: &CompileJob) -> Value {
    let report = &row.report;
    let sass = row.sass.as_ref().map(|sass| {
        let counted = sass.counted.as_ref().ok();
        json!({
            "instructions": sass.instructions,
            "unmapped": sass.counted.as_ref().err().map(ToString::to_string),
            "issued_per_byte": counted.map(|counted| counted.instructions_per_byte),
            "emulator_issued_per_byte": job.profile.as_ref().map(Profile::instructions_per_byte),
            "lines": counted.map(|counted| by_line(counted, job)),
            "accesses_counted": counted.map(|counted| counted.accesses.0),
            "accesses_emulated": counted.map(|counted| counted.accesses.1),
            "hot_loop": counted.and_then(|counted| counted.hot_loop.as_ref()).map(|hot| json!({
                "first_line": hot.lines.0,
                "last_line": hot.lines.1,
                "instructions": hot.instructions,
                "share_of_issued": hot.share,
                "mix": hot.mix,
            })),
        })
    });
    json!({
        "arch": row.arch,
        "registers": report.registers,
        "spill_stores": report.spill_stores,
        "spill_loads": report.spill_loads,
        "stack_bytes": report.stack_bytes,
        "shared_bytes": report.shared_bytes,
        "dynamic_shared_bytes": job.dynamic_shared_bytes,
        "constant_bytes": report.constant_bytes,
        "occupancy": row.occupancy.map(|of| json!({
            "blocks_per_sm": of.blocks,
            "warps_per_sm": of.warps,
            "fraction": of.fraction(),
        })),
        "cubin_bytes": report.cubin_bytes,
        "warnings": report.warnings,
        "sass": sass,
    })
}

/// Lane-instructions per output byte that each line of the source issues, by the machine code and by the emulator.
fn by_line(counted: &DynamicCount, job: &CompileJob) -> Vec<Value> {
    let Some(profile) = &job.profile else { return Vec::new() };
    let per_byte = |issued: f64| issued * 32.0 / (profile.trace.output_bytes as f64).max(1.0);
    let mut emulated: BTreeMap<usize, f64> = BTreeMap::new();
    // A statement that has become part of another's line is counted with the next line that there is.
    let mut lines: BTreeMap<usize, usize> = BTreeMap::new();
    for (line, statement) in (1..).zip(&job.map) {
        if let Some(statement) = statement {
            lines.entry(*statement).or_insert(line);
        }
    }
    for (statement, counts) in profile.statements.iter().enumerate() {
        let line = lines.range(statement..).next().map_or(0, |(_, &line)| line);
        *emulated.entry(line).or_default() += counts.total();
    }
    let all: BTreeSet<usize> = counted.lines.keys().chain(emulated.keys()).copied().collect();
    let of = |counts: &BTreeMap<usize, f64>, line| per_byte(counts.get(&line).copied().unwrap_or(0.0));
    all.into_iter()
        .map(|line| json!({ "line": line, "machine_code": of(&counted.lines, line), "emulator": of(&emulated, line) }))
        .collect()
}
