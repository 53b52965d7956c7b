//! Comparing a compressed model with its original, byte for byte.

use crate::container::folder::{Content, Folder};
use crate::container::tuning_cache;
use crate::container::{Base, CompressedFile, CompressedModel, Progress, delta};
use crate::error::{Error, Result};
use crate::header::{Header, TensorRecord};
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
    let (json, header) = file.original_layout()?;
    let original = Original::begin(file.path(), bytes, &json)?;
    progress.start(&format!("comparing {}", file.path().display()), header.data_bytes());
    for record in &header.tensors {
        let (mut compared, mut difference) = (0, None);
        file.read_pieces(&record.name, &mut |piece| {
            difference = difference.or_else(|| original.first_difference(record, compared, piece));
            compared += piece.len();
            progress.advance(piece.len() as u64);
            Ok(())
        })?;
        original.expect_same(record, difference)?;
    }
    progress.finish();
    original.end(&header)
}

/// An original that what is restored is compared with.
pub(in crate::container) struct Original<'a> {
    /// What is restored.
    path: &'a Path,
    bytes: &'a MappedFile,
    data: &'a [u8],
}

impl<'a> Original<'a> {
    /// Begins with the header, which is to be `json`.
    pub(in crate::container) fn begin(path: &'a Path, bytes: &'a MappedFile, json: &[u8]) -> Result<Self> {
        let front = [&(json.len() as u64).to_le_bytes()[..], json].concat();
        let original = Self { path, bytes, data: bytes.get(front.len()..).unwrap_or_default() };
        match first_difference(&front, bytes.get(..front.len()).unwrap_or(bytes)) {
            Some(offset) => Err(original.differs(format!("the header, from byte {offset} of the file on"))),
            None => Ok(original),
        }
    }

    /// The first byte of a tensor that differs, of a piece of it that starts at its byte `start`.
    pub(in crate::container) fn first_difference(
        &self,
        record: &TensorRecord,
        start: usize,
        piece: &[u8],
    ) -> Option<usize> {
        let range = int::index(record.begin)..int::index(record.end).min(self.data.len());
        let theirs = self.data.get(range).and_then(|own| own.get(start..)).unwrap_or_default();
        let theirs = &theirs[..piece.len().min(theirs.len())];
        let difference = first_difference(piece, theirs);
        give_back(theirs);
        Some(start + difference?)
    }

    /// Refuses a tensor that differs from this byte on.
    pub(in crate::container) fn expect_same(
        &self,
        record: &TensorRecord,
        difference: Option<usize>,
    ) -> Result<()> {
        match difference {
            Some(offset) => Err(self.differs(format!("tensor `{}`, from its byte {offset} on", record.name))),
            None => Ok(()),
        }
    }

    /// Refuses an original that goes on after all tensors of the header.
    pub(in crate::container) fn end(&self, header: &Header) -> Result<()> {
        let end = header.data_start() + header.data_bytes();
        if self.bytes.len() as u64 == end {
            Ok(())
        } else {
            Err(self.differs(format!("the original goes on after byte {end}")))
        }
    }

    fn differs(&self, place: String) -> Error {
        Error::Differs { path: self.path.to_owned(), original: self.bytes.path().to_owned(), place }
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
