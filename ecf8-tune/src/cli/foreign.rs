//! `ecf8 import`, `ecf8 export`, and what other commands do with files of others.

use super::answer::{Answer, Failure, grouped, printable, table};
use super::compress::{Work, answer as compressed, some};
use super::device::Device;
use super::progress::Bars;
use crate::executor::Executor;
use clap::Args;
use ecf8_codegen::strategy::{Coding, strategies_for};
use ecf8_core::container::{self, CompressOptions, Progress};
use ecf8_core::foreign::{Foreign, export};
use ecf8_core::header::TensorRecord;
use ecf8_core::map::MappedFile;
use ecf8_core::source::Source;
use serde_json::json;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Make a compressed file, or a folder of them, of what another compressor wrote: ECF8's authors, DFloat11 or ZipNN
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  ecf8 import model.layers.0.safetensors -o layer.ecf8.safetensors --like original.safetensors\n  \
    ecf8 import Qwen3-8B-DF11/ -o Qwen3-8B-ECF8/ --like Qwen3-8B/\n  \
    ecf8 import model.znn.safetensors -o model.ecf8.safetensors\n\n\
    The format is recognised by what the file holds. ECF8's authors and DFloat11 store no shapes: they are those of --like, or\n\
    tensors are flat. Names come from the pattern dictionary beside the file, from --like, or else are BLOCK.0, BLOCK.1 and so on.\n\
    `ecf8 inspect`, `ecf8 verify` and `ecf8 decompress` read such files directly."
)]
pub(super) struct Import {
    /// File or folder of another compressor
    input: PathBuf,
    /// Where to write; must not exist yet
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// The file or folder that it was made from, or one with the same tensors: for names and shapes
    #[arg(long, value_name = "ORIGINAL")]
    like: Option<PathBuf>,
    #[command(flatten)]
    pub(super) work: Work,
}

/// Write a model as other programs read it: ECF8's authors or DFloat11
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ecf8 export Qwen3-8B-ECF8/ --format dfloat11 -o Qwen3-8B-DF11/\n  \
    ecf8 export model.safetensors --format ecf8-paper -o model-paper/\n\n\
    MODEL may be compressed by ecf8 or not. Weights with two dimensions, BF16 for dfloat11 and F8_E4M3 for ecf8-paper, are coded,\n\
    those of a block of layers together; all others are kept, in model.safetensors. Every block is decoded again and compared.")]
pub(super) struct Export {
    /// File or folder
    model: PathBuf,
    /// What is to be written
    #[arg(long, value_name = "FORMAT", value_parser = formats())]
    format: String,
    /// Folder to write; must not exist yet
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    #[command(flatten)]
    pub(super) work: Work,
}

fn formats() -> clap::builder::PossibleValuesParser {
    export::names().collect::<Vec<_>>().into()
}

impl Import {
    pub(super) fn run(&self) -> Result<Answer, Failure> {
        self.work.prepare()?;
        let options = CompressOptions { overwrite: self.work.is_forced(), ..CompressOptions::default() };
        let bars = Bars::default();
        let notes = notes(&self.input, self.like.as_deref())?;
        let report = container::import(&self.input, self.like.as_deref(), &self.output, &options, &bars)?;
        let mut answer = compressed(&self.output, &report, &bars);
        tell(&mut answer, &notes);
        Ok(answer)
    }
}

impl Export {
    pub(super) fn run(&self) -> Result<Answer, Failure> {
        self.work.prepare()?;
        let bars = Bars::default();
        let forced = self.work.is_forced();
        let exported = container::export(&self.model, &self.output, &self.format, forced, &bars)?;
        let mut text = format!(
            "{}: {} -> {} bytes as {}; {} tensors coded in {} blocks, {} kept as they are\n",
            self.output.display(),
            grouped(exported.input_bytes),
            grouped(exported.output_bytes),
            self.format,
            exported.coded_tensors,
            exported.blocks,
            exported.kept_tensors,
        );
        if !exported.copied.is_empty() {
            text += &format!("copied as they are: {}\n", some(&exported.copied));
        }
        for line in &exported.refused {
            text += &format!("note: {}\n", printable(line));
        }
        let mut json = json!(exported);
        json["output"] = json!(self.output.display().to_string());
        json["format"] = json!(self.format);
        Ok(Answer { text, json, failure: None })
    }
}

/// The files of weights, if they are those of others. What cannot be read is not: who reads it for another purpose says why.
fn files_of(input: &Path) -> Option<Vec<PathBuf>> {
    if container::is_container(input).unwrap_or(true) {
        return None;
    }
    container::foreign_files(input).ok().flatten()
}

