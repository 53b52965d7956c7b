//! Finding out what the tensors of a file have in common with a base, with each other, and with those of other files.

use super::base::{Base, Held, Place};
use super::choose::choose;
use super::siblings::Siblings;
use crate::checksum::checksum;
use crate::error::{Error, Result};
use crate::header::TensorRecord;
use crate::map::give_back;
use crate::source::{MappedSource, Source};
use crate::transform::{Form, TransformError, width_of};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

/// What a tensor of the file is told by.
pub(super) enum Found {
    Plain,
    SameAs(usize),
    /// The same as a tensor of another file.
    Elsewhere {
        file: String,
        tensor: String,
        checksum: u64,
    },
    Base {
        place: Place,
        checksum: u64,
        change: Option<Changed>,
    },
}

/// How a tensor differs from one of the base.
pub(super) struct Changed {
    pub(super) form: Form,
    /// Of the tensor's bytes.
    pub(super) checksum: u64,
    /// Length and checksum of each stream.
    pub(super) streams: Vec<(u64, u64)>,
}

pub(super) fn not_comparable(source: &dyn Source, record: &TensorRecord, error: &TransformError) -> Error {
    let how = format!("tensor `{}`: {error}", record.name);
    Error::Changed { path: source.path().to_owned(), how }
}

/// Finding out what tensors have in common with a base.
pub(super) struct Comparing<'a> {
    pub(super) original: &'a MappedSource<'a>,
    /// What the file is called in its model.
    pub(super) name: &'a Path,
    pub(super) base: &'a Base,
    pub(super) siblings: &'a Siblings,
    /// The base's tensors by what they hold.
    pub(super) contents: &'a BTreeMap<Held, Place>,
}

impl Comparing<'_> {
    /// What a tensor is told by, but for those of its own file; and its checksum.
    pub(super) fn find(&self, record: &TensorRecord) -> Result<(Found, u64)> {
        let own = self.original.bytes(record)?;
        let found = self.find_bytes(record, &own);
        give_back(&own);
        found
    }

    fn find_bytes(&self, record: &TensorRecord, own: &[u8]) -> Result<(Found, u64)> {
        let sum = checksum(own);
        if own.is_empty() {
            return Ok((Found::Plain, sum));
        }
        let alike = |place: &Place| {
            let theirs = self.base.record(*place);
            theirs.dtype == record.dtype && theirs.shape == record.shape
        };
        let named = self.base.of_name(&record.name, Some(self.name)).into_iter().find(alike);
        let mut theirs = None;
        if let Some(place) = named {
            let bytes = self.base.read(place)?;
            if *bytes == *own {
                return Ok((Found::Base { place, checksum: sum, change: None }, sum));
            }
            theirs = Some((place, bytes));
        }
        if let Some(place) = self.contents.get(&(record.dtype, own.len() as u64, sum))
            && *self.base.read(*place)? == *own
        {
            return Ok((Found::Base { place: *place, checksum: sum, change: None }, sum));
        }
        let Some((place, theirs)) = theirs else { return Ok((Found::Plain, sum)) };
        let change = self.change(record, own, &theirs, sum)?;
        give_back(&theirs);
        let checksum = self.base.checksum(place)?;
        let found = |change| Found::Base { place, checksum, change: Some(change) };
        Ok((change.map_or(Found::Plain, found), sum))
    }

    /// How a tensor differs from that of the base, if telling that pays.
    fn change(&self, record: &TensorRecord, own: &[u8], base: &[u8], sum: u64) -> Result<Option<Changed>> {
        let failed = |error| not_comparable(self.original, record, &error);
        let Some(form) = choose(own, base, width_of(&record.dtype.to_string())).map_err(failed)? else {
            return Ok(None);
        };
        let streams = form.streams().into_iter().map(|stream| form.stream(stream, own, base).map(Cow::Owned));
        let streams: Vec<Cow<'_, [u8]>> = streams.collect::<Result<_, _>>().map_err(failed)?;
        match form.restore(&streams, base) {
            Ok(restored) if checksum(&restored) == sum => {
                let streams = streams.iter().map(|stream| (stream.len() as u64, checksum(stream))).collect();
                Ok(Some(Changed { form, checksum: sum, streams }))
            }
            _ => {
                let how = format!("tensor `{}`, or that of the base, is not what it was", record.name);
                Err(Error::Changed { path: self.original.path().to_owned(), how })
            }
        }
    }

    /// The same, where tensors that repeat an earlier one of the file are told by that.
    pub(super) fn with_repeated(&self, found: Vec<(Found, u64)>) -> Result<Vec<Found>> {
        let records = &self.original.header().tensors;
        let mut first: BTreeMap<Held, usize> = BTreeMap::new();
        let mut all = Vec::with_capacity(found.len());
        for (tensor, (found, sum)) in found.into_iter().enumerate() {
            let record = &records[tensor];
            let is_told = matches!(found, Found::Base { change: None, .. });
            if record.bytes() == 0 || is_told {
                all.push(found);
                continue;
            }
            let earlier = *first.entry((record.dtype, record.bytes(), sum)).or_insert(tensor);
            let is_same = earlier != tensor
                && *self.original.bytes(&records[earlier])? == *self.original.bytes(record)?;
            if is_same {
                all.push(Found::SameAs(earlier));
                continue;
            }
            let held = (record.dtype, record.bytes(), sum);
            let elsewhere = self.siblings.find(self.name, held, &self.original.bytes(record)?)?;
            let elsewhere = elsewhere.map(|(file, tensor)| Found::Elsewhere { file, tensor, checksum: sum });
            all.push(elsewhere.unwrap_or(found));
        }
        Ok(all)
    }
}
