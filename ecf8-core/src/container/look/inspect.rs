//! What compression achieved, from what a container says about itself.

use super::dtypes::{self, DtypeSummary};
use crate::codebook::Codebook;
use crate::container::{CompressedFile, CompressedModel, CompressedTensor, Statistics};
use crate::histogram::Histogram;
use rayon::prelude::*;
use serde::Serialize;
use std::borrow::Cow;

/// Sizes and entropies of a model; the keys are those that scripts rely on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    /// Bytes of the compressed tensors in the original.
    pub original_bytes: u64,
    /// What they take here: all files less the data of kept tensors, so headers, tables and checksums are included.
    pub compressed_bytes: u64,
    /// Compressed by original bytes; 1 if nothing was compressed.
    pub ratio: f64,
    /// Bytes of the original files.
    pub file_original_bytes: u64,
    /// Bytes of the files.
    pub file_bytes: u64,
    /// Tensors that are stored as they were.
    pub kept_tensors: usize,
    /// Bytes of their data.
    pub kept_bytes: u64,
    /// All tensors by dtype: what those take that are compressed, and why others are kept.
    pub dtypes: Vec<DtypeSummary>,
    /// What sharing codebooks would change.
    pub codebooks: CodebookComparison,
    /// The compressed tensors.
    pub tensors: Vec<TensorInspection>,
}

/// Codewords of exponents and their codebooks, both ways; each file has its own codebooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CodebookComparison {
    /// Distinct codebooks in the files.
    pub count: usize,
    /// Bytes with one codebook per tensor.
    pub per_tensor_bytes: u64,
    /// Bytes with one codebook per file.
    pub shared_bytes: u64,
}

/// Sizes and entropies of one compressed tensor.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TensorInspection {
    /// Its file, within the model's folder.
    pub file: String,
    /// Its name.
    pub name: String,
    /// Its dtype in the original.
    pub dtype: String,
    /// Its dimensions.
    pub shape: Vec<u64>,
    /// Numbers in it.
    pub elements: u64,
    /// Its scheme.
    pub scheme: &'static str,
    /// Code lengths of its symbols, one base-36 digit each; of its first elements, if it has several codebooks.
    pub codebook: String,
    /// How many codebooks it has.
    pub codebooks: usize,
    /// Numbers in the dictionary by which its numbers are split, if they are.
    pub dictionary: Option<usize>,
    /// Entropy of its exponents, in bits; none if its numbers are no floats, or cannot be decoded to count them.
    pub exponent_entropy_bits: Option<f64>,
    /// Entropy of its bytes, in bits; none if it cannot be decoded to count them.
    pub byte_entropy_bits: Option<f64>,
    /// Bytes in the original.
    pub original_bytes: u64,
    /// Bytes of its parts, padding included.
    pub compressed_bytes: u64,
    /// Compressed by original bytes; 1 for a tensor with no bytes.
    pub ratio: f64,
}

/// Bytes that a codebook of `symbols` symbols takes in a manifest: its digits, a comma and two escaped quotes.
fn codebook_bytes(symbols: usize) -> u64 {
    symbols as u64 + 5
}

/// Sums up a model. Reads the data of small tensors only: of large ones their container says how they are distributed.
#[must_use]
pub fn inspect(model: &CompressedModel) -> Inspection {
    let mut sum = Inspection {
        original_bytes: 0,
        compressed_bytes: 0,
        ratio: 1.0,
        file_original_bytes: 0,
        file_bytes: 0,
        kept_tensors: 0,
        kept_bytes: 0,
        dtypes: Vec::new(),
        codebooks: CodebookComparison { count: 0, per_tensor_bytes: 0, shared_bytes: 0 },
        tensors: Vec::new(),
    };
    for file in &model.files {
        let name = model.name_of(file).to_string_lossy().into_owned();
        let all: Vec<CompressedTensor<'_>> = file.tensors().collect();
        let statistics: Vec<Told<'_>> = all.par_iter().map(|tensor| tensor.statistics().ok()).collect();
        sum.tensors.extend(tensors(file, &name, &statistics));
        sum.file_bytes += file.bytes();
        sum.file_original_bytes = sum.file_original_bytes.saturating_add(file.original_bytes());
        sum.kept_tensors += file.kept().len();
        sum.kept_bytes += file.kept().map(|kept| kept.record.bytes()).sum::<u64>();
        sum.dtypes.extend(dtypes::of_container(file));
        let codebooks = compare_codebooks(file, &statistics);
        sum.codebooks.count += codebooks.count;
        sum.codebooks.per_tensor_bytes =
            sum.codebooks.per_tensor_bytes.saturating_add(codebooks.per_tensor_bytes);
        sum.codebooks.shared_bytes = sum.codebooks.shared_bytes.saturating_add(codebooks.shared_bytes);
    }
    sum.dtypes = dtypes::merged(std::mem::take(&mut sum.dtypes));
    sum.original_bytes =
        sum.tensors.iter().fold(0, |bytes, tensor| bytes.saturating_add(tensor.original_bytes));
    sum.compressed_bytes = sum.file_bytes - sum.kept_bytes;
    sum.ratio = ratio(sum.compressed_bytes, sum.original_bytes);
    sum
}

/// How the numbers of a tensor are distributed, unless it is damaged.
type Told<'a> = Option<Cow<'a, Statistics>>;

fn tensors(file: &CompressedFile, name: &str, told: &[Told<'_>]) -> Vec<TensorInspection> {
    let tensors = file.tensors().zip(told).map(|(tensor, told)| TensorInspection {
        file: name.to_owned(),
        name: tensor.name().to_owned(),
        dtype: tensor.dtype().to_owned(),
        shape: tensor.shape().to_vec(),
        elements: tensor.elements(),
        scheme: tensor.scheme().name(),
        codebook: tensor.codebooks().first().to_text(),
        codebooks: tensor.codebooks().list().len(),
        dictionary: tensor.split().dictionary.as_ref().map(|dictionary| dictionary.len()),
        exponent_entropy_bits: told.as_ref().and_then(|told| told.exponent_entropy_bits),
        byte_entropy_bits: told.as_ref().map(|told| told.byte_entropy_bits),
        original_bytes: tensor.original_bytes(),
        compressed_bytes: tensor.stored_bytes(),
        ratio: ratio(tensor.stored_bytes(), tensor.original_bytes()),
    });
    tensors.collect()
}

fn compare_codebooks(file: &CompressedFile, told: &[Told<'_>]) -> CodebookComparison {
    let (mut own, mut all) = (0u64, Histogram::default());
    for exponents in told.iter().flatten().filter_map(|told| told.exponents.as_ref()) {
        let codebook = Codebook::huffman(exponents, crate::layout::exponent_gap::MAX_LEN);
        own = own.saturating_add(codebook.cost_bits(exponents).div_ceil(8));
        all.add(exponents);
    }
    let shared = Codebook::huffman(&all, crate::layout::exponent_gap::MAX_LEN);
    let symbols = all.alphabet();
    let tables = if symbols == 0 { 0 } else { codebook_bytes(symbols) };
    CodebookComparison {
        count: file.codebooks().len(),
        per_tensor_bytes: own.saturating_add(file.codebooks().len() as u64 * tables),
        shared_bytes: shared.cost_bits(&all).div_ceil(8).saturating_add(tables),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
pub(super) fn ratio(compressed: u64, original: u64) -> f64 {
    if original == 0 { 1.0 } else { compressed as f64 / original as f64 }
}
