//! The first pass over an input: what becomes of each tensor, and what is written about it.

use super::candidates::{self, Candidates, Compressible, Variant, candidates};
use super::choice::{self, SchemeChoice};
use super::sharing;
use super::subject::{self, Data, Reading, Subject};
use crate::checksum::{checksum, to_hex};
use crate::codebook::cluster::MOST;
use crate::container::batch::batches;
use crate::container::manifest::{OriginalHeader, TensorEntry, is_manifest};
use crate::container::sizes::Deflated;
use crate::container::{
    BATCH_BYTES, CompressOptions, MANIFEST_KEY, OWN_CHECKSUMS, OWN_HEADER, OWN_POOL, OWN_PREFIX, Progress,
};
use crate::element::{Element, Split};
use crate::error::{Error, Result};
use crate::header::TensorRecord;
use crate::layout::{Aim, Codebooks, Scheme};
use crate::map::{give_back, passing};
use crate::source::{DeltaMark, Source};
use rayon::prelude::*;
use safetensors::Dtype;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Where several plans are compared, tensors of at most this many bytes together are encoded for each, so that it is
/// known what they take; of more, it is estimated.
const EXACT_BYTES: u64 = 64 << 20;

/// A plan that is likely to take this much more than another, as a part of it, is not looked at closer.
const CLOSE: u64 = 100;

/// Bytes of what there is to say of a tensor, but for its name.
const TEXT_OF_TENSOR: usize = 300;

/// Bytes of what there is to say of all tensors that become so much smaller by deflating that an entry for an empty pool
/// is worth it.
const MUCH_TEXT: usize = 1200;

/// What a file's output will consist of.
pub(in crate::container) struct OutputPlan<'a> {
    /// The user's metadata, without any entry under our own key.
    pub(in crate::container) metadata: Vec<(String, String)>,
    /// In the order in which their parts are written: those in the pool last.
    pub(in crate::container) tensors: Vec<Planned>,
    /// Tensors that have the same bytes as one of these, and share its parts.
    pub(super) repeats: Vec<Repeat>,
    /// The others.
    pub(super) kept: Vec<TensorRecord>,
    /// Text forms, each once.
    pub(super) codebooks: Vec<String>,
    /// Prefix of the container's own tensors.
    pub(super) prefix: String,
    /// What the source is the difference from.
    pub(super) delta: Option<DeltaMark>,
    /// The original header.
    pub(super) json: &'a [u8],
    /// What the layout is for.
    pub(super) aim: Aim,
    /// Pairs of histograms that were compared to share codebooks.
    pub(in crate::container) comparisons: usize,
}

/// A tensor to be compressed.
pub(in crate::container) struct Planned {
    pub(super) record: TensorRecord,
    pub(super) scheme: &'static dyn Scheme,
    pub(super) split: Split,
    pub(super) codebooks: Codebooks,
    /// Its entry, with upper bounds for the parts' lengths and the parameters.
    pub(super) entry: TensorEntry,
    /// What all parts are likely to take, where their lengths are bounds.
    pub(super) likely: Option<u64>,
}

impl Planned {
    /// Whether the parts may have these lengths.
    pub(super) fn allows(&self, lengths: &[u64]) -> bool {
        let bounds = &self.entry.lengths;
        lengths.len() == bounds.len() && lengths.iter().zip(bounds).all(|(length, bound)| length <= bound)
    }
}

/// A tensor that has the same bytes as another.
#[derive(Clone)]
pub(super) struct Repeat {
    pub(super) record: TensorRecord,
    /// The other, which is compressed if that gains anything.
    pub(super) of: TensorRecord,
}

