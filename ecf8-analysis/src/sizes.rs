//! What schemes make of a tensor, as `ecf8 inspect --costs` counts it, from a sample.

use crate::report::SchemeSize;
use ecf8_core::element::{Element, Numbers, counts};
use ecf8_core::layout::Counted;
use ecf8_core::schemes;

/// What a tensor of `units` units would take by each scheme that takes its numbers, of which `sample` are some: without
/// metadata, and with one codebook, made for the sample; a container may have several for a tensor that drifts.
pub(crate) fn predicted(element: &'static Element, sample: &[u8], units: u64) -> Vec<SchemeSize> {
    let sampled = (sample.len() / element.bytes) as u64;
    if sampled == 0 {
        return Vec::new();
    }
    let counted = counts(element, sample);
    let numbers = Numbers { split: &counted.split, bytes: sample };
    let takes = |scheme: &&&'static dyn ecf8_core::Scheme| scheme.takes_split(&counted.split);
    let size = |scheme: &'static dyn ecf8_core::Scheme| {
        let histogram = scheme.symbol_histogram(numbers);
        let codebook = scheme.codebook(&histogram);
        // Where exponents have a window, the first plane is exponents.
        let outside =
            counted.planes.first().map_or(0, |plane| counted.split.outside(scheme.symbols().bits, plane));
        let counted_symbols = Counted { elements: sampled, histogram: &histogram, outside };
        let bytes = scheme.encoded_bytes(&counted.split, &counted_symbols, &codebook);
        let bytes = u128::from(bytes) * u128::from(units) / u128::from(sampled);
        sized(scheme.name(), u64::try_from(bytes).unwrap_or(u64::MAX), units * element.bytes as u64, false)
    };
    schemes().iter().filter(takes).map(|scheme| size(*scheme)).collect()
}

/// A size beside what it is without compression.
#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
pub(crate) fn sized(scheme: &str, bytes: u64, original: u64, is_actual: bool) -> SchemeSize {
    let ratio = if original == 0 { 1.0 } else { bytes as f64 / original as f64 };
    SchemeSize { scheme: scheme.to_owned(), bytes, ratio, is_actual }
}
