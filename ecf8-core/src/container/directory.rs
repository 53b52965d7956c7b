//! Files and folders of shards: every `.safetensors` file is worked on, every other file copied as it is.

use super::CompressedFile;
use super::FORMAT_VERSION;
use super::delta::{self, Base, Restored, Siblings};
use super::folder::prepared::{self, Changed};
use super::folder::{Content, Copied, FileList, Folder, Found, MissingShard, copy_file};
use super::look::model::require_unchanged;
use super::options::CompressOptions;
use super::output::{Left, Mode, PendingFile, PendingOutput, Target, clear_stale};
use super::progress::Progress;
use super::read::against::compare;
use super::read::decompress::decompress_file;
use super::read::salvage::salvage_file;
use super::report::{FileReport, Report};
use super::shares::finished;
use super::tuning_cache;
use super::write::compress::compress_file;
use crate::error::{Error, IoContext, Result};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Compresses a `.safetensors` file, or all in a folder, into `output`, which appears only when whole.
///
/// A folder's output also has a list of the files that were copied, `ecf8.files.json`, with their checksums.
///
/// # Errors
/// Whatever is wrong with the input or the output; then nothing is left behind. In a folder, one bad file fails all.
pub fn compress(
    input: &Path,
    output: &Path,
    options: &CompressOptions,
    progress: &dyn Progress,
) -> Result<Report> {
    if options.for_transformers && input.is_file() {
        let why = "it is one file, and frameworks load folders".to_owned();
        return Err(Error::Config { path: input.to_owned(), why });
    }
    let work = |from: &Path, pending| compress_file(from, pending, options, progress);
    transfer(&Compressing { options }, &work, input, output, options.overwrite, progress)
}

/// As [`compress`], where what `base` has is not stored again: an earlier state of the same model, or one that it was made from.
/// Restoring takes [`decompress_beside`] and the same base.
///
/// # Errors
/// As [`compress`]; [`Error::NothingInCommon`] if the base has no tensor that any of these could be told from.
pub fn compress_against(
    input: &Path,
    output: &Path,
    base: &Base,
    options: &CompressOptions,
    progress: &dyn Progress,
) -> Result<Report> {
    base.require_apart(output)?;
    let root = if input.is_dir() { Folder::open(input, Content::Plain)?.root } else { input.to_owned() };
    let siblings = Siblings::default();
    let work = |from: &Path, pending| {
        let name = from.strip_prefix(&root).ok().filter(|name| !name.as_os_str().is_empty());
        let name = name.unwrap_or_else(|| Path::new(from.file_name().unwrap_or_default()));
        delta::compress_file((from, name), (base, &siblings), pending, options, progress)
    };
    let direction = Comparing { compressing: Compressing { options }, input, base };
    transfer(&direction, &work, input, output, options.overwrite, progress)
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
    let work = |from: &Path, pending| decompress_file(from, pending, progress);
    transfer(&Decompressing, &work, input, output, overwrite, progress)
}

/// As [`decompress`], of what was compressed as its difference from `base`.
///
/// # Errors
/// As [`decompress`]; [`Error::WrongBase`] if this is another base, [`Error::NoDelta`] if the input needs none.
pub fn decompress_beside(
    input: &Path,
    output: &Path,
    base: &Arc<Base>,
    overwrite: bool,
    progress: &dyn Progress,
) -> Result<Report> {
    base.require_apart(output)?;
    let work = |from: &Path, pending| delta::decompress_file(from, base, pending, progress);
    transfer(&Restoring { base }, &work, input, output, overwrite, progress)
}

/// As [`decompress`], of what may be damaged: tensors that are, and files that are or are missing, are left out, and the report
/// names them. Everything else is right, byte for byte; if nothing is left out, all is ([`Report::is_whole`]).
///
/// # Errors
/// As [`decompress`] for what is wrong with the output; [`Error::BeyondRepair`] or [`Error::NothingGood`] if nothing can be
/// saved.
pub fn decompress_partial(
    input: &Path,
    output: &Path,
    overwrite: bool,
    progress: &dyn Progress,
) -> Result<Report> {
    let work = |from: &Path, pending| salvage_file(from, pending, progress);
    transfer(&Salvaging, &work, input, output, overwrite, progress)
}

/// What differs between the two directions, for folders.
pub(super) trait Direction {
    /// What the input is.
    const CONTENT: Content;

    /// Checks a folder, as far as that can be done without reading its weights.
    fn check(&self, folder: &Folder) -> Result<()>;

    /// Checks the files of weights together.
    fn check_weights(&self, _weights: &[PathBuf]) -> Result<()> {
        Ok(())
    }

    /// Checks the header of a file of weights; gives the bytes of its result, or about as many as that has at most.
    fn most_bytes(&self, from: &Path) -> Result<u64>;

