//! Tensors that a scheme cannot point into are kept, and the rest of the file is compressed.

use super::*;
use crate::codebook::Codebook;
use crate::element::{Numbers, Split};
use crate::histogram::Histogram;
use crate::layout::lanes::{QUAD_LANES, TAILS};
use crate::layout::{
    Aim, Codebooks, Counted, DecodeError, EncodeError, Encoded, ParamSpec, PartSpec, Scheme, TakePiece,
};
use crate::symbols::SymbolKind;
use std::ops::RangeInclusive;

/// `quad-lanes`, but for tensors of a million numbers or more, as if they were a thousand times larger.
#[derive(Debug)]
struct Narrow;

static NARROW: Narrow = Narrow;

impl Scheme for Narrow {
    fn name(&self) -> &'static str {
        QUAD_LANES.name()
    }
    fn about(&self) -> &'static str {
        QUAD_LANES.about()
    }
    fn symbols(&self) -> &'static SymbolKind {
        QUAD_LANES.symbols()
    }
    fn part_specs(&self, split: &Split) -> &'static [PartSpec] {
        QUAD_LANES.part_specs(split)
    }
    fn params(&self) -> &'static [ParamSpec] {
        QUAD_LANES.params()
    }
    fn shares(&self) -> bool {
        true
    }
    fn symbol_histogram_of(&self, split: &Split, pieces: &[&[u8]]) -> Histogram {
        QUAD_LANES.symbol_histogram_of(split, pieces)
    }
    fn codebook(&self, histogram: &Histogram) -> Codebook {
        QUAD_LANES.codebook(histogram)
    }
    fn code_bits(&self) -> RangeInclusive<u8> {
        QUAD_LANES.code_bits()
    }
    fn codebook_within(&self, histogram: &Histogram, limit: u8) -> Codebook {
        QUAD_LANES.codebook_within(histogram, limit)
    }
    fn part_bytes(&self, split: &Split, counted: &Counted<'_>, codebook: &Codebook) -> Vec<u64> {
        QUAD_LANES.part_bytes(split, counted, codebook)
    }
    fn encoded_bytes(&self, split: &Split, counted: &Counted<'_>, codebook: &Codebook) -> u64 {
        QUAD_LANES.encoded_bytes(split, counted, codebook)
    }
    fn least_bytes(&self, split: &Split, elements: u64, coded_bits: u64) -> Vec<u64> {
        QUAD_LANES.least_bytes(split, elements, coded_bits)
    }
    fn chunk_bytes(&self, elements: u64, aim: Aim) -> u64 {
        QUAD_LANES.chunk_bytes(elements, aim)
    }
    fn encode_for(
        &self,
        numbers: Numbers<'_>,
        codebooks: &Codebooks,
        aim: Aim,
    ) -> Result<Encoded<'static>, EncodeError> {
        if numbers.units() >= 1_000_000 {
            return Err(EncodeError::TooLarge { part: TAILS });
        }
        QUAD_LANES.encode_for(numbers, codebooks, aim)
    }
    fn check(&self, encoded: &Encoded<'_>) -> Result<(), DecodeError> {
        QUAD_LANES.check(encoded)
    }
    fn decode(&self, encoded: &Encoded<'_>, out: &mut [u8]) -> Result<(), DecodeError> {
        QUAD_LANES.decode(encoded, out)
    }
    fn decode_pieces(&self, encoded: &Encoded<'_>, take: &mut TakePiece<'_>) -> Result<(), DecodeError> {
        QUAD_LANES.decode_pieces(encoded, take)
    }
    fn decode_range(&self, encoded: &Encoded<'_>, first: u64, out: &mut [u8]) -> Result<(), DecodeError> {
        QUAD_LANES.decode_range(encoded, first, out)
    }
    fn decode_reference(&self, encoded: &Encoded<'_>, out: &mut [u8]) -> Result<(), DecodeError> {
        QUAD_LANES.decode_reference(encoded, out)
    }
}

#[test]
fn a_tensor_too_large_for_a_scheme_is_kept_and_the_others_are_compressed() {
    let tensors =
        [fp8("huge", &[1_200_000], weights(1, 1_200_000)), fp8("usual", &[90_000], weights(2, 90_000))];
    let file = safetensors_bytes(&[], &tensors).unwrap();
    for aim in [Aim::Balanced, Aim::Size] {
        let options = CompressOptions { scheme: Some(&NARROW), aim, ..CompressOptions::default() };
        let inspection = assert_comes_back_with(&file, options);
        let names: Vec<&str> = inspection.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
        assert_eq!((names, inspection.kept_tensors, inspection.kept_bytes), (vec!["usual"], 1, 1_200_000));
    }
}
