//! What is damaged of a container, and what is not.

use serde::Serialize;
use std::ops::Range;

/// What is damaged of a container, and what is not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// What is damaged of the header, the manifest and the checksums. Where it is not known which bytes are, all of what may
    /// be are told.
    pub metadata: Vec<DamagedBytes>,
    /// The damaged tensors.
    pub tensors: Vec<DamagedTensor>,
    /// Damaged bytes on which nothing depends: zeros between parts, mostly.
    pub unused: Vec<DamagedBytes>,
    /// The names of the tensors that are good, in the order of their data.
    pub good: Vec<String>,
    /// The names of tensors that only a later version can read; whether they are good is not known.
    pub unknown: Vec<String>,
}

/// Bytes of a file that are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DamagedBytes {
    /// What they are of.
    pub what: String,
    /// Bytes of the file, or some more.
    pub bytes: Range<u64>,
}

/// A tensor that cannot be restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DamagedTensor {
    /// Its name.
    pub name: String,
    /// What is wrong.
    pub why: String,
    /// Where the damage is; nowhere if that is not known.
    pub places: Vec<DamagedPlace>,
    /// Its original bytes that depend on these, in order; others would be right if they were decoded.
    pub affected: Vec<Range<u64>>,
    /// Bytes that it has in the original.
    pub bytes: u64,
}

/// Where bytes of a tensor are damaged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DamagedPlace {
    /// The stored tensor or part, by name.
    pub part: String,
    /// Bytes of the file, or some more.
    pub in_file: Range<u64>,
    /// The same bytes, counted in the part.
    pub in_part: Range<u64>,
}

impl Damage {
    /// Whether nothing is damaged.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.metadata.is_empty() && self.tensors.is_empty() && self.unused.is_empty()
    }

    /// What is damaged, in a few words; `None` if nothing is.
    #[must_use]
    pub fn summary(&self) -> Option<String> {
        let all = self.tensors.len() + self.good.len() + self.unknown.len();
        let what = match (&*self.tensors, &*self.metadata, &*self.unused) {
            ([one], _, _) => format!("tensor `{}`", one.name),
            ([_, ..], _, _) => return Some(format!("{} of {all} tensors are damaged", self.tensors.len())),
            ([], [first, ..], _) => first.what.clone(),
            ([], [], [first, ..]) => first.what.clone(),
            ([], [], []) => return None,
        };
        Some(format!("{what} is damaged"))
    }
}
