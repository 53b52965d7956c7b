//! Models written as others read them: a file for each block, one for the tensors that are kept, the configuration, and copies of
//! what else the model has.

use super::folder::{Content, Folder, copy_file};
use super::output::{Mode, PendingOutput, Target, clear_stale};
use super::progress::Progress;
use super::read::source::ContainerSource;
use super::read::{CompressedFile, is_container};
use super::tuning_cache;
use crate::error::{Error, IoContext, Result};
use crate::foreign::Foreign;
use crate::foreign::export::{ExportFormat, PlannedBlock, Stored, blocks, file_start, format, patterns};
use crate::header::{Entry, TensorRecord};
use crate::int;
use crate::layout::DecodeError;
use crate::layout::memory::with_room;
use crate::map::MappedFile;
use crate::source::{MappedSource, Source, file_bytes};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The configuration of a model.
const CONFIG: &str = "config.json";

/// The file of what is kept.
const KEPT: &str = "model.safetensors";

/// What was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Exported {
    /// Blocks that are coded.
    pub blocks: usize,
    /// Tensors in them.
    pub coded_tensors: usize,
    /// Tensors that are stored as they were.
    pub kept_tensors: usize,
    /// Bytes of the files of weights that were read, not compressed.
    pub input_bytes: u64,
    /// Bytes of the files of weights that were written.
    pub output_bytes: u64,
    /// Other files that were copied, by name.
    pub copied: Vec<String>,
    /// Blocks that the format cannot have, a sentence each.
    pub refused: Vec<String>,
}

/// Writes a model, a file or a folder, compressed by ecf8 or not, into the folder `output` in a format of
/// [others](crate::foreign::export::names).
///
/// # Errors
/// [`Error::NothingToExport`] if it has no weights that the format is for; or whatever is wrong with the input or the output, of
/// which then nothing is left behind.
pub fn export(
    input: &Path,
    output: &Path,
    format_name: &str,
    overwrite: bool,
    progress: &dyn Progress,
) -> Result<Exported> {
    let Some(format) = format(format_name) else {
        return Err(Error::NothingToExport {
            path: input.to_owned(),
            why: format!("no format is called {format_name}"),
        });
    };
    let target = Target::check(input, output, overwrite)?;
    clear_stale(&target, progress);
    let is_compressed = is_container(input)?;
    let content = if is_compressed { Content::Compressed } else { Content::Plain };
    let folder = input.is_dir().then(|| Folder::open(input, content)).transpose()?;
    let paths: Vec<PathBuf> = match &folder {
        Some(folder) => folder.weights().map(|found| folder.root.join(&found.name)).collect(),
        None => vec![input.to_owned()],
    };
    let opened = paths.iter().map(|path| Opened::open(path)).collect::<Result<Vec<_>>>()?;
    let sources = opened.iter().map(Opened::source).collect::<Result<Vec<_>>>()?;
    let tensors: Vec<(&dyn Source, &TensorRecord)> = sources
        .iter()
        .flat_map(|source| source.header().tensors.iter().map(|record| (&**source, record)))
        .collect();
    let records: Vec<&TensorRecord> = tensors.iter().map(|(_, record)| *record).collect();
    let planned = blocks(&records, format.dtype());
    if planned.is_empty() {
        let why = format!(
            "it has no weights of {} with two dimensions, whose names end in .weight, which format {format_name} is for",
            format.dtype()
        );
        return Err(Error::NothingToExport { path: input.to_owned(), why });
    }
    let input_bytes = sources.iter().map(|source| file_bytes(&**source)).fold(0, u64::saturating_add);
    target.require_room(input_bytes)?;
    // Who may list the folder that the model is, or lies in, may list this one.
    let likeness = if input.is_dir() {
        input
    } else {
        input.parent().filter(|own| own.is_dir()).unwrap_or(Path::new("."))
    };
    let pending = PendingOutput::folder(target, Mode::like(likeness).at(input, "examine")?)?;
    let export = Export { format, tensors, pending: &pending, like: &paths[0] };
    let mut exported = Exported { input_bytes, ..Exported::default() };
    export.weights(planned, &mut exported, progress, input)?;
    if let Some(folder) = &folder {
        export.copy_others(folder, &mut exported)?;
    }
    sources.iter().try_for_each(|source| source.check_unchanged())?;
    pending.finish()?;
    Ok(exported)
}

