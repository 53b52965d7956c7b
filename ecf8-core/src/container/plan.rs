//! The first pass over an input: what becomes of each tensor, and what is written about it.

use super::batch::batches;
use super::choice::SchemeChoice;
use super::file_header;
use super::manifest::{OriginalHeader, TensorEntry, is_manifest};
use super::sharing;
use super::{
    BATCH_BYTES, CompressOptions, MANIFEST_KEY, OWN_CHECKSUMS, OWN_HEADER, OWN_POOL, OWN_PREFIX, Progress,
    SMALL_BYTES,
};
use crate::checksum::{checksum, to_hex};
use crate::codebook::Codebook;
use crate::error::{Error, Result};
use crate::header::{Header, LENGTH_BYTES, TensorRecord};
use crate::histogram::Histogram;
use crate::int;
use crate::layout::{Aim, EncodeError, Scheme};
use crate::map::MappedFile;
use rayon::prelude::*;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

/// What a file's output will consist of.
pub(super) struct Plan<'a> {
    /// The user's metadata, without any entry under our own key.
    pub(super) metadata: Vec<(String, String)>,
    /// In the order in which their parts are written: those in the pool last.
    pub(super) tensors: Vec<Planned>,
    /// The others.
    pub(super) kept: Vec<TensorRecord>,
    /// Text forms, each once.
    pub(super) codebooks: Vec<String>,
    /// Prefix of the container's own tensors.
    pub(super) prefix: String,
    /// The original header.
    pub(super) json: &'a [u8],
    /// What the layout is for.
    pub(super) aim: Aim,
}

/// A tensor to be compressed.
pub(super) struct Planned {
    pub(super) record: TensorRecord,
    pub(super) scheme: &'static dyn Scheme,
    pub(super) codebook: Codebook,
    /// Its entry, with upper bounds for the parts' lengths and the parameters.
    pub(super) entry: TensorEntry,
}

impl Planned {
    /// Elements, of one byte each.
    fn elements(&self) -> u64 {
        self.record.bytes()
    }
}

impl Plan<'_> {
    /// What the manifest says about the original header, but how long it is deflated.
    pub(super) fn original(&self) -> OriginalHeader {
        OriginalHeader {
            length: self.json.len() as u64,
            deflated: None,
            checksum: to_hex(checksum(self.json)),
        }
    }

    /// Puts all parts into the pool, which takes the least room in the header.
    pub(super) fn pool_all(&mut self) {
        for planned in &mut self.tensors {
            planned.entry.pooled = true;
            planned.entry.prefix = None;
        }
    }

    /// Whether some tensors' parts are in the pool.
    pub(super) fn has_pool(&self) -> bool {
        self.tensors.iter().any(|planned| planned.entry.pooled)
    }
}

/// The bytes of a tensor of this file.
pub(super) fn data<'a>(file: &'a MappedFile, header: &Header, record: &TensorRecord) -> &'a [u8] {
    let start = header.data_start();
    &file[int::index(start + record.begin)..int::index(start + record.end)]
}

/// A tensor that may be worth compressing, and the symbols in it.
struct Candidate {
    planned: Planned,
    symbols: Histogram,
    /// What all parts are likely to take, where their lengths are bounds from above.
    likely: Option<u64>,
    /// Its share of what its codebook takes, in bytes.
    codebook_bytes: u64,
}

impl Candidate {
    /// Gives it a codebook, and bounds for the parts' lengths that follow from it.
    fn assign(&mut self, codebook: Codebook) {
        let (scheme, elements, symbols) = (self.planned.scheme, self.planned.elements(), &self.symbols);
        let lengths = scheme.part_bytes(elements, symbols, &codebook);
        let bound = lengths.iter().fold(0, |sum: u64, length| sum.saturating_add(*length));
        self.likely =
            Some(scheme.encoded_bytes(elements, symbols, &codebook)).filter(|likely| *likely != bound);
        self.planned.entry.lengths = lengths;
        self.planned.codebook = codebook;
    }

    /// What all parts are likely to take, with its share of the codebook.
    fn likely_bytes(&self) -> u64 {
        let Planned { scheme, codebook, .. } = &self.planned;
        let parts = scheme.encoded_bytes(self.planned.elements(), &self.symbols, codebook);
        parts.saturating_add(self.codebook_bytes)
    }