impl OutputPlan<'_> {
    /// What the manifest says about the original header, but how long it is deflated.
    pub(super) fn original(&self) -> OriginalHeader {
        OriginalHeader {
            length: self.json.len() as u64,
            deflated: None,
            checksum: to_hex(checksum(self.json)),
        }
    }

    /// Puts all parts into the pool, which takes the least room in the header.
    pub(in crate::container) fn pool_all(&mut self) {
        for planned in &mut self.tensors {
            planned.entry.pooled = true;
            planned.entry.prefix = None;
        }
    }

    /// Whether what there is to say of the tensors is deflated behind the original header: where some tensors' parts are in
    /// the pool, which only then exists, or where it is much. The pool may be empty.
    pub(super) fn is_continued(&self) -> bool {
        let described = |planned: &Planned| {
            let runs = planned.entry.runs.as_ref().map_or(0, |runs| 3 * runs.codebooks.len());
            TEXT_OF_TENSOR + planned.entry.name.len() + runs
        };
        let codebooks = self.codebooks.iter().map(String::len);
        self.tensors.iter().any(|planned| planned.entry.pooled)
            || self.tensors.iter().map(described).chain(codebooks).sum::<usize>() > MUCH_TEXT
    }
}

/// Refuses what is compressed.
pub(in crate::container) fn require_plain(source: &dyn Source) -> Result<()> {
    if source.header().metadata(MANIFEST_KEY).is_some_and(is_manifest) {
        return Err(Error::AlreadyCompressed { path: source.path().to_owned() });
    }
    Ok(())
}

/// Reads every tensor which a scheme could take, and decides. Advances `progress` by the data's bytes, and by
/// [`sharing_steps`] more.
pub(in crate::container) fn plan<'a>(
    source: &'a dyn Source,
    options: &CompressOptions,
    progress: &dyn Progress,
) -> Result<OutputPlan<'a>> {
    require_plain(source)?;
    let header = source.header();
    let choice = SchemeChoice::new(options);
    let schemes = choice.schemes();
    let takable: Vec<(&TensorRecord, &'static Element)> = header
        .tensors
        .iter()
        .filter_map(|record| Some((record, subject::takable(&schemes, record)?)))
        .collect();
    let bytes: u64 = takable.iter().map(|(record, _)| record.bytes()).sum();
    progress.advance(header.data_bytes() - bytes);
    let reading = Reading::new(&schemes, options, takable.len() <= MOST);
    let mut subjects: Vec<Subject<'_>> = Vec::with_capacity(takable.len());
    for batch in batches(&takable, BATCH_BYTES, |(record, _)| record.bytes()) {
        progress.go_on(source.path())?;
        let read =
            batch.par_iter().map(|(record, element)| reading.read(record, element, Data::Whole(source)));
        subjects.extend(read.collect::<Result<Vec<_>>>()?);
        progress.advance(batch.iter().map(|(record, _)| record.bytes()).sum());
    }
    progress.stage(&format!("sharing codebooks of {}", source.path().display()));
    let repeats = take_repeats(source, &mut subjects)?;
    sharing::plant_seeds(&mut subjects);
    let deflated = candidates::deflated(&subjects, &schemes);
    let planner =
        Planner { source, schemes: &schemes, subjects: &subjects, repeats: &repeats, bytes, deflated };
    planner.smallest(&choice::variants(options), progress)
}

/// Takes out the subjects that have the same bytes as one before: of equal number types, lengths and checksums, compared.
fn take_repeats(source: &dyn Source, subjects: &mut Vec<Subject<'_>>) -> Result<Vec<Repeat>> {
    let mut first: BTreeMap<(Dtype, u64, u64), usize> = BTreeMap::new();
    let (mut kept, mut repeats): (Vec<Subject<'_>>, Vec<Repeat>) = (Vec::new(), Vec::new());
    for subject in subjects.drain(..) {
        let key = (subject.record.dtype, subject.record.bytes(), subject.checksum);
        match first.get(&key).map(|first| kept[*first].record) {
            Some(of) if subject.record.bytes() > 0 && are_same(source, of, subject.record)? => {
                repeats.push(Repeat { record: subject.record.clone(), of: of.clone() });
            }
            _ => {
                first.entry(key).or_insert(kept.len());
                kept.push(subject);
            }
        }
    }
    *subjects = kept;
    Ok(repeats)
}

/// Whether two tensors have the same bytes.
pub(super) fn are_same(source: &dyn Source, one: &TensorRecord, other: &TensorRecord) -> Result<bool> {
    let (one, other) = (source.bytes(one)?, source.bytes(other)?);
    let are_same = one.len() == other.len() && passing(&one, 1).zip(passing(&other, 1)).all(|(a, b)| a == b);
    give_back(&one);
    give_back(&other);
    Ok(are_same)
}

/// How far the bar moves while codebooks are shared, for tensors of `data_bytes` bytes.
pub(super) fn sharing_steps(data_bytes: u64) -> u64 {
    data_bytes / 4
}

/// What is known before anything is decided.
struct Planner<'a, 'h> {
    source: &'a dyn Source,
    schemes: &'h [&'static dyn Scheme],
    subjects: &'h [Subject<'a>],
    /// Tensors that are no subjects, since they have the same bytes as one.
    repeats: &'h [Repeat],
    /// Of all subjects.
    bytes: u64,
    deflated: Deflated,
}

