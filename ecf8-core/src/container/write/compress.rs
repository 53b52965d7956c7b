//! Compressing one file: encoded tensors go to the output as they are made, the header goes in front at the end.

use super::encode::{broken_promise, encode};
use super::file_header::{self, Description, NO_PARTS, Outcome, data_start, framed};
use super::large::Grouping;
use super::plan::{self, OutputPlan, Planned};
use crate::checksum::{Checksum, checksum};
use crate::container::batch::batches;
use crate::container::limits;
use crate::container::look::dtypes::{self, DtypeSummary};
use crate::container::manifest::TensorEntry;
use crate::container::output::{Mode, PendingFile, PendingOutput, Target, clear_stale};
use crate::container::piece_sums::{PiecesEntry, Summing};
use crate::container::read::pieces::copy_pieces;
use crate::container::report::FileReport;
use crate::container::sizes::{padded_to, part_alignment};
use crate::container::verbatim;
use crate::container::{ALIGNMENT, BATCH_BYTES, CompressOptions, Progress};
use crate::error::{Error, IoContext, Result};
use crate::header::TensorRecord;
use crate::int;
use crate::layout::Aim;
use crate::map::MappedFile;
use crate::source::{MappedSource, Source, file_bytes};
use rayon::prelude::*;
use std::collections::HashMap;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

/// Compresses `input` into `output`, which gets its name when whole, and if `input` has not changed meanwhile. The
/// paths have been checked.
pub(in crate::container) fn compress_file(
    input: &Path,
    output: PendingFile,
    options: &CompressOptions,
    progress: &dyn Progress,
) -> Result<FileReport> {
    let input = MappedFile::open_settled(input)?;
    let compressed = MappedSource::new(&input)
        .and_then(|source| compress_to(&source, output, options, Grouping::default(), progress));
    input.or_changed(compressed)
}

/// Compresses what a source has into the file `output`, which appears only when whole.
///
/// # Errors
/// Whatever is wrong with the source or the output; then nothing is left behind.
pub fn compress_source(
    source: &dyn Source,
    output: &Path,
    options: &CompressOptions,
    progress: &dyn Progress,
) -> Result<FileReport> {
    let target = Target::of_file(output, options.overwrite)?;
    clear_stale(&target, progress);
    let pending = PendingOutput::file(target, Mode::of_new())?;
    let report = compress_to(source, pending.open_file()?, options, Grouping::default(), progress)?;
    pending.finish()?;
    Ok(report)
}

pub(in crate::container) fn compress_to(
    source: &dyn Source,
    output: PendingFile,
    options: &CompressOptions,
    grouping: Grouping,
    progress: &dyn Progress,
) -> Result<FileReport> {
    let header = source.header();
    let compressing = format!("compressing {}", source.path().display());
    progress.start(&compressing, 2 * header.data_bytes() + plan::sharing_steps(header.data_bytes()));
    let mut plan = plan::plan(source, options, progress)?;
    progress.stage(&compressing);
    let written = write_smallest(output, &mut plan, source, options, grouping, progress)?;
    // What was read at different times is one file only if nobody wrote to it.
    source.check_unchanged()?;
    // Of very many tensors, what is known takes much memory, and so does reading the container.
    drop(plan);
    limits::prove_readable(&written.output, source.path())?;
    progress.finish();
    Ok(FileReport {
        name: String::new(),
        input_bytes: file_bytes(source),
        output_bytes: written.bytes,
        compressed_tensors: written.compressed_tensors,
        kept_tensors: header.tensors.len() - written.compressed_tensors,
        kept: written.kept,
        lost: Vec::new(),
    })
}

/// Bytes of a file that is to be compressed, whose header is checked.
pub(in crate::container) fn plain_bytes(input: &Path) -> Result<u64> {
    let input = MappedFile::open(input)?;
    plan::require_plain(&MappedSource::new(&input)?)?;
    Ok(input.len() as u64)
}

/// A container, and what it holds.
struct Written {
    output: PendingFile,
    bytes: u64,
    compressed_tensors: usize,
    kept: Vec<DtypeSummary>,
}

