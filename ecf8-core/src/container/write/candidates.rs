//! From what is known of the tensors to what compressing each is likely to give: by which scheme, with which codebook.

use super::choice::SchemeChoice;
use super::sharing::{self, FileCodebooks, Rules, SharedCodebook};
use super::subject::Subject;
use crate::checksum::to_hex;
use crate::codebook::Codebook;
use crate::codebook::cluster::MOST;
use crate::container::manifest::{Params, RunsEntry, TensorEntry};
use crate::container::sizes::{self, Deflated};
use crate::container::{SMALL_BYTES, TOLD_BYTES};
use crate::element::Shape;
use crate::error::{Error, Result};
use crate::header::TensorRecord;
use crate::layout::{Aim, Codebooks, EncodeError, PartSpec, Scheme};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// How many small tensors are enough to tell which scheme suits them all best.
const ENOUGH: usize = 2048;

/// Runs of tensors that are looked at to know how small their entries in the manifest become.
const SAMPLE_RUNS: usize = 8;

/// Tensors of such a run, at most.
const SAMPLE_RUN: usize = 128;

/// One way to decide.
#[derive(Debug, Clone, Copy)]
pub(super) struct Variant {
    pub(super) choice: SchemeChoice,
    pub(super) rules: Rules,
    /// What chunks are for.
    pub(super) aim: Aim,
}

/// A tensor that may be worth compressing, and how.
pub(super) struct Compressible<'a> {
    pub(super) subject: &'a Subject<'a>,
    pub(super) scheme: &'static dyn Scheme,
    /// Of each piece.
    pub(super) codebooks: Vec<SharedCodebook>,
    /// Bounds for the parts' lengths, or exact.
    lengths: Vec<u64>,
    params: Params,
    /// What all parts are likely to take, where their lengths are bounds from above.
    pub(super) likely: Option<u64>,
}

/// What became of all tensors that a scheme takes.
pub(super) struct Candidates<'a> {
    pub(super) list: Vec<Compressible<'a>>,
    pub(super) kept: Vec<&'a TensorRecord>,
    /// Pairs of histograms that were compared to share codebooks.
    pub(super) comparisons: usize,
}

impl<'a> Compressible<'a> {
    fn new(
        subject: &'a Subject<'a>,
        (index, scheme): (usize, &'static dyn Scheme),
        codebooks: Vec<SharedCodebook>,
    ) -> Result<Self> {
        if subject.is_pooled(scheme) {
            // Encoding it will tell what it takes.
            let (lengths, params) = (Vec::new(), largest_params(scheme));
            return Ok(Self { subject, scheme, codebooks, lengths, params, likely: Some(0) });
        }
        let symbols = subject.symbols(index, scheme)?;
        let own = || codebooks.iter().map(|codebook| &*codebook.codebook);
        let lengths = subject.part_bytes(scheme, &symbols, own());
        let bound = lengths.iter().fold(0, |sum: u64, length| sum.saturating_add(*length));
        let likely = subject.encoded_bytes(scheme, &symbols, own());
        Ok(Self {
            subject,
            scheme,
            codebooks,
            lengths,
            params: largest_params(scheme),
            likely: Some(likely).filter(|likely| *likely != bound),
        })
    }

    /// What its parts will be.
    fn parts(&self) -> &'static [PartSpec] {
        self.scheme.part_specs(&self.subject.split)
    }

    /// The codebooks of its elements.
    pub(super) fn coding(&self) -> Codebooks {
        let first = || self.codebooks.first().map(|first| first.codebook.clone()).unwrap_or_default();
        let Some(runs) = &self.subject.runs else { return Codebooks::one(first()) };
        // Pieces may share codebooks, even all of them.
        let mut list: Vec<Arc<Codebook>> = Vec::new();
        let mut place = |own: &SharedCodebook| {
            list.iter().position(|other| Arc::ptr_eq(other, &own.codebook)).unwrap_or_else(|| {
                list.push(own.codebook.clone());
                list.len() - 1
            })
        };
        let places: Vec<usize> = self.codebooks.iter().map(&mut place).collect();
        let of = runs.of.iter().map(|piece| places[*piece]).collect();
        match list.len() {
            1 => Codebooks::one(first()),
            _ => Codebooks::of_runs(list, runs.elements, of).unwrap_or_else(|| Codebooks::one(first())),
        }
    }

