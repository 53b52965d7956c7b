//! What compressing a model would give, told from its headers and pieces of its tensors, before anything is written.

use super::candidates::{self, Compressible, candidates};
use super::choice::{self, SchemeChoice};
use super::sharing;
use super::subject::{self, Data, Reading, SAMPLE_PIECE, Subject};
use crate::codebook::cluster::MOST;
use crate::container::folder::{Content, Folder};
use crate::container::look::dtypes::{self, DtypeSummary};
use crate::container::manifest::is_manifest;
use crate::container::sizes::{self, Deflated, padded_to, part_alignment};
use crate::container::{CompressOptions, CompressedFile, MANIFEST_KEY};
use crate::element::Element;
use crate::error::Result;
use crate::header::{Header, TensorRecord};
use crate::layout::Aim;
use crate::map::MappedFile;
use crate::source::{MappedSource, Source, file_bytes};
use rayon::prelude::*;
use serde::Serialize;
use std::collections::HashSet;
use std::path::Path;

/// Bytes of each tensor that are looked at, at most, in a file of few tensors.
const SAMPLE: u64 = 256 << 10;

/// Bytes of a file that are looked at, at most, but that each tensor's sample has one piece: so 100 GB take seconds.
const SAMPLES: u64 = 24 << 20;

/// What a container takes beside its tensors, about: the guard, the manifest's frame, entries and checksums of its own.
const FRAME: u64 = 700;

/// What compressing a file or folder would give.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Estimate {
    /// Bytes of all `.safetensors` files.
    pub input_bytes: u64,
    /// What they are likely to take compressed.
    pub predicted_bytes: u64,
    /// Bytes that were looked at to predict that.
    pub sampled_bytes: u64,
    /// Tensors by dtype and by what would become of them: those that get smaller first.
    pub dtypes: Vec<DtypeSummary>,
    /// `.safetensors` files, by name.
    pub files: Vec<FileEstimate>,
    /// Other files of the folder, which are copied as they are.
    pub copied: usize,
    /// Their bytes.
    pub copied_bytes: u64,
}

/// What compressing one file would give.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileEstimate {
    /// Its path within the folder, or its name.
    pub name: String,
    /// Its bytes.
    pub input_bytes: u64,
    /// What it is likely to take compressed; its bytes, if it is compressed already.
    pub predicted_bytes: u64,
    /// Whether it is compressed already.
    pub is_compressed: bool,
}

/// Tells what compressing a file or folder would give, from samples: evenly spaced pieces of each tensor.
///
/// # Errors
/// If a file cannot be read, or is not valid safetensors; if a folder holds no weights.
pub fn estimate(input: &Path, options: &CompressOptions) -> Result<Estimate> {
    let mut sum = Estimate {
        input_bytes: 0,
        predicted_bytes: 0,
        sampled_bytes: 0,
        dtypes: Vec::new(),
        files: Vec::new(),
        copied: 0,
        copied_bytes: 0,
    };
    let mut found = Vec::new();
    if input.is_dir() {
        let folder = Folder::open(input, Content::Plain)?;
        folder.require_weights(input)?;
        for weights in folder.weights() {
            let one = of_file(&folder.root.join(&weights.name), options)?;
            sum.add(weights.name.to_string_lossy().into_owned(), one, &mut found);
        }
        for other in folder.others() {
            sum.copied += 1;
            sum.copied_bytes = sum.copied_bytes.saturating_add(other.bytes);
        }
    } else {
        let name = input.file_name().unwrap_or_default().to_string_lossy().into_owned();
        sum.add(name, of_file(input, options)?, &mut found);
    }
    sum.dtypes = dtypes::merged(found);
    Ok(sum)
}

/// What compressing one file is likely to give, in bytes.
pub(in crate::container) fn predicted_bytes(input: &Path, options: &CompressOptions) -> Result<u64> {
    Ok(of_file(input, options)?.predicted_bytes)
}

/// What is told of one file.
struct Told {
    input_bytes: u64,
    predicted_bytes: u64,
    sampled_bytes: u64,
    dtypes: Vec<DtypeSummary>,
    is_compressed: bool,
}

impl Estimate {
    fn add(&mut self, name: String, one: Told, dtypes: &mut Vec<DtypeSummary>) {
        let Told { input_bytes, predicted_bytes, sampled_bytes, is_compressed, .. } = one;
        self.input_bytes = self.input_bytes.saturating_add(input_bytes);
        self.predicted_bytes = self.predicted_bytes.saturating_add(predicted_bytes);
        self.sampled_bytes = self.sampled_bytes.saturating_add(sampled_bytes);
        dtypes.extend(one.dtypes);
        self.files.push(FileEstimate { name, input_bytes, predicted_bytes, is_compressed });
    }
}

fn of_file(path: &Path, options: &CompressOptions) -> Result<Told> {
    let input = MappedFile::open(path)?;
    input.or_changed(MappedSource::new(&input).and_then(|source| of_source(&source, options)))
}

