//! Indices: JSON beside shards that says which tensor is in which. Loaders read them in several forms, and not always.

use crate::error::{Error, IoContext, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

/// A shard that an index names and the folder lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::container) struct MissingShard {
    /// The index.
    pub(super) index: PathBuf,
    /// The folder that the index is in, within the model's.
    folder: PathBuf,
    /// The shard as the index calls it.
    pub(super) shard: String,
    /// Whole weights that lie beside the index, which loaders prefer to it.
    instead: Option<PathBuf>,
    /// Whether the model is whole without it.
    pub(super) is_dispensable: bool,
}

impl MissingShard {
    /// Where it should be, within the model's folder; `None` if that is outside.
    pub(in crate::container) fn path(&self) -> Option<PathBuf> {
        within(&self.folder.join(&self.shard))
    }

    pub(super) fn into_error(self) -> Error {
        Error::MissingShard { index: self.index, shard: self.shard }
    }
}

/// What to tell about missing shards that are no error, a line for each index.
pub(super) fn notes(missing: &[MissingShard]) -> Vec<String> {
    let by_index = missing.chunk_by(|one, other| one.index == other.index);
    let note = |missing: &[MissingShard]| {
        let (first, count) = (missing.first()?, missing.len());
        let (index, shard) = (first.index.display(), &first.shard);
        let instead = first.instead.as_ref()?.display();
        let more = if count == 1 { String::new() } else { format!(" (and {} more)", count - 1) };
        Some(format!(
            "{index} names the shard {shard}{more}, which is not there; {instead} is beside it, which loaders take instead"
        ))
    };
    by_index.filter_map(note).collect()
}

/// The name of an index, taken apart: `BASE.safetensors.index.json`, or with a variant
/// `BASE.safetensors.index.VARIANT.json` or `BASE.VARIANT.safetensors.index.json`.
fn of_index(name: &str) -> Option<(&str, Option<&str>)> {
    let (base, rest) = name.split_once(".safetensors.index.")?;
    match rest.strip_suffix("json")? {
        "" => Some((base, None)),
        variant => Some((base, Some(variant.strip_suffix('.')?))),
    }
}

/// The shards that indices among `names`, paths within `root`, name and that are not among them: one of each index.
///
/// # Errors
/// If an index cannot be read, unless whole weights lie beside it.
pub(in crate::container) fn missing_shards(
    root: &Path,
    names: &BTreeSet<&Path>,
) -> Result<Vec<MissingShard>> {
    let mut missing = Vec::new();
    for name in names {
        let Some((base, variant)) = name.file_name().and_then(|name| of_index(name.to_str()?)) else {
            continue;
        };
        let folder = name.parent().unwrap_or(Path::new(""));
        let variant = variant.map_or_else(String::new, |variant| format!(".{variant}"));
        let whole = folder.join(format!("{base}{variant}.safetensors"));
        let instead = names.contains(whole.as_path()).then_some(whole);
        let index = root.join(name);
        let shards = match shards(&index) {
            Ok(shards) => shards,
            // A loader would not look at it.
            Err(_) if instead.is_some() => continue,
            Err(error) => return Err(error),
        };
        let of_shard = |shard: String| MissingShard {
            index: index.clone(),
            folder: folder.to_owned(),
            shard,
            is_dispensable: instead.is_some(),
            instead: instead.clone(),
        };
        let lacks = |one: &MissingShard| one.path().is_none_or(|path| !names.contains(path.as_path()));
        missing.extend(shards.into_iter().map(of_shard).filter(lacks));
    }
    Ok(missing)
}

/// The shards that an index names.
fn shards(index: &Path) -> Result<BTreeSet<String>> {
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let json = fs::read(index).at(index, "read")?;
    match serde_json::from_slice::<Index>(&json) {
        Ok(Index { weight_map }) => Ok(weight_map.into_values().collect()),
        Err(error) => Err(Error::Index { index: index.to_owned(), why: error.to_string() }),
    }
}

/// A path within a folder, without `.` and `..`; `None` if it leaves the folder.
fn within(path: &Path) -> Option<PathBuf> {
    let mut within = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => within.pop().then_some(())?,
            Component::Normal(part) => within.push(part),
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(within)
}

/// What to tell about shards whose numbers leave gaps (`…-00001-of-00003…`): a folder may lack its index as well. An
/// index knows better.
pub(super) fn gaps_in_numbering(names: &BTreeSet<&Path>) -> Vec<String> {
    let mut sets: BTreeMap<(PathBuf, String, u64), BTreeSet<u64>> = BTreeMap::new();
    let is_index = |name: &Path| name.file_name().and_then(|name| of_index(name.to_str()?)).is_some();
    let indexed: BTreeSet<&Path> =
        names.iter().filter(|name| is_index(name)).filter_map(|name| name.parent()).collect();
    for name in names.iter().filter(|name| super::is_weights_name(name)) {
        let folder = name.parent().unwrap_or(Path::new("")).to_owned();
        if indexed.contains(folder.as_path()) {
            continue;
        }
        let Some((text, number, of)) = name.file_name().and_then(|name| numbered(name.to_str()?)) else {
            continue;
        };
        sets.entry((folder, text, of)).or_default().insert(number);
    }
    let gaps = sets.into_iter().filter(|((_, _, of), found)| (found.len() as u64) < *of);
    gaps.map(|((folder, text, of), found)| {
        let name = folder.join(text);
        format!("of the {of} shards {} only {} are there", name.display(), found.len())
    })
    .collect()
}

/// `model-00002-of-00003.safetensors` as `model-*-of-00003.safetensors`, 2 and 3.
fn numbered(name: &str) -> Option<(String, u64, u64)> {
    let (before, after) = name.split_once("-of-")?;
    let (base, number) = before.rsplit_once('-')?;
    let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let of = after.get(..digits)?.parse().ok()?;
    let text = format!("{base}-*-of-{after}");
    Some((text, number.parse().ok()?, of))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_known_in_all_their_forms() {
        assert_eq!(of_index("model.safetensors.index.json"), Some(("model", None)));
        assert_eq!(of_index("m.safetensors.index.fp16.json"), Some(("m", Some("fp16"))));
        assert_eq!(of_index("m.fp16.safetensors.index.json"), Some(("m.fp16", None)));
        for other in
            ["model.safetensors", "index.json", "m.safetensors.index.jsonl", "pytorch_model.bin.index.json"]
        {
            assert_eq!(of_index(other), None, "{other}");
        }
    }

    #[test]
    fn gaps_in_the_numbers_of_shards_are_told() {
        fn names<'a>(names: &[&'a str]) -> BTreeSet<&'a Path> {
            names.iter().map(|name| Path::new(*name)).collect()
        }
        let whole = names(&["a-00001-of-00002.safetensors", "a-00002-of-00002.safetensors", "b.safetensors"]);
        assert!(gaps_in_numbering(&whole).is_empty());
        let gaps =
            gaps_in_numbering(&names(&["x/a-00001-of-00002.fp16.safetensors", "a-00002-of-00003.bin"]));
        assert_eq!(gaps, ["of the 2 shards x/a-*-of-00002.fp16.safetensors only 1 are there"]);
    }

    #[test]
    fn names_of_shards_are_paths_beside_the_index() {
        let within = |path: &str| within(Path::new(path)).map(|path| path.to_string_lossy().into_owned());
        assert_eq!(within("./a/b").as_deref(), Some("a/b"));
        assert_eq!(within("a/../b").as_deref(), Some("b"));
        assert_eq!(within("../b"), None);
        assert_eq!(within("/b"), None);
    }
}
