//! A delta and its base as the file that the delta was made of.

use super::base::{Base, Place};
use super::description::{Change, Description, Elsewhere, TensorEntry};
use crate::checksum::{checksum, from_hex};
use crate::container::batch::batches;
use crate::container::output::PendingFile;
use crate::container::read::decompress;
use crate::container::report::FileReport;
use crate::container::{BATCH_BYTES, CompressedFile, CompressedModel, Progress};
use crate::error::{Error, Result};
use crate::header::{Header, LENGTH_BYTES, TensorRecord};
use crate::int;
use crate::map::MappedFile;
use crate::source::DeltaMark;
use crate::transform::{Form, Stream, Transform, width_of};
use rayon::prelude::*;
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// That a container holds a delta, and what it was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseNeeded {
    /// The container.
    pub path: PathBuf,
    /// What its base was called.
    pub name: String,
    /// The base's checksum, 16 hexadecimal digits: of all of its tensors that are needed.
    pub checksum: String,
}

impl BaseNeeded {
    pub(in crate::container) fn into_error(self) -> Error {
        let named = named(&self.name, &self.checksum);
        Error::NeedsBase { path: self.path, named }
    }
}

/// A base as messages call it.
fn named(name: &str, checksum: &str) -> String {
    format!("{name} (checksum {checksum})")
}

impl CompressedFile {
    /// What the base is, if this holds the difference from one.
    #[must_use]
    pub fn base_needed(&self) -> Option<BaseNeeded> {
        let needed = |mark: &DeltaMark| BaseNeeded {
            path: self.path().to_owned(),
            name: mark.base.clone(),
            checksum: mark.checksum.clone(),
        };
        self.delta.as_ref().map(needed)
    }

    /// Refuses what is the difference from a base: its tensors are of no use without that.
    ///
    /// # Errors
    /// [`Error::NeedsBase`] if it is.
    pub fn require_no_base(&self) -> Result<()> {
        self.base_needed().map_or(Ok(()), |needed| Err(needed.into_error()))
    }
}

/// What tells a tensor of a model that is a difference from a base.
#[derive(Debug, Clone)]
pub struct ToldTensor {
    /// Its name.
    pub name: String,
    /// The tensor of the same file whose bytes it has, if it is told by that.
    pub same_as: Option<String>,
    /// The tensor of the base that it is told from, if it is.
    pub base: Option<String>,
    /// How it differs from that; `None` if it does not.
    pub change: Option<ToldChange>,
}

/// How a tensor differs from one of the base.
#[derive(Debug, Clone)]
pub struct ToldChange {
    transform: &'static dyn Transform,
    is_sparse: bool,
    prefix: String,
}

impl ToldChange {
    /// The form, for numbers of `width` bytes.
    #[must_use]
    pub fn form(&self, width: usize) -> Form {
        Form { transform: self.transform, is_sparse: self.is_sparse, width }
    }

    /// The container's tensor with a stream of this form.
    #[must_use]
    pub fn tensor(&self, form: &Form, stream: Stream) -> String {
        format!("{}.{}", self.prefix, form.suffix(stream))
    }
}

impl CompressedFile {
    /// What tells the tensors of a difference from a base; none of a container that is no such. Those that are not listed are in
    /// the container themselves.
    ///
    /// # Errors
    /// If the description is damaged.
    pub fn told_tensors(&self) -> Result<Vec<ToldTensor>> {
        let Some(mark) = &self.delta else { return Ok(Vec::new()) };
        let contradiction = |problem: String| Error::Container { path: self.path().to_owned(), problem };
        let told = description(self, mark)?.tensors.into_iter().map(|entry| {
            let change = entry.change.as_ref().map(|change| {
                let form =
                    change.form(1).ok_or_else(|| contradiction(unknown_transform(&entry.name, change)))?;
                let prefix = change.prefix.as_ref().unwrap_or(&entry.name).clone();
                Ok(ToldChange { transform: form.transform, is_sparse: form.is_sparse, prefix })
            });
            let base =
                entry.base_checksum.as_ref().map(|_| entry.base.as_ref().unwrap_or(&entry.name).clone());
            Ok(ToldTensor { change: change.transpose()?, base, same_as: entry.same_as, name: entry.name })
        });
        told.collect()
    }
}