    /// Its entry in the manifest, but for the codebooks' numbers.
    pub(super) fn entry(&self) -> TensorEntry {
        let Subject { record, split, checksum, exponents, byte_entropy, .. } = self.subject;
        // People want to know how numbers are distributed, but not at the price of what a small tensor gains.
        let is_told = record.bytes() >= TOLD_BYTES;
        let exponents = exponents.as_ref().filter(|_| is_told);
        let is_first = split.element.shape == Shape::Nibble;
        let rounded = |bits: f64| (bits * 1e6).round() / 1e6;
        let mut entry = TensorEntry {
            name: record.name.clone(),
            dtype: record.dtype.to_string(),
            shape: record.shape.clone(),
            scheme: self.scheme.name().to_owned(),
            params: self.params.clone(),
            codebook: 0,
            runs: self.runs_entry(&vec![0; self.codebooks.len()]),
            prefix: None,
            pooled: self.subject.is_pooled(self.scheme),
            lengths: self.lengths.clone(),
            same_as: None,
            checksum: to_hex(*checksum),
            least_exponent: 0,
            planes: None,
            dictionary: 0,
            exponents: exponents.cloned().filter(|_| is_first),
            exponent_entropy: exponents.filter(|_| !is_first).map(|one| rounded(one.entropy_bits())),
            byte_entropy: is_told.then(|| rounded(*byte_entropy)),
            further: BTreeMap::new(),
        };
        entry.describe_split(split);
        entry
    }

    /// The entry of its runs, where `numbers` are those of its pieces' codebooks; none, if all are the same.
    pub(super) fn runs_entry(&self, numbers: &[usize]) -> Option<RunsEntry> {
        let runs = self.subject.runs.as_ref()?;
        let is_one = self.codebooks.iter().all(|one| Arc::ptr_eq(&one.codebook, &self.codebooks[0].codebook));
        let codebooks = runs.of.iter().filter_map(|piece| numbers.get(*piece).copied()).collect();
        (!is_one).then_some(RunsEntry { elements: runs.elements, codebooks })
    }

    /// Encodes a tensor to know its parts' lengths: small ones, which are in the pool and so have no names in the
    /// header that could make room for one that were kept after all; and others, if asked for.
    ///
    /// # Errors
    /// If it cannot be read or encoded; `path` is where it comes from.
    pub(super) fn try_out(&mut self, path: &Path, aim: Aim, others: bool) -> Result<()> {
        if self.likely.is_some() && (others || self.subject.is_pooled(self.scheme)) {
            let encoded = match self.subject.encode(self.scheme, &self.coding(), aim)? {
                // What a scheme cannot point into is kept as it is.
                Err(EncodeError::TooLarge { .. }) => {
                    self.likely = Some(u64::MAX);
                    return Ok(());
                }
                encoded => encoded.map_err(|source| {
                    Error::of_encoding(path.to_owned(), self.subject.record.name.clone(), source)
                })?,
            };
            let mut entry = self.entry();
            entry.describe(&encoded);
            (self.lengths, self.params) = (entry.lengths, entry.params);
            self.likely = None;
        }
        Ok(())
    }

    /// Whether compressing it may be worthwhile: certain, where lengths are exact, otherwise the writer decides again.
    pub(super) fn may_be_worthwhile(&self, codebook_is_shared: bool, deflated: Deflated) -> bool {
        let texts = self.codebooks.iter().map(|codebook| codebook.text.len() as u64 + 6);
        let codebook = if codebook_is_shared { 0 } else { texts.sum() };
        // A tensor that does not become smaller itself is kept, even if less is said of it then.
        let parts =
            self.likely.unwrap_or_else(|| self.lengths.iter().fold(0, |sum, own| sum.saturating_add(*own)));
        if parts >= self.subject.record.bytes() {
            return false;
        }
        let compressed = sizes::compressed_bytes(self.parts(), &self.entry(), self.likely, deflated);
        compressed.saturating_add(codebook) < self.subject.kept_bytes
    }

    /// What it takes with all that is said of it, but without its codebook, if its parts take so much.
    pub(super) fn bytes_with(&self, parts: u64, deflated: Deflated) -> u64 {
        let lengths = likely_lengths(self.scheme, self.subject);
        let entry = TensorEntry { lengths, ..self.entry() };
        sizes::compressed_bytes(self.parts(), &entry, Some(parts), deflated)
    }
}

