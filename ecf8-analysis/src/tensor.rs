//! One tensor looked at.

use crate::counts::{Counts, Numbers, Piece};
use crate::entropy::{exponent_counts, of_bytes, of_fields};
use crate::hadamard::Effect;
use crate::numbers::FloatType;
use crate::report::{BitFieldEntropies, ExponentBin, Floor, HadamardEffect, TensorAnalysis};
use crate::rows::{row_length, sample};
use crate::sizes::{predicted, sized};
use crate::stable::{self, Cells};
use crate::{Options, SIZE_SAMPLE, theory};
use ecf8_core::container::{Progress, Role, WeightsFile};
use ecf8_core::element::{ELEMENTS, Element, element};
use ecf8_core::header::TensorRecord;
use ecf8_core::map::give_back;
use ecf8_core::{Error, Result};
use std::ops::Range;

/// Elements that are read at once: whole symbols of every kind of every scheme, which decode without others.
const WINDOW: u64 = 96 * 98_304;

/// Rows up to this many elements are compared with the row above; more would take too much memory.
const LONGEST_ROW: u64 = WINDOW;

/// Looks at one tensor; `file` is what its file is called.
pub(crate) fn analyze(
    weights: &WeightsFile,
    record: &TensorRecord,
    file: String,
    options: &Options,
    progress: &dyn Progress,
) -> Result<TensorAnalysis> {
    let dtype = record.dtype.to_string();
    // A type that is newer than this version is bytes.
    let element = element(&dtype).unwrap_or(&ELEMENTS[BYTES]);
    let elements = record.shape.iter().fold(1u64, |product, dimension| product.saturating_mul(*dimension));
    let kind = options.kinds.of(&record.name, &dtype, &record.shape).to_owned();
    let looked = look(weights, record, element, options, progress)?;
    let float = looked.numbers.float;
    let entropy = float.map(|float| of_fields(float, &looked.counts));
    // Scales and types without a sign follow no symmetric law.
    let signed =
        float.filter(|float| float.format.sign_bits > 0 && Role::of(&record.name, &dtype) != Role::Scales);
    let fitted = signed.and_then(|float| {
        let (fit, law) = stable::fit(&Cells::new(float, &looked.counts.heads))?;
        let theory = theory::of(fit.alpha, fit.scale, float, &law);
        Some((fit, theory, theory::field_probabilities(float, &law)))
    });
    let exponents = float.map_or(Vec::new(), |float| {
        bins(float, &looked.counts, fitted.as_ref().map(|(_, _, probabilities)| &probabilities[..]))
    });
    let units = record.bytes() / element.bytes as u64;
    let mut sizes = predicted(element, &looked.size_sample, units);
    let mut stored_bytes = record.bytes();
    if let Some(compressed) = weights.compressed(record) {
        stored_bytes = compressed.stored_bytes();
        let scheme = compressed.scheme().name();
        sizes.retain(|size| size.scheme != scheme);
        sizes.insert(0, sized(scheme, stored_bytes, record.bytes(), true));
    }
    let hadamard = looked.effect.zip(float).map(|(effect, float)| HadamardEffect {
        elements: effect.before.total(),
        before: of_fields(float, &effect.before),
        after: of_fields(float, &effect.after),
    });
    let (law, theory) = fitted.map(|(fit, theory, _)| (fit, theory)).unzip();
    Ok(TensorAnalysis {
        layer: options.kinds.layer(&record.name),
        name: record.name.clone(),
        file,
        dtype,
        shape: record.shape.clone(),
        elements,
        bytes: record.bytes(),
        kind,
        byte_entropies: of_bytes(looked.numbers, &looked.counts),
        floor: entropy.zip(signed).map(|(entropy, float)| floor(&entropy, float)),
        entropy,
        hadamard,
        exponents,
        law,
        theory,
        sizes,
        stored_bytes,
    })
}

/// Where the element of single bytes is among all.
const BYTES: usize = 15;

/// What was read of a tensor.
struct Looked {
    numbers: Numbers,
    counts: Counts,
    effect: Option<Effect>,
    size_sample: Vec<u8>,
}

