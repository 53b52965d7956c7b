//! The name of a GPU architecture, `sm_90`, as people and tools write it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A real GPU architecture: compute capability plus NVIDIA's optional feature suffix.
///
/// It is read from `sm_90`, `sm_90a`, `90` and `9.0`, and always written `sm_90`. The suffix `a` asks for
/// instructions of exactly this architecture, `f` for those of its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Arch {
    major: u8,
    minor: u8,
    suffix: Option<Suffix>,
}

/// What may follow the digits of an architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Suffix {
    Architecture,
    Family,
}

/// A text which names no architecture.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is not a GPU architecture: write it like sm_90, sm_90a, 90 or 9.0")]
pub struct ArchError(String);

impl Arch {
    /// Turing, the oldest that kernels are written for.
    pub const SM_75: Self = Self { major: 7, minor: 5, suffix: None };
    /// Hopper: H100, H200.
    pub const SM_90: Self = Self { major: 9, minor: 0, suffix: None };

    /// The architecture of compute capability `major.minor`, with no suffix. The minor number is one digit.
    ///
    /// # Errors
    /// If `minor` is over 9, or `major` is 0 or over 99, which no GPU has.
    pub fn from_capability(major: u32, minor: u32) -> Result<Self, ArchError> {
        let wrong = || ArchError(format!("{major}.{minor}"));
        let (Ok(high), Ok(low)) = (u8::try_from(major), u8::try_from(minor)) else { return Err(wrong()) };
        if (1..=99).contains(&high) && low <= 9 {
            Ok(Self { major: high, minor: low, suffix: None })
        } else {
            Err(wrong())
        }
    }

    /// Compute capability, `(9, 0)` for `sm_90`.
    pub fn capability(self) -> (u32, u32) {
        (self.major.into(), self.minor.into())
    }

    /// The digits of the name: 90 for `sm_90a`. NVRTC lists what it supports in this form.
    pub fn number(self) -> u32 {
        u32::from(self.major) * 10 + u32::from(self.minor)
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suffix = match self.suffix {
            None => "",
            Some(Suffix::Architecture) => "a",
            Some(Suffix::Family) => "f",
        };
        write!(f, "sm_{}{}{suffix}", self.major, self.minor)
    }
}

impl FromStr for Arch {
    type Err = ArchError;

    fn from_str(text: &str) -> Result<Self, ArchError> {
        let wrong = || ArchError(text.to_owned());
        let name = text.trim().to_ascii_lowercase();
        let name = name.strip_prefix("sm_").unwrap_or(&name);
        let (digits, suffix) = match (name.strip_suffix('a'), name.strip_suffix('f')) {
            (Some(digits), _) => (digits, Some(Suffix::Architecture)),
            (None, Some(digits)) => (digits, Some(Suffix::Family)),
            (None, None) => (name, None),
        };
        let (major, minor) = match digits.split_once('.') {
            Some(parts) => parts,
            None => digits.split_at_checked(digits.len().saturating_sub(1)).ok_or_else(wrong)?,
        };
        let number = |part: &str| -> Option<u32> {
            let plain = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            if plain { part.parse().ok() } else { None }
        };
        let (major, minor) = number(major).zip(number(minor)).ok_or_else(wrong)?;
        Ok(Self { suffix, ..Self::from_capability(major, minor).map_err(|_| wrong())? })
    }
}

impl TryFrom<String> for Arch {
    type Error = ArchError;

    fn try_from(text: String) -> Result<Self, ArchError> {
        text.parse()
    }
}

impl From<Arch> for String {
    fn from(arch: Arch) -> Self {
        arch.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_spelling_is_read_and_one_is_written() {
        for (text, written, capability) in [
            ("sm_90", "sm_90", (9, 0)),
            ("90", "sm_90", (9, 0)),
            ("9.0", "sm_90", (9, 0)),
            ("SM_90A", "sm_90a", (9, 0)),
            ("sm_75", "sm_75", (7, 5)),
            ("120", "sm_120", (12, 0)),
            ("12.1", "sm_121", (12, 1)),
            ("sm_100f", "sm_100f", (10, 0)),
        ] {
            let arch: Arch = text.parse().unwrap();
            assert_eq!(arch.to_string(), written, "{text}");
            assert_eq!(arch.capability(), capability, "{text}");
        }
    }

    #[test]
    fn what_names_no_architecture_is_refused_with_an_example() {
        for text in
            ["", "sm_", "9", "sm_9x", "9.", ".0", "9.10", "compute_90", "sm_-9.0", "+90", "9.0.0", "é0"]
        {
            let error = text.parse::<Arch>().unwrap_err().to_string();
            assert!(error.contains("sm_90"), "{text}: {error}");
        }
    }

    #[test]
    fn json_holds_the_plain_name() {
        let arch: Arch = serde_json::from_str("\"8.6\"").unwrap();
        assert_eq!(serde_json::to_string(&arch).unwrap(), "\"sm_86\"");
        assert!(serde_json::from_str::<Arch>("\"ampere\"").is_err());
    }
}
