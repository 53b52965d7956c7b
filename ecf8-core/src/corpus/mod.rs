//! The tensors on which every codec and kernel is tried.

mod types;

use crate::codebook::Codebook;
use crate::element::{Numbers, Split};
use crate::int;
use crate::layout::lanes::ELEMENTS_PER_LANE;
use crate::layout::{Aim, Codebooks, EncodeError, Encoded, Scheme};
use crate::synthetic::{alpha_stable, block_scaled, cast, gaussian, noise};
use std::sync::Arc;

/// How much of the corpus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Tensors up to some ten thousand elements, for executions that are slow.
    Quick,
    /// All, up to millions of elements.
    Full,
}

/// One tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// What it is.
    pub name: String,
    /// How its numbers are split.
    pub split: Split,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// How many of the first bytes its codebook is made for: all, or too few for others to have codewords.
    known: usize,
    /// Chunks of each run that has a codebook of its own, where a scheme has runs; 0 for one codebook for all.
    run_chunks: u64,
}

impl Case {
    /// Its numbers.
    #[must_use]
    pub fn numbers(&self) -> Numbers<'_> {
        Numbers { split: &self.split, bytes: &self.bytes }
    }

    /// Whether a scheme takes it.
    #[must_use]
    pub fn suits(&self, scheme: &dyn Scheme) -> bool {
        scheme.takes_split(&self.split)
    }

    /// The codebook under a scheme.
    #[must_use]
    pub fn codebook(&self, scheme: &dyn Scheme) -> Codebook {
        let known = if scheme.patches() { self.known } else { self.bytes.len() };
        let numbers = Numbers { split: &self.split, bytes: &self.bytes[..known] };
        scheme.codebook(&scheme.symbol_histogram(numbers))
    }

    /// The case under a scheme. Where it has runs, they have three codebooks, made for the first three of them, in an order
    /// that repeats some and skips others.
    ///
    /// # Errors
    /// As [`Scheme::encode`].
    pub fn encode(&self, scheme: &dyn Scheme) -> Result<Encoded<'static>, EncodeError> {
        let numbers = self.numbers();
        // In chunks as small as they ever are, so that small tensors have several.
        let one = scheme.encode_for(numbers, &self.codebook(scheme).into(), Aim::Speed)?;
        if self.run_chunks == 0 || !scheme.has_runs() {
            return Ok(one);
        }
        let chunk = 32 * one.params.get(ELEMENTS_PER_LANE).copied().unwrap_or_default();
        let (run, width) = (self.run_chunks * chunk, self.split.element.bytes);
        let runs = self.bytes.chunks(int::index(run) * width).take(3);
        let codebook = |bytes| {
            let numbers = Numbers { split: &self.split, bytes };
            Arc::new(scheme.codebook(&scheme.symbol_histogram(numbers)))
        };
        let list: Vec<Arc<Codebook>> = runs.map(codebook).collect();
        let of = (0..int::index(one.elements.div_ceil(run))).map(|number| number * number / 2 % list.len());
        match Codebooks::of_runs(list.clone(), run, of.collect()) {
            Some(codebooks) => scheme.encode_for(numbers, &codebooks, Aim::Speed),
            None => Ok(one),
        }
    }
}

/// The corpus; every tier contains those before it. The same bytes each time.
#[must_use]
pub fn corpus(tier: Tier) -> Vec<Case> {
    let mut cases = Cases(Vec::new());
    cases.alphabets();
    cases.patched();
    cases.long_codewords();
    cases.distributions(20_011);
    cases.lengths(&[0, 1, 2, 3, 4, 5, 7, 8, 9, 255, 1001], &[512, 8192]);
    cases.runs();
    if tier >= Tier::Full {
        // Chunks of the parallel encoder and histogram, and more than one block of the largest windows.
        cases.lengths(&[65_535, 65_536, 65_537], &[1 << 16, 1 << 18, 1 << 20]);
        cases.distributions(3_000_001);
    }
    cases.0.extend(types::cases(tier));
    cases.0
}

struct Cases(Vec<Case>);

impl Cases {
    fn add(&mut self, name: String, bytes: Vec<u8>) {
        let known = bytes.len();
        self.add_patched(name, bytes, known);
    }

    /// With a codebook for the first `known` bytes only.
    fn add_patched(&mut self, name: String, bytes: Vec<u8>, known: usize) {
        self.0.push(Case { name, split: Numbers::e4m3(&[]).split.clone(), bytes, known, run_chunks: 0 });
    }

