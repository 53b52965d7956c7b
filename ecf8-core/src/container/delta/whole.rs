//! Whole files and models that are told from a base: restored, verified, compared.

use super::base::Base;
use super::restored::Restored;
use crate::container::output::PendingFile;
use crate::container::read::decompress;
use crate::container::report::FileReport;
use crate::container::{CompressedFile, CompressedModel, Progress};
use crate::error::{Error, Result};
use crate::header::LENGTH_BYTES;
use crate::int;
use crate::map::MappedFile;
use std::path::Path;
use std::sync::Arc;

/// Restores the file that the delta `input` was made of, into `output`, which gets its name when every checksum was right.
pub(in crate::container) fn decompress_file(
    input: &Path,
    base: &Arc<Base>,
    mut output: PendingFile,
    progress: &dyn Progress,
) -> Result<FileReport> {
    let file = CompressedFile::open(input)?;
    file.verify_integrity(progress)?;
    let input_bytes = file.bytes();
    let restored = Restored::new(file, base.clone())?;
    progress.start(&format!("restoring {}", input.display()), restored.header().data_bytes());
    let mut writer = decompress::Writer::new(&mut output, restored.json())?;
    restored.each(progress, &mut |_, bytes| writer.put(bytes))?;
    writer.finish()?;
    progress.finish();
    let told = restored.told();
    Ok(FileReport {
        name: String::new(),
        input_bytes,
        output_bytes: restored.original_bytes(),
        compressed_tensors: told,
        kept_tensors: restored.header().tensors.len() - told,
        kept: Vec::new(),
        lost: Vec::new(),
    })
}

/// Checks that every tensor of a model that was told from `base` comes back with it.
///
/// # Errors
/// If one does not, this is another base, or the model was told from none.
pub fn verify_beside(model: &CompressedModel, base: &Arc<Base>, progress: &dyn Progress) -> Result<()> {
    for file in &model.files {
        let restored = Restored::new(CompressedFile::open(file.path())?, base.clone())?;
        progress.start(&format!("restoring {}", file.path().display()), restored.header().data_bytes());
        restored.each(progress, &mut |_, _| Ok(()))?;
        progress.finish();
    }
    Ok(())
}

/// Compares what a delta and its base give with the original, byte for byte.
pub(in crate::container) fn compare(
    path: &Path,
    base: &Arc<Base>,
    original: &Path,
    progress: &dyn Progress,
) -> Result<()> {
    let restored = Restored::new(CompressedFile::open(path)?, base.clone())?;
    let theirs = MappedFile::open_settled(original)?;
    let differs =
        |place: String| Error::Differs { path: path.to_owned(), original: original.to_owned(), place };
    progress.start(&format!("comparing {}", path.display()), restored.header().data_bytes());
    let front = [&restored.header().length.to_le_bytes()[..], restored.json()].concat();
    if !theirs.starts_with(&front) {
        return Err(differs("the header".to_owned()));
    }
    restored.each(progress, &mut |record, bytes| {
        let start = LENGTH_BYTES + restored.header().length;
        let same = theirs.get(int::index(start + record.begin)..).is_some_and(|rest| rest.starts_with(bytes));
        if same { Ok(()) } else { Err(differs(format!("tensor `{}`", record.name))) }
    })?;
    progress.finish();
    theirs.check_unchanged()?;
    let end = restored.original_bytes();
    if theirs.len() as u64 == end {
        Ok(())
    } else {
        Err(differs(format!("the original goes on after byte {end}")))
    }
}