/// What is to be said of files of others: which format they have, and what they do not tell.
fn notes(input: &Path, like: Option<&Path>) -> Result<Vec<String>, Failure> {
    let mut notes = Vec::new();
    for path in container::foreign_files(input)?.unwrap_or_default() {
        let lacking = container::with_foreign(&path, like, |_, foreign| {
            Ok(foreign.filter(|foreign| !foreign.has_shapes()).map(Foreign::format))
        })?;
        if let Some(format) = lacking {
            notes.push(format!(
                "{}: format {format} stores no shapes, so its coded tensors are flat; give the original as --like for shapes and names",
                path.display()
            ));
        }
    }
    Ok(notes)
}

fn tell(answer: &mut Answer, notes: &[String]) {
    for note in notes {
        answer.text += &format!("note: {}\n", printable(note));
    }
    answer.json["shapes"] = json!(notes.is_empty());
}

/// Writes what files of others stand for; none, if these are not such.
pub(super) fn decompress(
    input: &Path,
    like: Option<&Path>,
    output: &Path,
    overwrite: bool,
) -> Result<Option<Answer>, Failure> {
    if files_of(input).is_none() {
        return match like {
            Some(_) => Err(Failure::request(format!(
                "{} has its names and shapes, or no format of another compressor: leave out --like",
                input.display()
            ))),
            None => Ok(None),
        };
    }
    let bars = Bars::default();
    let notes = notes(input, like)?;
    let report = container::restore(input, like, output, overwrite, &bars)?;
    let text = format!(
        "{}: {} -> {} bytes; the format has no checksums of them, so compare with what you know\n",
        output.display(),
        grouped(report.input_bytes()),
        grouped(report.output_bytes()),
    );
    let json = json!({
        "output": output.display().to_string(),
        "input_bytes": report.input_bytes(),
        "output_bytes": report.output_bytes(),
        "files": report.files,
        "copied": report.copied,
        "notes": bars.notes(),
    });
    let mut answer = Answer { text, json, failure: None };
    tell(&mut answer, &notes);
    Ok(Some(answer))
}

/// Lists what files of others stand for; none, if these are not such.
pub(super) fn inspect(input: &Path) -> Result<Option<Answer>, Failure> {
    let Some(files) = files_of(input) else { return Ok(None) };
    let (mut rows, mut listed, mut formats, mut bytes) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for path in &files {
        container::with_foreign(path, None, |source, foreign| {
            formats.extend(foreign.map(Foreign::format));
            for record in &source.header().tensors {
                let scheme =
                    foreign.and_then(|foreign| foreign.encoded(record)).map(|(own, _)| own.scheme.name());
                let shape: Vec<String> = record.shape.iter().map(u64::to_string).collect();
                bytes += record.bytes();
                rows.push(vec![
                    record.name.clone(),
                    record.dtype.to_string(),
                    format!("[{}]", shape.join(", ")),
                    grouped(record.bytes()),
                    scheme.unwrap_or_default().to_owned(),
                ]);
                listed.push(json!({
                    "name": record.name, "dtype": record.dtype.to_string(), "shape": record.shape,
                    "bytes": record.bytes(), "scheme": scheme,
                }));
            }
            Ok(())
        })?;
    }
    formats.dedup();
    let stored: u64 = files.iter().filter_map(|path| std::fs::metadata(path).ok()).map(|own| own.len()).sum();
    let mut text = table(&["tensor", "dtype", "shape", "bytes", "like our scheme"], rows);
    text += &format!(
        "\nformat {}; {} tensors of {} bytes in {} bytes\n",
        formats.join(", "),
        listed.len(),
        grouped(bytes),
        grouped(stored)
    );
    let json = json!({ "is_compressed": false, "formats": formats, "tensors": listed, "bytes": bytes, "file_bytes": stored });
    let mut answer = Answer { text, json, failure: None };
    tell(&mut answer, &notes(input, None)?);
    Ok(Some(answer))
}

/// What `verify` found of files of others.
#[derive(Default)]
struct Verified {
    tensors: usize,
    bytes: u64,
    /// Blocks that kernels decoded, too, and by which.
    blocks: Vec<String>,
}