/// Decides for all tensors, as far as can be told before they are encoded: for those of each number type by themselves,
/// and of these for those with dictionaries, since neither codebooks nor launches are shared between them.
pub(super) fn candidates<'a>(
    subjects: &'a [Subject<'a>],
    schemes: &[&'static dyn Scheme],
    variant: &Variant,
    deflated: Deflated,
) -> Result<Candidates<'a>> {
    let mut by_type: BTreeMap<(&str, Shape), Vec<&'a Subject<'a>>> = BTreeMap::new();
    for subject in subjects {
        by_type.entry((subject.split.element.dtype, subject.split.shape())).or_default().push(subject);
    }
    let mut all = Candidates { list: Vec::new(), kept: Vec::new(), comparisons: 0 };
    for subjects in by_type.values() {
        let own = of_type(subjects, schemes, variant, deflated)?;
        all.list.extend(own.list);
        all.kept.extend(own.kept);
        all.comparisons += own.comparisons;
    }
    all.list.sort_by_key(|candidate| (candidate.subject.record.begin, candidate.subject.record.end));
    Ok(all)
}

/// Decides for the tensors of one number type.
fn of_type<'a>(
    subjects: &[&'a Subject<'a>],
    schemes: &[&'static dyn Scheme],
    variant: &Variant,
    deflated: Deflated,
) -> Result<Candidates<'a>> {
    let Variant { choice, rules, .. } = variant;
    let shares = schemes.iter().any(|scheme| scheme.shares());
    let mut comparisons = 0;
    // The codebooks of the tensors that may have each scheme, in their order.
    let mut shared: Vec<Option<FileCodebooks>> = schemes.iter().map(|_| None).collect();
    let mut options: Vec<Options<'a>> =
        subjects.iter().map(|subject| Options::new(subject, schemes, *choice)).collect();
    if schemes.len() > 1 {
        drop_hopeless(&mut options, schemes, *choice);
    }
    if choice.is_for_all() && options.len() > ENOUGH {
        let (only, compared) = of_sample(&options, schemes, variant)?;
        comparisons += compared;
        for one in &mut options {
            let others = one.likely.iter_mut().enumerate().filter(|(index, _)| Some(*index) != only);
            others.for_each(|(_, likely)| *likely = None);
        }
    }
    if schemes.len() > 1 || (shares && subjects.len() > MOST) {
        // Codebooks of tuples are large, but many tensors may share one.
        for index in 0..schemes.len() {
            shared[index] = Some(share_among(&mut options, index, schemes[index], rules)?);
        }
    }
    let chosen = choose(&options, schemes, *choice);
    let mut kept = Vec::new();
    let mut by_scheme: Vec<Vec<(usize, &'a Subject<'a>)>> = vec![Vec::new(); schemes.len()];
    for (place, (options, chosen)) in options.iter().zip(chosen).enumerate() {
        // Sharing costs little, so whether a tensor gains at all is known before.
        let chosen =
            chosen.filter(|index| !shares || options.may_be_worthwhile(*index, schemes[*index], deflated));
        match chosen {
            Some(index) => by_scheme[index].push((place, options.subject)),
            None => kept.push(options.subject.record),
        }
    }
    let mut list: Vec<(usize, Compressible<'a>)> = Vec::new();
    for (index, scheme) in schemes.iter().enumerate() {
        // Where all of those have the scheme that may, they share as they did.
        let before = shared[index].take();
        comparisons += before.as_ref().map_or(0, |before| before.comparisons);
        let codebooks = before.filter(|before| before.of.len() == by_scheme[index].len());
        let codebooks = if let Some(codebooks) = codebooks {
            codebooks
        } else {
            let those: Vec<&Subject<'_>> = by_scheme[index].iter().map(|(_, subject)| *subject).collect();
            let codebooks = sharing::codebooks(&those, index, *scheme, rules)?;
            comparisons += codebooks.comparisons;
            codebooks
        };
        let made = by_scheme[index].par_iter().zip(&codebooks.of).map(|((place, subject), of)| {
            let own = of.iter().map(|of| codebooks.codebooks[*of].clone()).collect();
            let candidate = Compressible::new(subject, (index, *scheme), own)?;
            Ok((*place, candidate))
        });
        list.extend(made.collect::<Result<Vec<_>>>()?);
    }
    list.sort_by_key(|(place, _)| *place);
    Ok(Candidates { list: list.into_iter().map(|(_, candidate)| candidate).collect(), kept, comparisons })
}

/// Lengths of parts with about as many digits as the true ones have.
fn likely_lengths(scheme: &dyn Scheme, subject: &Subject<'_>) -> Vec<u64> {
    scheme.part_specs(&subject.split).iter().map(|_| subject.record.bytes() / 2).collect()
}

