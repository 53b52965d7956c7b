//! Restoring one file, byte for byte.

use super::pieces::Take;
use crate::container::batch::batches;
use crate::container::look::dtypes;
use crate::container::output::PendingFile;
use crate::container::report::FileReport;
use crate::container::{BATCH_BYTES, CompressedFile, Progress};
use crate::error::{IoContext, Result};
use crate::header::{Header, TensorRecord};
use rayon::prelude::*;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Restores the file that `input` was made from, into `output`, which gets its name when every checksum was right and
/// `input` has not changed meanwhile.
pub(in crate::container) fn decompress_file(
    input: &Path,
    output: PendingFile,
    progress: &dyn Progress,
) -> Result<FileReport> {
    let input = CompressedFile::open(input)?;
    input.require_no_base()?;
    input.map.or_changed(decompress_opened(&input, output, progress))
}

fn decompress_opened(
    input: &CompressedFile,
    output: PendingFile,
    progress: &dyn Progress,
) -> Result<FileReport> {
    input.verify_integrity(progress)?;
    let (json, header) = input.original_layout()?;
    let read = |record: &TensorRecord, take: &mut Take<'_>| input.read_pieces(&record.name, take);
    restore(input, (&json, &header), &read, output, progress)?;
    Ok(FileReport {
        name: String::new(),
        input_bytes: input.bytes(),
        output_bytes: input.original_bytes(),
        compressed_tensors: input.tensors().len(),
        kept_tensors: input.kept().len(),
        kept: dtypes::kept(input.kept().map(|kept| kept.record), None),
        lost: Vec::new(),
    })
}

/// Gives the bytes of a tensor in pieces, and fails where they are not the original ones.
type Read<'a> = dyn Fn(&TensorRecord, &mut Take<'_>) -> Result<()> + 'a;

/// Writes a file with this header, whose tensors `input` has. `read` reads those that are kept or large.
pub(super) fn restore(
    input: &CompressedFile,
    (json, header): (&[u8], &Header),
    read: &Read<'_>,
    mut output: PendingFile,
    progress: &dyn Progress,
) -> Result<()> {
    progress.start(&format!("decompressing {}", input.path().display()), header.data_bytes());
    let mut writer = Writer::new(&mut output, json)?;
    for batch in batches(&header.tensors, BATCH_BYTES, TensorRecord::bytes) {
        progress.go_on(input.path())?;
        let decoded: Result<Vec<Option<Vec<u8>>>> =
            batch.par_iter().map(|record| whole(input, record)).collect();
        for (decoded, record) in decoded?.into_iter().zip(batch) {
            let mut put = |bytes: &[u8]| {
                progress.advance(bytes.len() as u64);
                writer.put(bytes)
            };
            match decoded {
                Some(data) => put(&data)?,
                None => read(record, &mut put)?,
            }
        }
    }
    writer.finish()?;
    input.check_unchanged()?;
    progress.finish();
    Ok(())
}

/// Writes a safetensors file.
pub(in crate::container) struct Writer<'a> {
    target: PathBuf,
    writer: BufWriter<&'a mut File>,
}

impl<'a> Writer<'a> {
    /// Begins with a header; then come the bytes of its tensors, in order.
    pub(in crate::container) fn new(output: &'a mut PendingFile, json: &[u8]) -> Result<Self> {
        let target = output.target().to_owned();
        let mut writer = Self { target, writer: BufWriter::with_capacity(1 << 20, output.file()) };
        writer.put(&(json.len() as u64).to_le_bytes())?;
        writer.put(json)?;
        Ok(writer)
    }

    pub(in crate::container) fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.writer.write_all(bytes).at(&self.target, "write")
    }

    pub(in crate::container) fn finish(mut self) -> Result<()> {
        self.writer.flush().at(&self.target, "write")
    }
}

/// A compressed tensor decoded in memory, beside others; `None` if it is kept or too large for that.
fn whole(input: &CompressedFile, record: &TensorRecord) -> Result<Option<Vec<u8>>> {
    let tensor = input.tensor(&record.name).filter(|_| record.bytes() <= BATCH_BYTES);
    tensor.map(|tensor| tensor.decode()).transpose()
}