impl<'a, 'h> Planner<'a, 'h> {
    /// The plan that takes least, of those by some variants; the first one of equals.
    fn smallest(&self, variants: &[Variant], progress: &dyn Progress) -> Result<OutputPlan<'a>> {
        let steps = sharing_steps(self.source.header().data_bytes());
        let each = steps / variants.len().max(1) as u64;
        let [only] = variants else {
            let mut best: Option<(u64, OutputPlan<'a>)> = None;
            for variant in variants {
                let candidates = candidates(self.subjects, self.schemes, variant, self.deflated)?;
                let estimate = estimate(&candidates, variant.aim);
                let most = best.as_ref().map_or(u64::MAX, |(least, _)| *least);
                if estimate.saturating_sub(estimate / CLOSE) <= most {
                    let plan = self.finish(candidates, variant, self.bytes <= EXACT_BYTES)?;
                    let bytes = plan.predicted_bytes();
                    if bytes < most {
                        best = Some((bytes, plan));
                    }
                }
                progress.advance(each);
            }
            progress.advance(steps - each * variants.len() as u64);
            return match best {
                Some((_, plan)) => Ok(plan),
                None => Ok(self.empty(Aim::default())),
            };
        };
        let candidates = candidates(self.subjects, self.schemes, only, self.deflated)?;
        progress.advance(steps);
        self.finish(candidates, only, false)
    }

    /// A plan with these candidates. Small tensors are encoded, and others if asked for, so that it is known what they
    /// take.
    fn finish(&self, candidates: Candidates<'h>, variant: &Variant, others: bool) -> Result<OutputPlan<'a>> {
        let Candidates { mut list, kept, comparisons } = candidates;
        let path = self.source.path();
        list.par_iter_mut().try_for_each(|candidate| candidate.try_out(path, variant.aim, others))?;
        let mut plan = self.empty(variant.aim);
        plan.comparisons = comparisons;
        plan.kept.extend(kept.into_iter().cloned());
        plan.take(list, &mut self.taken(), self.deflated);
        let compressed: HashSet<&str> =
            plan.tensors.iter().map(|planned| planned.record.name.as_str()).collect();
        let repeats = self.repeats.iter().filter(|repeat| compressed.contains(repeat.of.name.as_str()));
        plan.repeats = repeats.cloned().collect();
        let repeated: HashSet<&str> = plan.repeats.iter().map(|repeat| repeat.record.name.as_str()).collect();
        plan.kept.retain(|record| !repeated.contains(record.name.as_str()));
        sort_kept(&mut plan.kept);
        Ok(plan)
    }

    /// Names that are in use before any tensor is compressed.
    fn taken(&self) -> HashSet<String> {
        self.source.header().tensors.iter().map(|tensor| tensor.name.clone()).collect()
    }

    /// A plan in which no scheme takes anything.
    fn empty(&self, aim: Aim) -> OutputPlan<'a> {
        let (tensors, subjects) = (self.source.header().tensors.iter(), self.subjects);
        // Both lists are in the order of the data, so one walk finds what no scheme takes.
        let mut others = subjects.iter().map(|subject| subject.record).peekable();
        let is_other = |record: &&TensorRecord| others.next_if(|next| std::ptr::eq(*next, *record)).is_none();
        OutputPlan {
            metadata: self
                .source
                .header()
                .metadata
                .iter()
                .filter(|(key, _)| key != MANIFEST_KEY)
                .cloned()
                .collect(),
            tensors: Vec::new(),
            repeats: Vec::new(),
            kept: tensors.filter(is_other).cloned().collect(),
            codebooks: Vec::new(),
            prefix: claim_prefix(OWN_PREFIX, &[OWN_HEADER, OWN_CHECKSUMS, OWN_POOL], &mut self.taken()),
            aim,
            json: self.source.json(),
            delta: self.source.delta().cloned(),
            comparisons: 0,
        }
    }
}