fn description(file: &CompressedFile, mark: &DeltaMark) -> Result<Description> {
    let described = file.read_tensor(&mark.description)?;
    Description::inflated(&described, file.bytes()).map_err(|why| Error::Container {
        path: file.path().to_owned(),
        problem: format!("the description of the difference: {why}"),
    })
}

fn unknown_transform(name: &str, change: &Change) -> String {
    format!("`{name}` has the unknown transform {}", change.by)
}

/// What a tensor is told by.
#[derive(Debug)]
enum Told {
    /// Another of the file.
    SameAs(TensorRecord),
    /// One of another delta, which lies beside this one.
    Elsewhere { sibling: Arc<Restored>, record: TensorRecord, checksum: u64 },
    /// The same, where that is not to be looked at.
    OutOfReach { checksum: u64 },
    /// One of the base, and what has changed.
    Base { place: Place, checksum: u64, change: Option<Difference> },
}

/// How a tensor differs from that of the base.
#[derive(Debug)]
struct Difference {
    form: Form,
    /// The delta's tensors with its streams.
    streams: Vec<String>,
    /// Of its own bytes.
    checksum: u64,
}

/// A delta and its base.
#[derive(Debug)]
pub(in crate::container) struct Restored {
    file: CompressedFile,
    base: Arc<Base>,
    header: Header,
    json: Vec<u8>,
    told: HashMap<String, Told>,
}

impl Restored {
    /// Takes a delta and its base together.
    ///
    /// # Errors
    /// If the file holds no delta, its description is damaged, or this is not its base.
    pub(in crate::container) fn new(file: CompressedFile, base: Arc<Base>) -> Result<Self> {
        Self::with_siblings(file, base, true)
    }

