//! Scheme `exponent-gap`: the paper's (§3.1).
//!
//! The exponents are Huffman-coded one by one into one bitstream; sign and mantissa are packed beside it, two elements
//! to a byte. Thread `t` decodes the codewords that start in its window, bits `[8·B·t, 8·B·(t+1))` of the stream, where
//! B is `bytes_per_thread`; T = `threads_per_block` windows in a row are a block. So that threads can start on their own,
//! a 4-bit gap per thread tells where in its window the first codeword starts, and an output position per block tells how
//! many codewords start before it. The bitstream does not depend on B and T.
//!
//! A tensor is encoded whole, however large it is: where its codewords lie depends on all that come before.

mod decode;
mod encode;
mod nibbles;
mod reference;
mod resync;
mod sync;
mod tables;

pub use resync::resync;

use super::{
    Aim, Codebooks, Counted, DecodeError, EncodeError, Encoded, ParamSpec, PartSpec, PartType, Scheme,
    TakePiece,
};
use crate::codebook::Codebook;
use crate::element::format::{E4M3, FloatFormat};
use crate::element::{Element, Numbers, Shape, Split};
use crate::histogram::Histogram;
use std::ops::RangeInclusive;
use sync::Geometry;

/// The longest codeword, in bits: what a 4-bit gap can point past, and what the cascaded tables hold.
pub const MAX_LEN: u8 = 16;

/// What runs with codebooks of their own may be, for errors.
const RUNS: &str = "none: one codebook is for all elements";

/// The part with the codewords.
pub const ENCODED: &str = "encoded";
/// The part with signs and mantissas.
pub const PACKED: &str = "packed";
/// The part with the bit offset of each thread's first codeword.
pub const GAPS: &str = "gaps";
/// The part with the number of codewords before each block.
pub const OUTPUT_POSITIONS: &str = "output_positions";
/// The parameter B: bytes of the stream in one thread's window.
pub const BYTES_PER_THREAD: &str = "bytes_per_thread";
/// The parameter T: threads, hence windows, in one block.
pub const THREADS_PER_BLOCK: &str = "threads_per_block";

static PARTS: [PartSpec; 4] = [
    PartSpec { name: ENCODED, dtype: PartType::U8, about: "codewords of the exponents, one after the other" },
    PartSpec { name: PACKED, dtype: PartType::U8, about: "sign and mantissa, two elements to a byte" },
    PartSpec { name: GAPS, dtype: PartType::U8, about: "4 bits per thread: where its first codeword starts" },
    PartSpec {
        name: OUTPUT_POSITIONS,
        dtype: PartType::U64,
        about: "elements before each block, and in all",
    },
];

static PARAMS: [ParamSpec; 2] = [
    ParamSpec { name: BYTES_PER_THREAD, usual: 8, largest: None },
    ParamSpec { name: THREADS_PER_BLOCK, usual: 512, largest: None },
];

/// The scheme with the window and block size that it encodes with; any of them decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExponentGap {
    /// B, from 2 to 65,536.
    pub bytes_per_thread: u64,
    /// T, even, from 2 to 65,536.
    pub threads_per_block: u64,
}

/// The scheme with the paper's B = 8 and T = 512.
pub static EXPONENT_GAP: ExponentGap = ExponentGap { bytes_per_thread: 8, threads_per_block: 512 };

const FORMAT: FloatFormat = E4M3;

/// What codebooks the scheme takes, for errors.
const CODEBOOKS: &str = "16 symbols and 16 bits";

fn fits(codebook: &Codebook) -> bool {
    codebook.symbols() == FORMAT.exponents() && codebook.max_len() <= MAX_LEN
}

impl Scheme for ExponentGap {
    fn name(&self) -> &'static str {
        "exponent-gap"
    }

    fn about(&self) -> &'static str {
        "the paper's: Huffman-coded exponents, 4-bit gaps per thread, packed sign and mantissa"
    }

    fn takes(&self, element: &Element) -> bool {
        element.shape == Shape::Nibble
    }

    fn part_specs(&self, _split: &Split) -> &'static [PartSpec] {
        &PARTS
    }

    fn params(&self) -> &'static [ParamSpec] {
        &PARAMS
    }

    fn symbol_histogram_of(&self, _split: &Split, pieces: &[&[u8]]) -> Histogram {
        let counted = pieces.iter().map(|piece| Histogram::of_exponents(piece, &FORMAT));
        Histogram::sum(FORMAT.exponents(), counted.collect::<Vec<_>>().iter())
    }

    fn codebook(&self, histogram: &Histogram) -> Codebook {
        Codebook::huffman(histogram, MAX_LEN)
    }

    fn code_bits(&self) -> RangeInclusive<u8> {
        MAX_LEN..=MAX_LEN
    }

    fn codebook_within(&self, histogram: &Histogram, _limit: u8) -> Codebook {
        self.codebook(histogram)
    }

    fn part_bytes(&self, _split: &Split, counted: &Counted<'_>, codebook: &Codebook) -> Vec<u64> {
        let Counted { elements, histogram, .. } = *counted;
        let stream = codebook.cost_bits(histogram).div_ceil(8);
        let packed = elements.div_ceil(2);
        match Geometry::new(stream, self.bytes_per_thread, self.threads_per_block) {
            Ok(geometry) => vec![stream, packed, geometry.gaps_bytes(), geometry.positions_bytes()],
            Err(_) => vec![stream, packed, u64::MAX, u64::MAX],
        }
    }

    fn encode_for(
        &self,
        numbers: Numbers<'_>,
        codebooks: &Codebooks,
        _aim: Aim,
    ) -> Result<Encoded<'static>, EncodeError> {
        if let Some(run) = codebooks.run() {
            return Err(EncodeError::Runs { scheme: self.name(), run, takes: RUNS });
        }
        if !self.takes_split(numbers.split) {
            let Numbers { split, bytes } = numbers;
            let (scheme, bytes) = (self.name(), bytes.len() as u64);
            return Err(EncodeError::Split { scheme, dtype: split.element.dtype, bytes });
        }
        encode::encode(numbers, codebooks.first(), self.bytes_per_thread, self.threads_per_block)
    }

    fn check(&self, encoded: &Encoded<'_>) -> Result<(), DecodeError> {
        decode::Checked::new(encoded).map(|_| ())
    }

    fn decode(&self, encoded: &Encoded<'_>, out: &mut [u8]) -> Result<(), DecodeError> {
        decode::decode(encoded, out)
    }

    fn decode_pieces(&self, encoded: &Encoded<'_>, take: &mut TakePiece<'_>) -> Result<(), DecodeError> {
        decode::decode_pieces(encoded, take)
    }

    fn decode_range(&self, encoded: &Encoded<'_>, first: u64, out: &mut [u8]) -> Result<(), DecodeError> {
        decode::decode_range(encoded, first, out)
    }

    fn decode_reference(&self, encoded: &Encoded<'_>, out: &mut [u8]) -> Result<(), DecodeError> {
        reference::decode(encoded, out)
    }
}

#[cfg(test)]
mod tests;