/// What the data of all tensors that some scheme takes are likely to become.
fn estimate(candidates: &Candidates<'_>, aim: Aim) -> u64 {
    let likely = |one: &Compressible<'_>| {
        let chunks = one.scheme.chunk_bytes(one.subject.units(), aim);
        let parts = one.likely.unwrap_or_default().saturating_add(chunks);
        one.codebooks.iter().map(|codebook| codebook.bytes_each).fold(parts, u64::saturating_add)
    };
    let compressed = candidates.list.iter().map(likely).fold(0, u64::saturating_add);
    candidates.kept.iter().map(|record| record.bytes()).fold(compressed, u64::saturating_add)
}

impl OutputPlan<'_> {
    /// Adds the candidates, in order, where that is worthwhile with the codebooks that they now have.
    fn take(&mut self, candidates: Vec<Compressible<'_>>, taken: &mut HashSet<String>, deflated: Deflated) {
        let mut indices: HashMap<Arc<str>, usize> = HashMap::new();
        // Texts of large codebooks are long, so one that many tensors share is looked up by its place in memory.
        let mut known: HashMap<*const u8, usize> = HashMap::new();
        for candidate in candidates {
            let index_of =
                |text: &Arc<str>, known: &HashMap<*const u8, usize>, indices: &HashMap<Arc<str>, usize>| {
                    known.get(&text.as_ptr()).or_else(|| indices.get(text)).copied()
                };
            let texts = || candidate.codebooks.iter().map(|codebook| &codebook.text);
            let are_known = || texts().all(|text| index_of(text, &known, &indices).is_some());
            let is_shared = candidate.scheme.shares() || are_known();
            if !candidate.may_be_worthwhile(is_shared, deflated) {
                self.kept.push(candidate.subject.record.clone());
                continue;
            }
            let mut planned = Planned {
                record: candidate.subject.record.clone(),
                scheme: candidate.scheme,
                split: candidate.subject.split.clone(),
                entry: candidate.entry(),
                likely: candidate.likely,
                codebooks: candidate.coding(),
            };
            if !planned.entry.pooled {
                let parts = planned.scheme.part_specs(&planned.split);
                let suffixes: Vec<&str> = parts.iter().map(|part| part.name).collect();
                let prefix = claim_prefix(&planned.record.name, &suffixes, taken);
                planned.entry.prefix = Some(prefix).filter(|prefix| *prefix != planned.record.name);
            }
            let mut numbers = Vec::with_capacity(candidate.codebooks.len());
            for text in texts() {
                let number = index_of(text, &known, &indices).unwrap_or_else(|| {
                    self.codebooks.push(text.to_string());
                    self.codebooks.len() - 1
                });
                known.insert(text.as_ptr(), number);
                indices.entry(text.clone()).or_insert(number);
                numbers.push(number);
            }
            planned.entry.runs = candidate.runs_entry(&numbers);
            let first = planned.entry.runs.as_ref().and_then(|runs| runs.codebooks.first());
            planned.entry.codebook = first.or(numbers.first()).copied().unwrap_or_default();
            self.tensors.push(planned);
        }
        self.tensors.sort_by_key(|planned| planned.entry.pooled);
    }
}

/// The order in which kept tensors are written: larger elements first, so that each is aligned to its own; otherwise as
/// in the input.
pub(super) fn sort_kept(kept: &mut [TensorRecord]) {
    kept.sort_by_key(|record| (Reverse(record.dtype.bitsize()), record.begin, record.end));
}

/// `wanted` with as many `~` appended as make all of `prefix.suffix` unused names, which are then taken.
fn claim_prefix(wanted: &str, suffixes: &[&str], taken: &mut HashSet<String>) -> String {
    let mut prefix = wanted.to_owned();
    while suffixes.iter().any(|suffix| taken.contains(&format!("{prefix}.{suffix}"))) {
        prefix.push('~');
    }
    taken.extend(suffixes.iter().map(|suffix| format!("{prefix}.{suffix}")));
    prefix
}
