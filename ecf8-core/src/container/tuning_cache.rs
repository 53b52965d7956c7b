//! Tuning caches beside containers: another's files, known here by name and form, since they are made after the weights were
//! compressed and are no part of what was.

use super::folder::is_weights_name;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::fs;
use std::path::{Path, PathBuf};

/// What comes after the name of a model in the name of its tuning cache.
const EXTENSION: &str = "tuning.json";

/// The model's name where it is a folder.
const FOLDER: &str = "model";

/// The largest file that is taken for a tuning cache, in bytes.
const LARGEST: u64 = 64 << 20;

/// Where the tuning cache of a model is: `m.tuning.json` beside `m.safetensors`, `model.tuning.json` in a folder.
#[must_use]
pub fn tuning_cache_beside(model: &Path) -> PathBuf {
    if model.is_dir() {
        model.join(FOLDER).with_extension(EXTENSION)
    } else {
        model.with_extension(EXTENSION)
    }
}

/// Whether a file has the name of a tuning cache.
pub(super) fn has_name(path: &Path) -> bool {
    path.to_string_lossy().ends_with(&format!(".{EXTENSION}"))
}

/// Whether a file of a folder is a tuning cache made beside the containers there: it has the name that the cache of one of
/// them or of their folder has, and the form of one. `names` are all files below `root`, as paths within it.
pub(super) fn is_beside_containers(root: &Path, name: &Path, names: &[PathBuf]) -> bool {
    let folder = name.parent();
    let is_owner = |other: &&PathBuf| {
        let of_folder = other.with_file_name(FOLDER).with_extension(EXTENSION);
        is_weights_name(other)
            && other.parent() == folder
            && (other.with_extension(EXTENSION) == name || of_folder == name)
    };
    has_name(name) && names.iter().any(|other| is_owner(&other)) && has_form(&root.join(name))
}

/// Whether a file has the form of a tuning cache, of this or a later version.
fn has_form(path: &Path) -> bool {
    #[derive(Deserialize)]
    struct Document {
        #[serde(rename = "schema")]
        _schema: u64,
        #[serde(rename = "records")]
        _records: Vec<Sealed>,
    }
    #[derive(Deserialize)]
    struct Sealed {
        #[serde(rename = "checksum")]
        _checksum: String,
        #[serde(rename = "record")]
        _record: Record,
    }
    #[derive(Deserialize)]
    struct Record {
        #[serde(rename = "fingerprint")]
        _fingerprint: IgnoredAny,
        #[serde(rename = "problem")]
        _problem: IgnoredAny,
    }
    let is_small = fs::metadata(path).is_ok_and(|metadata| metadata.len() <= LARGEST);
    is_small && fs::read(path).is_ok_and(|bytes| serde_json::from_slice::<Document>(&bytes).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_beside_the_weights_and_named_after_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.b.safetensors");
        assert_eq!(tuning_cache_beside(&file), folder.path().join("a.b.tuning.json"));
        assert_eq!(tuning_cache_beside(folder.path()), folder.path().join("model.tuning.json"));
    }

    #[test]
    fn only_what_is_named_after_a_container_beside_it_and_has_the_form_is_one() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("sub")).unwrap();
        let record = r#"{"checksum": "0", "record": {"fingerprint": {}, "problem": {}, "more": 1}}"#;
        let whole = format!(r#"{{"schema": 1, "records": [{record}]}}"#);
        let later = format!(r#"{{"schema": 7, "records": [{record}], "more": 1}}"#);
        let texts = [
            ("m.tuning.json", whole.as_str(), true),
            ("model.tuning.json", later.as_str(), true),
            ("sub/n.tuning.json", r#"{"schema": 1, "records": []}"#, true),
            ("other.tuning.json", whole.as_str(), false),
            ("sub/m.tuning.json", whole.as_str(), false),
            ("m.json", whole.as_str(), false),
            ("sub/model.tuning.json", "{}", false),
            ("sub/o.tuning.json", r#"{"schema": 1, "records": [{"lr": 0.1}]}"#, false),
            ("sub/p.tuning.json", "", false),
        ];
        let weights = ["m.safetensors", "sub/n.safetensors", "sub/o.safetensors", "sub/p.safetensors"];
        for (name, text, _) in texts {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let names: Vec<PathBuf> =
            texts.iter().map(|(name, ..)| name).chain(&weights).map(PathBuf::from).collect();
        for (name, _, expected) in texts {
            assert_eq!(is_beside_containers(folder.path(), Path::new(name), &names), expected, "{name}");
        }
    }
}