/// A file that is read.
enum Opened {
    Container(Box<CompressedFile>),
    Other(Box<MappedFile>),
}

impl Opened {
    fn open(path: &Path) -> Result<Self> {
        if is_container(path)? {
            let file = CompressedFile::open(path)?;
            file.require_no_base()?;
            return Ok(Self::Container(Box::new(file)));
        }
        MappedFile::open_settled(path).map(Box::new).map(Self::Other)
    }

    fn source(&self) -> Result<Box<dyn Source + '_>> {
        match self {
            Self::Container(file) => Ok(Box::new(ContainerSource::new(file)?)),
            Self::Other(map) => Ok(match Foreign::open(map, None)? {
                Some(foreign) => Box::new(foreign),
                None => Box::new(MappedSource::new(map)?),
            }),
        }
    }
}

struct Export<'a> {
    format: &'static dyn ExportFormat,
    tensors: Vec<(&'a dyn Source, &'a TensorRecord)>,
    pending: &'a PendingOutput,
    /// A file whose permissions those have that are written.
    like: &'a Path,
}

impl Export<'_> {
    fn weights(
        &self,
        planned: Vec<PlannedBlock>,
        exported: &mut Exported,
        progress: &dyn Progress,
        input: &Path,
    ) -> Result<()> {
        let bytes = self.tensors.iter().map(|(_, record)| record.bytes()).fold(0, u64::saturating_add);
        progress.start(&format!("exporting {}", input.display()), bytes);
        let mut coded = vec![false; self.tensors.len()];
        let (mut done, mut names) = (Vec::new(), BTreeSet::from([KEPT.to_owned()]));
        for block in planned {
            progress.go_on(input)?;
            let mut refuse =
                |why: &str| exported.refused.push(format!("block `{}` is kept as it is: {why}", block.name));
            let name = self.format.file_name(&block.name);
            if !is_file_name(&name) || !names.insert(name.clone()) {
                refuse("its name is none for a file, or that of another one");
                continue;
            }
            let (bytes, ends) = self.read(&block)?;
            match self.format.encode(&block.name, &bytes, &ends) {
                Err(why) => refuse(&why),
                Ok(mut parts) => {
                    exported.output_bytes += self.write(&name, &mut parts)?;
                    block.tensors.iter().for_each(|place| coded[*place] = true);
                    progress.advance(bytes.len() as u64);
                    done.push(block);
                }
            }
        }
        exported.blocks = done.len();
        exported.coded_tensors = coded.iter().filter(|is_coded| **is_coded).count();
        exported.kept_tensors = self.tensors.len() - exported.coded_tensors;
        let kept: Vec<_> = self
            .tensors
            .iter()
            .zip(&coded)
            .filter(|(_, is_coded)| !**is_coded)
            .map(|(own, _)| *own)
            .collect();
        if !kept.is_empty() {
            exported.output_bytes += self.write_kept(kept, progress)?;
        }
        self.configure(input, &patterns(&done))?;
        progress.finish();
        Ok(())
    }

    /// The weights of a block, one after the other, and the elements up to the end of each.
    fn read(&self, block: &PlannedBlock) -> Result<(Vec<u8>, Vec<u64>)> {
        let all: u64 = block.tensors.iter().map(|place| self.tensors[*place].1.bytes()).sum();
        let (source, _) = self.tensors[block.tensors[0]];
        let room = with_room(int::index(all)).map_err(DecodeError::from);
        let mut bytes =
            room.map_err(|error| Error::of_decoding(source.path().to_owned(), block.name.clone(), error))?;
        let width = self.format.dtype().bitsize() as u64 / 8;
        let mut ends = Vec::new();
        for place in &block.tensors {
            let (source, record) = self.tensors[*place];
            bytes.extend_from_slice(&source.bytes(record)?);
            ends.push(bytes.len() as u64 / width);
        }
        Ok((bytes, ends))
    }

    /// Writes a file of tensors in memory; gives its length.
    fn write(&self, name: &str, parts: &mut [Stored]) -> Result<u64> {
        let mut output = self.pending.create_file(Path::new(name), self.like)?;
        let target = output.target().to_owned();
        let start = file_start(&target, &[], parts, |part| Entry {
            name: part.name.clone(),
            dtype: part.dtype,
            shape: part.shape.clone(),
            bytes: part.bytes.len() as u64,
        })?;
        let mut written = 0;
        for bytes in std::iter::once(&start).chain(parts.iter().map(|part| &part.bytes)) {
            output.file().write_all(bytes).at(&target, "write")?;
            written += bytes.len() as u64;
        }
        Ok(written)
    }

    /// Writes the tensors that are kept into one file; gives its length.
    fn write_kept(
        &self,
        mut kept: Vec<(&dyn Source, &TensorRecord)>,
        progress: &dyn Progress,
    ) -> Result<u64> {
        let mut output = self.pending.create_file(Path::new(KEPT), self.like)?;
        let target = output.target().to_owned();
        let metadata = [("format".to_owned(), "pt".to_owned())];
        let start = file_start(&target, &metadata, &mut kept, |(_, record)| Entry {
            name: record.name.clone(),
            dtype: record.dtype,
            shape: record.shape.clone(),
            bytes: record.bytes(),
        })?;
        output.file().write_all(&start).at(&target, "write")?;
        let mut written = start.len() as u64;
        for (source, record) in kept {
            progress.go_on(source.path())?;
            output.file().write_all(&source.bytes(record)?).at(&target, "write")?;
            written += record.bytes();
            progress.advance(record.bytes());
        }
        Ok(written)
    }

    /// Writes how runtimes find the blocks: into the model's configuration, and beside it.
    fn configure(&self, input: &Path, patterns: &Map<String, Value>) -> Result<()> {
        let (key, value) = self.format.config(patterns);
        let own = input.join(CONFIG);
        let config = if input.is_dir() && own.is_file() { Some(model_config(&own)?) } else { None };
        match (config, self.format.config_file()) {
            (None, Some(name)) => self.write_json(name, &value)?,
            (config, _) => {
                let mut config = config.unwrap_or_default();
                let _ = config.insert(key.to_owned(), value);
                self.write_json(CONFIG, &Value::Object(config))?;
            }
        }
        self.format.beside(patterns).map_or(Ok(()), |(name, value)| self.write_json(name, &value))
    }

    fn write_json(&self, name: &str, value: &Value) -> Result<()> {
        let mut output = self.pending.create_file(Path::new(name), self.like)?;
        let target = output.target().to_owned();
        let text = format!("{value:#}\n");
        output.file().write_all(text.as_bytes()).at(&target, "write")
    }

    /// Copies a folder's other files, but those that are about files of weights which the output does not have.
    fn copy_others(&self, folder: &Folder, exported: &mut Exported) -> Result<()> {
        for found in folder.others() {
            let name = &found.name;
            let text = name.to_string_lossy();
            let is_index = text.ends_with(".safetensors.index.json");
            if is_index || name == Path::new(CONFIG) || tuning_cache::has_name(name) {
                continue;
            }
            let from = folder.root.join(name);
            if let Some(parent) = name.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                self.create_folders(folder, parent)?;
            }
            let _ = copy_file(&from, name, Some(self.pending.create_file(name, &from)?))?;
            exported.copied.push(text.into_owned());
        }
        Ok(())
    }

    fn create_folders(&self, folder: &Folder, path: &Path) -> Result<()> {
        super::directory::create_parents(folder, &path.join("any"), self.pending)
    }
}

/// Whether a name, which is made of that of a tensor, is one of a file in a folder, and not hidden.
fn is_file_name(name: &str) -> bool {
    !name.starts_with('.') && !name.contains(['/', '\\', ':', '\0'])
}

/// The configuration that a model had before it was made to name ecf8.
fn model_config(path: &Path) -> Result<Map<String, Value>> {
    let bad = |why: String| Error::Config { path: path.to_owned(), why };
    let text = std::fs::read(path).at(path, "read")?;
    let object = |bytes: &[u8]| serde_json::from_slice::<Map<String, Value>>(bytes);
    let config = object(&text).map_err(|error| bad(format!("it is no JSON object: {error}")))?;
    let wrapped = config.get("quantization_config").filter(|own| own["quant_method"] == "ecf8");
    match wrapped.and_then(|own| own["original_config"].as_str()) {
        Some(original) => object(original.as_bytes())
            .map_err(|error| bad(format!("its original_config is no JSON object: {error}"))),
        None => Ok(config),
    }
}
