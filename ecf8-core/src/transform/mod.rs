//! Transforms: what is done with a tensor's bytes before they are counted and coded, and undone after they are decoded.
//! Adding one is a file here and its line in [`transforms`].
//!
//! On a GPU the inverse is the work of a kernel's last step, its sink (`ecf8-codegen/src/sink`), so nothing is stored
//! in between.

mod xor;

pub use xor::Xor;

use std::borrow::Cow;
use std::fmt::Debug;

/// Why bytes cannot be transformed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransformError {
    /// A base is needed, and there is none.
    #[error("transform {transform} needs the base that the tensor is compared with")]
    NoBase {
        /// The transform.
        transform: &'static str,
    },
    /// A base of another length.
    #[error("the base has {base} bytes, the tensor {bytes}: they are not of one shape and dtype")]
    BaseLength {
        /// Bytes of the base.
        base: u64,
        /// Bytes of the tensor.
        bytes: u64,
    },
}

/// A reversible change of a tensor's bytes, perhaps by those of another tensor, its base.
pub trait Transform: Sync + Debug {
    /// Its name.
    fn name(&self) -> &'static str;

    /// Whether it needs a base.
    fn needs_base(&self) -> bool;

    /// What is coded instead of the bytes: as many.
    ///
    /// # Errors
    /// If there is no base of the same length, and one is needed.
    fn forward<'a>(&self, bytes: &'a [u8], base: Option<&[u8]>) -> Result<Cow<'a, [u8]>, TransformError>;

    /// Turns what was decoded into the bytes, in place: the inverse of [`Transform::forward`] with the same base.
    ///
    /// # Errors
    /// As [`Transform::forward`].
    fn inverse(&self, bytes: &mut [u8], base: Option<&[u8]>) -> Result<(), TransformError>;
}

static TRANSFORMS: [&dyn Transform; 1] = [&Xor];

/// All transforms.
#[must_use]
pub fn transforms() -> &'static [&'static dyn Transform] {
    &TRANSFORMS
}

/// The transform of this name.
#[must_use]
pub fn transform(name: &str) -> Option<&'static dyn Transform> {
    transforms().iter().copied().find(|transform| transform.name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::{Tier, corpus};
    use crate::element::{Numbers, counts};
    use crate::layout::schemes;
    use crate::synthetic::{gaussian, noise, stored_as};

    #[test]
    fn every_transform_undoes_itself_on_the_corpus_and_refuses_another_base() {
        for case in corpus(Tier::Quick) {
            let base = noise(3, case.bytes.len());
            for transform in transforms() {
                let mut bytes = transform.forward(&case.bytes, Some(&base)).unwrap().into_owned();
                assert_eq!(bytes.len(), case.bytes.len());
                transform.inverse(&mut bytes, Some(&base)).unwrap();
                assert!(bytes == case.bytes, "{} {}", transform.name(), case.name);
                if transform.needs_base() {
                    let (name, long) = (transform.name(), [&base[..], &[0]].concat());
                    let none = transform.forward(&case.bytes, None).unwrap_err();
                    assert_eq!(none, TransformError::NoBase { transform: name });
                    let other = transform.inverse(&mut bytes, Some(&long)).unwrap_err();
                    assert!(matches!(other, TransformError::BaseLength { .. }), "{other}");
                }
            }
        }
        assert!(transform("xor").is_some() && transform("none").is_none());
    }

    #[test]
    fn a_model_that_was_trained_a_little_takes_far_less_beside_its_base() {
        let before = gaussian(1, 200_000, 0.02);
        let step = gaussian(2, 200_000, 1e-5);
        let after: Vec<f32> = before.iter().zip(&step).map(|(a, b)| a + b).collect();
        let [before, after] = [before, after].map(|values| stored_as("BF16", &values).unwrap());
        let delta = Xor.forward(&after, Some(&before)).unwrap();
        let element = crate::element::element("BF16").unwrap();
        let taken = |bytes: &[u8]| {
            let split = counts(element, bytes).split;
            let numbers = Numbers { split: &split, bytes };
            let sizes = schemes().iter().filter(|scheme| scheme.takes(element)).map(|scheme| {
                let encoded =
                    scheme.encode(numbers, &scheme.codebook(&scheme.symbol_histogram(numbers))).unwrap();
                let mut decoded = encoded.decode().unwrap();
                assert!(decoded == bytes);
                Xor.inverse(&mut decoded, Some(&before)).unwrap();
                assert_eq!(decoded == after, bytes != after, "what was a difference is the model again");
                encoded.bytes()
            });
            sizes.min().unwrap()
        };
        let (alone, beside) = (taken(&after), taken(&delta));
        assert!(beside < alone * 9 / 10, "{beside} {alone}");
    }
}