    /// The same; those that lie beside it are opened, or, where this is one of them, not.
    fn with_siblings(file: CompressedFile, base: Arc<Base>, are_opened: bool) -> Result<Self> {
        let Some(mark) = &file.delta else {
            return Err(Error::NoDelta { path: file.path().to_owned() });
        };
        let contradiction = |problem: String| Error::Container { path: file.path().to_owned(), problem };
        let Description { header: entry, tensors } = description(&file, mark)?;
        let wrong = |why: String| Error::WrongBase {
            path: file.path().to_owned(),
            named: named(&mark.base, &mark.checksum),
            base: base.path().to_owned(),
            why,
        };
        let name = file.path().file_name().map(Path::new);
        let places = tensors.par_iter().map(|entry| match &entry.base_checksum {
            Some(sum) => {
                let sum = from_hex(sum);
                let sum = sum.ok_or_else(|| contradiction(format!("`{}` has no checksum", entry.name)))?;
                Ok(Some((find(&base, entry, sum, name)?.map_err(wrong)?, sum)))
            }
            None => Ok(None),
        });
        let places = places.collect::<Result<Vec<Option<(Place, u64)>>>>()?;
        let json = match &entry.text {
            Some(text) => Some(text.as_bytes().to_vec()),
            None => base.headers().find(|json| entry.is(json)).map(<[u8]>::to_vec),
        };
        let Some(json) = json else {
            return Err(wrong("none of its files has the same header".to_owned()));
        };
        let header = Header::alone(&json).ok().filter(|_| entry.is(&json));
        let header =
            header.ok_or_else(|| contradiction("the header in its description is damaged".to_owned()))?;
        let records: HashMap<&str, &TensorRecord> =
            header.tensors.iter().map(|record| (record.name.as_str(), record)).collect();
        let mut siblings: HashMap<&str, Arc<Self>> = HashMap::new();
        for Elsewhere { file: name, .. } in tensors.iter().filter_map(|entry| entry.elsewhere.as_ref()) {
            // Beside it, and nowhere else.
            let is_name = Path::new(name).file_name().is_some_and(|own| own == name.as_str());
            if are_opened && is_name && !siblings.contains_key(name.as_str()) {
                let sibling = CompressedFile::open(&file.path().with_file_name(name))?;
                siblings.insert(name, Arc::new(Self::with_siblings(sibling, base.clone(), false)?));
            }
        }
        let told = tensors.iter().zip(places).map(|(entry, place)| {
            let record = records.get(entry.name.as_str());
            let record = record.ok_or_else(|| contradiction(format!("it has no tensor `{}`", entry.name)))?;
            let is_alike =
                |other: &TensorRecord| other.dtype == record.dtype && other.bytes() == record.bytes();
            let told = match (&entry.same_as, place) {
                (Some(other), None) if entry.elsewhere.is_some() => {
                    let Some(Elsewhere { file: name, checksum }) = &entry.elsewhere else {
                        return Err(contradiction(format!("`{}` is nowhere", entry.name)));
                    };
                    let checksum = from_hex(checksum);
                    let checksum =
                        checksum.ok_or_else(|| contradiction(format!("`{}` has no checksum", entry.name)))?;
                    if are_opened {
                        let sibling = siblings.get(name.as_str()).cloned();
                        let sibling =
                            sibling.ok_or_else(|| contradiction(format!("`{name}` is no file's name")))?;
                        let theirs = sibling.header.tensors.iter().find(|own| own.name == *other).cloned();
                        let record = theirs.filter(|theirs| is_alike(theirs)).ok_or_else(|| {
                            contradiction(format!("`{}` repeats no tensor of {name}", entry.name))
                        })?;
                        Told::Elsewhere { sibling, record, checksum }
                    } else {
                        Told::OutOfReach { checksum }
                    }
                }
                (Some(other), None) => {
                    let other = records.get(other.as_str()).filter(|other| is_alike(other));
                    let other =
                        other.ok_or_else(|| contradiction(format!("`{}` repeats no tensor", entry.name)))?;
                    Told::SameAs((*other).clone())
                }
                (None, Some((place, checksum))) if is_alike(base.record(place)) => {
                    Told::Base { place, checksum, change: change(entry, record).map_err(contradiction)? }
                }
                _ => {
                    return Err(contradiction(format!("`{}` is told by nothing that it can be", entry.name)));
                }
            };
            Ok((entry.name.clone(), told))
        });
        let told = told.collect::<Result<HashMap<String, Told>>>()?;
        for record in &header.tensors {
            let is_there = match told.get(&record.name) {
                Some(Told::SameAs(other)) => !matches!(told.get(&other.name), Some(Told::SameAs(_))),
                Some(Told::Base { .. } | Told::Elsewhere { .. } | Told::OutOfReach { .. }) => true,
                None => file.has(record),
            };
            if !is_there {
                return Err(contradiction(format!(
                    "tensor `{}` is not there as its header says",
                    record.name
                )));
            }
        }
        drop((records, siblings));
        Ok(Self { file, base, header, json, told })
    }

    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }

    pub(super) fn base(&self) -> &Base {
        &self.base
    }

    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    pub(super) fn json(&self) -> &[u8] {
        &self.json
    }

    /// Bytes of the file that is restored.
    pub(in crate::container) fn original_bytes(&self) -> u64 {
        self.header.data_start().saturating_add(self.header.data_bytes())
    }

    /// The checksum of a tensor's bytes.
    pub(super) fn checksum(&self, record: &TensorRecord) -> Result<u64> {
        match self.told.get(&record.name) {
            Some(Told::SameAs(other)) => self.checksum(other),
            Some(Told::Elsewhere { checksum, .. } | Told::OutOfReach { checksum }) => Ok(*checksum),
            Some(Told::Base { change: Some(change), .. }) => Ok(change.checksum),
            Some(Told::Base { checksum, .. }) => Ok(*checksum),
            None => match self.file.tensor(&record.name) {
                Some(tensor) => Ok(tensor.checksum()),
                None => Ok(checksum(&self.file.read_tensor(&record.name)?)),
            },
        }
    }

    /// A tensor's bytes, checked against their checksum.
    ///
    /// # Errors
    /// If they are damaged, here or in the base.
    pub(super) fn read(&self, record: &TensorRecord) -> Result<Cow<'_, [u8]>> {
        let (place, expected, change) = match self.told.get(&record.name) {
            None => return self.file.read_tensor(&record.name),
            Some(Told::SameAs(other)) => return self.read(other),
            Some(Told::Elsewhere { sibling, record: other, checksum }) => {
                let bytes = sibling.read(other)?;
                sibling.expect(sibling.path(), &other.name, *checksum, &bytes)?;
                return Ok(bytes);
            }
            Some(Told::OutOfReach { .. }) => {
                return Err(Error::Container {
                    path: self.file.path().to_owned(),
                    problem: format!("tensor `{}` is in a third file", record.name),
                });
            }
            Some(Told::Base { place, checksum, change }) => (*place, *checksum, change),
        };
        let base = self.base.read(place)?;
        let Some(Difference { form, streams, checksum: own }) = change else {
            self.expect(self.base.path(), &self.base.record(place).name, expected, &base)?;
            return Ok(base);
        };
        let streams: Vec<Cow<'_, [u8]>> =
            streams.iter().map(|name| self.file.read_tensor(name)).collect::<Result<_>>()?;
        let restored = form.restore(&streams, &base).map_err(|why| Error::Container {
            path: self.file.path().to_owned(),
            problem: format!("the difference of tensor `{}`: {why}", record.name),
        })?;
        self.expect(self.file.path(), &record.name, *own, &restored)?;
        Ok(Cow::Owned(restored))
    }

    fn expect(&self, path: &Path, tensor: &str, expected: u64, bytes: &[u8]) -> Result<()> {
        let found = checksum(bytes);
        if found == expected {
            return Ok(());
        }
        // A base that was right when it was opened, and is not any more, has changed.
        self.base.check_unchanged()?;
        Err(Error::Checksum { path: path.to_owned(), what: format!("tensor `{tensor}`"), expected, found })
    }

    pub(super) fn check_unchanged(&self) -> Result<()> {
        self.file.check_unchanged()?;
        let siblings = self.told.values().filter_map(|told| match told {
            Told::Elsewhere { sibling, .. } => Some(sibling),
            _ => None,
        });
        siblings.map(|sibling| &sibling.file).try_for_each(CompressedFile::check_unchanged)?;
        self.base.check_unchanged()
    }

    /// Gives all tensors in order to `take`, some at a time made in parallel.
    fn each(
        &self,
        progress: &dyn Progress,
        take: &mut dyn FnMut(&TensorRecord, &[u8]) -> Result<()>,
    ) -> Result<()> {
        for batch in batches(&self.header.tensors, BATCH_BYTES, TensorRecord::bytes) {
            progress.go_on(self.file.path())?;
            let read: Result<Vec<Cow<'_, [u8]>>> = batch.par_iter().map(|record| self.read(record)).collect();
            for (record, bytes) in batch.iter().zip(read?) {
                take(record, &bytes)?;
                progress.advance(record.bytes());
            }
        }
        self.check_unchanged()
    }
}

