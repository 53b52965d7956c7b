//! From the fields that codewords stand for to whole numbers: one file for each way in which numbers are split.

mod dictionary;
mod exponent;
mod nibbles;
mod planes;
mod rests;

pub(super) use dictionary::entry;

use super::jobs::Job;
use super::units::narrow;
use crate::lang::{Global, V};
use crate::strategy::Form;
use ecf8_core::element::Shape;
use ecf8_core::symbols::SymbolKind;

/// How the fields of four numbers stand in a word, and how the numbers are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Join {
    /// Fields are whole numbers.
    Whole,
    /// Fields are exponents of bytes; the other bits are packed as nibbles.
    Nibbles,
    /// Fields are exponents of bytes with the two highest bits of the mantissa; the other bits are packed.
    Rests,
    /// Fields are exponents between signs and mantissas, of numbers of this many bytes.
    Exponents {
        /// 2 or more.
        bytes: u32,
        /// Whether fields are of four bits, to which the least exponent is added.
        is_windowed: bool,
    },
    /// Fields are bytes of numbers of this many bytes.
    Planes {
        /// 2 or more.
        bytes: u32,
        /// Which byte it is, the most significant one being 0.
        coded: u32,
    },
    /// Fields are bytes of the places that numbers of this many bytes have in a dictionary.
    Places {
        /// 2 or more.
        bytes: u32,
        /// Which of a place's two bytes it is, the more significant one being 0.
        coded: u32,
    },
}

impl Join {
    pub(in super::super) fn of(form: Form, symbol: &SymbolKind) -> Self {
        let (bytes, is_windowed) = (narrow(form.bytes), symbol.bits < 8);
        let coded = narrow(form.coded_plane);
        match (form.shape, bytes) {
            // Of a place, only the two lowest bytes are ever other than zero.
            _ if form.has_dictionary => Self::Places { bytes, coded: coded.saturating_sub(bytes - 2) },
            (_, 1) if symbol.bits == 4 => Self::Nibbles,
            (_, 1) if is_windowed => Self::Rests,
            (_, 1) => Self::Whole,
            (Shape::Exponent, _) => Self::Exponents { bytes, is_windowed },
            _ => Self::Planes { bytes, coded },
        }
    }

    /// Bytes of a number, which is how many vectors of 16 bytes hold 16 of them.
    pub(in super::super) fn bytes(self) -> u32 {
        match self {
            Self::Whole | Self::Nibbles | Self::Rests => 1,
            Self::Exponents { bytes, .. } | Self::Planes { bytes, .. } | Self::Places { bytes, .. } => bytes,
        }
    }

    /// Bytes of 16 numbers that are stored beside codewords.
    pub(in super::super) fn packed_bytes(self) -> u32 {
        match self {
            Self::Whole => 0,
            Self::Nibbles => 8,
            Self::Rests => 4,
            Self::Exponents { .. } | Self::Planes { .. } | Self::Places { .. } => 16 * self.planes(),
        }
    }

    /// Planes of bytes that are stored, or the same in all numbers.
    pub(in super::super) fn planes(self) -> u32 {
        if self.has_dictionary() { 1 } else { self.bytes() - 1 }
    }

    /// Whether numbers are looked up by their places.
    pub(in super::super) fn has_dictionary(self) -> bool {
        matches!(self, Self::Places { .. })
    }

    /// The lowest bit of a field in its byte.
    pub(in super::super) fn shift(self) -> u32 {
        match self {
            Self::Nibbles => ecf8_core::format::E4M3.mantissa_bits,
            Self::Rests => 1,
            _ => 0,
        }
    }

    /// Whether the fields of four numbers stand in the order 0, 2, 1, 3, as their signs and mantissas are stored.
    pub(in super::super) fn is_crossed(self) -> bool {
        matches!(self, Self::Exponents { .. })
    }

    /// The words of 16 numbers, in the order in which they are stored in vectors: from the fields, four to a word, and
    /// what is packed.
    #[track_caller]
    pub(in super::super) fn numbers(
        self,
        fields: &[V<u32>],
        packed: &[V<u32>],
        model: Global<u32>,
        job: &Job,
    ) -> Vec<V<u32>> {
        match self {
            Self::Whole => fields.to_vec(),
            Self::Nibbles => nibbles::merge(fields, [packed[0], packed[1]]),
            Self::Rests => rests::merge(fields, packed[0]),
            Self::Exponents { bytes, is_windowed } => {
                let exponents: Vec<V<u32>> =
                    fields.iter().map(|&field| if is_windowed { field + job.least } else { field }).collect();
                exponent::join(bytes, &exponents, packed, job.exponents)
            }
            Self::Planes { coded, .. } => planes::join(coded, fields, packed),
            Self::Places { bytes, coded } => {
                dictionary::look_up(bytes, model, job, &planes::join(coded, fields, packed))
            }
        }
    }
}