    /// What the result is likely to have, where that takes longer to find out.
    fn predicted_bytes(&self, from: &Path) -> Result<u64> {
        self.most_bytes(from)
    }

    /// What says by which command a folder is made, if what a killed run of it has finished may be taken over.
    fn command(&self, _input: &Path) -> Option<String> {
        None
    }

    /// What a file becomes that is neither weights nor copied as it is.
    fn changes(&self, _folder: &Folder, _name: &Path) -> Result<Option<Changed>> {
        Ok(None)
    }

    /// Whether a file is left out of the output.
    fn leaves_out(&self, _folder: &Folder, _name: &Path) -> bool {
        false
    }

    /// Lists a folder; gives also what is wrong with it and is to be told in the end.
    fn open(&self, path: &Path) -> Result<(Folder, Vec<Error>)> {
        Folder::open(path, Self::CONTENT).map(|folder| (folder, Vec::new()))
    }

    /// Whether a file of which this is wrong is left out, and the others are worked on.
    fn goes_on_after(&self, _error: &Error) -> bool {
        false
    }
}

pub(super) struct Compressing<'a> {
    pub(super) options: &'a CompressOptions,
}

impl Direction for Compressing<'_> {
    const CONTENT: Content = Content::Plain;

    fn command(&self, input: &Path) -> Option<String> {
        let CompressOptions {
            scheme,
            aim,
            codebooks,
            code_bits,
            overwrite: _,
            allow_missing_shards,
            for_transformers,
        } = self.options;
        let scheme = scheme.map(|scheme| scheme.name());
        let version = env!("CARGO_PKG_VERSION");
        let input = input.canonicalize().ok()?;
        Some(format!(
            "{version} {FORMAT_VERSION} {input:?} {scheme:?} {aim:?} {codebooks:?} {code_bits:?} {allow_missing_shards} {for_transformers}"
        ))
    }

    fn check(&self, folder: &Folder) -> Result<()> {
        if self.options.for_transformers {
            // Before hours of work.
            prepared::prepare(&folder.root.join(prepared::NAME), Path::new(prepared::NAME))?;
        }
        if self.options.allow_missing_shards { Ok(()) } else { folder.require_shards() }
    }

    fn changes(&self, folder: &Folder, name: &Path) -> Result<Option<Changed>> {
        let is_meant = self.options.for_transformers && name == Path::new(prepared::NAME);
        is_meant.then(|| prepared::prepare(&folder.root.join(name), name)).transpose()
    }

    fn most_bytes(&self, from: &Path) -> Result<u64> {
        super::write::compress::plain_bytes(from)
    }

    fn predicted_bytes(&self, from: &Path) -> Result<u64> {
        super::write::estimate::predicted_bytes(from, self.options)
    }
}

/// Compressing what is told from a base.
struct Comparing<'a> {
    compressing: Compressing<'a>,
    input: &'a Path,
    base: &'a Base,
}

impl Direction for Comparing<'_> {
    const CONTENT: Content = Content::Plain;

    fn check(&self, folder: &Folder) -> Result<()> {
        self.compressing.check(folder)
    }

    fn changes(&self, folder: &Folder, name: &Path) -> Result<Option<Changed>> {
        self.compressing.changes(folder, name)
    }

    fn most_bytes(&self, from: &Path) -> Result<u64> {
        self.compressing.most_bytes(from)
    }

    fn check_weights(&self, weights: &[PathBuf]) -> Result<()> {
        self.base.require_common(self.input, weights)
    }
}

/// Restoring what was told from a base.
struct Restoring<'a> {
    base: &'a Arc<Base>,
}

impl Direction for Restoring<'_> {
    const CONTENT: Content = Content::Compressed;

    fn check(&self, folder: &Folder) -> Result<()> {
        Decompressing.check(folder)
    }

    fn changes(&self, folder: &Folder, name: &Path) -> Result<Option<Changed>> {
        Decompressing.changes(folder, name)
    }

    fn leaves_out(&self, folder: &Folder, name: &Path) -> bool {
        Decompressing.leaves_out(folder, name)
    }

    fn most_bytes(&self, from: &Path) -> Result<u64> {
        Ok(Restored::new(CompressedFile::open(from)?, self.base.clone())?.original_bytes())
    }
}

/// Decompressing what may be damaged.
struct Salvaging;

impl Direction for Salvaging {
    const CONTENT: Content = Decompressing::CONTENT;

    fn check(&self, _folder: &Folder) -> Result<()> {
        Ok(())
    }

    fn most_bytes(&self, from: &Path) -> Result<u64> {
        // Of what cannot be read, nothing is written.
        Ok(CompressedFile::open_damaged(from).map_or(0, |file| most_restored(&file)))
    }