fn of_source(source: &dyn Source, options: &CompressOptions) -> Result<Told> {
    let header = source.header();
    let input_bytes = file_bytes(source);
    if header.metadata(MANIFEST_KEY).is_some_and(is_manifest) {
        return already_compressed(source.path(), input_bytes);
    }
    // One way to decide is enough to tell about how much is gained.
    let Some(variant) = choice::variants(options).into_iter().next() else {
        return Ok(kept_whole(header, input_bytes, options));
    };
    let schemes = SchemeChoice::new(options).schemes();
    let takable: Vec<(&TensorRecord, &'static Element)> = header
        .tensors
        .iter()
        .filter_map(|record| Some((record, subject::takable(&schemes, record)?)))
        .collect();
    let each = SAMPLE.min(SAMPLES / (takable.len() as u64).max(1)).max(SAMPLE_PIECE);
    let reading = Reading::new(&schemes, options, takable.len() <= MOST);
    let sample = Data::Sample(source, each);
    let read = takable.par_iter().map(|(record, element)| reading.read(record, element, sample));
    let mut subjects = read.collect::<Result<Vec<Subject<'_>>>>()?;
    sharing::plant_seeds(&mut subjects);
    let deflated = candidates::deflated(&subjects, &schemes);
    let candidates = candidates(&subjects, &schemes, &variant, deflated)?;

    let mut smaller: HashSet<*const TensorRecord> = HashSet::new();
    let mut predicted =
        FRAME.saturating_add(sizes::about_deflated(source.json(), &[]).unwrap_or(source.json().len() as u64));
    let mut texts: HashSet<*const u8> = HashSet::new();
    let taken = candidates.list.par_iter().map(|one| compressed_bytes(one, variant.aim, deflated));
    let taken = taken.collect::<Result<Vec<u64>>>()?;
    for (one, taken) in candidates.list.iter().zip(taken) {
        if taken < one.subject.kept_bytes {
            predicted = predicted.saturating_add(taken);
            smaller.insert(one.subject.record);
            for codebook in one.codebooks.iter().filter(|one| texts.insert(one.text.as_ptr())) {
                predicted = predicted.saturating_add(codebook.bytes());
            }
        }
    }
    let (compressed, others): (Vec<_>, Vec<_>) =
        header.tensors.iter().partition(|record| smaller.contains(&std::ptr::from_ref(*record)));
    for record in &others {
        predicted = predicted.saturating_add(sizes::stored_bytes(&sizes::kept_entry(record)));
    }
    let mut told = kept_whole(header, input_bytes, options);
    told.sampled_bytes = subjects.iter().map(|subject| subject.bytes).sum();
    // Where nothing is gained in all, the file is kept with its header and a manifest.
    if !compressed.is_empty() && predicted < told.predicted_bytes {
        told.predicted_bytes = predicted;
        told.dtypes = dtypes::kept(others, options.scheme);
        told.dtypes.extend(dtypes::compressed(compressed));
    }
    Ok(told)
}

/// What is told of a file that is kept as it is.
fn kept_whole(header: &Header, input_bytes: u64, options: &CompressOptions) -> Told {
    Told {
        input_bytes,
        predicted_bytes: input_bytes.saturating_add(FRAME),
        sampled_bytes: 0,
        dtypes: dtypes::kept(&header.tensors, options.scheme),
        is_compressed: false,
    }
}

fn already_compressed(path: &Path, bytes: u64) -> Result<Told> {
    let file = CompressedFile::open(path)?;
    let mut found = dtypes::of_container(&file);
    for one in found.iter_mut().filter(|one| one.compressed) {
        one.why = "they are compressed already".to_owned();
    }
    Ok(Told {
        input_bytes: bytes,
        predicted_bytes: bytes,
        sampled_bytes: 0,
        dtypes: found,
        is_compressed: true,
    })
}

/// What a tensor is likely to take compressed, with what is said of it, but without its codebook.
fn compressed_bytes(one: &Compressible<'_>, aim: Aim, deflated: Deflated) -> Result<u64> {
    let (subject, scheme) = (one.subject, one.scheme);
    if subject.bytes == subject.record.bytes() {
        // The sample is the tensor, so what it takes can be known: padding is much of a tiny one.
        if let Ok(encoded) = subject.encode(scheme, &one.coding(), aim)? {
            let alignment = part_alignment(subject.is_pooled(scheme));
            let lengths = encoded.parts.iter().map(|part| padded_to(alignment, part.bytes.len() as u64));
            return Ok(one.bytes_with(lengths.fold(0, u64::saturating_add), deflated));
        }
    }
    let symbols = subject.count(scheme)?;
    let sampled = subject.encoded_bytes(scheme, &symbols, one.codebooks.iter().map(|one| &*one.codebook));
    let alignment = part_alignment(subject.is_pooled(scheme));
    let padding = alignment / 2 * scheme.part_specs(&subject.split).len() as u64;
    let units = subject.record.bytes() / subject.split.element.bytes as u64;
    let parts =
        subject.of_whole(sampled).saturating_add(scheme.chunk_bytes(units, aim)).saturating_add(padding);
    Ok(one.bytes_with(parts, deflated))
}
