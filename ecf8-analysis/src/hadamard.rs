//! The Hadamard transform of rows, in blocks, as quantisers that spread outliers over their neighbours use it.
//!
//! It is orthonormal, the Sylvester matrix of a power of two by the root of its size: as large as values were together, they
//! are after it. What a row has beyond whole blocks is transformed in the largest smaller powers of two that fit, down to
//! single elements, which stay as they are. The result is rounded to the type that values came from, ties to even, without
//! another scale, and what is beyond the type's largest number becomes that. The paper does not say how it rounds; with a
//! scale that makes the largest value what it was, weights with outliers would get far larger exponents' entropies, where
//! its table 4 has almost the same (FLUX: 2.085, then 2.086).

use crate::counts::{Counts, Numbers, Piece};
use crate::numbers::FloatType;
use rayon::prelude::*;
use std::ops::{Add, Mul, Sub};

/// Transforms the rows of a matrix with `row` elements each, the last of which may be shorter, in blocks of `block` elements,
/// a power of two.
pub fn transform<T>(values: &mut [T], row: usize, block: usize)
where
    T: Copy + Add<Output = T> + Sub<Output = T> + Mul<Output = T> + From<f32> + Root,
{
    for row in values.chunks_mut(row.max(1)) {
        let mut rest = row;
        let mut size = block.max(1);
        while !rest.is_empty() {
            while size > rest.len() {
                size /= 2;
            }
            let (now, later) = rest.split_at_mut(rest.len() / size * size);
            now.chunks_exact_mut(size).for_each(transform_block);
            rest = later;
        }
    }
}

/// Numbers that have roots of sizes.
pub trait Root {
    /// One by the square root of a size.
    fn of(size: usize) -> Self;
}

impl Root for f32 {
    #[expect(clippy::cast_possible_truncation, reason = "rounding is what is wanted")]
    fn of(size: usize) -> Self {
        f64::of(size) as f32
    }
}

impl Root for f64 {
    #[expect(clippy::cast_precision_loss, reason = "sizes are small powers of two")]
    fn of(size: usize) -> Self {
        (size as f64).sqrt().recip()
    }
}

