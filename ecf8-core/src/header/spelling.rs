//! The spellings of a header's entries that `safetensors` accepts, as serde's derived readers do: also an entry as a list, a
//! dtype as an object, and `null` for no metadata, which MLX writes.

use safetensors::Dtype;
use serde::de::value::{Error as Plain, StrDeserializer};
use serde::de::{
    Deserialize, Deserializer, Error, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde_json::Value;
use std::collections::HashMap;
use std::fmt;

/// A tensor's entry: an object with at least these keys, or a list with exactly these values.
#[derive(serde::Deserialize)]
#[serde(expecting = "an object with dtype, shape and data_offsets")]
pub(super) struct RawEntry {
    pub(super) dtype: RawDtype,
    pub(super) shape: Dimensions,
    #[serde(deserialize_with = "offsets")]
    pub(super) data_offsets: (u64, u64),
}

/// A dtype by its name: one that `safetensors` has, or another.
pub(super) enum RawDtype {
    Known(Dtype),
    Unknown(String),
}

impl<'de> Deserialize<'de> for RawDtype {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl<'de> Visitor<'de> for Name {
            type Value = RawDtype;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("the name of a dtype")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<RawDtype, E> {
                let name_of_variant: StrDeserializer<'_, Plain> = name.into_deserializer();
                let known = Dtype::deserialize(name_of_variant).map(RawDtype::Known);
                Ok(known.unwrap_or_else(|_| RawDtype::Unknown(name.to_owned())))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawDtype, A::Error> {
                // To serde, `{"F32":null}` is the enum's variant `F32`, and so is `{"F32":{}}`.
                let entry = map.next_entry::<String, Value>()?;
                let Some((name, value)) = entry else { return Err(A::Error::custom("it has no dtype")) };
                let is_empty = value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty);
                if !is_empty || map.next_key::<String>()?.is_some() {
                    return Err(A::Error::custom("its dtype is not the name of one"));
                }
                self.visit_str(&name)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<RawDtype, A::Error> {
                // Read to its end, because what is no JSON at all should be told first.
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Err(A::Error::invalid_type(Unexpected::Seq, &self))
            }
        }
        deserializer.deserialize_any(Name)
    }
}

/// The dimensions of a tensor.
pub(super) struct Dimensions(pub(super) Vec<u64>);

impl<'de> Deserialize<'de> for Dimensions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Numbers("its shape to be a list of whole numbers")).map(Dimensions)
    }
}

fn offsets<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(u64, u64), D::Error> {
    const WANTED: &str = "its data_offsets to be two whole numbers";
    match deserializer.deserialize_seq(Numbers(WANTED))?.as_slice() {
        [begin, end] => Ok((*begin, *end)),
        other => Err(D::Error::invalid_length(other.len(), &WANTED)),
    }
}

/// Reads a list of whole numbers, which is `.0`.
#[derive(Clone, Copy)]
struct Numbers(&'static str);

impl<'de> Visitor<'de> for Numbers {
    type Value = Vec<u64>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<u64>, A::Error> {
        let mut numbers = Vec::new();
        while let Some(number) = seq.next_element_seed(Number(self.0))? {
            numbers.push(number);
        }
        Ok(numbers)
    }
}

/// Reads one of these.
struct Number(&'static str);

impl<'de> serde::de::DeserializeSeed<'de> for Number {
    type Value = u64;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u64, D::Error> {
        deserializer.deserialize_u64(self)
    }
}

impl Visitor<'_> for Number {
    type Value = u64;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<u64, E> {
        Ok(number)
    }
}

/// The metadata in the order of the file. As in the reference, `null` is none, and of equal keys the last one counts.
pub(super) struct Texts(pub(super) Vec<(String, String)>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Texts;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("__metadata__ to map texts to texts")
            }

            fn visit_unit<E: Error>(self) -> Result<Texts, E> {
                Ok(Texts(Vec::new()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Texts, A::Error> {
                let mut texts: Vec<(String, String)> = Vec::new();
                let mut places: HashMap<String, usize> = HashMap::new();
                while let Some(key) = map.next_key::<String>()? {
                    let value = map.next_value::<Text>()?.0;
                    match places.get(&key) {
                        Some(place) => texts[*place].1 = value,
                        None => {
                            places.insert(key.clone(), texts.len());
                            texts.push((key, value));
                        }
                    }
                }
                Ok(Texts(texts))
            }
        }
        deserializer.deserialize_any(Entries)
    }
}

/// A value of the metadata.
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Value;
        impl Visitor<'_> for Value {
            type Value = Text;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("__metadata__ to map texts to texts")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.to_owned()))
            }

            fn visit_string<E: Error>(self, text: String) -> Result<Text, E> {
                Ok(Text(text))
            }
        }
        deserializer.deserialize_string(Value)
    }
}
