//! A model's folder compressed by several processes, each of which takes a share of its files: a job array, for example.
//!
//! What is finished lies in a folder beside the output, its name and `.parts`. A share that is run again goes on where it was
//! interrupted. When all are there, [`merge`] compares them with the original and makes the output of them, which is what
//! [`compress`](super::compress) would have given.

use super::directory::{Compressing, Direction, transfer};
use super::folder::{Content, Folder, Found};
use super::look::dtypes;
use super::output::PendingFile;
use super::read::against::compare;
use super::{CompressOptions, CompressedFile, FileReport, Progress, Report};
use crate::error::{Error, IoContext, Result};
use std::cmp::Reverse;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Which of several processes one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    index: u32,
    count: u32,
}

impl FromStr for Share {
    type Err = String;

    /// From `I/N`: number I, counted from 0, of N.
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let numbers =
            text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        match numbers {
            Some((index, count)) if index < count => Ok(Self { index, count }),
            Some((_, 0)) => {
                Err("there are no shares to take; say I/N with N above 0, such as 0/16".to_owned())
            }
            Some((_, count)) => Err(format!("{count} shares are numbered from 0 to {}", count - 1)),
            None => Err("a share is I/N, number I of N counted from 0, such as 0/16".to_owned()),
        }
    }
}

impl Share {
    /// Its files of a folder, the largest first. Every process comes to the same division: each file in turn, from the largest
    /// to the smallest, goes to the share that has least so far.
    fn of(self, folder: &Folder) -> Vec<&Found> {
        let mut files: Vec<&Found> = folder.weights().collect();
        files.sort_by(|one, other| (Reverse(one.bytes), &one.name).cmp(&(Reverse(other.bytes), &other.name)));
        let mut loads = vec![0u64; self.count as usize];
        let mut own = Vec::new();
        for found in files {
            let least = (0..loads.len()).min_by_key(|share| loads[*share]).unwrap_or(0);
            // A byte more, so that empty files are shared out, too.
            loads[least] = loads[least].saturating_add(found.bytes.saturating_add(1));
            if least == self.index as usize {
                own.push(found);
            }
        }
        own
    }
}

/// Where finished parts of an output lie.
fn parts_of(output: &Path) -> PathBuf {
    let mut name = output.file_name().unwrap_or_default().to_owned();
    name.push(".parts");
    output.with_file_name(name)
}

/// Compresses a share of the files in the folder `input`, into a folder beside `output`. Files that are there already are left
/// as they are.
///
/// # Errors
/// Whatever is wrong with the input; or if a file is there already that is no container of its original. Then what was finished
/// before stays.
pub fn compress_share(
    input: &Path,
    output: &Path,
    share: Share,
    options: &CompressOptions,
    progress: &dyn Progress,
) -> Result<Report> {
    let folder = open(input, options)?;
    folder.tell(progress);
    let parts = parts_of(output);
    let options = CompressOptions { overwrite: false, for_transformers: false, ..*options };
    let mut report = Report::default();
    for Found { name, .. } in share.of(&folder) {
        let (from, to) = (folder.root.join(name), parts.join(name));
        let text = name.to_string_lossy().into_owned();
        if to.exists() {
            report.files.push(FileReport { name: text, ..finished(&to, &from)? });
            continue;
        }
        let parent = to.parent().unwrap_or(&parts);
        fs::create_dir_all(parent).at(parent, "make the folder")?;
        let own = super::compress(&from, &to, &options, progress)?;
        report.files.extend(own.files.into_iter().map(|file| FileReport { name: text.clone(), ..file }));
    }
    Ok(report)
}

/// Makes the folder `output` of the parts beside it, once they are all there: compares each with its file in `input`, byte for
/// byte, and copies the other files. The parts are removed when the output has its name.
///
/// # Errors
/// If a part is missing or is not what its original says, or as [`compress`](super::compress); then the parts stay.
pub fn merge(
    input: &Path,
    output: &Path,
    options: &CompressOptions,
    progress: &dyn Progress,
) -> Result<Report> {
    let folder = open(input, options)?;
    let parts = parts_of(output);
    if let Some(missing) = folder.weights().find(|found| !parts.join(&found.name).exists()) {
        return Err(Error::MissingPart { path: parts.join(&missing.name) });
    }
    let work = |from: &Path, pending: PendingFile| {
        let name = pending.target().strip_prefix(output).unwrap_or(pending.target());
        let part = parts.join(name);
        let report = finished(&part, from)?;
        compare(&CompressedFile::open(&part)?, from, progress)?;
        // The same file under another name, where the file system has that: nothing is read and written again.
        fs::remove_file(pending.path()).at(pending.target(), "write")?;
        let linked = fs::hard_link(&part, pending.path());
        linked.or_else(|_| fs::copy(&part, pending.path()).map(|_| ())).at(pending.target(), "write")?;
        Ok(report)
    };
    let report = transfer(&Merging { options }, &work, input, output, options.overwrite, progress)?;
    if fs::remove_dir_all(&parts).is_err() {
        progress.note(&format!("{} could not be removed; it is not needed any more", parts.display()));
    }
    Ok(report)
}

/// A folder whose files may be shared out.
fn open(input: &Path, options: &CompressOptions) -> Result<Folder> {
    if input.is_file() {
        return Err(Error::NoShares { path: input.to_owned() });
    }
    let folder = Folder::open(input, Content::Plain)?;
    Compressing { options }.check(&folder)?;
    folder.require_weights(input)?;
    Ok(folder)
}

/// What is known of a part that is there, if it is a container of this original, as far as headers tell.
pub(super) fn finished(part: &Path, original: &Path) -> Result<FileReport> {
    let file = CompressedFile::open(part)?;
    let input_bytes = fs::metadata(original).at(original, "examine")?.len();
    if file.original_bytes() != input_bytes {
        return Err(Error::Differs {
            path: part.to_owned(),
            original: original.to_owned(),
            place: "their lengths; remove it, and it is made again".to_owned(),
        });
    }
    let records: Vec<_> = file.kept().map(|kept| kept.record).collect();
    Ok(FileReport {
        name: String::new(),
        input_bytes,
        output_bytes: file.bytes(),
        compressed_tensors: file.tensors().len(),
        kept_tensors: records.len(),
        kept: dtypes::kept(records, None),
        lost: Vec::new(),
    })
}

/// As compressing, but of parts that are there and need no more room.
struct Merging<'a> {
    options: &'a CompressOptions,
}

impl Direction for Merging<'_> {
    const CONTENT: Content = Content::Plain;

    fn check(&self, folder: &Folder) -> Result<()> {
        Compressing { options: self.options }.check(folder)
    }

    fn changes(&self, folder: &Folder, name: &Path) -> Result<Option<super::folder::prepared::Changed>> {
        Compressing { options: self.options }.changes(folder, name)
    }

    fn most_bytes(&self, _from: &Path) -> Result<u64> {
        Ok(0)
    }
}
