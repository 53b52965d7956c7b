//! The exclusive or with a base: bits that two numbers have in common become zeros.

use super::{Transform, TransformError, check};

/// The exclusive or with a base.
#[derive(Debug, Clone, Copy)]
pub struct Xor;

impl Transform for Xor {
    fn name(&self) -> &'static str {
        "xor"
    }

    fn forward(&self, bytes: &mut [u8], base: &[u8], width: usize) -> Result<(), TransformError> {
        check(bytes, base, width)?;
        bytes.iter_mut().zip(base).for_each(|(own, base)| *own ^= base);
        Ok(())
    }

    fn inverse(&self, bytes: &mut [u8], base: &[u8], width: usize) -> Result<(), TransformError> {
        self.forward(bytes, base, width)
    }
}
