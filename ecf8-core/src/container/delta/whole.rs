//! Whole files and models that are told from a base: restored, verified, compared.

use super::base::Base;
use super::restored::Restored;
use crate::container::output::PendingFile;
use crate::container::read::against::Original;
use crate::container::read::decompress;
use crate::container::report::FileReport;
use crate::container::{CompressedFile, CompressedModel, Progress};
use crate::error::Result;
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
    let original = Original::begin(path, &theirs, restored.json())?;
    progress.start(&format!("comparing {}", path.display()), restored.header().data_bytes());
    restored.each(progress, &mut |record, bytes| {
        original.expect_same(record, original.first_difference(record, 0, bytes))
    })?;
    progress.finish();
    theirs.check_unchanged()?;
    original.end(restored.header())
}