/// Decodes all that files of others stand for, and compares it with an original; none, if these are not such files.
pub(super) fn verify(
    input: &Path,
    against: Option<&Path>,
    device: Device,
    executor: Option<&mut (dyn Executor + 'static)>,
) -> Result<Option<Answer>, Failure> {
    let Some(files) = files_of(input) else { return Ok(None) };
    let (mut verified, mut executor, mut failure) = (Verified::default(), executor, None);
    let originals = against.map(Originals::open).transpose()?;
    let bars = Bars::default();
    for path in &files {
        container::with_foreign(path, against, |source, foreign| {
            bars.start(&format!("decoding {}", path.display()), source.header().data_bytes());
            for record in &source.header().tensors {
                let decoded = source.bytes(record)?;
                if let Some(originals) = &originals {
                    originals.compare(path, record, &decoded)?;
                }
                verified.tensors += 1;
                verified.bytes += record.bytes();
                bars.advance(record.bytes());
            }
            if let (Some(foreign), Some(executor)) = (foreign, &mut executor) {
                failure = by_kernels(foreign, &mut **executor, &mut verified).err();
            }
            bars.finish();
            Ok(())
        })?;
        if let Some(failure) = failure {
            return Err(failure);
        }
    }
    let mut text = format!(
        "{}: {} tensors ({} bytes) decode on {device}",
        input.display(),
        verified.tensors,
        grouped(verified.bytes)
    );
    text += &match against {
        Some(against) => format!("; identical to {}\n", against.display()),
        None => "; the format has no checksums, so --against ORIGINAL says more\n".to_owned(),
    };
    for block in &verified.blocks {
        text += &format!("{}\n", printable(block));
    }
    let json = json!({
        "input": input.display().to_string(), "device": device.to_string(), "tensors": verified.tensors,
        "bytes": verified.bytes, "by_kernels": verified.blocks,
        "identical_to": against.map(|against| against.display().to_string()),
    });
    Ok(Some(Answer { text, json, failure: None }))
}

/// Decodes each block that is one of our schemes by the first strategy that can.
fn by_kernels(
    foreign: &Foreign<'_>,
    executor: &mut dyn Executor,
    verified: &mut Verified,
) -> Result<(), Failure> {
    for record in &foreign.header().tensors {
        let Some((block, 0)) = foreign.encoded(record) else { continue };
        let place = format!("{}: the block of tensor `{}`", foreign.path().display(), record.name);
        let suited = strategies_for(block.scheme.name()).find_map(|strategy| {
            let params = strategy.params(&[]).ok()?;
            strategy.kernel(&params, &Coding::of(block)).ok().map(|_| (strategy, params))
        });
        let Some((strategy, params)) = suited else {
            return Err(Failure::request(format!("{place} is decoded by no kernel; leave out --device")));
        };
        let wrong = |error: &dyn std::fmt::Display| Failure::data(format!("{place}: {error}"));
        let decoded = executor.decode(strategy, &params, block).map_err(|error| wrong(&error))?;
        let expected = block.decode().map_err(|error| wrong(&error))?;
        if decoded != expected {
            return Err(Failure::data(format!(
                "{place} differs by {} {params}; report this",
                strategy.name()
            )));
        }
        verified.blocks.push(format!("{place}: exact by {} {params}", strategy.name()));
    }
    Ok(())
}

/// The tensors of an original, which is not compressed.
struct Originals {
    path: PathBuf,
    files: Vec<MappedFile>,
    /// By name: the file, and what of it.
    tensors: HashMap<String, (usize, TensorRecord, u64)>,
}

impl Originals {
    fn open(path: &Path) -> Result<Self, Failure> {
        let entries = |path: &Path| -> Result<Vec<PathBuf>, Failure> {
            if !path.is_dir() {
                return Ok(vec![path.to_owned()]);
            }
            let listed = std::fs::read_dir(path)
                .map_err(|error| Failure::request(format!("{}: {error}", path.display())))?;
            let paths = listed.filter_map(|entry| Some(entry.ok()?.path()));
            Ok(paths.filter(|path| path.extension().is_some_and(|own| own == "safetensors")).collect())
        };
        let (mut files, mut tensors) = (Vec::new(), HashMap::new());
        for path in entries(path)? {
            let map = MappedFile::open(&path)?;
            let header = ecf8_core::header::Header::of_file(&map)
                .map_err(|source| ecf8_core::Error::Header { path, source })?;
            let start = header.data_start();
            tensors
                .extend(header.tensors.into_iter().map(|own| (own.name.clone(), (files.len(), own, start))));
            files.push(map);
        }
        Ok(Self { path: path.to_owned(), files, tensors })
    }

    fn compare(&self, path: &Path, record: &TensorRecord, found: &[u8]) -> Result<(), ecf8_core::Error> {
        let differs = |place: String| ecf8_core::Error::Differs {
            path: path.to_owned(),
            original: self.path.clone(),
            place,
        };
        let Some((file, own, start)) = self.tensors.get(&record.name) else {
            return Err(differs(format!("the original has no tensor `{}`", record.name)));
        };
        if (own.dtype, &own.shape) != (record.dtype, &record.shape) {
            return Err(differs(format!("tensor `{}` has another dtype or shape", record.name)));
        }
        let range = [own.begin, own.end].map(|at| usize::try_from(start + at).unwrap_or(usize::MAX));
        let theirs = self.files[*file].get(range[0]..range[1]).unwrap_or_default();
        if theirs == found {
            return Ok(());
        }
        let offset = found.iter().zip(theirs).take_while(|(a, b)| a == b).count();
        Err(differs(format!("tensor `{}`, from its byte {offset} on", record.name)))
    }
}
