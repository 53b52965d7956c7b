//! Where the tuning cache of a model is.

use crate::kernel_cache::place::cache_home;
use ecf8_core::checksum::{checksum, to_hex};
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

/// `m.tuning.json` beside `m.safetensors`, `model.tuning.json` in a folder.
#[must_use]
pub fn places(model: &Path) -> Places {
    const END: &str = "tuning.json";
    let beside = if model.is_dir() { model.join(format!("model.{END}")) } else { model.with_extension(END) };
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
    fn the_file_is_beside_the_weights_and_named_after_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.b.safetensors");
        assert_eq!(places(&file).beside, folder.path().join("a.b.tuning.json"));
        assert_eq!(places(folder.path()).beside, folder.path().join("model.tuning.json"));
        let other = places(&folder.path().join("c/a.b.safetensors"));
        assert_ne!(places(&file).fallback, other.fallback, "models of one name are told apart");
    }
}
