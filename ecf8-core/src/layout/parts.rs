//! An encoded tensor: named parts, a codebook and parameters.

use super::memory::zeroed;
use super::{Codebooks, DecodeError, Scheme, TakePiece};
use crate::element::Split;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

/// What the bytes of a part are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartType {
    /// Bytes.
    U8,
    /// 32-bit unsigned integers, little endian.
    U32,
    /// 64-bit unsigned integers, little endian.
    U64,
}

impl PartType {
    /// Bytes of one entry.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        match self {
            Self::U8 => 1,
            Self::U32 => 4,
            Self::U64 => 8,
        }
    }

    /// Its name in safetensors headers.
    #[must_use]
    pub const fn dtype(self) -> &'static str {
        match self {
            Self::U8 => "U8",
            Self::U32 => "U32",
            Self::U64 => "U64",
        }
    }
}

/// What a scheme says about one of its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartSpec {
    /// The name, which a container appends to the tensor's.
    pub name: &'static str,
    /// What its bytes are.
    pub dtype: PartType,
    /// One line about it for people.
    pub about: &'static str,
}

/// What a scheme says about one of its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParamSpec {
    /// The name.
    pub name: &'static str,
    /// The value that it usually has.
    pub usual: u64,
    /// The largest value that encoding gives it, if it is chosen for each tensor.
    pub largest: Option<u64>,
}

/// One part of an encoded tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<'a> {
    /// The name, from the scheme's [`PartSpec`].
    pub name: &'static str,
    /// What the bytes are.
    pub dtype: PartType,
    /// The bytes, without any padding.
    pub bytes: Cow<'a, [u8]>,
}

/// Bytes of a part that are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedPart {
    /// The part's name.
    pub name: &'static str,
    /// Which of its bytes, or some more.
    pub bytes: Range<u64>,
}

/// An encoded tensor, in memory or borrowed from a mapped file.
#[derive(Debug, Clone)]
pub struct Encoded<'a> {
    /// How it is encoded.
    pub scheme: &'static dyn Scheme,
    /// How its numbers are split.
    pub split: Split,
    /// Units of the tensor, see [`Element::units`](crate::element::Element::units).
    pub elements: u64,
    /// The codebooks of its symbols.
    pub codebooks: Codebooks,
    /// The scheme's parameters by name, for example `bytes_per_thread`.
    pub params: BTreeMap<String, u64>,
    /// The parts, in the order of [`Scheme::part_specs`].
    pub parts: Vec<Part<'a>>,
}

impl Encoded<'_> {
    /// The bytes of the part of this name.
    ///
    /// # Errors
    /// [`DecodeError::MissingPart`].
    pub fn part(&self, name: &'static str) -> Result<&[u8], DecodeError> {
        let part = self.parts.iter().find(|part| part.name == name);
        part.map(|part| part.bytes.as_ref()).ok_or(DecodeError::MissingPart { part: name })
    }

    /// The parameter of this name.
    ///
    /// # Errors
    /// [`DecodeError::MissingParam`].
    pub fn param(&self, name: &'static str) -> Result<u64, DecodeError> {
        self.params.get(name).copied().ok_or(DecodeError::MissingParam { param: name })
    }

    /// Bytes of all parts together.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes.len() as u64).sum()
    }

    /// Decodes into a vector, by [`Scheme::decode`].
    ///
    /// # Errors
    /// As [`Scheme::decode`], [`DecodeError::TooManyElements`] if there cannot be a vector that large, and
    /// [`DecodeError::Memory`] if there is no memory for it.
    pub fn decode(&self) -> Result<Vec<u8>, DecodeError> {
        let mut out = self.output()?;
        self.scheme.decode(self, &mut out)?;
        Ok(out)
    }

    /// Decodes into a vector, by [`Scheme::decode_reference`].
    ///
    /// # Errors
    /// As [`Scheme::decode_reference`], and [`DecodeError::TooManyElements`] if there cannot be a vector that large.
    pub fn decode_reference(&self) -> Result<Vec<u8>, DecodeError> {
        let mut out = self.output()?;
        self.scheme.decode_reference(self, &mut out)?;
        Ok(out)
    }

    /// Decodes piece by piece, by [`Scheme::decode_pieces`].
    ///
    /// # Errors
    /// As [`Scheme::decode_pieces`], and [`DecodeError::TooManyElements`] as [`Encoded::decode`].
    pub fn decode_pieces(&self, take: &mut TakePiece<'_>) -> Result<(), DecodeError> {
        self.output_bytes()?;
        self.scheme.decode_pieces(self, take)
    }

    /// A zeroed vector for the decoded bytes.
    fn output(&self) -> Result<Vec<u8>, DecodeError> {
        Ok(zeroed(self.output_bytes()?)?)
    }

    /// How many decoded bytes there are.
    ///
    /// # Errors
    /// [`DecodeError::TooManyElements`] if a damaged file is more likely: every element takes
    /// [its part of a byte](Scheme::most_per_byte), so a number of elements that the parts cannot hold is refused before any memory is asked for.
    pub fn output_bytes(&self) -> Result<usize, DecodeError> {
        let too_many = DecodeError::TooManyElements { elements: self.elements };
        let width = self.split.element.bytes;
        let bytes = usize::try_from(self.elements).ok().and_then(|elements| elements.checked_mul(width));
        let held = self.bytes().saturating_mul(width as u64).saturating_mul(self.scheme.most_per_byte());
        bytes.filter(|bytes| *bytes as u64 <= held).ok_or(too_many)
    }
}
