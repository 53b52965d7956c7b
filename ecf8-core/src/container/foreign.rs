//! Files of others, made containers or what they were made from.

use super::directory::{Direction, transfer};
use super::folder::{Content, Folder};
use super::options::CompressOptions;
use super::output::PendingFile;
use super::progress::Progress;
use super::read::decompress::Writer;
use super::report::{FileReport, Report};
use super::write::compress::compress_to;
use super::write::large::Grouping;
use crate::error::{Error, IoContext, Result};
use crate::foreign::{Foreign, format_of};
use crate::header::LENGTH_BYTES;
use crate::map::MappedFile;
use crate::source::{MappedSource, Source, file_bytes};
use std::path::{Path, PathBuf};

/// The files of weights at `path`, a file or folder, if one of them has a format of others that is known.
///
/// # Errors
/// If they cannot be listed or read.
pub fn foreign_files(path: &Path) -> Result<Option<Vec<PathBuf>>> {
    let files = if path.is_dir() {
        let folder = Folder::open(path, Content::Plain)?;
        folder.weights().map(|found| folder.root.join(&found.name)).collect()
    } else {
        vec![path.to_owned()]
    };
    for file in &files {
        if format_of(&MappedFile::open(file)?).is_some() {
            return Ok(Some(files));
        }
    }
    Ok(None)
}

/// Gives a file as the tensors that it stands for to `work`: of a format of others, or plain safetensors, as files of a folder may be.
///
/// # Errors
/// Those of `work`, or whatever is wrong with the file; [`Error::Changed`] if it has changed meanwhile.
pub fn with_foreign<T>(
    path: &Path,
    like: Option<&Path>,
    work: impl FnOnce(&dyn Source, Option<&Foreign<'_>>) -> Result<T>,
) -> Result<T> {
    let map = MappedFile::open_settled(path)?;
    let worked = Foreign::open(&map, like).and_then(|foreign| match foreign {
        Some(foreign) => work(&foreign, Some(&foreign)),
        None => work(&MappedSource::new(&map)?, None),
    });
    let worked = map.or_changed(worked)?;
    map.check_unchanged()?;
    Ok(worked)
}

/// Makes containers of files of others: of one, or of all in a folder, whose other files are copied. Names and shapes that they lack
/// are those of `like`, a safetensors file or a folder of such.
///
/// # Errors
/// As [`compress`](super::compress); [`Error::NotForeign`] if no file has a format that is known.
pub fn import(
    input: &Path,
    like: Option<&Path>,
    output: &Path,
    options: &CompressOptions,
    progress: &dyn Progress,
) -> Result<Report> {
    require_foreign(input)?;
    let work = |from: &Path, pending| {
        with_foreign(from, like, |source, _| {
            compress_to(source, pending, options, Grouping::default(), progress)
        })
    };
    transfer(&Reading { like }, &work, input, output, options.overwrite, progress)
}

/// Writes what files of others stand for as plain safetensors, in the order in which the safetensors library would.
///
/// # Errors
/// As [`import`].
pub fn restore(
    input: &Path,
    like: Option<&Path>,
    output: &Path,
    overwrite: bool,
    progress: &dyn Progress,
) -> Result<Report> {
    require_foreign(input)?;
    let work =
        |from: &Path, pending| with_foreign(from, like, |source, _| write_plain(source, pending, progress));
    transfer(&Reading { like }, &work, input, output, overwrite, progress)
}

fn require_foreign(input: &Path) -> Result<()> {
    foreign_files(input)?.map(|_| ()).ok_or_else(|| Error::NotForeign { path: input.to_owned() })
}

/// Reading files of others.
struct Reading<'a> {
    like: Option<&'a Path>,
}

impl Direction for Reading<'_> {
    const CONTENT: Content = Content::Plain;

    fn check(&self, _folder: &Folder) -> Result<()> {
        Ok(())
    }

    fn most_bytes(&self, from: &Path) -> Result<u64> {
        with_foreign(from, self.like, |source, _| Ok(file_bytes(source)))
    }
}

/// Writes a source's tensors as the safetensors file that it stands for.
fn write_plain(source: &dyn Source, mut output: PendingFile, progress: &dyn Progress) -> Result<FileReport> {
    let header = source.header();
    progress.start(&format!("reading {}", source.path().display()), header.data_bytes());
    let mut writer = Writer::new(&mut output, source.json())?;
    for record in &header.tensors {
        progress.go_on(source.path())?;
        writer.put(&source.bytes(record)?)?;
        progress.advance(record.bytes());
    }
    writer.finish()?;
    source.check_unchanged()?;
    progress.finish();
    Ok(FileReport {
        name: String::new(),
        input_bytes: std::fs::metadata(source.path()).at(source.path(), "examine")?.len(),
        output_bytes: LENGTH_BYTES + header.length + header.data_bytes(),
        compressed_tensors: 0,
        kept_tensors: header.tensors.len(),
        kept: Vec::new(),
        lost: Vec::new(),
    })
}