    fn changes(&self, folder: &Folder, name: &Path) -> Result<Option<Changed>> {
        Decompressing.changes(folder, name)
    }

    fn leaves_out(&self, folder: &Folder, name: &Path) -> bool {
        Decompressing.leaves_out(folder, name)
    }

    fn open(&self, path: &Path) -> Result<(Folder, Vec<Error>)> {
        Folder::open_damaged(path)
    }

    fn goes_on_after(&self, error: &Error) -> bool {
        error.is_lasting_damage()
    }
}

struct Decompressing;

/// The most bytes that a container's original has. One that claims more is refused for that when it is decoded: every number
/// takes a bit at least, and has eight bytes at most.
fn most_restored(file: &CompressedFile) -> u64 {
    const MOST: u64 = 64;
    file.original_bytes().min(file.bytes().saturating_mul(MOST))
}

impl Direction for Decompressing {
    const CONTENT: Content = Content::Compressed;

    fn check(&self, folder: &Folder) -> Result<()> {
        folder.require_shards()?;
        folder.require_listed()
    }

    fn most_bytes(&self, from: &Path) -> Result<u64> {
        let file = CompressedFile::open(from)?;
        file.require_no_base()?;
        Ok(most_restored(&file))
    }

    fn changes(&self, folder: &Folder, name: &Path) -> Result<Option<Changed>> {
        let expected = folder.list.as_ref().and_then(|list| list.copied(name));
        expected.map_or(Ok(None), |expected| prepared::original(&folder.root.join(name), expected))
    }

    fn leaves_out(&self, folder: &Folder, name: &Path) -> bool {
        if folder.list.as_ref().is_some_and(|list| list.has(name)) {
            return false;
        }
        let names: Vec<PathBuf> = folder.files.iter().map(|found| found.name.clone()).collect();
        tuning_cache::is_beside_containers(&folder.root, name, &names)
    }
}

/// Makes a file's result.
type Work<'a> = &'a dyn Fn(&Path, PendingFile) -> Result<FileReport>;

/// Works on a file, or on all in a folder; the output appears only when whole.
pub(super) fn transfer<D: Direction>(
    direction: &D,
    work: Work<'_>,
    input: &Path,
    output: &Path,
    overwrite: bool,
    progress: &dyn Progress,
) -> Result<Report> {
    let target = Target::check(input, output, overwrite)?;
    let command = direction.command(input);
    let mut left = Left::by(command.as_deref(), &target, progress);
    clear_stale(&target, progress);
    if !input.is_dir() {
        direction.check_weights(&[input.to_owned()])?;
        require_room(direction, &target, &[input.to_owned()], (0, left.bytes()))?;
        let mode = Mode::like(input).at(input, "examine")?;
        let (pending, file) = PendingOutput::begin(left.take(), target, mode, command)?;
        let report = work(input, file)?;
        pending.finish()?;
        let name = input.file_name().unwrap_or_default().to_string_lossy().into_owned();
        return Ok(Report { files: vec![FileReport { name, ..report }], ..Report::default() });
    }
    let (folder, problems) = direction.open(input)?;
    direction.check(&folder)?;
    folder.require_weights(input)?;
    folder.tell(progress);
    let others = folder.others().map(|found| found.bytes).fold(0, u64::saturating_add);
    let weights: Vec<PathBuf> = folder.weights().map(|found| folder.root.join(&found.name)).collect();
    direction.check_weights(&weights)?;
    require_room(direction, &target, &weights, (others, left.bytes()))?;
    let mut pending = PendingOutput::folder(target, Mode::like(input).at(input, "examine")?)?;
    command.iter().try_for_each(|command| pending.note_command(command))?;
    let mut report = transfer_folder(direction, work, &folder, &pending, &Resumed { left, progress })?;
    report.lost.extend(problems.iter().map(Error::to_string));
    if !report.lost.is_empty() && report.files.is_empty() {
        return Err(Error::NothingGood { path: input.to_owned(), what: "files" });
    }
    pending.finish()?;
    Ok(report)
}

/// Refuses an output for which its disk has no room: the results of files of weights, and `others` bytes besides, of which the disk
/// has `there` already.
fn require_room<D: Direction>(
    direction: &D,
    target: &Target,
    weights: &[PathBuf],
    (others, there): (u64, u64),
) -> Result<()> {
    let sum = |bytes: &dyn Fn(&Path) -> Result<u64>| {
        let all = weights.iter().try_fold(others, |sum: u64, from| Ok(sum.saturating_add(bytes(from)?)));
        all.map(|all: u64| all.saturating_sub(there))
    };
    // Mostly there is room for more than enough, and nothing needs to be predicted.
    if target.require_room(sum(&|from| direction.most_bytes(from))?).is_ok() {
        return Ok(());
    }
    target.require_room(sum(&|from| direction.predicted_bytes(from))?)
}