/// Writes what was planned, or, where that would gain nothing, the original with a manifest in it.
fn write_smallest(
    mut output: PendingFile,
    plan: &mut OutputPlan<'_>,
    source: &dyn Source,
    options: &CompressOptions,
    grouping: Grouping,
    progress: &dyn Progress,
) -> Result<Written> {
    let header = source.header();
    let verbatim = verbatim::file_bytes(source).map_err(std::io::Error::from);
    let verbatim = verbatim.at(output.target(), "write the header of")?;
    let keeps_all = plan.tensors.is_empty();
    if verbatim.is_none() || !keeps_all || is_mostly_space(plan.json) {
        let fitted = limits::fit(plan, source.path());
        let room = match (fitted, verbatim) {
            (Ok(room), verbatim) => {
                let gains = |verbatim| file_header::bytes_without_parts(plan, &room) <= verbatim;
                let gains = !keeps_all || verbatim.is_none_or(gains);
                gains.then_some(room)
            }
            (Err(_), Some(_)) if keeps_all => None,
            (Err(error), _) => return Err(error),
        };
        if let Some(room) = room {
            let pieces = room.pieces.as_ref().map(PiecesEntry::summing);
            let data_start = data_start(plan, &room.json);
            let mut writer =
                Writer { output, source, grouping, checksums: vec![0], pieces, data_start, written: 0 };
            let (bytes, outcome) = writer.write(plan, progress)?;
            output = writer.output;
            if verbatim.is_none_or(|verbatim| bytes <= verbatim.max(accepted(file_bytes(source), options))) {
                let kept = dtypes::kept(&outcome.kept, options.scheme);
                return Ok(Written { output, bytes, compressed_tensors: outcome.tensors.len(), kept });
            }
        }
    }
    verbatim::write(&mut output, source, progress)?;
    let (bytes, kept) = (verbatim.unwrap_or_default(), dtypes::kept(&header.tensors, options.scheme));
    Ok(Written { output, bytes, compressed_tensors: 0, kept })
}

/// How long a container may be that gains nothing. Who names a scheme wants to see it at work, but not at any price.
fn accepted(input_bytes: u64, options: &CompressOptions) -> u64 {
    const MOST: u64 = 4096;
    if options.scheme.is_some() { input_bytes + MOST.max(input_bytes / 100) } else { 0 }
}

/// Whether so much of a header is white space that it may take less deflated. Other headers do not: they have no more
/// than what is in a container's own header, too.
fn is_mostly_space(json: &[u8]) -> bool {
    json.iter().filter(|byte| byte.is_ascii_whitespace()).count() > json.len() / 8
}

pub(super) struct Writer<'a> {
    pub(super) output: PendingFile,
    pub(super) source: &'a dyn Source,
    pub(super) grouping: Grouping,
    /// As they will be stored, the header's coming first.
    pub(super) checksums: Vec<u64>,
    /// Of what is put, until all tensors' data are; none if pieces are not told.
    pub(super) pieces: Option<Summing>,
    /// Where the data section begins.
    pub(super) data_start: u64,
    /// Bytes of the data section so far.
    pub(super) written: u64,
}

/// Zeros that fill a part up.
static PADDING: [u8; int::index(ALIGNMENT)] = [0; int::index(ALIGNMENT)];

impl<'a> Writer<'a> {
    /// Writes the whole file; gives its length and what it holds.
    fn write(&mut self, plan: &OutputPlan<'_>, progress: &dyn Progress) -> Result<(u64, Outcome)> {
        let mut outcome = Outcome { tensors: Vec::new(), kept: plan.kept.clone(), pieces: None };
        let mut pool = Checksum::default();
        let batches = batches(&plan.tensors, BATCH_BYTES, |planned| planned.record.bytes());
        self.open_journal(plan, batches.len())?;
        let mut rest = batches.into_iter().peekable();
        let mut taken = 0;
        while let Some(batch) = rest.peek()
            && let Some(made) = self.take_over(batch, &mut pool)?
        {
            progress.go_on(self.source.path())?;
            outcome.add(batch, made);
            batch.iter().for_each(|planned| progress.advance(planned.record.bytes()));
            taken += batch.len();
            rest.next();
        }
        if taken > 0 {
            let (name, all) = (self.output.target().display(), plan.tensors.len());
            progress.note(&format!("{name}: an interrupted run had written {taken} of {all} tensors"));
        }
        // Whatever is behind them was left there.
        self.seek(self.data_start + self.written)?;
        self.cut()?;
        for batch in rest {
            progress.go_on(self.source.path())?;
            let made = self.put_batch(batch, plan.aim, &mut pool, progress)?;
            self.note(&made)?;
            outcome.add(batch, made);
        }
        if plan.is_continued() {
            self.put_padded(&[], ALIGNMENT, &mut pool)?;
            self.checksums.push(pool.finish());
        }
        if !outcome.tensors.is_empty() {
            self.checksums.insert(1, checksum(&[])); // of the guard, which comes before all
        }
        self.repeat(plan, &mut outcome, progress)?;
        plan::sort_kept(&mut outcome.kept);
        for record in &outcome.kept {
            progress.go_on(self.source.path())?;
            self.keep(record, progress)?;
        }
        outcome.pieces = self.pieces.take().and_then(Summing::finish);
        let described = Description::new(plan, &outcome);
        let Description { json, own_header, .. } =
            described.at(self.output.target(), "write the header of")?;
        self.checksums.push(checksum(&own_header));
        self.put(&own_header)?;

        let framed = framed(&json, self.data_start)
            .ok_or_else(|| broken_promise(self.source, plan.tensors.first()))?;
        self.checksums[0] = checksum(&framed);
        let mut table: Vec<u8> = self.checksums.iter().flat_map(|checksum| checksum.to_le_bytes()).collect();
        table.extend(checksum(&table).to_le_bytes());
        self.put(&table)?;
        self.seek(0)?;
        let end = self.data_start + self.written;
        self.put(&framed)?;
        Ok((end, outcome))
    }

