//! The difference of bit patterns: a float that has moved to one of its neighbours becomes a small number.
//!
//! Differences are folded, so that small ones of either sign have zeros above: 0, −1, 1, −2, 2 … become 0, 1, 2, 3, 4 …

use super::{Transform, TransformError, Word, check, with_words};

/// The difference of bit patterns, folded.
#[derive(Debug, Clone, Copy)]
pub struct Difference;

impl Transform for Difference {
    fn name(&self) -> &'static str {
        "difference"
    }

    fn forward(&self, bytes: &mut [u8], base: &[u8], width: usize) -> Result<(), TransformError> {
        check(bytes, base, width)?;
        with_words!(width, forward(bytes, base));
        Ok(())
    }

    fn inverse(&self, bytes: &mut [u8], base: &[u8], width: usize) -> Result<(), TransformError> {
        check(bytes, base, width)?;
        with_words!(width, inverse(bytes, base));
        Ok(())
    }
}

fn forward<W: Word>(bytes: &mut [u8], base: &[u8]) {
    W::each(bytes, base, |own, base| own.minus(base).folded());
}

fn inverse<W: Word>(bytes: &mut [u8], base: &[u8]) {
    W::each(bytes, base, |folded, base| base.plus(folded.unfolded()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_become_small_numbers() {
        let folded = |own: u16, base: u16| {
            let mut bytes = own.to_le_bytes();
            Difference.forward(&mut bytes, &base.to_le_bytes(), 2).unwrap();
            u16::from_le_bytes(bytes)
        };
        let around = [0x3f80, 0x3f7f, 0x3f81, 0x3f7e, 0x3f82].map(|own| folded(own, 0x3f80));
        assert_eq!(around, [0, 1, 2, 3, 4]);
        assert_eq!([folded(0, 0xffff), folded(0xffff, 0), folded(0x8000, 0)], [2, 1, 0xffff]);
    }
}