    /// Encodes a small tensor to know its parts' lengths. What is in the pool has no names in the header, which could make
    /// room for one that were kept after all.
    fn try_out(&mut self, data: &[u8], aim: Aim) -> Result<(), EncodeError> {
        let Planned { scheme, codebook, entry, .. } = &mut self.planned;
        if entry.pooled && self.likely.is_some() {
            let encoded = scheme.encode_for(data, codebook, aim)?;
            entry.describe(&encoded);
            self.likely = None;
        }
        Ok(())
    }

    /// Whether compressing it may be worthwhile: certain, where lengths are exact, otherwise the writer decides again.
    fn may_be_worthwhile(&self, codebook_is_shared: bool) -> bool {
        let Planned { scheme, codebook, entry, record } = &self.planned;
        let codebook = if codebook_is_shared { 0 } else { codebook.to_text().len() as u64 + 6 };
        let compressed = file_header::compressed_bytes(*scheme, entry, self.likely).saturating_add(codebook);
        compressed < file_header::stored_bytes(&file_header::kept_entry(record))
    }
}

/// Reads every tensor which the scheme could take, and decides.
pub(super) fn plan<'a>(
    input: &'a MappedFile,
    header: &Header,
    options: &CompressOptions,
    progress: &dyn Progress,
) -> Result<Plan<'a>> {
    if header.metadata(MANIFEST_KEY).is_some_and(is_manifest) {
        return Err(Error::AlreadyCompressed { path: input.path().to_owned() });
    }
    let choice = SchemeChoice::new(options);
    let schemes = choice.schemes();
    let shares = schemes.iter().any(|scheme| scheme.shares());
    let mut taken: HashSet<String> = header.tensors.iter().map(|tensor| tensor.name.clone()).collect();
    let prefix = claim_prefix(OWN_PREFIX, &[OWN_HEADER, OWN_CHECKSUMS, OWN_POOL], &mut taken);
    let mut plan = Plan {
        metadata: header.metadata.iter().filter(|(key, _)| key != MANIFEST_KEY).cloned().collect(),
        tensors: Vec::new(),
        kept: Vec::new(),
        codebooks: Vec::new(),
        prefix,
        aim: options.aim,
        json: &input[int::index(LENGTH_BYTES)..int::index(header.data_start())],
    };

    let (takable, others): (Vec<_>, Vec<_>) =
        header.tensors.iter().partition(|tensor| schemes.iter().any(|scheme| takes(*scheme, tensor)));
    progress.advance(others.iter().map(|record| record.bytes()).sum());
    plan.kept.extend(others.into_iter().cloned());
    let mut candidates: Vec<Vec<Candidate>> = Vec::new();
    for batch in batches(&takable, BATCH_BYTES, |record| record.bytes()) {
        let found: Vec<Vec<Candidate>> = batch
            .par_iter()
            .map(|record| consider_all(data(input, header, record), record, &schemes, options.code_bits))
            .collect();
        progress.advance(batch.iter().map(|record| record.bytes()).sum());
        candidates.extend(found);
    }
    if schemes.len() > 1 {
        // Codebooks of tuples are large, but many tensors may share one.
        drop_hopeless(&mut candidates, choice);
        for scheme in &schemes {
            share_codebooks(candidates.iter_mut().flatten(), *scheme, options);
        }
    }
    let mut candidates = choose(candidates, choice);
    if shares {
        // Sharing costs little, so whether a tensor gains at all is known before.
        let (worthwhile, others): (Vec<Candidate>, Vec<Candidate>) =
            candidates.into_iter().partition(|candidate| candidate.may_be_worthwhile(true));
        candidates = worthwhile;
        plan.kept.extend(others.into_iter().map(|candidate| candidate.planned.record));
        for scheme in schemes {
            share_codebooks(candidates.iter_mut(), scheme, options);
        }
        let try_out = |candidate: &mut Candidate| {
            let record = candidate.planned.record.clone();
            let tried = candidate.try_out(data(input, header, &record), options.aim);
            let (path, tensor) = (input.path().to_owned(), record.name);
            tried.map_err(|source| Error::Encode { path, tensor, source })
        };
        candidates.par_iter_mut().try_for_each(try_out)?;
    }
    plan.take(candidates, &mut taken);
    sort_kept(&mut plan.kept);
    Ok(plan)
}