/// What killed runs have finished, to be taken over.
struct Resumed<'a> {
    left: Left,
    progress: &'a dyn Progress,
}

impl Resumed<'_> {
    /// Takes over the file `name`, if it is there and restores `from` byte for byte; what is not whole does not.
    fn take(&self, from: &Path, name: &Path, pending: &PendingOutput) -> Result<Option<FileReport>> {
        for path in self.left.files(name) {
            let compared = CompressedFile::open(&path).and_then(|file| {
                compare(&file, from, self.progress)?;
                finished(&path, from)
            });
            match compared {
                Ok(report) => {
                    pending.take_file(&path, name)?;
                    self.progress.note(&format!("{}: an interrupted run had finished it", name.display()));
                    return Ok(Some(report));
                }
                Err(error) if error.is_of_bytes() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

fn transfer_folder<D: Direction>(
    direction: &D,
    work: Work<'_>,
    folder: &Folder,
    pending: &PendingOutput,
    resumed: &Resumed<'_>,
) -> Result<Report> {
    let mut report = Report::default();
    let mut list = FileList::for_folder(&folder.files);
    let likeness = folder.weights().next().map_or(&folder.root, |found| &found.name);
    for found in &folder.files {
        let name = &found.name;
        let text = name.to_string_lossy().into_owned();
        if direction.leaves_out(folder, name) {
            report.skipped.push(text);
            continue;
        }
        create_parents(folder, name, pending)?;
        match transfer_one(direction, work, folder, found, pending, resumed) {
            Ok(Done::File(file)) => {
                report.files.push(FileReport { name: text, ..file });
                list.containers.push(name.clone());
            }
            Ok(Done::Copy { copied, is_checked }) => {
                if D::CONTENT == Content::Compressed && !is_checked {
                    report.unchecked.push(text.clone());
                }
                report.copied.push(text);
                report.copied_bytes += copied.bytes;
                list.files.push(copied);
            }
            Err(error) if direction.goes_on_after(&error) => {
                pending.remove_file(name)?;
                report.lost.push(error.to_string());
            }
            Err(error) => return Err(error),
        }
    }
    let listed = folder.list.iter().flat_map(|list| &list.empty_folders);
    for name in folder.empty_folders.iter().chain(listed) {
        create_parents(folder, name, pending)?;
        let original = folder.root.join(name);
        pending.create_folder(name, if original.is_dir() { &original } else { &folder.root })?;
    }
    if D::CONTENT == Content::Plain {
        list.empty_folders.clone_from(&folder.empty_folders);
        list.absent = folder.missing.iter().filter_map(MissingShard::path).collect();
        list.write(pending.create_file(list.name(), &folder.root.join(likeness))?)?;
    }
    Ok(report)
}

/// What became of a file of a folder.
enum Done {
    File(FileReport),
    Copy {
        copied: Copied,
        /// Whether it has the bytes that it should have.
        is_checked: bool,
    },
}

fn transfer_one<D: Direction>(
    direction: &D,
    work: Work<'_>,
    folder: &Folder,
    Found { name, is_weights, .. }: &Found,
    pending: &PendingOutput,
    resumed: &Resumed<'_>,
) -> Result<Done> {
    let from = folder.root.join(name);
    if *is_weights && let Some(report) = resumed.take(&from, name, pending)? {
        return Ok(Done::File(report));
    }
    if *is_weights {
        let to = pending.begin_file(resumed.left.begun(name), name, &from)?;
        return work(&from, to).map(Done::File);
    }
    let mut to = pending.create_file(name, &from)?;
    let copied = match direction.changes(folder, name)? {
        Some(Changed { bytes, entry }) => {
            to.file().write_all(&bytes).at(&from, "copy")?;
            entry
        }
        None => copy_file(&from, name, Some(to))?,
    };
    let expected = folder.list.as_ref().and_then(|list| list.copied(name));
    if let Some(expected) = expected {
        require_unchanged(&from, &copied, expected)?;
    }
    Ok(Done::Copy { copied, is_checked: expected.is_some() })
}

/// Makes the folders that `name` lies in, each like the one that it is in the input.
pub(super) fn create_parents(folder: &Folder, name: &Path, pending: &PendingOutput) -> Result<()> {
    let parents: Vec<&Path> = name.ancestors().skip(1).filter(|path| !path.as_os_str().is_empty()).collect();
    parents.into_iter().rev().try_for_each(|parent| {
        let original = folder.root.join(parent);
        pending.create_folder(parent, if original.is_dir() { &original } else { &folder.root })
    })
}