fn largest_params(scheme: &dyn Scheme) -> Params {
    Params::of(scheme.params().iter().filter_map(|spec| Some((spec.name, spec.largest?))))
}

/// Entries of tensors that stand for all others, as they will be about; how much smaller they become by deflating.
pub(super) fn deflated(subjects: &[Subject<'_>], schemes: &[&'static dyn Scheme]) -> Deflated {
    let Some(scheme) = schemes.last() else { return Deflated::default() };
    let pooled: Vec<&Subject<'_>> = subjects.iter().filter(|subject| subject.is_pooled(*scheme)).collect();
    let runs = pooled.chunks(pooled.len().div_ceil(SAMPLE_RUNS).max(1));
    let sample = runs.flat_map(|run| &run[..run.len().min(SAMPLE_RUN)]).map(|subject| {
        let bytes = subject.record.bytes();
        let mut lengths = [bytes / 2, bytes / 7, 8 * (2 + bytes / 4096)].to_vec();
        lengths.resize(scheme.part_specs(&subject.split).len(), bytes / 3);
        let params = Params::of([("elements_per_lane", 128), ("lead_rows", 2 + subject.checksum % 9)]);
        let codebooks = vec![SharedCodebook::default()];
        Compressible { subject, scheme: *scheme, codebooks, lengths, params, likely: None }.entry()
    });
    Deflated::of(&sample.collect::<Vec<_>>())
}

/// What a tensor is likely to take by each scheme that comes into question.
#[derive(Clone)]
struct Options<'a> {
    subject: &'a Subject<'a>,
    likely: Vec<Option<u64>>,
    /// How many tensors this one stands for.
    weight: u64,
}