    /// Encodes a batch and writes it; gives the tensors' entries, none of those that are kept as they are.
    fn put_batch(
        &mut self,
        batch: &[Planned],
        aim: Aim,
        pool: &mut Checksum,
        progress: &dyn Progress,
    ) -> Result<Vec<Option<TensorEntry>>> {
        if let [planned] = batch
            && let Some(written) = self.put_large(planned, aim, pool, progress)?
        {
            return Ok(vec![written]);
        }
        let ready: Result<Vec<_>> =
            batch.par_iter().map(|planned| encode(self.source, planned, aim)).collect();
        let mut entries = Vec::with_capacity(batch.len());
        for (ready, planned) in ready?.into_iter().zip(batch) {
            progress.advance(planned.record.bytes());
            let Some((entry, encoded)) = ready else {
                entries.push(None);
                continue;
            };
            for part in encoded.parts {
                let mut own = Checksum::default();
                let sum = if entry.pooled { &mut *pool } else { &mut own };
                self.put_padded(&part.bytes, part_alignment(entry.pooled), sum)?;
                if !entry.pooled {
                    self.checksums.push(own.finish());
                }
            }
            entries.push(Some(entry));
        }
        Ok(entries)
    }

    /// Notes the tensors that repeat others which are compressed; the rest of them are kept. What is noted has been compared once
    /// more, after the others were encoded.
    fn repeat(&self, plan: &OutputPlan<'_>, outcome: &mut Outcome, progress: &dyn Progress) -> Result<()> {
        let entries: HashMap<String, TensorEntry> = match &*plan.repeats {
            [] => return Ok(()),
            _ => outcome.tensors.iter().map(|(_, entry)| (entry.name.clone(), entry.clone())).collect(),
        };
        for plan::Repeat { record, of } in &plan.repeats {
            let Some(entry) = entries.get(&of.name) else {
                outcome.kept.push(record.clone());
                continue;
            };
            if !plan::are_same(self.source, of, record)? {
                let how = format!("tensor `{}` is not what it was", record.name);
                return Err(Error::Changed { path: self.source.path().to_owned(), how });
            }
            progress.advance(record.bytes());
            outcome.tensors.push((NO_PARTS, entry.repeated(record)));
        }
        Ok(())
    }

    /// Writes a tensor as it is. It is read once: what is written is what the checksum is of.
    fn keep(&mut self, record: &TensorRecord, progress: &dyn Progress) -> Result<()> {
        let sum = copy_pieces(&self.source.bytes(record)?, &mut |piece| {
            self.put(piece)?;
            progress.advance(piece.len() as u64);
            Ok(())
        })?;
        self.checksums.push(sum);
        Ok(())
    }

    /// Writes bytes, and zeros up to a multiple of an alignment; adds them to a checksum.
    pub(super) fn put_padded(&mut self, bytes: &[u8], alignment: u64, sum: &mut Checksum) -> Result<()> {
        let end = self.written + bytes.len() as u64;
        let padding = &PADDING[..int::index(padded_to(alignment, end) - end)];
        for bytes in [bytes, padding] {
            self.put(bytes)?;
            sum.add(bytes);
        }
        Ok(())
    }

    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.written += bytes.len() as u64;
        if let Some(pieces) = &mut self.pieces {
            pieces.add(bytes);
        }
        let written = self.output.file().write_all(bytes);
        written.at(self.output.target(), "write")
    }

    /// Writes bytes elsewhere in the file, which goes on there.
    pub(super) fn put_at(&mut self, place: u64, bytes: &[u8]) -> Result<()> {
        self.seek(place)?;
        let written = self.output.file().write_all(bytes);
        written.at(self.output.target(), "write")
    }

    pub(super) fn seek(&mut self, to: u64) -> Result<()> {
        let sought = self.output.file().seek(SeekFrom::Start(to));
        sought.map(|_| ()).at(self.output.target(), "write")
    }
}
