//! Files and folders of shards: every `.safetensors` file is worked on, every other file copied as it is.

use super::compress::compress_file;
use super::decompress::decompress_file;
use super::model::{list_files, require_shards};
use super::output::{self, PendingDir, PendingFile};
use super::progress::Progress;
use super::tuning_cache;
use crate::error::{Error, IoContext, Result};
use crate::layout::{Aim, Scheme};
use serde::Serialize;
use std::fs;
use std::path::Path;

/// How to compress.
#[derive(Debug, Clone, Copy, Default)]
pub struct CompressOptions {
    /// The scheme for all tensors of its float format. Without one, what they are compressed with is chosen.
    pub scheme: Option<&'static dyn Scheme>,
    /// What schemes are chosen for, and how their results are laid out.
    pub aim: Aim,
    /// The most codebooks in a file for each scheme, where the scheme [shares](Scheme::shares) them. Without a
    /// number, there are as few as cost less than 0.1 % of the codewords.
    pub codebooks: Option<usize>,
    /// The most bits of a codeword, as far as a scheme lets one choose ([`Scheme::code_bits`]).
    /// Without a number, each codebook has the best by its scheme's own judgement.
    pub code_bits: Option<u8>,
    /// Whether an existing output may be replaced.
    pub overwrite: bool,
}

/// What became of one `.safetensors` file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileReport {
    /// Its path within the folder, or its name.
    pub name: String,
    /// Bytes read.
    pub input_bytes: u64,
    /// Bytes written.
    pub output_bytes: u64,
    /// Tensors that are compressed in the container.
    pub compressed_tensors: usize,
    /// Tensors that are stored as they were.
    pub kept_tensors: usize,
}

/// What became of a file or folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The `.safetensors` files, by name.
    pub files: Vec<FileReport>,
    /// Other files, copied as they are, by name.
    pub copied: Vec<String>,
    /// Tuning caches, which were made beside the compressed weights and are not restored, by name.
    pub skipped: Vec<String>,
}

impl Report {
    /// Bytes of all `.safetensors` files read.
    #[must_use]
    pub fn input_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.input_bytes).sum()
    }

    /// Bytes of all `.safetensors` files written.
    #[must_use]
    pub fn output_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.output_bytes).sum()
    }
}

/// Compresses a `.safetensors` file, or all in a folder, into `output`, which appears only when whole.
///
/// # Errors
/// Whatever is wrong with the input or the output; then nothing is left behind. In a folder, one bad file fails all.
pub fn compress(
    input: &Path,
    output: &Path,
    options: &CompressOptions,
    progress: &dyn Progress,
) -> Result<Report> {
    transfer(input, output, options.overwrite, false, &|from, pending, overwrite| {
        compress_file(from, pending, &CompressOptions { overwrite, ..*options }, progress)
    })
}

/// Restores the file or folder that `input` was compressed from, byte for byte, into `output`, which appears only when
/// whole and checked.
///
/// A tuning cache beside a container of a folder, named after it, is taken to have been made there, by `ecf8 tune`, and is
/// not restored; [`Report::skipped`] names it.
///
/// # Errors
/// As [`compress`].
pub fn decompress(input: &Path, output: &Path, overwrite: bool, progress: &dyn Progress) -> Result<Report> {
    transfer(input, output, overwrite, true, &|from, pending, overwrite| {
        decompress_file(from, pending, overwrite, progress)
    })
}

type Work<'a> = &'a dyn Fn(&Path, PendingFile, bool) -> Result<FileReport>;

fn transfer(
    input: &Path,
    output: &Path,
    overwrite: bool,
    skips_tuning_caches: bool,
    work: Work<'_>,
) -> Result<Report> {
    output::check(input, output, overwrite)?;
    if !input.is_dir() {
        let report = work(input, PendingFile::create(output)?, overwrite)?;
        let name = input.file_name().unwrap_or_default().to_string_lossy().into_owned();
        return Ok(Report { files: vec![FileReport { name, ..report }], ..Report::default() });
    }
    let names = list_files(input)?;
    require_shards(input, &names)?;
    if !names.iter().any(|name| is_safetensors(name)) {
        return Err(Error::NoModel { path: input.to_owned() });
    }
    let pending = PendingDir::create(output)?;
    let mut report = Report::default();
    for name in &names {
        if skips_tuning_caches && tuning_cache::is_beside_containers(input, name, &names) {
            report.skipped.push(name.to_string_lossy().into_owned());
            continue;
        }
        let (from, to) = (input.join(name), pending.path().join(name));
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent).at(parent, "make the folder")?;
        }
        let name = name.to_string_lossy().into_owned();
        if is_safetensors(&from) {
            report.files.push(FileReport { name, ..work(&from, PendingFile::create(&to)?, false)? });
        } else {
            fs::copy(&from, &to).at(&from, "copy")?;
            report.copied.push(name);
        }
    }
    pending.finish(overwrite)?;
    Ok(report)
}

/// Whether a file is taken to be safetensors: by its name alone.
pub(super) fn is_safetensors(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "safetensors")
}