/// Reads a tensor once, window by window.
fn look(
    weights: &WeightsFile,
    record: &TensorRecord,
    element: &'static Element,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Looked> {
    let numbers = Numbers::of(element);
    let width = element.bytes as u64;
    let units = record.bytes() / width;
    let row = unit_row(record, element, units);
    let back = if row <= LONGEST_ROW { row } else { 1 };
    let block = options.hadamard_block;
    let is_weights = Role::of(&record.name, element.dtype) != Role::Scales;
    let transformed = numbers.float.filter(|float| block > 1 && float.format.sign_bits > 0 && is_weights);
    let hadamard_runs =
        if transformed.is_some() { sample(units, row, u64::from(block), options.sample) } else { Vec::new() };
    let mut hadamard = Runs::new(hadamard_runs);
    let mut sizes = Runs::new(sample(units, row, 1, Some(SIZE_SAMPLE)));
    let mut effect = transformed.map(|_| Effect::new(numbers));
    let (mut counts, mut size_sample) = (Counts::new(numbers), Vec::new());
    let mut first = 0;
    while first < units {
        if progress.is_cancelled() {
            return Err(Error::Cancelled { path: weights.path().to_owned() });
        }
        let end = (first + WINDOW).min(units);
        let known = back.min(first);
        let bytes = weights.read(record, (first - known) * width..end * width)?;
        let before = usize::try_from(known).unwrap_or(0);
        counts.add(numbers, Piece { bytes: &bytes, before, first, row });
        let own = &bytes[before * element.bytes..];
        sizes.feed(first, own, element.bytes, &mut |run| size_sample.extend_from_slice(run));
        if let Some((effect, float)) = effect.as_mut().zip(transformed) {
            let block = usize::try_from(block).unwrap_or(1);
            hadamard.feed(first, own, element.bytes, &mut |run| effect.add(float, run, row, block));
        }
        give_back(&bytes);
        progress.advance((end - first) * width);
        first = end;
    }
    Ok(Looked { numbers, counts, effect, size_sample })
}

/// Units of a row: as many as elements, unless several elements are a unit or an element is several.
fn unit_row(record: &TensorRecord, element: &Element, units: u64) -> u64 {
    let bits = u128::from(row_length(&record.shape)) * u128::from(element.bits);
    u64::try_from(bits / (8 * element.bytes as u128)).unwrap_or(u64::MAX).clamp(1, units.max(1))
}

/// Runs of elements, put together from windows that they lie in.
struct Runs {
    /// Those that are to come, the last one first.
    runs: Vec<Range<u64>>,
    begun: Vec<u8>,
}

impl Runs {
    fn new(mut runs: Vec<Range<u64>>) -> Self {
        runs.reverse();
        Self { runs, begun: Vec::new() }
    }

    /// Gives the runs that end in this window, which follows the one before it, to `take`.
    fn feed(&mut self, first: u64, window: &[u8], width: usize, take: &mut dyn FnMut(&[u8])) {
        let end = first + (window.len() / width) as u64;
        while let Some(run) = self.runs.last().cloned().filter(|run| run.start < end) {
            let place =
                |element: u64| usize::try_from(element.clamp(first, end) - first).unwrap_or(0) * width;
            let part = &window[place(run.start)..place(run.end)];
            if run.end > end {
                self.begun.extend_from_slice(part);
                return;
            }
            if self.begun.is_empty() {
                take(part);
            } else {
                self.begun.extend_from_slice(part);
                take(&self.begun);
                self.begun.clear();
            }
            self.runs.pop();
        }
    }
}

/// The exponents that occur.
fn bins(float: &FloatType, counts: &Counts, law: Option<&[f64]>) -> Vec<ExponentBin> {
    let bin = |(field, count): (u32, u64)| ExponentBin {
        exponent: float.exponent(field),
        count,
        law: law.map(|law| law.get(field as usize).copied().unwrap_or(0.0)),
    };
    let counts = (0u32..).zip(exponent_counts(float, &counts.heads));
    counts.filter(|(_, count)| *count > 0).map(bin).collect()
}

fn floor(entropy: &BitFieldEntropies, float: &FloatType) -> Floor {
    Floor {
        with_one_mantissa_bit: entropy.exponent + 2.0,
        exponents_coded: entropy.exponent + f64::from(float.format.sign_bits + float.format.mantissa_bits),
        elements_coded: entropy.element,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_where_they_are_said_to_be() {
        assert_eq!(ELEMENTS[BYTES].dtype, "U8");
    }

    #[test]
    fn runs_are_put_together_from_windows() {
        let data: Vec<u8> = (0..100).collect();
        for window in [1, 3, 10, 26, 100] {
            let mut runs = Runs::new(vec![0..5, 5..6, 10..31, 40..50]);
            let mut taken = Vec::new();
            for (index, part) in data.chunks(2 * window).enumerate() {
                runs.feed((index * window) as u64, part, 2, &mut |run| taken.push(run.to_vec()));
            }
            let expected = [0..10, 10..12, 20..62, 80..100].map(|bytes| data[bytes].to_vec());
            assert_eq!(taken, expected, "windows of {window}");
        }
    }
}