impl Plan<'_> {
    /// Adds the candidates, in order, where that is worthwhile with the codebooks that they now have.
    fn take(&mut self, candidates: Vec<Candidate>, taken: &mut HashSet<String>) {
        let mut indices: HashMap<String, usize> = HashMap::new();
        for candidate in candidates {
            let text = candidate.planned.codebook.to_text();
            let is_shared = candidate.planned.scheme.shares() || indices.contains_key(&text);
            if !candidate.may_be_worthwhile(is_shared) {
                self.kept.push(candidate.planned.record);
                continue;
            }
            let mut planned = candidate.planned;
            if !planned.entry.pooled {
                let suffixes: Vec<&str> = planned.scheme.part_specs().iter().map(|part| part.name).collect();
                let prefix = claim_prefix(&planned.record.name, &suffixes, taken);
                planned.entry.prefix = Some(prefix).filter(|prefix| *prefix != planned.record.name);
            }
            planned.entry.codebook = *indices.entry(text).or_insert_with_key(|text| {
                self.codebooks.push(text.clone());
                self.codebooks.len() - 1
            });
            self.tensors.push(planned);
        }
        self.tensors.sort_by_key(|planned| planned.entry.pooled);
    }
}

/// The order in which kept tensors are written: larger elements first, so that each is aligned to its own; otherwise as in
/// the input.
pub(super) fn sort_kept(kept: &mut [TensorRecord]) {
    kept.sort_by_key(|record| (Reverse(record.dtype.bitsize()), record.begin, record.end));
}

fn takes(scheme: &dyn Scheme, tensor: &TensorRecord) -> bool {
    tensor.dtype.to_string() == scheme.format().dtype && tensor.bytes() > 0
}

/// Drops candidates that sharing codebooks cannot save: another takes less, tolerance and a codebook of its own included, than
/// they take without any. For all tensors of a file together where they are to have one scheme.
fn drop_hopeless(candidates: &mut [Vec<Candidate>], choice: SchemeChoice) {
    let hopeless = |all: &[&[Candidate]]| -> Vec<&'static str> {
        let mut sums: BTreeMap<&'static str, (u64, u64, u64)> = BTreeMap::new();
        for one in all.iter().copied().flatten() {
            let likely = one.likely_bytes();
            let (sum, with_codebooks, original) = sums.entry(one.planned.scheme.name()).or_default();
            *sum = sum.saturating_add(likely);
            let codebook = sharing::stored_bytes(&one.planned.codebook);
            *with_codebooks = with_codebooks.saturating_add(likely).saturating_add(codebook);
            *original = original.saturating_add(one.planned.record.bytes());
        }
        let accepted = sums.values().map(|(_, most, original)| choice.accepted(*original, *most)).min();
        let is_hopeless = |sum: u64| accepted.is_some_and(|accepted| sum > accepted);
        sums.into_iter().filter(|(_, (sum, ..))| is_hopeless(*sum)).map(|(name, _)| name).collect()
    };
    if choice.is_for_all() {
        let all: Vec<&[Candidate]> = candidates.iter().map(Vec::as_slice).collect();
        let names = hopeless(&all);
        candidates.iter_mut().for_each(|all| all.retain(|one| !names.contains(&one.planned.scheme.name())));
    } else {
        candidates.par_iter_mut().for_each(|all| {
            let names = hopeless(&[all]);
            all.retain(|one| !names.contains(&one.planned.scheme.name()));
        });
    }
}

