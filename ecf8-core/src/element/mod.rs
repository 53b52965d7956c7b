//! Number types as data: how the numbers of a tensor split into bytes, of which layouts code one.
//!
//! - An [`Element`] is a number type of safetensors: how long its numbers are, and which of their bits stand together.
//!   A further type is a further line in [`ELEMENTS`].
//! - A [`Split`] is how the numbers of one tensor are split: which byte of each is coded, which are stored as they are,
//!   and which are the same in all numbers and so not stored at all.
//! - A [`Dictionary`] is a list of the distinct numbers of a tensor that has few of them; then their places are split.
//!
//! Layouts see one *field* of at most 8 bits per number: the coded byte, or four bits of it. So one byte per number is
//! all that they ever deal with, however long numbers are.

mod counts;
mod dictionary;
pub mod format;
mod nibbles;
mod planes;
mod rests;
mod signs;
mod split;

pub use counts::{Counts, RUN, counts, counts_with_dictionary};
pub use dictionary::Dictionary;
pub use split::{Numbers, Plane, SLOTS, Split};

use format::{BF16, E4M3, E4M3FNUZ, E5M2, E5M2FNUZ, E8M0, F16, F32, F64, FloatFormat};

/// How the bits of a number stand together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shape {
    /// A byte, in which the four bits below the highest are an exponent that may be coded without the others.
    Nibble,
    /// Bytes, each coded or stored whole.
    Bytes,
    /// The highest bit is a sign, and the eight below it are an exponent. They change places, so that the exponent is a
    /// byte.
    Exponent,
}

/// A number type of safetensors.
#[derive(Debug, PartialEq, Eq)]
pub struct Element {
    /// Its name in safetensors headers, for example `BF16`.
    pub dtype: &'static str,
    /// Bits of one number.
    pub bits: u32,
    /// Bytes of what is split as one: a number, unless numbers are smaller than a byte or consist of several.
    pub bytes: usize,
    /// How its bits stand together.
    pub shape: Shape,
    /// What its bits mean, for those that are floats.
    pub float: Option<&'static FloatFormat>,
}

impl Element {
    /// Whole numbers of this many bytes.
    const fn integer(dtype: &'static str, bytes: usize) -> Self {
        Self { dtype, bits: 8 * crate::symbols::narrow(bytes), bytes, shape: Shape::Bytes, float: None }
    }

    /// Floats of whole bytes.
    const fn float(shape: Shape, format: &'static FloatFormat) -> Self {
        let bytes = format.bytes_per_element();
        Self { dtype: format.dtype, bits: format.bits(), bytes, shape, float: Some(format) }
    }

    /// Numbers of fewer than 8 bits, several of which share bytes.
    const fn packed(dtype: &'static str, bits: u32) -> Self {
        Self { dtype, bits, bytes: 1, shape: Shape::Bytes, float: None }
    }
}

/// All number types of safetensors.
pub static ELEMENTS: [Element; 22] = [
    Element::float(Shape::Nibble, &E4M3),
    Element::float(Shape::Nibble, &E4M3FNUZ),
    Element::float(Shape::Bytes, &E5M2),
    Element::float(Shape::Bytes, &E5M2FNUZ),
    Element::float(Shape::Bytes, &E8M0),
    Element::float(Shape::Exponent, &BF16),
    Element::float(Shape::Bytes, &F16),
    Element::float(Shape::Exponent, &F32),
    Element::float(Shape::Bytes, &F64),
    Element { dtype: "C64", bits: 64, bytes: 4, shape: Shape::Exponent, float: Some(&F32) },
    Element::packed("F4", 4),
    Element::packed("F6_E2M3", 6),
    Element::packed("F6_E3M2", 6),
    Element::integer("BOOL", 1),
    Element::integer("I8", 1),
    Element::integer("U8", 1),
    Element::integer("I16", 2),
    Element::integer("U16", 2),
    Element::integer("I32", 4),
    Element::integer("U32", 4),
    Element::integer("I64", 8),
    Element::integer("U64", 8),
];

/// The number type which safetensors calls `dtype`; `None` for one that is newer than this crate.
#[must_use]
pub fn element(dtype: &str) -> Option<&'static Element> {
    ELEMENTS.iter().find(|element| element.dtype == dtype)
}

impl Element {
    /// How many units of [`Element::bytes`] a tensor of this shape has; `None` if it overflows, or is not a whole
    /// number of bytes.
    #[must_use]
    pub fn units(&self, shape: &[u64]) -> Option<u64> {
        let numbers = shape.iter().try_fold(1u64, |product, dim| product.checked_mul(*dim))?;
        let bits = u128::from(numbers) * u128::from(self.bits);
        let unit = 8 * self.bytes as u128;
        u64::try_from(bits / unit).ok().filter(|_| bits.is_multiple_of(unit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::Dtype;

    #[test]
    fn every_dtype_of_safetensors_is_there_with_its_size() {
        for element in &ELEMENTS {
            let dtype: Dtype = serde_json::from_value(element.dtype.into()).unwrap();
            assert_eq!((dtype.to_string().as_str(), dtype.bitsize()), (element.dtype, element.bits as usize));
        }
        assert_eq!(element("BF16").map(|element| element.bytes), Some(2));
        assert_eq!(element("F128"), None);
    }

    #[test]
    fn a_shape_tells_how_many_units_there_are() {
        let units = |dtype: &str, shape: &[u64]| element(dtype).unwrap().units(shape);
        assert_eq!((units("F4", &[3, 4]), units("F4", &[3])), (Some(6), None));
        assert_eq!(
            (units("F32", &[]), units("C64", &[5]), units("BF16", &[7, 0])),
            (Some(1), Some(10), Some(0))
        );
        assert_eq!(units("U8", &[u64::MAX, 2]), None);
    }
}