    /// Every kind of alphabet, from one symbol to all.
    fn alphabets(&mut self) {
        self.add("all 256 byte values".to_owned(), (0..=255).collect());
        self.add("one symbol".to_owned(), vec![0x3a; 3000]);
        self.add(
            "one symbol, all raw bits".to_owned(),
            noise(1, 3001).iter().map(|byte| byte & 0x87 | 0x78).collect(),
        );
        self.add("two symbols".to_owned(), noise(2, 3001).iter().map(|byte| byte & 0x8f).collect());
        let rare = |index: usize| if index.is_multiple_of(997) { 0x38 } else { 0x40 };
        self.add("two symbols, one rare".to_owned(), (0..5000).map(rare).collect());
        self.add("NaN of both signs".to_owned(), noise(3, 777).iter().map(|byte| byte | 0x7f).collect());
        self.add("subnormals".to_owned(), noise(4, 2049).iter().map(|byte| byte & 0x87).collect());
        self.add("zeros".to_owned(), vec![0; 513]);
        self.add("uniform noise".to_owned(), noise(5, 20_000));
        self.add("Fibonacci frequencies".to_owned(), fibonacci());
        let mut reversed = fibonacci();
        reversed.reverse();
        self.add("Fibonacci frequencies, long codewords first".to_owned(), reversed);
    }

    /// Tensors whose scale rises and falls, with codebooks for runs of one chunk and of several, the last one short.
    fn runs(&mut self) {
        for (chunks, count) in [(1, 40_001), (2, 62_500), (3, 65_000)] {
            let mut values = gaussian(30, count, 0.02);
            for (place, value) in values.iter_mut().enumerate() {
                *value *= [1.0, 6.0, 0.2, 2.0][place / 4096 % 4];
            }
            self.add(format!("a codebook for each run of {chunks} chunks"), cast(&values));
            if let Some(case) = self.0.last_mut() {
                case.run_chunks = chunks;
            }
        }
    }

    /// Tensors with a few symbols, and with most, for which there is no codeword, the last ones too.
    fn patched(&mut self) {
        let few = cast(&gaussian(10, 40_001, 0.05));
        self.add_patched("Gaussian, codebook of a part".to_owned(), few, 400);
        let last = |count: usize| [vec![0x38; count], vec![0xc7; 3]].concat();
        for count in [13, 508, 2045, 40_000] {
            self.add_patched(format!("one symbol, {count} times, and others"), last(count), count);
        }
        let most = [cast(&gaussian(11, 64, 0.05)), noise(12, 20_003)].concat();
        self.add_patched("uniform noise, codebook of Gaussian".to_owned(), most, 64);
    }

    /// Codewords so long that the last words which lanes have read are overwritten by the next, in a ring that is full; and
    /// lanes that end where nothing more is staged, while others go on.
    fn long_codewords(&mut self) {
        // Enough for S = 256, and for chunks whose turns are of three rounds.
        for (first, alike, more) in [(32, 1, 32), (36, 3, 12)] {
            let mut bytes = rounds(first, alike);
            let known = bytes.len();
            bytes.resize(known + more * ROUND, 0);
            self.add_patched(format!("long codewords, {more} rounds"), bytes, known);
        }
        for (first, often, more) in [(8, 6 << 3, 2), (16, 7 << 3, 4)] {
            let mut bytes = rounds(first, 1);
            let known = bytes.len();
            let round = [[often; ROUND / 2], [0; ROUND / 2]].concat();
            bytes.extend(round.repeat(more));
            bytes.extend([often; ROUND / 2]);
            self.add_patched(format!("half of the lanes end {more} rounds ahead"), bytes, known);
        }
    }

    fn distributions(&mut self, count: usize) {
        for sigma in [0.02, 0.05, 1.0] {
            self.add(format!("Gaussian, sigma {sigma}, cast, {count}"), cast(&gaussian(6, count, sigma)));
        }
        let scaled = block_scaled(&gaussian(7, count, 1.0), 256);
        self.add(format!("Gaussian, block-scaled, {count}"), scaled.bytes);
        for (alpha, scale) in [(1.9, 0.02), (1.5, 0.5), (1.0, 0.1)] {
            let name = format!("{alpha}-stable, scale {scale}, cast, {count}");
            self.add(name, cast(&alpha_stable(8, count, alpha, scale)));
        }
    }

    /// Gaussian tensors of these lengths; and around each of `boundaries`, and eight times it, tensors whose codewords
    /// have exactly 4 bits and exactly 1 bit, so that the stream ends just before, on and just after a boundary of
    /// windows and blocks.
    fn lengths(&mut self, lengths: &[usize], boundaries: &[usize]) {
        for &length in lengths {
            self.add(format!("Gaussian, {length} elements"), cast(&gaussian(9, length, 0.05)));
        }
        for &boundary in boundaries {
            for length in [boundary - 1, boundary, boundary + 1] {
                let flat =
                    |index: usize| (index.wrapping_mul(2_654_435_761) >> 7 & 0x87 | (index % 16) << 3) as u64;
                let flat = (0..length).map(|index| crate::int::low_byte(flat(index))).collect();
                self.add(format!("4-bit codewords, {length} elements"), flat);
                self.add(format!("1-bit codewords, {length} elements"), vec![0x38; length]);
                let both = |index: usize| if index.is_multiple_of(2) { 0x38 } else { 0xc7 };
                self.add(
                    format!("two 1-bit codewords, {} elements", 4 * length),
                    (0..4 * length).map(both).collect(),
                );
            }
        }
    }
}

