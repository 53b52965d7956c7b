//! Codebooks for the tensors of a file: one each, or one for those that lose little by it.

use super::subject::Subject;
use crate::codebook::Codebook;
use crate::codebook::cluster::{self, MOST, Sharing, share};
use crate::container::CompressOptions;
use crate::element::format::E4M3;
use crate::element::{Shape, Split};
use crate::error::Result;
use crate::histogram::Histogram;
use crate::layout::{Counted, Scheme};
use rayon::prelude::*;
use std::borrow::Cow;
use std::sync::Arc;

/// Which part of the codewords sharing may cost, where no number of codebooks is asked for.
pub(super) const TOLERANCE: f64 = 0.0005;

/// Characters for a symbol of a large alphabet, of which most do not occur: a digit, and a number of zeros before it.
const SPARSE_CHARACTERS: usize = 3;

/// How codewords are bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    /// By the scheme's own judgement.
    Judged,
    /// To this many bits.
    Within(u8),
    /// To what takes the fewest bytes, those of the codebook included.
    Smallest,
}

impl Code {
    pub(super) fn new(options: &CompressOptions) -> Self {
        options.code_bits.map_or(Self::Judged, Self::Within)
    }
}

/// How codebooks are made and shared.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) code: Code,
    /// Which part of the codewords sharing may cost beyond what a codebook takes.
    pub(super) tolerance: f64,
    /// The most codebooks of a scheme.
    pub(super) most: Option<usize>,
}

/// A codebook that tensors share.
#[derive(Debug, Clone, Default)]
pub(super) struct SharedCodebook {
    pub(super) codebook: Arc<Codebook>,
    /// Its text form.
    pub(super) text: Arc<str>,
    /// What storing it takes, for each piece of a tensor that has it.
    pub(super) bytes_each: u64,
}

impl SharedCodebook {
    /// What storing it takes, about.
    pub(super) fn bytes(&self) -> u64 {
        text_bytes(&self.text)
    }
}

/// The codebooks of some tensors.
#[derive(Default)]
pub(super) struct FileCodebooks {
    /// Which of them each piece of each tensor has.
    pub(super) of: Vec<Vec<usize>>,
    pub(super) codebooks: Vec<SharedCodebook>,
    /// Pairs of histograms that were compared to find them.
    pub(super) comparisons: usize,
}

/// What a codebook takes in a deflated list of them.
pub(in crate::container) fn stored_bytes(codebook: &Codebook) -> u64 {
    text_bytes(&codebook.to_text())
}

fn text_bytes(text: &str) -> u64 {
    // Symbols that have no frequency take next to nothing.
    let characters = text.bytes().filter(|character| *character != b'#').count() as u64;
    characters.saturating_mul(character_bits(text.starts_with('='))) / 8
}

/// What a character of a codebook takes in a deflated list of them, in bits: frequencies tell more than code lengths.
fn character_bits(has_frequencies: bool) -> u64 {
    if has_frequencies { 6 } else { 3 }
}

/// The best codebook for a histogram.
pub(super) fn codebook(scheme: &dyn Scheme, split: &Split, histogram: &Histogram, code: Code) -> Codebook {
    match code {
        Code::Judged => scheme.codebook(histogram),
        Code::Within(limit) => scheme.codebook_within(histogram, limit),
        Code::Smallest => {
            let codebooks = scheme.code_bits().rev().map(|limit| scheme.codebook_within(histogram, limit));
            let bytes = |codebook: &Codebook| {
                let counted = Counted { elements: 0, histogram, outside: 0 };
                scheme.encoded_bytes(split, &counted, codebook).saturating_add(stored_bytes(codebook))
            };
            codebooks.min_by_key(bytes).unwrap_or_else(|| scheme.codebook(histogram))
        }
    }
}

/// Tells pieces of tensors apart that are too many to be compared one by one.
pub(super) fn plant_seeds(subjects: &mut [Subject<'_>]) {
    if pieces(subjects.iter()) > MOST {
        let exponents = |subject: &Subject<'_>| match (&*subject.pieces, &subject.exponents) {
            ([_], Some(exponents)) => vec![exponents.clone()],
            (pieces, _) if subject.split.shape() == Shape::Nibble => {
                pieces.iter().map(|piece| piece.coded.exponents(&E4M3, 0)).collect()
            }
            (pieces, _) => pieces.iter().map(|piece| piece.coded.clone()).collect(),
        };
        let exponents: Vec<Histogram> = subjects.iter().flat_map(exponents).collect();
        let seeds = cluster::seeds(&exponents.iter().collect::<Vec<_>>());
        let pieces = subjects.iter_mut().flat_map(|subject| &mut subject.pieces);
        pieces.zip(seeds).for_each(|(piece, seed)| piece.seed = seed);
    }
}

/// How many pieces tensors have together.
fn pieces<'s, 'd: 's>(subjects: impl Iterator<Item = &'s Subject<'d>>) -> usize {
    subjects.map(|subject| subject.pieces.len()).sum()
}