/// Where the base has the tensor that an entry names; `Err` with what is wrong with the base, if it has not.
fn find(base: &Base, entry: &TensorEntry, sum: u64, file: Option<&Path>) -> Result<Result<Place, String>> {
    let name = entry.base.as_ref().unwrap_or(&entry.name);
    let named = base.of_name(name, file);
    for place in &named {
        if base.checksum(*place)? == sum {
            return Ok(Ok(*place));
        }
    }
    Ok(Err(match named.first().map(|place| base.record(*place)) {
        Some(theirs) => format!("its tensor `{name}`, {} {:?}, has other bytes", theirs.dtype, theirs.shape),
        None => format!("it has no tensor `{name}`"),
    }))
}

/// How a tensor differs from that of the base, as its entry says.
fn change(entry: &TensorEntry, record: &TensorRecord) -> Result<Option<Difference>, String> {
    let Some(change) = &entry.change else { return Ok(None) };
    let form = change.form(width_of(&record.dtype.to_string()));
    let form = form.ok_or_else(|| unknown_transform(&entry.name, change))?;
    let checksum = from_hex(&change.checksum);
    let checksum = checksum.ok_or_else(|| format!("`{}` has no checksum", entry.name))?;
    let prefix = change.prefix.as_ref().unwrap_or(&entry.name);
    let streams = form.streams().into_iter().map(|stream| format!("{prefix}.{}", form.suffix(stream)));
    Ok(Some(Difference { form, streams: streams.collect(), checksum }))
}