/// One candidate for each tensor, of those by the schemes that come into question.
fn choose(mut candidates: Vec<Vec<Candidate>>, choice: SchemeChoice) -> Vec<Candidate> {
    let bytes = |candidate: &Candidate| candidate.planned.record.bytes();
    let is_by = |candidate: &Candidate, scheme: &dyn Scheme| candidate.planned.scheme.name() == scheme.name();
    let mut schemes = choice.schemes();
    schemes.retain(|scheme| candidates.iter().flatten().any(|one| is_by(one, *scheme)));
    if choice.is_for_all() && !schemes.is_empty() {
        let total = |scheme: &&dyn Scheme| {
            let of_scheme = candidates.iter().flatten().filter(|one| is_by(one, *scheme));
            of_scheme.map(|one| one.likely_bytes().min(bytes(one))).fold(0, u64::saturating_add)
        };
        let totals: Vec<u64> = schemes.iter().map(total).collect();
        let original =
            candidates.iter().filter_map(|all| all.first()).map(bytes).fold(0, u64::saturating_add);
        let picked = schemes[choice.pick(original, &totals)];
        for all in &mut candidates {
            if all.iter().any(|one| is_by(one, picked)) {
                all.retain(|one| is_by(one, picked));
            }
        }
    }
    let pick = |mut all: Vec<Candidate>| {
        let likely: Vec<u64> = all.iter().map(Candidate::likely_bytes).collect();
        let picked = choice.pick(all.first().map_or(0, bytes), &likely);
        (picked < all.len()).then(|| all.swap_remove(picked))
    };
    candidates.into_iter().filter_map(pick).collect()
}

/// What compressing a tensor would give by each scheme, with a codebook of its own.
fn consider_all(
    data: &[u8],
    record: &TensorRecord,
    schemes: &[&'static dyn Scheme],
    code_bits: Option<u8>,
) -> Vec<Candidate> {
    let (bytes, checksum) = (Histogram::of_bytes(data), to_hex(checksum(data)));
    let schemes = schemes.iter().filter(|scheme| takes(**scheme, record));
    schemes.map(|scheme| consider(data, &bytes, &checksum, record, *scheme, code_bits)).collect()
}

/// The same by one scheme, for data with these bytes and this checksum.
fn consider(
    data: &[u8],
    bytes: &Histogram,
    checksum: &str,
    record: &TensorRecord,
    scheme: &'static dyn Scheme,
    code_bits: Option<u8>,
) -> Candidate {
    let symbols = scheme.symbol_histogram(data);
    let params = scheme.largest_params().iter().map(|(name, value)| ((*name).to_owned(), *value));
    let entry = TensorEntry {
        name: record.name.clone(),
        dtype: record.dtype.to_string(),
        shape: record.shape.clone(),
        scheme: scheme.name().to_owned(),
        params: params.collect::<BTreeMap<_, _>>(),
        codebook: 0,
        prefix: None,
        pooled: scheme.shares() && record.bytes() < SMALL_BYTES,
        lengths: Vec::new(),
        checksum: checksum.to_owned(),
        exponents: bytes.exponents(scheme.format()),
        byte_entropy: (bytes.entropy_bits() * 1e6).round() / 1e6,
    };
    let codebook = sharing::codebook(scheme, &symbols, code_bits);
    let planned = Planned { record: record.clone(), scheme, codebook: codebook.clone(), entry };
    let mut candidate = Candidate { planned, symbols, likely: None, codebook_bytes: 0 };
    candidate.assign(codebook);
    candidate
}

/// Gives each candidate of this scheme the codebook that it shares with others.
fn share_codebooks<'a>(
    candidates: impl Iterator<Item = &'a mut Candidate>,
    scheme: &'static dyn Scheme,
    options: &CompressOptions,
) {
    let is_its_own = |candidate: &&mut Candidate| candidate.planned.scheme.name() == scheme.name();
    let mut candidates: Vec<&mut Candidate> = candidates.filter(is_its_own).collect();
    let histograms: Vec<&Histogram> = candidates.iter().map(|candidate| &candidate.symbols).collect();
    let codebooks = sharing::codebooks(&histograms, scheme, options);
    let mut sharers: HashMap<Codebook, u64> = HashMap::new();
    codebooks.iter().for_each(|codebook| *sharers.entry(codebook.clone()).or_default() += 1);
    for (candidate, codebook) in candidates.iter_mut().zip(codebooks) {
        candidate.codebook_bytes =
            sharing::stored_bytes(&codebook) / sharers.get(&codebook).copied().unwrap_or(1);
        candidate.assign(codebook);
    }
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
