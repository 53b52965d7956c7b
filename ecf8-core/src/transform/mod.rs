//! Transforms: what the numbers of a tensor become beside those of another, its base, before they are counted and coded; undone
//! after they are decoded. Adding one is a file here and its line in [`transforms`].
//!
//! [`Form`] is how a whole tensor is told from its base by one of them.
//!
//! Numbers are taken as whole numbers of their width, little endian, whatever their type is: a float's bit pattern.

mod difference;
mod form;
mod words;
mod xor;

pub use difference::Difference;
pub use form::{BLOCK, Form, Stream, width_of};
pub(crate) use form::{PIECE, blocks};
pub(crate) use words::{Word, with_words};
pub use xor::Xor;

use std::fmt::Debug;

/// Why bytes cannot be transformed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransformError {
    /// A base of another length.
    #[error("the base has {base} bytes, the tensor {bytes}: they are not of one shape and dtype")]
    BaseLength {
        /// Bytes of the base.
        base: u64,
        /// Bytes of the tensor.
        bytes: u64,
    },
    /// Numbers of a width that there is not, or bytes that are no whole ones.
    #[error("{bytes} bytes are no numbers of {width} bytes each")]
    Width {
        /// Bytes of a number.
        width: usize,
        /// Bytes of the tensor.
        bytes: u64,
    },
}

/// A reversible change of a tensor's numbers by those of its base.
pub trait Transform: Sync + Debug {
    /// Its name, as files and parts are called by it.
    fn name(&self) -> &'static str;

    /// Turns numbers of `width` bytes each into what is coded instead of them, in place.
    ///
    /// # Errors
    /// If the base has another length, or `width` is none of 1, 2, 4 and 8, or does not divide the length.
    fn forward(&self, bytes: &mut [u8], base: &[u8], width: usize) -> Result<(), TransformError>;

    /// Turns what was decoded into the numbers, in place: the inverse of [`Transform::forward`] with the same base.
    ///
    /// # Errors
    /// As [`Transform::forward`].
    fn inverse(&self, bytes: &mut [u8], base: &[u8], width: usize) -> Result<(), TransformError>;
}

static TRANSFORMS: [&dyn Transform; 2] = [&Xor, &Difference];

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

fn check(bytes: &[u8], base: &[u8], width: usize) -> Result<(), TransformError> {
    let (own, other) = (bytes.len() as u64, base.len() as u64);
    if own != other {
        return Err(TransformError::BaseLength { base: other, bytes: own });
    }
    let is_width = matches!(width, 1 | 2 | 4 | 8) && bytes.len().is_multiple_of(width);
    if is_width { Ok(()) } else { Err(TransformError::Width { width, bytes: own }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::{Tier, corpus};
    use crate::synthetic::noise;

    #[test]
    fn every_transform_undoes_itself_on_the_corpus_and_refuses_another_base() {
        for case in corpus(Tier::Quick) {
            for width in [1, 2, 4, 8] {
                let bytes = &case.bytes[..case.bytes.len() / width * width];
                let base = noise(3, bytes.len());
                for transform in transforms() {
                    let mut changed = bytes.to_vec();
                    transform.forward(&mut changed, &base, width).unwrap();
                    transform.inverse(&mut changed, &base, width).unwrap();
                    assert!(changed == bytes, "{} {} {width}", transform.name(), case.name);
                    let mut same = base.clone();
                    transform.forward(&mut same, &base, width).unwrap();
                    assert!(same.iter().all(|byte| *byte == 0), "what is equal becomes zeros");
                    let long = [&base[..], &[0]].concat();
                    let other = transform.inverse(&mut changed, &long, width).unwrap_err();
                    assert!(matches!(other, TransformError::BaseLength { .. }), "{other}");
                }
            }
        }
        let mut three = [1, 2, 3];
        for width in [0, 2, 3] {
            let error = Xor.forward(&mut three, &[0; 3], width).unwrap_err();
            assert_eq!(error, TransformError::Width { width, bytes: 3 });
        }
        assert!(transform("xor").is_some() && transform("none").is_none());
    }
}
