//! What a kernel is made for, of how a tensor is coded.

use ecf8_core::element::{Numbers, Shape, Split};
use ecf8_core::layout::Codebooks;
use ecf8_core::{Codebook, Encoded, Scheme};

/// How the numbers of a tensor are split, and the codebook of their symbols.
#[derive(Debug, Clone, Copy)]
pub struct Coding<'a> {
    /// How they are split. A kernel may depend on its [`Form`] only.
    pub split: &'a Split,
    /// The codebook.
    pub codebook: &'a Codebook,
}

impl<'a> Coding<'a> {
    /// That of a tensor; if it has several codebooks, of one with the longest codewords.
    #[must_use]
    pub fn of(encoded: &'a Encoded<'_>) -> Self {
        Self { split: &encoded.split, codebook: encoded.codebooks.widest() }
    }

    /// E4M3 numbers with this codebook.
    #[must_use]
    pub fn e4m3(codebook: &'a Codebook) -> Self {
        Self { split: Numbers::e4m3(&[]).split, codebook }
    }

    /// What of the split is compiled into a kernel.
    #[must_use]
    pub fn form(&self) -> Form {
        Form::of(self.split)
    }
}

/// What of a split is compiled into a kernel: tensors of different forms need different kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Form {
    /// How the bits of a number stand together.
    pub shape: Shape,
    /// Bytes of a number.
    pub bytes: usize,
    /// Which of them is coded, the most significant one being 0.
    pub coded_plane: usize,
    /// Whether what is split are places in a dictionary of numbers.
    pub has_dictionary: bool,
}

impl Form {
    /// That of a split.
    #[must_use]
    pub fn of(split: &Split) -> Self {
        Self {
            shape: split.shape(),
            bytes: split.element.bytes,
            coded_plane: split.coded_plane(),
            has_dictionary: split.dictionary.is_some(),
        }
    }

    /// In words for a kernel's header; nothing where a number is a byte.
    #[must_use]
    pub fn describe(&self) -> Option<String> {
        let Self { shape, bytes, coded_plane, has_dictionary } = *self;
        match (shape, bytes) {
            (_, 1) => None,
            (Shape::Exponent, _) => Some(format!("floats of {bytes} bytes, exponents coded")),
            _ => {
                let places = if has_dictionary { "their places in a dictionary split, " } else { "" };
                Some(format!("numbers of {bytes} bytes, {places}byte {} coded", bytes - 1 - coded_plane))
            }
        }
    }
}

/// What of a codebook is compiled into a kernel, and so which tensors it can decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inlined {
    /// All of it: the kernel decodes tensors with this very codebook.
    Codebook,
    /// The length of the longest codeword: the kernel is given its tables, and decodes tensors whose codewords are as
    /// long or shorter.
    MaxLen,
}

impl Inlined {
    /// Whether one kernel can decode a tensor with these codebooks: not, if each would have to be compiled in.
    #[must_use]
    pub fn takes(self, codebooks: &Codebooks) -> bool {
        self == Self::MaxLen || codebooks.only().is_some()
    }

    /// What tensors have in common that one launch of a variant can decode: their scheme, their form, and the codebook
    /// if it is compiled in.
    #[must_use]
    pub fn in_common<'a>(
        self,
        scheme: &dyn Scheme,
        coding: Coding<'a>,
    ) -> (&'static str, Form, Option<&'a Codebook>) {
        (scheme.name(), coding.form(), (self == Self::Codebook).then_some(coding.codebook))
    }
}

/// The coding of a batch with the longest codewords, for which its kernel is made.
#[must_use]
pub fn widest_coding<'a>(batch: &[&'a Encoded<'_>]) -> Option<Coding<'a>> {
    batch.iter().map(|encoded| Coding::of(encoded)).max_by_key(|coding| coding.codebook.max_len())
}
