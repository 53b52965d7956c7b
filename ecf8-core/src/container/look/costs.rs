//! What the codes cost that an encoder can choose: each scheme, with each limit of its codewords.

use crate::container::batch::batches;
use crate::container::{BATCH_BYTES, CompressedFile, CompressedModel, CompressedTensor, Progress};
use crate::element::{Numbers, Split};
use crate::error::Result;
use crate::histogram::Histogram;
use crate::int;
use crate::layout::{Counted, Scheme, schemes};
use rayon::prelude::*;
use serde::Serialize;

/// What all compressed tensors of a model would take by one scheme, with one limit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CodeCost {
    /// The scheme.
    pub scheme: &'static str,
    /// The most bits of a codeword.
    pub code_bits: u8,
    /// Bytes of codewords, patches and raw bits; for schemes whose parts' lengths follow from the codewords, of all parts.
    pub bytes: u64,
    /// That, by the bytes in the original.
    pub ratio: f64,
    /// Symbols that have no codeword and are patched.
    pub escaped: u64,
}

/// The costs of all schemes with all their limits, for the tensors that are compressed in a model. Tensors that share a
/// codebook share one here. Decodes them all.
///
/// # Errors
/// If a tensor cannot be decoded.
pub fn code_costs(model: &CompressedModel, progress: &dyn Progress) -> Result<Vec<CodeCost>> {
    let tensors = || model.files.iter().flat_map(CompressedFile::tensors);
    let original: u64 = tensors().map(|tensor| tensor.original_bytes()).fold(0, u64::saturating_add);
    progress.start("counting", original);
    let mut costs: Vec<CodeCost> = Vec::new();
    for file in &model.files {
        for symbols in symbols_by_codebook(file, progress)? {
            add_costs(&mut costs, symbols);
        }
    }
    progress.finish();
    costs.iter_mut().for_each(|cost| cost.ratio = super::inspect::ratio(cost.bytes, original));
    Ok(costs)
}

/// For each codebook of a file, the symbols of its tensors by each scheme that takes them.
type BySchemes = Vec<(&'static dyn Scheme, Symbols)>;

/// Symbols of some tensors.
struct Symbols {
    histogram: Histogram,
    /// How one of them is split; the others alike.
    split: Split,
    /// Elements of all.
    elements: u64,
    /// Those outside their windows.
    outside: u64,
}

fn symbols_by_codebook(file: &CompressedFile, progress: &dyn Progress) -> Result<Vec<BySchemes>> {
    let tensors: Vec<CompressedTensor<'_>> = file.tensors().collect();
    let mut sums: Vec<BySchemes> = file.codebooks().iter().map(|_| Vec::new()).collect();
    for batch in batches(&tensors, BATCH_BYTES, CompressedTensor::original_bytes) {
        let counted: Vec<Vec<(usize, BySchemes)>> = batch
            .par_iter()
            .map(|tensor| {
                let data = tensor.decode()?;
                let split = tensor.split();
                let of_bytes = |bytes| {
                    let numbers = Numbers { split, bytes };
                    let takes = |scheme: &&&'static dyn Scheme| scheme.takes_split(split);
                    let coded = Histogram::of_bytes(&numbers.coded());
                    let symbols = |scheme: &'static dyn Scheme| Symbols {
                        histogram: scheme.symbol_histogram(numbers),
                        split: split.clone(),
                        elements: numbers.units(),
                        outside: split.outside(scheme.symbols().bits, &coded),
                    };
                    schemes().iter().filter(takes).map(|scheme| (*scheme, symbols(*scheme))).collect()
                };
                let (width, indices) = (split.element.bytes, tensor.codebook_indices());
                let pieces = tensor.codebooks().pieces((data.len() / width) as u64).into_iter().map(|run| {
                    let bytes = &data[int::index(run.first) * width..][..int::index(run.elements) * width];
                    (indices[run.index], of_bytes(bytes))
                });
                Ok(pieces.collect())
            })
            .collect::<Result<_>>()?;
        for (codebook, counted) in counted.into_iter().flatten() {
            let Some(sums) = sums.get_mut(codebook) else { continue };
            if sums.is_empty() {
                *sums = counted;
            } else {
                for ((_, sum), (_, symbols)) in sums.iter_mut().zip(&counted) {
                    sum.histogram.add(&symbols.histogram);
                    sum.elements = sum.elements.saturating_add(symbols.elements);
                    sum.outside = sum.outside.saturating_add(symbols.outside);
                }
            }
        }
        progress.advance(batch.iter().map(CompressedTensor::original_bytes).sum());
    }
    Ok(sums)
}

fn add_costs(costs: &mut Vec<CodeCost>, symbols: BySchemes) {
    for (scheme, Symbols { histogram, split, elements, outside }) in symbols {
        for code_bits in scheme.code_bits() {
            let codebook = scheme.codebook_within(&histogram, code_bits);
            let counted = Counted { elements, histogram: &histogram, outside };
            let bytes = scheme.encoded_bytes(&split, &counted, &codebook);
            let escaped = codebook.uncovered(&histogram).saturating_add(outside);
            let is_it = |cost: &&mut CodeCost| (cost.scheme, cost.code_bits) == (scheme.name(), code_bits);
            if let Some(cost) = costs.iter_mut().find(is_it) {
                cost.bytes = cost.bytes.saturating_add(bytes);
                cost.escaped = cost.escaped.saturating_add(escaped);
            } else {
                costs.push(CodeCost { scheme: scheme.name(), code_bits, bytes, ratio: 1.0, escaped });
            }
        }
    }
}
