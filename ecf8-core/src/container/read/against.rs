//! Comparing a compressed model with its original, byte for byte.

use crate::container::folder::{Content, Folder};
use crate::container::tuning_cache;
use crate::container::{Base, CompressedFile, CompressedModel, Progress, delta};
use crate::error::{Error, Result};
use crate::header::LENGTH_BYTES;
use crate::int;
use crate::map::{MappedFile, give_back, passing};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// Checks that restoring `model` would give exactly `original`, a file or folder like the model itself: for a folder the
/// same files, those that are not `.safetensors` included. A tuning cache (`*.tuning.json`) that the original lacks was made
/// later, beside the compressed weights, and does not count.
///
/// # Errors
/// [`Error::Differs`] naming the first difference, or whatever keeps either side from being read.
pub fn verify_against(model: &CompressedModel, original: &Path, progress: &dyn Progress) -> Result<()> {
    verify(model, None, original, progress)
}

/// As [`verify_against`], of a model that was told from `base`.
///
/// # Errors
/// As [`verify_against`]; [`Error::WrongBase`] if this is another base, [`Error::NoDelta`] if the model was told from none.
pub fn verify_against_beside(
    model: &CompressedModel,
    base: &Arc<Base>,
    original: &Path,
    progress: &dyn Progress,
) -> Result<()> {
    verify(model, Some(base), original, progress)
}

fn verify(
    model: &CompressedModel,
    base: Option<&Arc<Base>>,
    original: &Path,
    progress: &dyn Progress,
) -> Result<()> {
    let compare = |file: &CompressedFile, original: &Path| match base {
        Some(base) => delta::compare(file.path(), base, original, progress),
        None => compare(file, original, progress),
    };
    if !model.root.is_dir() {
        return model.files.iter().try_for_each(|file| compare(file, original));
    }
    let folder = Folder::open(original, Content::Plain)?;
    let containers = model.files.iter().map(|file| model.name_of(file));
    let theirs: BTreeSet<&Path> = folder.files.iter().map(|found| found.name.as_path()).collect();
    let others = model.others.iter().map(|(name, _)| name.as_path());
    let others = others.filter(|name| !tuning_cache::has_name(name) || theirs.contains(name));
    let ours: BTreeSet<&Path> = containers.chain(others).collect();
    let differs = |place: String| {
        Err(Error::Differs { path: model.root.clone(), original: original.to_owned(), place })
    };
    if let Some(missing) = theirs.difference(&ours).next() {
        return differs(format!("{} is missing", missing.display()));
    }
    if let Some(extra) = ours.difference(&theirs).next() {
        return differs(format!("the original has no {}", extra.display()));
    }
    if let Some(name) = folder.empty_folders.iter().find(|name| !model.empty_folders.contains(*name)) {
        return differs(format!("the empty folder {} is missing", name.display()));
    }
    if let Some(name) = model.empty_folders.iter().find(|name| !folder.root.join(name).is_dir()) {
        return differs(format!("the original has no folder {}", name.display()));
    }
    for file in &model.files {
        compare(file, &folder.root.join(model.name_of(file)))?;
    }
    for (name, _) in model.others.iter().filter(|(name, _)| ours.contains(name.as_path())) {
        let [copy, source] =
            [&model.root, &folder.root].map(|root| MappedFile::open_settled(&root.join(name)));
        if let Some(offset) = first_difference(&copy?, &source?) {
            return differs(format!("{} from its byte {offset} on", name.display()));
        }
    }
    Ok(())
}

/// Compares a container with its original.
pub(in crate::container) fn compare(
    file: &CompressedFile,
    original: &Path,
    progress: &dyn Progress,
) -> Result<()> {
    file.require_no_base()?;
    let bytes = MappedFile::open_settled(original)?;
    let compared = compare_opened(file, &bytes, progress);
    bytes.or_changed(file.map.or_changed(compared))?;
    bytes.check_unchanged()?;
    file.check_unchanged()
}

fn compare_opened(file: &CompressedFile, bytes: &MappedFile, progress: &dyn Progress) -> Result<()> {
    let differs = |place: String| Error::Differs {
        path: file.path().to_owned(),
        original: bytes.path().to_owned(),
        place,
    };
    let (json, header) = file.original_layout()?;
    let mut front = (json.len() as u64).to_le_bytes().to_vec();
    front.extend(json);
    if let Some(offset) = first_difference(&front, bytes.get(..front.len()).unwrap_or(bytes)) {
        return Err(differs(format!("the header, from byte {offset} of the file on")));
    }
    progress.start(&format!("comparing {}", file.path().display()), header.data_bytes());
    let data = &bytes[front.len()..];
    for record in &header.tensors {
        let range = int::index(record.begin)..int::index(record.end).min(data.len());
        let theirs = data.get(range).unwrap_or_default();
        let (mut compared, mut difference) = (0, None);
        file.read_pieces(&record.name, &mut |piece| {
            let theirs = theirs.get(compared..).unwrap_or_default();
            let theirs = &theirs[..piece.len().min(theirs.len())];
            difference = difference.or_else(|| Some(compared + first_difference(piece, theirs)?));
            give_back(theirs);
            compared += piece.len();
            progress.advance(piece.len() as u64);
            Ok(())
        })?;
        if let Some(offset) = difference {
            return Err(differs(format!("tensor `{}`, from its byte {offset} on", record.name)));
        }
    }
    progress.finish();
    let end = LENGTH_BYTES + header.length + header.data_bytes();
    if bytes.len() as u64 == end {
        Ok(())
    } else {
        Err(differs(format!("the original goes on after byte {end}")))
    }
}

/// The first index at which two byte strings differ, or at which one of them ends.
fn first_difference(one: &[u8], other: &[u8]) -> Option<usize> {
    let mut before = 0;
    for (own, theirs) in passing(one, 1).zip(passing(other, 1)) {
        if own != theirs {
            return Some(before + own.iter().zip(theirs).take_while(|(a, b)| a == b).count());
        }
        before += own.len();
    }
    (one.len() != other.len()).then_some(before)
}
