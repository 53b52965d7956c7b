//! The parameters of a variant by name: as text, and as a JSON object.

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt::{self, Display};
use std::str::FromStr;

/// The parameters of a variant by name, in the order of their declaration.
///
/// Those read from text or JSON are in any order and need not be a variant's: [`Strategy::check`](super::Strategy::check)
/// tells.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// From names and values.
    pub fn new<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// The value of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// All but those of these names.
    #[must_use]
    pub fn without(&self, names: &[&str]) -> Self {
        Self(self.0.iter().filter(|(name, _)| !names.contains(&name.as_str())).cloned().collect())
    }

    /// With one more.
    pub(super) fn with(&self, name: &str, value: &str) -> Self {
        let mut longer = self.clone();
        longer.0.push((name.to_owned(), value.to_owned()));
        longer
    }
}

/// `name=value` pairs separated by blanks.
impl Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (name, value)) in self.iter().enumerate() {
            write!(f, "{}{name}={value}", if i == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

/// Why a text is not parameters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParamsError {
    /// A word without an equals sign.
    #[error("`{word}` is no parameter: write it as name=value")]
    NoPair {
        /// The word.
        word: String,
    },
    /// A name that is given twice.
    #[error("parameter `{name}` is given twice")]
    Twice {
        /// The name.
        name: String,
    },
}

/// The inverse of [`Display`]: what the header of an emitted source says after `variant`.
impl FromStr for Params {
    type Err = ParamsError;

    fn from_str(text: &str) -> Result<Self, ParamsError> {
        let mut params = Self::default();
        for word in text.split_whitespace() {
            let pair = word.split_once('=').filter(|(name, _)| !name.is_empty());
            let (name, value) = pair.ok_or_else(|| ParamsError::NoPair { word: word.to_owned() })?;
            params.add(name.to_owned(), value.to_owned())?;
        }
        Ok(params)
    }
}

impl Params {
    fn add(&mut self, name: String, value: String) -> Result<(), ParamsError> {
        if self.get(&name).is_some() {
            return Err(ParamsError::Twice { name });
        }
        self.0.push((name, value));
        Ok(())
    }
}

/// A value as JSON has it. Text that would not come back from a number is not made one.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Scalar {
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Text(String),
}

impl Scalar {
    fn of(text: &str) -> Self {
        let exact = |scalar: &Self| scalar.to_string() == text;
        let bool = text.parse().map(Self::Bool).ok();
        let unsigned = text.parse().map(Self::Unsigned).ok().filter(exact);
        let signed = text.parse().map(Self::Signed).ok().filter(exact);
        bool.or(unsigned).or(signed).unwrap_or_else(|| Self::Text(text.to_owned()))
    }
}

impl Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Unsigned(value) => value.fmt(f),
            Self::Signed(value) => value.fmt(f),
            Self::Text(value) => value.fmt(f),
        }
    }
}

/// As an object in the order of declaration; whole numbers as numbers, `true` and `false` as such, all else as text.
impl Serialize for Params {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(name, value)| (name, Scalar::of(value))))
    }
}

impl<'de> Deserialize<'de> for Params {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Params;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of parameters, each a text, a whole number, true or false")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Params, A::Error> {
                let mut params = Params::default();
                while let Some(name) = map.next_key::<String>()? {
                    let value: Scalar = map.next_value().map_err(|_| {
                        A::Error::custom(format!(
                            "parameter `{name}` is neither a text nor a whole number nor true or false"
                        ))
                    })?;
                    params.add(name, value.to_string()).map_err(A::Error::custom)?;
                }
                Ok(params)
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(pairs: &[(&str, &str)]) -> Params {
        Params::new(pairs.iter().map(|&(name, value)| (name, value.to_owned())))
    }

    #[test]
    fn parameters_come_back_from_text_and_from_json_in_their_order() {
        let all = params(&[
            ("z", "8"),
            ("a", "-3"),
            ("is_wide", "true"),
            ("table", "shared"),
            ("octal", "08"),
            ("plus", "+1"),
            ("huge", "18446744073709551616"),
            ("fraction", "1.50"),
            ("null", "null"),
            ("quoted", "\"x\""),
            ("empty", ""),
        ]);
        assert_eq!(all.to_string().parse::<Params>().unwrap(), all);
        let json = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<Params>(&json).unwrap(), all, "{json}");
    }

    #[test]
    fn numbers_and_truth_values_are_such_in_json() {
        let json = serde_json::to_string(&params(&[("b", "16"), ("a", "shared"), ("c", "false")])).unwrap();
        assert_eq!(json, r#"{"b":16,"a":"shared","c":false}"#);
    }

    #[test]
    fn a_text_that_is_not_parameters_says_which_word() {
        let error = |text: &str| text.parse::<Params>().unwrap_err().to_string();
        assert_eq!(error("a=1 b"), "`b` is no parameter: write it as name=value");
        assert_eq!(error("=1"), "`=1` is no parameter: write it as name=value");
        assert_eq!(error("a=1 a=2"), "parameter `a` is given twice");
        assert_eq!("  ".parse::<Params>().unwrap(), Params::default());
    }

    #[test]
    fn json_that_is_not_parameters_is_refused_by_name() {
        for (json, words) in [
            (r#"{"a": [1]}"#, "parameter `a` is neither"),
            (r#"{"a": null}"#, "parameter `a` is neither"),
            (r#"{"a": 1.5}"#, "parameter `a` is neither"),
            (r#"{"a": 1, "a": 2}"#, "parameter `a` is given twice"),
            ("[1]", "an object of parameters"),
        ] {
            let error = serde_json::from_str::<Params>(json).unwrap_err().to_string();
            assert!(error.contains(words), "{json}: {error}");
        }
    }
}
