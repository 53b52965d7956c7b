//! What the codes cost that an encoder can choose: each scheme, with each limit of its codewords, and one codebook for a
//! tensor instead of several.

use super::following::{Following, shares_of_codebooks};
use crate::codebook::Codebook;
use crate::container::batch::batches;
use crate::container::{BATCH_BYTES, CompressedFile, CompressedModel, CompressedTensor, Progress};
use crate::element::{Numbers, Split};
use crate::error::Result;
use crate::histogram::Histogram;
use crate::int;
use crate::layout::{Counted, Scheme, schemes};
use crate::map::give_back;
use rayon::prelude::*;
use serde::Serialize;

/// Elements of a large tensor that are counted at once: whole symbols of every kind, in the order of slots.
const AT_ONCE: u64 = 96 * 98_304;

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

/// What other codes would cost, and what codes that follow the data gain.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Costs {
    /// By each scheme, with each limit of its codewords.
    pub codes: Vec<CodeCost>,
    /// Of each tensor with several codebooks, in the order of files and tensors.
    pub following: Vec<Following>,
}

/// The costs of all schemes with all their limits, for the tensors that are compressed in a model, where those that share
/// a codebook share one here; and what several codebooks for one tensor gain. Decodes them all, each once.
///
/// # Errors
/// If a tensor cannot be decoded.
pub fn code_costs(model: &CompressedModel, progress: &dyn Progress) -> Result<Costs> {
    let tensors = || model.files.iter().flat_map(CompressedFile::tensors);
    let original: u64 = tensors().map(|tensor| tensor.original_bytes()).fold(0, u64::saturating_add);
    progress.start("counting", original);
    let mut costs = Costs { codes: Vec::new(), following: Vec::new() };
    for file in &model.files {
        let name = model.name_of(file).to_string_lossy().into_owned();
        for symbols in count(file, &name, &mut costs.following, progress)? {
            add_costs(&mut costs.codes, symbols);
        }
    }
    progress.finish();
    costs.codes.iter_mut().for_each(|cost| cost.ratio = super::inspect::ratio(cost.bytes, original));
    Ok(costs)
}

/// Symbols that have one codebook, by each scheme that takes them.
pub(super) type BySchemes = Vec<(&'static dyn Scheme, Symbols)>;

/// Symbols of a tensor, of some of its runs, or of several tensors that are split alike.
#[derive(Debug, Clone)]
pub(super) struct Symbols {
    /// How often each occurs.
    pub(super) histogram: Histogram,
    /// How one of the tensors is split; the others alike.
    split: Split,
    /// Elements of all.
    elements: u64,
    /// Those outside their windows.
    outside: u64,
}

impl Symbols {
    pub(super) fn add(&mut self, other: &Self) {
        self.histogram.add(&other.histogram);
        self.elements = self.elements.saturating_add(other.elements);
        self.outside = self.outside.saturating_add(other.outside);
    }

    /// What they take by a scheme with a codebook, which is not counted.
    pub(super) fn bytes(&self, scheme: &dyn Scheme, codebook: &Codebook) -> u64 {
        let Self { histogram, split, elements, outside } = self;
        let counted = Counted { elements: *elements, histogram, outside: *outside };
        scheme.encoded_bytes(split, &counted, codebook)
    }
}

fn add(sums: &mut BySchemes, counted: BySchemes) {
    if sums.is_empty() {
        *sums = counted;
    } else {
        sums.iter_mut().zip(&counted).for_each(|((_, sum), (_, symbols))| sum.add(symbols));
    }
}

/// The symbols of a file's tensors, for each of its codebooks; adds what its tensors gain by several.
fn count(
    file: &CompressedFile,
    name: &str,
    following: &mut Vec<Following>,
    progress: &dyn Progress,
) -> Result<Vec<BySchemes>> {
    let tensors: Vec<CompressedTensor<'_>> = file.tensors().collect();
    let shares = shares_of_codebooks(file);
    let mut sums: Vec<BySchemes> = vec![Vec::new(); file.codebooks().len()];
    for batch in batches(&tensors, BATCH_BYTES, CompressedTensor::original_bytes) {
        let counted = batch.par_iter().map(|tensor| {
            let counted = count_tensor(tensor)?;
            let gain = Following::of(name, tensor, &counted, &shares);
            Ok((tensor.codebook_indices(), counted, gain))
        });
        for (indices, counted, gain) in counted.collect::<Result<Vec<_>>>()? {
            following.extend(gain);
            for (index, counted) in indices.iter().zip(counted) {
                if let Some(sums) = sums.get_mut(*index) {
                    add(sums, counted);
                }
            }
        }
        progress.advance(batch.iter().map(CompressedTensor::original_bytes).sum());
    }
    Ok(sums)
}

/// The symbols of a tensor, for each of its codebooks.
fn count_tensor(tensor: &CompressedTensor<'_>) -> Result<Vec<BySchemes>> {
    let split = tensor.split();
    let of_bytes = |bytes: &[u8]| -> BySchemes {
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
    let width = split.element.bytes;
    let mut sums: Vec<BySchemes> = vec![Vec::new(); tensor.codebooks().list().len()];
    let runs = tensor.codebooks().pieces(tensor.original_bytes() / width as u64);
    if tensor.original_bytes() <= BATCH_BYTES {
        let data = tensor.decode()?;
        for run in runs {
            let bytes = &data[int::index(run.first) * width..][..int::index(run.elements) * width];
            add(&mut sums[run.index], of_bytes(bytes));
        }
        return Ok(sums);
    }
    tensor.check_decoding()?;
    let mut memory = Vec::new();
    for run in runs {
        let end = run.first + run.elements;
        for first in (run.first..end).step_by(int::index(AT_ONCE)) {
            memory.resize(int::index(AT_ONCE.min(end - first)) * width, 0);
            tensor.decode_range(first, &mut memory)?;
            tensor.encoded().parts.iter().for_each(|part| give_back(&part.bytes));
            add(&mut sums[run.index], of_bytes(&memory));
        }
    }
    Ok(sums)
}

fn add_costs(costs: &mut Vec<CodeCost>, symbols: BySchemes) {
    for (scheme, symbols) in symbols {
        for code_bits in scheme.code_bits() {
            let codebook = scheme.codebook_within(&symbols.histogram, code_bits);
            let bytes = symbols.bytes(scheme, &codebook);
            let escaped = codebook.uncovered(&symbols.histogram).saturating_add(symbols.outside);
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
