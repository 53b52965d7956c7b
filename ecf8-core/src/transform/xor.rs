//! The exclusive or with a base: what two tensors have in common becomes zeros.

use super::{Transform, TransformError};
use std::borrow::Cow;

/// The exclusive or with a base.
#[derive(Debug, Clone, Copy)]
pub struct Xor;

const NAME: &str = "xor";

fn checked(bytes: usize, base: Option<&[u8]>) -> Result<&[u8], TransformError> {
    let base = base.ok_or(TransformError::NoBase { transform: NAME })?;
    let (own, other) = (bytes as u64, base.len() as u64);
    if own == other { Ok(base) } else { Err(TransformError::BaseLength { base: other, bytes: own }) }
}

impl Transform for Xor {
    fn name(&self) -> &'static str {
        NAME
    }

    fn needs_base(&self) -> bool {
        true
    }

    fn forward<'a>(&self, bytes: &'a [u8], base: Option<&[u8]>) -> Result<Cow<'a, [u8]>, TransformError> {
        let base = checked(bytes.len(), base)?;
        Ok(Cow::Owned(bytes.iter().zip(base).map(|(a, b)| a ^ b).collect()))
    }

    fn inverse(&self, bytes: &mut [u8], base: Option<&[u8]>) -> Result<(), TransformError> {
        let base = checked(bytes.len(), base)?;
        bytes.iter_mut().zip(base).for_each(|(a, b)| *a ^= b);
        Ok(())
    }
}
