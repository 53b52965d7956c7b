//! Tuning caches: what was measured, kept beside the weights, and which variant to take because of it.
//!
//! | file | what it does |
//! |---|---|
//! | `record` | one problem on one device: all candidates' times, and the choice |
//! | `file` | many records as JSON: read without trust, merged when saved, whole or not at all |
//! | `lock` | one writer at a time |
//! | `place` | where the file of a model is |
//! | `bundled` | the files that come with the program |
//! | `lookup` | from the exact record down to the default: the ladder |

mod bundled;
mod file;
mod lock;
mod lookup;
mod place;
mod record;
#[cfg(test)]
mod tests;

pub use bundled::bundled;
pub(crate) use file::replace;
pub use file::{Loaded, SCHEMA, SaveError, load, save};
pub use lookup::{ChosenVariant, Fits, NoPlan, Rung, plan};
pub use place::{Places, places};
pub use record::{CandidateRecord, Record, VariantName, merge};

use std::path::{Path, PathBuf};

/// The records for one model, from beside it and from the user's cache.
#[derive(Debug, Default)]
pub struct TuningCache {
    places: Places,
    /// All records, each problem on each device once.
    pub records: Vec<Record>,
    /// What was wrong with the files, one line each.
    pub warnings: Vec<String>,
}

impl TuningCache {
    /// Reads what there is for a compressed file or folder. Files that are damaged are worked around, with a warning.
    #[must_use]
    pub fn open(model: &Path) -> Self {
        let places = places(model);
        let mut cache = Self { places, ..Self::default() };
        for path in cache.places.all() {
            let loaded = load(path);
            cache.warnings.extend(loaded.warning);
            cache.records = merge(std::mem::take(&mut cache.records), loaded.records);
        }
        cache
    }

    /// Adds records, those that are newer in place of older ones.
    pub fn add(&mut self, records: Vec<Record>) {
        self.records = merge(std::mem::take(&mut self.records), records);
    }

    /// Saves records beside the model, or where that is not possible in the user's cache; joined with what is there by
    /// then. Says where.
    ///
    /// # Errors
    /// If neither can be written.
    pub fn save(&self, records: &[Record]) -> Result<PathBuf, SaveError> {
        let beside = match save(&self.places.beside, records) {
            Ok(()) => return Ok(self.places.beside.clone()),
            Err(error) => error,
        };
        let Some(fallback) = &self.places.fallback else { return Err(beside) };
        if let Some(folder) = fallback.parent() {
            let _ = std::fs::create_dir_all(folder);
        }
        save(fallback, records).map(|()| fallback.clone())
    }
}
