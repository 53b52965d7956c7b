//! What tensors share a choice.

use ecf8_core::{Codebook, Encoded};
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display};

/// A kind of tensor, as far as the speed of decoding it goes: tuned once for all tensors of the kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Problem {
    /// The scheme's name.
    pub scheme: String,
    /// What kind of codebook.
    pub class: CodebookClass,
    /// Elements: at least 2 to the power of this, and fewer than twice as many.
    pub shape_bucket: u32,
}

/// A kind of codebook: what tables it needs, and how many symbols a word of its stream holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodebookClass {
    /// Bits of the longest codeword.
    pub max_len: u8,
    /// Quarters of a bit per symbol that the code would be best for, rounded down.
    pub quarter_bits: u32,
}

impl CodebookClass {
    /// The class of a codebook: from its lengths alone, so that a kernel's codebook tells it without any data.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 128")]
    pub fn of(codebook: &Codebook) -> Self {
        let present = codebook.present();
        let bits: f64 = present.map(|(_, length)| f64::from(length) * 0.5f64.powi(length.into())).sum();
        Self { max_len: codebook.max_len(), quarter_bits: (4.0 * bits) as u32 }
    }

    /// How unlike two classes are; 0 for equal ones.
    #[must_use]
    pub fn distance(&self, other: &Self) -> u32 {
        self.quarter_bits.abs_diff(other.quarter_bits) + u32::from(self.max_len.abs_diff(other.max_len))
    }
}

impl Problem {
    /// The kind of a tensor; `None` for one with no elements, which needs no kernel.
    #[must_use]
    pub fn of(encoded: &Encoded<'_>) -> Option<Self> {
        Self::new(encoded.scheme.name(), &encoded.codebook, encoded.elements)
    }

    /// The kind of tensors in this scheme with this codebook and number of elements.
    #[must_use]
    pub fn new(scheme: &str, codebook: &Codebook, elements: u64) -> Option<Self> {
        Some(Self {
            scheme: scheme.to_owned(),
            class: CodebookClass::of(codebook),
            shape_bucket: elements.checked_ilog2()?,
        })
    }
}

impl Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, quarters) = (self.class.quarter_bits / 4, self.class.quarter_bits % 4 * 25);
        write!(
            f,
            "{}, codewords up to {} bits, {whole}.{quarters:02} on average, 2^{} elements",
            self.scheme, self.class.max_len, self.shape_bucket
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_is_what_the_lengths_say() {
        let class = |text: &str| CodebookClass::of(&Codebook::from_text(text).unwrap());
        assert_eq!(class("1"), CodebookClass { max_len: 1, quarter_bits: 2 });
        assert_eq!(class("2222"), CodebookClass { max_len: 2, quarter_bits: 8 });
        assert_eq!(class("1233"), CodebookClass { max_len: 3, quarter_bits: 7 });
        assert_eq!(class("0000"), CodebookClass { max_len: 0, quarter_bits: 0 });
        assert_eq!(class("2222").distance(&class("1233")), 2);
    }

    #[test]
    fn buckets_are_powers_of_two_and_nothing_has_none() {
        let codebook = Codebook::from_text("11").unwrap();
        let bucket = |elements| Problem::new("s", &codebook, elements).map(|problem| problem.shape_bucket);
        assert_eq!(
            [1, 2, 3, 1 << 20, (1 << 21) - 1].map(bucket),
            [Some(0), Some(1), Some(1), Some(20), Some(20)]
        );
        assert_eq!(bucket(0), None);
    }
}
