//! The JSON of a header as it stands: tensors in their order, duplicates noticed, nothing believed yet.
//!
//! It is read straight into what is needed, since a header of the largest size names a million tensors. Whatever
//! spelling of an entry `safetensors` accepts is accepted here; [`super::spelling`] has those that nobody would expect.

use super::HeaderError;
use super::spelling::{RawDtype, RawEntry, Texts};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use std::collections::HashSet;
use std::fmt;

/// The key under which safetensors keeps what is not a tensor.
pub(super) const METADATA: &str = "__metadata__";

pub(super) struct RawTensor {
    pub(super) name: String,
    pub(super) dtype: RawDtype,
    pub(super) shape: Vec<u64>,
    pub(super) begin: u64,
    pub(super) end: u64,
}

#[derive(Default)]
pub(super) struct RawHeader {
    pub(super) tensors: Vec<RawTensor>,
    pub(super) metadata: Vec<(String, String)>,
}

impl RawHeader {
    pub(super) fn parse(json: &[u8]) -> Result<Self, HeaderError> {
        let mut reading = Reading::default();
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let read = Entries(&mut reading).deserialize(&mut deserializer).and_then(|()| deserializer.end());
        match (reading.fault, read) {
            (Some(fault), _) => return Err(fault),
            (None, Ok(())) => {}
            // What is JSON but not what an entry should be belongs to the tensor that was being read.
            (None, Err(error)) => {
                let why = error.to_string();
                return Err(match reading.tensor.filter(|_| error.is_data()) {
                    Some(tensor) => HeaderError::Entry { tensor, why },
                    None => HeaderError::Json { why },
                });
            }
        }
        let header = reading.header;
        let mut seen = HashSet::with_capacity(header.tensors.len());
        match header.tensors.iter().find(|tensor| !seen.insert(tensor.name.as_str())) {
            // The reference takes one of the two and restores nothing; which one an application wants, nobody can tell.
            Some(twice) => Err(HeaderError::Duplicate { name: twice.name.clone() }),
            None => Ok(header),
        }
    }
}

/// A header that is being read.
#[derive(Default)]
struct Reading {
    header: RawHeader,
    has_metadata: bool,
    /// Whose entry is being read.
    tensor: Option<String>,
    /// What was found out about it that JSON's own errors cannot tell.
    fault: Option<HeaderError>,
}

/// Reads the entries of a header in their order.
struct Entries<'a>(&'a mut Reading);

impl<'de> DeserializeSeed<'de> for Entries<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let reading = self.0;
        while let Some(name) = map.next_key::<String>()? {
            if name == METADATA {
                if std::mem::replace(&mut reading.has_metadata, true) {
                    reading.fault = Some(HeaderError::Duplicate { name });
                    return Err(A::Error::custom("a duplicate"));
                }
                reading.header.metadata = map.next_value::<Texts>()?.0;
                continue;
            }
            reading.tensor = Some(name);
            let RawEntry { dtype, shape, data_offsets: (begin, end) } = map.next_value()?;
            let name = reading.tensor.take().unwrap_or_default();
            reading.header.tensors.push(RawTensor { name, dtype, shape: shape.0, begin, end });
        }
        Ok(())
    }
}
