//! Headers to be written: in the order given, so that equal inputs give equal files.

use crate::int;
use safetensors::Dtype;
use safetensors::tensor::TensorInfo;
use serde::ser::{Serialize, SerializeMap, Serializer};

/// One tensor of a file to be written.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<u64>,
    pub(crate) bytes: u64,
}

impl Entry {
    fn info(&self, begin: u64) -> TensorInfo {
        TensorInfo {
            dtype: self.dtype,
            shape: self.shape.iter().map(|dim| int::index(*dim)).collect(),
            data_offsets: (int::index(begin), int::index(begin + self.bytes)),
        }
    }
}

/// The JSON of a header whose tensors lie one after the other in this order.
pub(crate) fn header_json(
    metadata: &[(String, String)],
    entries: &[Entry],
) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Ordered { metadata, entries })
}

/// Bytes that a name takes as JSON.
pub(crate) fn name_json_len(name: &str) -> u64 {
    serde_json::to_string(name).map_or(0, |name| name.len()) as u64
}

/// Bytes that an entry takes in a header, if its offsets have about as many digits as its length.
pub(crate) fn entry_json_len(entry: &Entry) -> u64 {
    let name = name_json_len(&entry.name);
    let info = serde_json::to_string(&entry.info(entry.bytes)).map_or(0, |info| info.len());
    name + info as u64 + 2
}

struct Ordered<'a> {
    metadata: &'a [(String, String)],
    entries: &'a [Entry],
}

impl Serialize for Ordered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("__metadata__", &Texts(self.metadata))?;
        let mut begin = 0;
        for entry in self.entries {
            map.serialize_entry(&entry.name, &entry.info(begin))?;
            begin += entry.bytes;
        }
        map.end()
    }
}

struct Texts<'a>(&'a [(String, String)]);

impl Serialize for Texts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}
