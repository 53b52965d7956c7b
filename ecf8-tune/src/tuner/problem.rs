//! What launches share a choice.

use ecf8_codegen::strategy::widest_coding;
use ecf8_core::{Codebook, Encoded};
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display};

/// What is done with decoded numbers: the name of the sink that writes them as they are.
pub const STORE: &str = "store";

/// The shape of a launch, as far as the speed of decoding goes: the tensors of a layer that are decoded together. Tuned once
/// for all layers of this shape.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Problem {
    /// What is done with the decoded numbers, for example [`STORE`].
    pub operation: String,
    /// The scheme's name.
    pub scheme: String,
    /// The safetensors dtype of the tensors.
    pub dtype: String,
    /// What kind of codebook the one with the longest codewords is, which the kernel is made for.
    pub class: CodebookClass,
    /// How many tensors: at least 2 to the power of this, and fewer than twice as many.
    pub tensors: u32,
    /// Elements of all tensors together: at least 2 to the power of this, and fewer than twice as many.
    pub elements: u32,
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
    /// The shape of a launch that decodes these tensors, which have a scheme and dtype in common; `None` if they have no
    /// elements, which needs no launch.
    #[must_use]
    pub fn of(batch: &[&Encoded<'_>]) -> Option<Self> {
        let full: Vec<&Encoded<'_>> = batch.iter().copied().filter(|encoded| encoded.elements > 0).collect();
        let scheme = full.first()?.scheme;
        let elements = full.iter().fold(0, |sum: u64, encoded| sum.saturating_add(encoded.elements));
        let launch = (full.len() as u64, elements);
        let coding = widest_coding(&full)?;
        Self::new(scheme.name(), coding.split.element.dtype, coding.codebook, launch)
    }

    /// The shape of a launch that decodes this many tensors with this many elements together, none of whose codebooks has
    /// longer codewords than this one.
    #[must_use]
    pub fn new(
        scheme: &str,
        dtype: &str,
        codebook: &Codebook,
        (tensors, elements): (u64, u64),
    ) -> Option<Self> {
        Some(Self {
            operation: STORE.to_owned(),
            scheme: scheme.to_owned(),
            dtype: dtype.to_owned(),
            class: CodebookClass::of(codebook),
            tensors: tensors.checked_ilog2()?,
            elements: elements.checked_ilog2()?,
        })
    }

    /// Whether what decodes one decodes the other: what differs is only how fast.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        let work = |problem: &Self| [&problem.operation, &problem.scheme, &problem.dtype].map(String::clone);
        work(self) == work(other)
    }

    /// Whether two launches are of one size: as many tensors and elements, in powers of two.
    #[must_use]
    pub fn is_as_large(&self, other: &Self) -> bool {
        self.size_distance(other) == 0
    }

    /// How unlike in size two launches are; 0 for those that are as large.
    #[must_use]
    pub fn size_distance(&self, other: &Self) -> u32 {
        self.elements.abs_diff(other.elements) + self.tensors.abs_diff(other.tensors)
    }
}

impl Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, scheme, dtype, class, .. } = self;
        let (whole, quarters) = (class.quarter_bits / 4, class.quarter_bits % 4 * 25);
        write!(
            f,
            "{operation} {dtype}, {scheme}, codewords up to {} bits, {whole}.{quarters:02} on average, ",
            class.max_len
        )?;
        match self.tensors {
            0 => f.write_str("1 tensor")?,
            power => write!(f, "2^{power} tensors")?,
        }
        write!(f, ", 2^{} elements", self.elements)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ecf8_core::element::Numbers;

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
    fn sizes_are_powers_of_two_and_nothing_has_none() {
        let codebook = Codebook::from_text("11").unwrap();
        let sizes = |tensors, elements| {
            let problem = Problem::new("s", "F8_E4M3", &codebook, (tensors, elements))?;
            Some((problem.tensors, problem.elements))
        };
        let all = [(1, 1), (2, 2), (3, 3), (7, 1 << 20), (8, (1 << 21) - 1)];
        let all = all.map(|(tensors, elements)| sizes(tensors, elements).unwrap());
        assert_eq!(all, [(0, 0), (1, 1), (1, 1), (2, 20), (3, 20)]);
        assert_eq!((sizes(1, 0), sizes(0, 1)), (None, None));
    }

    #[test]
    fn a_layer_is_all_of_its_tensors_and_those_without_elements_do_not_count() {
        let scheme = ecf8_core::scheme("byte-lanes").unwrap();
        let encode = |bytes: &[u8]| {
            let numbers = Numbers::e4m3(bytes);
            scheme.encode(numbers, &scheme.codebook(&scheme.symbol_histogram(numbers))).unwrap()
        };
        let (narrow, wide) = (encode(&[7; 100]), encode(&(0..=255).collect::<Vec<u8>>()));
        let empty = encode(&[]);
        let problem = Problem::of(&[&narrow, &empty, &wide, &narrow]).unwrap();
        assert_eq!((problem.tensors, problem.elements), (1, 8));
        assert_eq!(
            problem.class,
            CodebookClass::of(wide.codebooks.first()),
            "the kernel is made for the longest codewords"
        );
        assert_eq!((&*problem.operation, &*problem.dtype), (STORE, "F8_E4M3"));
        assert_eq!(Problem::of(&[&empty]), None);
    }
}