impl<'a> Options<'a> {
    /// Before anything is shared.
    fn new(subject: &'a Subject<'a>, schemes: &[&'static dyn Scheme], choice: SchemeChoice) -> Self {
        let likely = schemes.iter().zip(&subject.alone).map(|(scheme, alone)| {
            let is_open = choice.has(*scheme, &subject.split);
            alone.as_ref().filter(|_| is_open).map(|alone| alone.least)
        });
        let weight = subject.record.bytes() / subject.bytes.max(1);
        Self { subject, likely: likely.collect(), weight: weight.max(1) }
    }

    /// Whether compressing it by a scheme may be worthwhile.
    fn may_be_worthwhile(&self, index: usize, scheme: &'static dyn Scheme, deflated: Deflated) -> bool {
        // Codebooks that differ have runs to describe.
        let each = self.subject.pieces.iter().map(|_| SharedCodebook::default());
        let candidate = Compressible {
            subject: self.subject,
            scheme,
            codebooks: each.collect(),
            lengths: likely_lengths(scheme, self.subject),
            params: largest_params(scheme),
            likely: self.likely[index].map(|likely| self.subject.of_whole(likely)),
        };
        candidate.may_be_worthwhile(true, deflated)
    }
}

/// What each tensor that may have a scheme is likely to take with a codebook that it shares; gives the codebooks.
fn share_among(
    options: &mut [Options<'_>],
    index: usize,
    scheme: &'static dyn Scheme,
    rules: &Rules,
) -> Result<FileCodebooks> {
    let mut open: Vec<&mut Options<'_>> =
        options.iter_mut().filter(|one| one.likely[index].is_some()).collect();
    let those: Vec<&Subject<'_>> = open.iter().map(|one| one.subject).collect();
    let codebooks = sharing::codebooks(&those, index, scheme, rules)?;
    open.par_iter_mut().zip(&codebooks.of).try_for_each(|(one, of)| {
        let shared = || of.iter().map(|of| &codebooks.codebooks[*of]);
        let symbols = one.subject.symbols(index, scheme)?;
        let parts = one.subject.encoded_bytes(scheme, &symbols, shared().map(|one| &*one.codebook));
        one.likely[index] = Some(shared().map(|one| one.bytes_each).fold(parts, u64::saturating_add));
        Ok(())
    })?;
    Ok(codebooks)
}

/// The scheme for all tensors as some of them tell: all large ones, and [`ENOUGH`] small ones. And how many pairs were
/// compared.
fn of_sample(
    options: &[Options<'_>],
    schemes: &[&'static dyn Scheme],
    variant: &Variant,
) -> Result<(Option<usize>, usize)> {
    let (large, small): (Vec<_>, Vec<_>) =
        options.iter().partition(|one| one.subject.record.bytes() >= SMALL_BYTES);
    let every = small.len().div_ceil(ENOUGH).max(1);
    let small = small
        .into_iter()
        .step_by(every)
        .map(|one| Options { weight: one.weight.saturating_mul(every as u64), ..one.clone() });
    let mut sample: Vec<Options<'_>> = large.into_iter().cloned().chain(small).collect();
    let mut comparisons = 0;
    for (index, scheme) in schemes.iter().enumerate() {
        comparisons += share_among(&mut sample, index, *scheme, &variant.rules)?.comparisons;
    }
    Ok((choose(&sample, schemes, variant.choice).into_iter().flatten().next(), comparisons))
}

/// Drops options that sharing codebooks cannot save: another takes less, tolerance and a codebook of its own included,
/// than they take without any. For all tensors of a file together where they are to have one scheme.
fn drop_hopeless(options: &mut [Options<'_>], schemes: &[&'static dyn Scheme], choice: SchemeChoice) {
    let hopeless = |all: &[Options<'_>]| -> Vec<bool> {
        let mut sums = vec![(0u64, 0u64, 0u64); schemes.len()];
        for one in all {
            let bytes = one.subject.bytes;
            for (index, (least, most, original)) in sums.iter_mut().enumerate() {
                // Where a scheme cannot make a tensor smaller, it stays as it is.
                let alone =
                    one.subject.alone[index].as_ref().map_or((bytes, bytes), |one| (one.least, one.most));
                *least = least.saturating_add(alone.0);
                *most = most.saturating_add(alone.1);
                *original = original.saturating_add(bytes);
            }
        }
        let split = all.first().map(|one| &one.subject.split);
        let width = split.map_or(1, |split| split.element.bytes);
        let is_open = |scheme: &dyn Scheme| split.is_some_and(|split| choice.has(scheme, split));
        let possible = sums.iter().zip(schemes).filter(|(_, scheme)| is_open(**scheme));
        let accepted =
            possible.map(|((_, most, original), _)| choice.accepted(width, *original, *most)).min();
        let is_hopeless = |least: u64| accepted.is_some_and(|accepted| least > accepted);
        sums.into_iter().map(|(least, ..)| is_hopeless(least)).collect()
    };
    let drop = |all: &mut [Options<'_>]| {
        let hopeless = hopeless(all);
        for one in all {
            let dropped = one.likely.iter_mut().zip(&hopeless).filter(|(_, hopeless)| **hopeless);
            dropped.for_each(|(likely, _)| *likely = None);
        }
    };
    if choice.is_for_all() {
        drop(options);
    } else {
        options.par_iter_mut().for_each(|one| drop(std::slice::from_mut(one)));
    }
}

/// The scheme for each tensor, of those that come into question; `None` where none does.
fn choose(
    options: &[Options<'_>],
    schemes: &[&'static dyn Scheme],
    choice: SchemeChoice,
) -> Vec<Option<usize>> {
    let bytes = |one: &Options<'_>| one.subject.bytes;
    let width = |one: &Options<'_>| one.subject.split.element.bytes;
    let mut for_all = None;
    if choice.is_for_all() {
        let open: Vec<usize> = (0..schemes.len())
            .filter(|index| options.iter().any(|one| one.likely[*index].is_some()))
            .collect();
        // Where a scheme cannot make a tensor smaller, it stays as it is.
        let total = |index: &usize| {
            let of = |one: &Options<'_>| one.likely[*index].unwrap_or(u64::MAX).min(bytes(one));
            options.iter().map(|one| of(one).saturating_mul(one.weight)).fold(0, u64::saturating_add)
        };
        let totals: Vec<u64> = open.iter().map(total).collect();
        let original = options.iter().map(|one| bytes(one).saturating_mul(one.weight));
        let original = original.fold(0, u64::saturating_add);
        for_all = open.get(choice.pick(options.first().map_or(1, width), original, &totals)).copied();
    }
    let pick = |one: &Options<'_>| -> Option<usize> {
        if let Some(index) = for_all {
            return one.likely[index].map(|_| index);
        }
        let open: Vec<(usize, u64)> = one
            .likely
            .iter()
            .enumerate()
            .filter_map(|(index, likely)| likely.map(|likely| (index, likely)))
            .collect();
        let likely: Vec<u64> = open.iter().map(|(_, likely)| *likely).collect();
        open.get(choice.pick(width(one), bytes(one), &likely)).map(|(index, _)| *index)
    };
    options.iter().map(pick).collect()
}
