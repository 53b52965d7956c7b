//! A delta and its base as the file that the delta was made of.

use super::base::{Base, Place};
use super::description::{Description, Elsewhere, TensorEntry};
use super::told::{description, named, unknown_transform};
use crate::checksum::{checksum, from_hex};
use crate::container::batch::batches;
use crate::container::{BATCH_BYTES, CompressedFile, Progress};
use crate::error::{Error, Result};
use crate::header::{Header, TensorRecord};
use crate::transform::{Form, width_of};
use rayon::prelude::*;
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

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

    /// How many tensors are told from others.
    pub(super) fn told(&self) -> usize {
        self.told.len()
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
    pub(super) fn each(
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