/// Transforms one block, whose size is a power of two.
fn transform_block<T: Copy + Add<Output = T> + Sub<Output = T> + Mul<Output = T> + Root>(block: &mut [T]) {
    let mut half = 1;
    while half < block.len() {
        for pair in block.chunks_exact_mut(2 * half) {
            let (left, right) = pair.split_at_mut(half);
            for (a, b) in left.iter_mut().zip(right) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
        half *= 2;
    }
    let scale = T::of(block.len());
    block.iter_mut().for_each(|value| *value = *value * scale);
}

/// Counts of the same numbers before and after the transform.
#[derive(Debug)]
pub(crate) struct Effect {
    pub(crate) before: Counts,
    pub(crate) after: Counts,
}

impl Effect {
    pub(crate) fn new(numbers: Numbers) -> Self {
        Self { before: Counts::new(numbers), after: Counts::new(numbers) }
    }

    /// Counts a run of numbers, whole rows or a part of one, before and after the transform in blocks of `block`. A run with
    /// an infinity or NaN is left out.
    pub(crate) fn add(&mut self, float: &'static FloatType, run: &[u8], row: u64, block: usize) {
        /// Elements that one task transforms, about.
        const TASK: usize = 1 << 16;
        let numbers = Numbers { width: float.format.bytes_per_element(), float: Some(float) };
        let length = run.len() / numbers.width;
        let row_length = usize::try_from(row).unwrap_or(length).clamp(1, length.max(1));
        let at_once =
            if row_length <= TASK { TASK / row_length * row_length } else { (TASK / block).max(1) * block };
        // Parts of a row that is longer than a task begin at its blocks, and there is one row only.
        let at_once = if length > row_length && row_length > TASK { row_length } else { at_once };
        let parts = run.par_chunks(at_once.max(1) * numbers.width);
        let transformed = parts.map(|bytes| transformed(float, bytes, row_length, block));
        let Some(after) = transformed.collect::<Option<Vec<Vec<u8>>>>() else { return };
        let after = after.concat();
        let piece = |bytes| Piece { bytes, before: 0, first: 0, row: row_length as u64 };
        self.before.add(numbers, piece(run));
        self.after.add(numbers, piece(&after));
    }
}

/// Numbers after the transform, rounded to their type; `None` if one of them is an infinity or NaN. Rows have `row` numbers, blocks
/// `block`, a power of two.
#[must_use]
pub fn transformed(float: &FloatType, bytes: &[u8], row: usize, block: usize) -> Option<Vec<u8>> {
    let mut after = Vec::with_capacity(bytes.len());
    if float.format.bits() == 64 {
        let mut values = Vec::new();
        FloatType::wide_values(bytes, &mut values);
        if values.iter().any(|value| !value.is_finite()) {
            return None;
        }
        transform(&mut values, row, block);
        after.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    } else {
        let mut values = Vec::new();
        float.values(bytes, &mut values);
        if values.iter().any(|value| !value.is_finite()) {
            return None;
        }
        transform(&mut values, row, block);
        float.round(&values, &mut after);
    }
    Some(after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::of_fields;
    use ecf8_core::element::element;
    use ecf8_core::synthetic::{cast, gaussian};

    /// The transform by its matrix: a minus wherever the bits that row and column share are odd in number.
    fn by_matrix(block: &[f64]) -> Vec<f64> {
        let entry = |row: usize, column: usize| {
            if (row & column).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 }
        };
        let sum =
            |row| block.iter().enumerate().map(|(column, value)| entry(row, column) * value).sum::<f64>();
        (0..block.len()).map(|row| sum(row) / (block.len() as f64).sqrt()).collect()
    }

    #[test]
    fn it_is_what_the_matrix_says_and_its_own_inverse() {
        for size in [1usize, 2, 16, 128] {
            let before: Vec<f64> = gaussian(1, size, 1.0).iter().map(|value| f64::from(*value)).collect();
            let mut values = before.clone();
            transform(&mut values, size, 128.min(size));
            let expected = by_matrix(&before);
            assert!(values.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-12));
            transform(&mut values, size, 128.min(size));
            assert!(values.iter().zip(&before).all(|(a, b)| (a - b).abs() < 1e-12));
        }
    }

    #[test]
    fn tails_of_rows_are_transformed_in_smaller_blocks() {
        // 13 = 8 + 4 + 1, in each of two rows, and 3 = 2 + 1 in what is left.
        let before: Vec<f64> = gaussian(2, 29, 1.0).iter().map(|value| f64::from(*value)).collect();
        let mut values = before.clone();
        transform(&mut values, 13, 8);
        let mut expected = Vec::new();
        let mut rest = &before[..];
        for size in [8, 4, 1, 8, 4, 1, 2, 1] {
            let (block, later) = rest.split_at(size);
            expected.extend(by_matrix(block));
            rest = later;
        }
        assert!(values.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-12));
    }

    #[test]
    fn normal_weights_have_the_entropies_of_figure_4_before_and_after() {
        let float = FloatType::of(element("F8_E4M3").unwrap()).unwrap();
        let mut effect = Effect::new(Numbers { width: 1, float: Some(float) });
        effect.add(float, &cast(&gaussian(4, 1 << 21, 1.0)), 4096, 128);
        for counts in [&effect.before, &effect.after] {
            let found = of_fields(float, counts);
            assert!((found.exponent - 2.521).abs() < 0.003, "{found:?}");
            assert!((found.sign_mantissa - 3.982).abs() < 0.002, "{found:?}");
        }
    }

    #[test]
    fn long_rows_and_parts_of_rows_are_transformed_as_whole_ones() {
        let float = FloatType::of(element("F8_E4M3").unwrap()).unwrap();
        let bytes = cast(&gaussian(5, 600_000, 0.1));
        for row in [200_000u64, 600_000, 96, 1_000_000] {
            let mut effect = Effect::new(Numbers { width: 1, float: Some(float) });
            effect.add(float, &bytes, row, 128);
            let mut heads = vec![0u64; 256];
            let expected = transformed(float, &bytes, usize::try_from(row).unwrap(), 128).unwrap();
            expected.iter().for_each(|byte| heads[usize::from(*byte)] += 1);
            assert_eq!(effect.after.heads, heads, "{row}");
        }
    }

    #[test]
    fn nothing_is_said_of_numbers_that_are_none() {
        let float = FloatType::of(element("F8_E4M3").unwrap()).unwrap();
        let mut effect = Effect::new(Numbers { width: 1, float: Some(float) });
        effect.add(float, &[0x38, 0x7f], 2, 128);
        assert_eq!(effect.before.total(), 0);
    }
}
