//! Where the tuning cache of a model is.

use crate::kernel_cache::place::cache_home;
use ecf8_core::checksum::{checksum, to_hex};
use ecf8_core::container::tuning_cache_beside;
use std::path::{Path, PathBuf};

/// The files of one model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Beside the weights.
    pub beside: PathBuf,
    /// In the user's cache, for weights that lie where nobody may write; `None` if the user has none.
    pub fallback: Option<PathBuf>,
}

impl Places {
    pub(super) fn all(&self) -> Vec<&Path> {
        [Some(self.beside.as_path()), self.fallback.as_deref()].into_iter().flatten().collect()
    }
}

/// Where a model's tuning caches are: beside it, and in the user's cache.
#[must_use]
pub fn places(model: &Path) -> Places {
    let beside = tuning_cache_beside(model);
    let absolute = std::path::absolute(&beside).unwrap_or_else(|_| beside.clone());
    let hash = to_hex(checksum(absolute.as_os_str().as_encoded_bytes()));
    let name = beside.file_name().unwrap_or_default().to_string_lossy();
    let fallback = cache_home().map(|home| home.join("tunings").join(format!("{hash}-{name}")));
    Places { beside, fallback }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_of_one_name_are_told_apart_in_the_users_cache() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.b.safetensors");
        let other = places(&folder.path().join("c/a.b.safetensors"));
        assert_eq!(places(&file).beside, folder.path().join("a.b.tuning.json"));
        assert_ne!(places(&file).fallback, other.fallback);
    }
}