/// Restores the file that the delta `input` was made of, into `output`, which gets its name when every checksum was right.
pub(in crate::container) fn decompress_file(
    input: &Path,
    base: &Arc<Base>,
    mut output: PendingFile,
    progress: &dyn Progress,
) -> Result<FileReport> {
    let file = CompressedFile::open(input)?;
    file.verify_integrity(progress)?;
    let input_bytes = file.bytes();
    let restored = Restored::new(file, base.clone())?;
    progress.start(&format!("restoring {}", input.display()), restored.header.data_bytes());
    let mut writer = decompress::Writer::new(&mut output, &restored.json)?;
    restored.each(progress, &mut |_, bytes| writer.put(bytes))?;
    writer.finish()?;
    progress.finish();
    let told = restored.told.len();
    Ok(FileReport {
        name: String::new(),
        input_bytes,
        output_bytes: restored.original_bytes(),
        compressed_tensors: told,
        kept_tensors: restored.header.tensors.len() - told,
        kept: Vec::new(),
        lost: Vec::new(),
    })
}

/// Checks that every tensor of a model that was told from `base` comes back with it.
///
/// # Errors
/// If one does not, this is another base, or the model was told from none.
pub fn verify_beside(model: &CompressedModel, base: &Arc<Base>, progress: &dyn Progress) -> Result<()> {
    for file in &model.files {
        let restored = Restored::new(CompressedFile::open(file.path())?, base.clone())?;
        progress.start(&format!("restoring {}", file.path().display()), restored.header.data_bytes());
        restored.each(progress, &mut |_, _| Ok(()))?;
        progress.finish();
    }
    Ok(())
}

/// Compares what a delta and its base give with the original, byte for byte.
pub(in crate::container) fn compare(
    path: &Path,
    base: &Arc<Base>,
    original: &Path,
    progress: &dyn Progress,
) -> Result<()> {
    let restored = Restored::new(CompressedFile::open(path)?, base.clone())?;
    let theirs = MappedFile::open_settled(original)?;
    let differs =
        |place: String| Error::Differs { path: path.to_owned(), original: original.to_owned(), place };
    progress.start(&format!("comparing {}", path.display()), restored.header.data_bytes());
    let front = [&restored.header.length.to_le_bytes()[..], &restored.json].concat();
    if !theirs.starts_with(&front) {
        return Err(differs("the header".to_owned()));
    }
    restored.each(progress, &mut |record, bytes| {
        let start = LENGTH_BYTES + restored.header.length;
        let same = theirs.get(int::index(start + record.begin)..).is_some_and(|rest| rest.starts_with(bytes));
        if same { Ok(()) } else { Err(differs(format!("tensor `{}`", record.name))) }
    })?;
    progress.finish();
    theirs.check_unchanged()?;
    let end = restored.original_bytes();
    if theirs.len() as u64 == end {
        Ok(())
    } else {
        Err(differs(format!("the original goes on after byte {end}")))
    }
}
