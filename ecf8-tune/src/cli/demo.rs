//! `ecf8 demo`: the whole pipeline on generated weights.

use super::answer::{Answer, Failure, grouped, table};
use super::interrupt;
use super::progress::Bars;
use crate::executor::{EmulatorExecutor, Executor};
use crate::nvrtc::{Arch, CompileRequest, Nvrtc};
use clap::Args;
use ecf8_codegen::cuda;
use ecf8_codegen::emulator::Checks;
use ecf8_codegen::strategy::{Coding, Strategy, strategies_for};
use ecf8_core::container::{self, CompressOptions, CompressedFile, CompressedTensor, Progress};
use ecf8_core::synthetic;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// The architectures that the demo compiles for, if it can.
const ARCHS: [&str; 4] = ["sm_75", "sm_80", "sm_90", "sm_120"];

/// Layers of the generated model.
const LAYERS: u64 = 3;

/// Its width.
const WIDTH: u32 = 512;

/// Run the whole pipeline on a generated model: compress, decode on the CPU and by an emulated kernel, compile it
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ecf8 demo\n  ecf8 demo --keep /tmp/demo")]
pub(super) struct Demo {
    /// Keep the generated and the compressed file in this folder
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// One tensor's row.
struct TensorRow {
    name: String,
    bytes: u64,
    compressed: u64,
    scheme: &'static str,
    exponent_entropy: f64,
    byte_entropy: f64,
    on_cpu: bool,
    on_emulator: bool,
}

impl Demo {
    pub(super) fn run(&self) -> Result<Answer, Failure> {
        let scratch = tempfile::tempdir().map_err(|error| {
            Failure::request(format!("cannot make a temporary folder: {error}; set TMPDIR"))
        })?;
        interrupt::clean_up(Some(scratch.path()));
        let folder = self.keep.as_deref().unwrap_or(scratch.path());
        let (original, compressed, restored) = (
            folder.join("demo.safetensors"),
            folder.join("demo.ecf8.safetensors"),
            scratch.path().join("restored.safetensors"),
        );
        let refuse = |error: &dyn std::fmt::Display, path: &Path| {
            Failure::request(format!("cannot write {}: {error}; choose another folder", path.display()))
        };
        fs::create_dir_all(folder).map_err(|error| refuse(&error, folder))?;
        let tensors = synthetic::demo_model(8, LAYERS, WIDTH);
        let metadata = [("format".to_owned(), "pt".to_owned())];
        let file =
            synthetic::safetensors_bytes(&metadata, &tensors).map_err(|error| refuse(&error, &original))?;
        fs::write(&original, &file).map_err(|error| refuse(&error, &original))?;

        let bars = Bars::default();
        let options = CompressOptions { overwrite: true, ..CompressOptions::default() };
        container::compress(&original, &compressed, &options, &bars)?;
        container::decompress(&compressed, &restored, true, &bars)?;
        let back = fs::read(&restored)
            .map_err(|error| Failure::request(format!("cannot read {}: {error}", restored.display())))?;
        let identical = back == file;

        let container = CompressedFile::open(&compressed)?;
        bars.start("emulating kernels", container.tensors().map(|tensor| tensor.original_bytes()).sum());
        let mut rows = Vec::new();
        for tensor in container.tensors() {
            let source = tensors.iter().find(|source| source.name == tensor.name());
            rows.push(row(&tensor, source.map_or(&[], |source| &source.bytes))?);
            bars.advance(tensor.original_bytes());
        }
        bars.finish();

        let kernels = compile(&container);
        let exact = identical && rows.iter().all(|row| row.on_cpu && row.on_emulator);
        Ok(Answer {
            text: text(&container, &rows, identical, &kernels, self.keep.as_deref()),
            json: json!({
                "exact": exact,
                "file_identical": identical,
                "file_original_bytes": file.len(),
                "file_bytes": container.bytes(),
                "tensors": rows.iter().map(|row| json!({
                    "name": row.name,
                    "original_bytes": row.bytes,
                    "compressed_bytes": row.compressed,
                    "ratio": ratio(row.compressed, row.bytes),
                    "scheme": row.scheme,
                    "exponent_entropy_bits": row.exponent_entropy,
                    "byte_entropy_bits": row.byte_entropy,
                    "exact_on_cpu": row.on_cpu,
                    "exact_on_emulator": row.on_emulator,
                })).collect::<Vec<_>>(),
                "kernels": kernels.as_ref().map_or_else(|why| json!({ "skipped": why }), |rows| json!(rows)),
            }),
            failure: (!exact)
                .then(|| Failure::data("something did not come back exactly; please report this")),
        })
    }
}

fn row(tensor: &CompressedTensor<'_>, source: &[u8]) -> Result<TensorRow, Failure> {
    let encoded = tensor.encoded();
    let strategy = strategies_for(tensor.scheme().name()).next();
    let strategy = strategy.ok_or_else(|| Failure::request("no strategy decodes the default scheme"))?;
    let params = strategy.params(&[]).map_err(Failure::request)?;
    let emulated = EmulatorExecutor { checks: Checks::Full }
        .decode(strategy, &params, &encoded)
        .map_err(|error| Failure::data(format!("tensor `{}`: {error}", tensor.name())))?;
    let statistics = tensor.statistics()?;
    Ok(TensorRow {
        name: tensor.name().to_owned(),
        bytes: tensor.original_bytes(),
        compressed: tensor.stored_bytes(),
        scheme: tensor.scheme().name(),
        exponent_entropy: statistics.exponent_entropy_bits.unwrap_or_default(),
        byte_entropy: statistics.byte_entropy_bits,
        on_cpu: tensor.decode()? == source,
        on_emulator: emulated == source,
    })
}

/// Compiles the kernel of the first tensor, or says why not.
fn compile(container: &CompressedFile) -> Result<Vec<Value>, String> {
    let nvrtc = Nvrtc::find().map_err(|error| error.to_string())?;
    let tensor = container.tensors().next().ok_or("there is no compressed tensor")?;
    let strategy: &dyn Strategy =
        strategies_for(tensor.scheme().name()).next().ok_or("no strategy decodes the default scheme")?;
    let params = strategy.params(&[]).map_err(|error| error.to_string())?;
    let kernel = strategy
        .kernel(&params, &Coding { split: tensor.split(), codebook: tensor.codebooks().widest() })
        .map_err(|error| error.to_string())?;
    let source = cuda::source(&kernel);
    let name = format!("{}.cu", kernel.name);
    ARCHS
        .iter()
        .map(|arch| {
            let arch: Arch = arch.parse().map_err(|error| format!("{error}"))?;
            let request = CompileRequest { name: &name, source: &source, arch, options: &[] };
            let report = nvrtc.compile(&request).map_err(|error| error.to_string())?.report;
            Ok(json!({
                "strategy": strategy.name(),
                "params": params,
                "nvrtc": nvrtc.version(),
                "arch": arch,
                "registers": report.registers,
                "spill_stores": report.spill_stores,
                "spill_loads": report.spill_loads,
                "cubin_bytes": report.cubin_bytes,
            }))
        })
        .collect()
}

fn text(
    container: &CompressedFile,
    rows: &[TensorRow],
    identical: bool,
    kernels: &Result<Vec<Value>, String>,
    kept: Option<&Path>,
) -> String {
    let exact = |exact: bool| if exact { "exact" } else { "WRONG" }.to_owned();
    let mut text = format!(
        "A generated FP8 model of {LAYERS} layers: Gaussian and α-stable weights, block-scaled and cast.\n\n{}",
        table(
            &[
                "tensor",
                "scheme",
                "bytes",
                "compressed",
                "ratio",
                "ideal",
                "H(exponent)",
                "cpu",
                "emulated kernel"
            ],
            rows.iter().map(|row| {
                vec![
                    row.name.clone(),
                    row.scheme.to_owned(),
                    grouped(row.bytes),
                    grouped(row.compressed),
                    format!("{:.4}", ratio(row.compressed, row.bytes)),
                    format!("{:.4}", row.byte_entropy / 8.0),
                    format!("{:.3}", row.exponent_entropy),
                    exact(row.on_cpu),
                    exact(row.on_emulator),
                ]
            })
        )
    );
    text += &format!(
        "\nideal: entropy of single bytes / 8 bits; H(exponent): entropy of the exponents, of 4 bits, and of 8 in norms, which are BF16\n\
         whole file: {} -> {} bytes, restored {}\n",
        grouped(container.original_bytes()),
        grouped(container.bytes()),
        if identical { "byte for byte" } else { "WRONG" },
    );
    match kernels {
        Ok(kernels) => {
            for kernel in kernels {
                text += &format!(
                    "compiled {} for {}: {} registers, {} bytes spilled, {} bytes of machine code\n",
                    plain(&kernel["strategy"]),
                    plain(&kernel["arch"]),
                    kernel["registers"],
                    kernel["spill_stores"].as_u64().unwrap_or(0)
                        + kernel["spill_loads"].as_u64().unwrap_or(0),
                    kernel["cubin_bytes"],
                );
            }
        }
        Err(why) => text += &format!("kernels not compiled: {why}\n"),
    }
    if let Some(folder) = kept {
        text += &format!("kept in {}: demo.safetensors and demo.ecf8.safetensors\n", folder.display());
    }
    text
}

fn plain(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn ratio(compressed: u64, original: u64) -> f64 {
    if original == 0 { 1.0 } else { compressed as f64 / original as f64 }
}
