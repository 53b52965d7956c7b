//! The JSON of a header as it stands: tensors in their order, duplicates noticed, nothing believed yet.

use super::HeaderError;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use std::collections::HashSet;
use std::fmt;

/// The key under which safetensors keeps what is not a tensor.
const METADATA: &str = "__metadata__";

pub(super) struct RawTensor {
    pub(super) name: String,
    pub(super) dtype: String,
    pub(super) shape: Vec<u64>,
    pub(super) begin: u64,
    pub(super) end: u64,
}

pub(super) struct RawHeader {
    pub(super) tensors: Vec<RawTensor>,
    pub(super) metadata: Vec<(String, String)>,
}

impl RawHeader {
    pub(super) fn parse(json: &[u8]) -> Result<Self, HeaderError> {
        let entries: Result<Ordered, _> = serde_json::from_slice(json);
        let entries = entries.map_err(|error| HeaderError::Json { why: error.to_string() })?;
        let mut header = Self { tensors: Vec::new(), metadata: Vec::new() };
        let mut seen = HashSet::new();
        for (name, value) in entries.0 {
            if !seen.insert(name.clone()) {
                return Err(HeaderError::Duplicate { name });
            }
            if name == METADATA {
                header.metadata = metadata(value)?;
            } else {
                header.tensors.push(tensor(name, &value)?);
            }
        }
        Ok(header)
    }
}

fn not_texts() -> HeaderError {
    HeaderError::Json { why: "__metadata__ must map texts to texts".to_owned() }
}

fn metadata(value: Value) -> Result<Vec<(String, String)>, HeaderError> {
    let Value::Object(entries) = value else { return Err(not_texts()) };
    let texts = entries.into_iter().map(|(key, value)| match value {
        Value::String(text) => Ok((key, text)),
        _ => Err(not_texts()),
    });
    texts.collect()
}

fn tensor(name: String, value: &Value) -> Result<RawTensor, HeaderError> {
    let wrong = |why: &str| HeaderError::Entry { tensor: name.clone(), why: why.to_owned() };
    let dtype =
        value.get("dtype").and_then(Value::as_str).ok_or_else(|| wrong("it has no dtype"))?.to_owned();
    let numbers =
        |key: &str| value.get(key)?.as_array()?.iter().map(Value::as_u64).collect::<Option<Vec<_>>>();
    let shape = numbers("shape").ok_or_else(|| wrong("its shape is not a list of whole numbers"))?;
    match numbers("data_offsets").as_deref() {
        Some(&[begin, end]) => Ok(RawTensor { name, dtype, shape, begin, end }),
        _ => Err(wrong("its data_offsets are not two whole numbers")),
    }
}

/// A JSON object in its order, with duplicate keys.
struct Ordered(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Ordered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Ordered;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Ordered(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}