/// Elements of a round: a vector of 16 for each of 32 lanes.
const ROUND: usize = 512;

/// `count` rounds in which all lanes have the same: fours of an exponent with Fibonacci frequencies, the rarest being 0.
/// Each round stands there `alike` times in a row.
fn rounds(count: usize, alike: usize) -> Vec<u8> {
    let fibonacci = std::iter::successors(Some((1, 1)), |(count, next)| Some((*next, count + next)));
    let mut fours = (0..16_u8)
        .zip(fibonacci)
        .flat_map(|(exponent, (count, _))| std::iter::repeat_n([exponent << 3; 4], count));
    let vectors = (0..count / alike).map(|_| fours.by_ref().take(4).flatten().collect::<Vec<u8>>());
    vectors.flat_map(|vector| vector.repeat(ROUND / vector.len() * alike)).collect()
}

/// Sixteen exponents with Fibonacci frequencies, which give the longest possible codewords: 15 bits for the rarest.
fn fibonacci() -> Vec<u8> {
    let (mut count, mut next) = (1, 1);
    let mut bytes = Vec::new();
    for exponent in 0..16u8 {
        bytes.extend((0..count).map(|index: u64| exponent << 3 | crate::int::low_byte(index & 7)));
        (count, next) = (next, count + next);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::{DecodeError, exponent_gap, schemes};
    use std::collections::HashSet;
    use std::ops::ControlFlow;

    #[test]
    fn every_scheme_brings_every_case_back_whole_or_in_pieces() {
        for case in corpus(Tier::Full) {
            for scheme in schemes().iter().filter(|scheme| case.suits(**scheme)) {
                let encoded = case.encode(*scheme).unwrap();
                assert!(encoded.decode().unwrap() == case.bytes, "{} {}", scheme.name(), case.name);
                assert!(encoded.decode_reference().unwrap() == case.bytes, "{} {}", scheme.name(), case.name);
                let mut pieces = Vec::new();
                let take = &mut |piece: &[u8]| {
                    pieces.extend_from_slice(piece);
                    ControlFlow::Continue(())
                };
                encoded.decode_pieces(take).unwrap();
                assert!(pieces == case.bytes, "{} {}", scheme.name(), case.name);
            }
        }
    }

    #[test]
    fn every_scheme_brings_any_part_of_a_case_back() {
        for case in corpus(Tier::Quick) {
            for scheme in schemes().iter().filter(|scheme| case.suits(**scheme)) {
                let encoded = case.encode(*scheme).unwrap();
                let (all, width) = (case.numbers().units() as usize, case.split.element.bytes);
                for (first, end) in
                    [(0, all), (0, all / 2), (all / 3, all / 3 + all / 2), (all - all / 7, all), (all, all)]
                {
                    let mut out = vec![0xaa; (end - first) * width];
                    scheme.decode_range(&encoded, first as u64, &mut out).unwrap();
                    assert!(
                        out == case.bytes[first * width..end * width],
                        "{} {} {first}",
                        scheme.name(),
                        case.name
                    );
                }
                for (first, count) in [(all as u64, 1), (u64::MAX, 2), (0, all + 1)] {
                    let beyond = scheme.decode_range(&encoded, first, &mut vec![0; count * width]);
                    assert!(matches!(beyond, Err(DecodeError::OutputRange { .. })));
                }
            }
        }
    }

    #[test]
    fn names_are_unique_and_the_full_corpus_contains_the_quick_one() {
        let (quick, full) = (corpus(Tier::Quick), corpus(Tier::Full));
        let names: HashSet<&str> = full.iter().map(|case| case.name.as_str()).collect();
        assert_eq!(names.len(), full.len());
        assert!(quick.iter().all(|case| full.contains(case)));
        assert!(quick.iter().all(|case| case.numbers().units() < 66_000));
    }

    #[test]
    fn the_cases_reach_the_codewords_that_they_are_meant_to() {
        let max_len = |name: &str| {
            let case = corpus(Tier::Quick).into_iter().find(|case| case.name == name).unwrap();
            let scheme = exponent_gap::EXPONENT_GAP;
            crate::Scheme::codebook(&scheme, &crate::Scheme::symbol_histogram(&scheme, case.numbers()))
                .max_len()
        };
        assert_eq!(max_len("Fibonacci frequencies"), 15);
        assert_eq!((max_len("one symbol"), max_len("two symbols")), (1, 1));
        assert_eq!(max_len("4-bit codewords, 8192 elements"), 4);
    }
}