/// Codebooks for tensors by scheme number `index` of those that come into question.
///
/// Up to [`MOST`] pieces of tensors are compared one by one, and more of them by the sums of those with one seed, of
/// which there are fewer. So what is compared has a bound, and what is counted grows with the bytes.
pub(super) fn codebooks(
    subjects: &[&Subject<'_>],
    index: usize,
    scheme: &'static dyn Scheme,
    rules: &Rules,
) -> Result<FileCodebooks> {
    let Some(split) = subjects.first().map(|subject| &subject.split) else {
        return Ok(FileCodebooks::default());
    };
    let symbols = |subject: &&Subject<'_>| {
        let symbols = subject.symbols(index, scheme)?;
        let own = |symbols| codebook(scheme, &subject.split, symbols, rules.code);
        Ok(symbols.iter().map(own).collect())
    };
    if !scheme.shares() {
        let codebooks = subjects.par_iter().map(symbols).collect::<Result<Vec<Vec<Codebook>>>>()?.concat();
        let of: Vec<usize> = (0..codebooks.len()).collect();
        let codebooks = described(codebooks, &of);
        return Ok(FileCodebooks { codebooks, of: by_subject(subjects, &of), comparisons: 0 });
    }
    let (seeds, sums) = if pieces(subjects.iter().copied()) <= MOST {
        let histograms = subjects.par_iter().map(|subject| subject.symbols(index, scheme));
        let histograms = histograms.collect::<Result<Vec<_>>>()?.into_iter().flat_map(each);
        let sums: Vec<Cow<'_, Histogram>> = histograms.collect();
        ((0..sums.len()).collect(), sums)
    } else {
        sums_by_seed(subjects, index, scheme)?
    };
    let present = sums.iter().map(|sum| sum.present().len()).max().unwrap_or(0);
    let characters = scheme.symbols().alphabet().min(SPARSE_CHARACTERS * present);
    let characters = u32::try_from(characters).unwrap_or(u32::MAX);
    let codebook_bits = f64::from(characters) * character_bits(scheme.has_frequencies()) as f64;
    let sharing = Sharing { codebook_bits, tolerance: rules.tolerance, most: rules.most };
    let shared = share(&sums.iter().map(Cow::as_ref).collect::<Vec<_>>(), &sharing);
    let count = shared.groups.iter().max().map_or(0, |last| last + 1);
    let groups: Vec<Histogram> = (0..count)
        .into_par_iter()
        .map(|group| {
            let members = sums.iter().zip(&shared.groups).filter(|(_, of)| **of == group);
            Histogram::sum(scheme.symbols().alphabet(), members.map(|(sum, _)| sum.as_ref()))
        })
        .collect();
    let codebooks = groups.par_iter().map(|sum| codebook(scheme, split, sum, rules.code)).collect();
    let of: Vec<usize> = seeds.into_iter().map(|seed: usize| shared.groups[seed]).collect();
    let codebooks = described(codebooks, &of);
    Ok(FileCodebooks { codebooks, of: by_subject(subjects, &of), comparisons: shared.comparisons })
}

/// Each of some histograms.
fn each(histograms: Cow<'_, [Histogram]>) -> Vec<Cow<'_, Histogram>> {
    match histograms {
        Cow::Borrowed(histograms) => histograms.iter().map(Cow::Borrowed).collect(),
        Cow::Owned(histograms) => histograms.into_iter().map(Cow::Owned).collect(),
    }
}

/// Numbers of all pieces, one after the other, as those of each tensor.
fn by_subject(subjects: &[&Subject<'_>], mut of: &[usize]) -> Vec<Vec<usize>> {
    let own = |subject: &&Subject<'_>| {
        let (own, rest) = of.split_at(subject.pieces.len());
        of = rest;
        own.to_vec()
    };
    subjects.iter().map(own).collect()
}

/// Which sum each piece of a tensor is part of, and the sums: of the pieces with one seed.
fn sums_by_seed<'a>(
    subjects: &[&Subject<'_>],
    index: usize,
    scheme: &'static dyn Scheme,
) -> Result<(Vec<usize>, Vec<Cow<'a, Histogram>>)> {
    let seeds: Vec<usize> =
        subjects.iter().flat_map(|subject| subject.pieces.iter().map(|piece| piece.seed)).collect();
    let count = seeds.iter().map(|seed| seed + 1).max().unwrap_or(0);
    let mut members: Vec<Vec<&Subject<'_>>> = vec![Vec::new(); count];
    for subject in subjects {
        for piece in &subject.pieces {
            members[piece.seed].push(subject);
        }
    }
    members.iter_mut().for_each(|members| members.dedup_by_key(|subject| std::ptr::from_ref(*subject)));
    let sums = members.par_iter().enumerate().map(|(seed, members)| {
        let mut counts = vec![0u64; scheme.symbols().alphabet()];
        for subject in members {
            let symbols = subject.symbols(index, scheme)?;
            let own = subject.pieces.iter().zip(&*symbols).filter(|(piece, _)| piece.seed == seed);
            own.for_each(|(_, symbols)| symbols.add_to(&mut counts));
        }
        Ok(Cow::Owned(Histogram::from_counts(&counts)))
    });
    Ok((seeds, sums.collect::<Result<_>>()?))
}

/// Codebooks with what storing them takes, shared equally between the pieces that have them.
fn described(codebooks: Vec<Codebook>, of: &[usize]) -> Vec<SharedCodebook> {
    let mut sharers = vec![0u64; codebooks.len()];
    of.iter().for_each(|codebook| sharers[*codebook] += 1);
    let described = codebooks.into_par_iter().zip(sharers).map(|(codebook, sharers)| {
        let text: Arc<str> = codebook.to_text().into();
        SharedCodebook { bytes_each: text_bytes(&text) / sharers.max(1), text, codebook: codebook.into() }
    });
    described.collect()
}
