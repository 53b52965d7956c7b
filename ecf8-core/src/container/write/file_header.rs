//! The header of a container, from what its tensors became.

use super::plan::{OutputPlan, Planned, Repeat};
use crate::checksum::{checksum, to_hex};
use crate::container::manifest::{Continuation, ListsOf, Manifest, TensorEntry, format_version};
use crate::container::piece_sums::PiecesEntry;
use crate::container::sizes::{
    CHECKSUM_BYTES, about_deflated, kept_entry, padded, part_entries, parts_bytes, stored_bytes,
};
use crate::container::{
    GUARD_DTYPE, GUARD_SHAPE, MANIFEST_KEY, OWN_CHECKSUMS, OWN_HEADER, OWN_POOL, OWN_PREFIX, POOL_ALIGNMENT,
};
use crate::header::{Entry, LENGTH_BYTES, TensorRecord, header_json, name_json_len};
use crate::int;
use crate::layout::PartSpec;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use safetensors::Dtype;
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};

/// The entry under the name of the first compressed tensor, which no loader can take for that tensor.
fn guard_entry(name: &str) -> Entry {
    Entry { name: name.to_owned(), dtype: GUARD_DTYPE, shape: GUARD_SHAPE.to_vec(), bytes: 0 }
}

/// What the planned tensors became, or may become at most.
pub(super) struct Outcome {
    /// The compressed tensors in the order of their data, with what their parts are.
    pub(super) tensors: Vec<(&'static [PartSpec], TensorEntry)>,
    /// The others in the order of their data.
    pub(super) kept: Vec<TensorRecord>,
    /// Checksums of pieces of all their data.
    pub(super) pieces: Option<PiecesEntry>,
}

impl Outcome {
    /// Adds what became of planned tensors: their entries, none of one that is kept.
    pub(super) fn add(&mut self, planned: &[Planned], entries: Vec<Option<TensorEntry>>) {
        for (planned, entry) in planned.iter().zip(entries) {
            match entry {
                Some(entry) => self.tensors.push((planned.scheme.part_specs(&planned.split), entry)),
                None => self.kept.push(planned.record.clone()),
            }
        }
    }
}

/// A compressed tensor: what its parts are, and its entry in the manifest.
type Compressed<'a> = (&'static [PartSpec], &'a TensorEntry);

/// The parts of a tensor that shares another's.
pub(super) const NO_PARTS: &[PartSpec] = &[];

/// The entries of a plan's tensors that repeat others.
fn repeated(plan: &OutputPlan<'_>) -> Vec<TensorEntry> {
    if plan.repeats.is_empty() {
        return Vec::new();
    }
    let planned = plan.tensors.iter().map(|planned| (planned.record.name.as_str(), &planned.entry));
    let entries: HashMap<&str, &TensorEntry> = planned.collect();
    let entry = |repeat: &Repeat| Some(entries.get(repeat.of.name.as_str())?.repeated(&repeat.record));
    plan.repeats.iter().filter_map(entry).collect()
}

/// Everything of a container that is not a tensor's data.
pub(in crate::container) struct Description {
    /// The JSON of the file's header, not yet padded.
    pub(in crate::container) json: Vec<u8>,
    /// The container's own tensor with the original header, padded so that what follows is aligned to 8 bytes.
    pub(super) own_header: Vec<u8>,
    /// Bytes of the lists of the manifest that are deflated behind the original header.
    pub(in crate::container) continuation: u64,
    /// What there is room for of the checksums of pieces of the data.
    pub(super) pieces: Option<PiecesEntry>,
}

/// Bytes that the data of all tensors take at most.
fn most_data(plan: &OutputPlan<'_>) -> u64 {
    // What is not in the pool is compressed only where that takes less than keeping it.
    let planned = plan.tensors.iter().map(|planned| match planned.entry.pooled {
        true => parts_bytes(&planned.entry),
        false => stored_bytes(&kept_entry(&planned.record)),
    });
    let repeats = plan.repeats.iter().map(|repeat| &repeat.record);
    let kept = plan.kept.iter().chain(repeats).map(TensorRecord::bytes);
    padded(planned.chain(kept).fold(0, u64::saturating_add))
}

impl Description {
    /// Describes an outcome of a plan.
    pub(super) fn new(plan: &OutputPlan<'_>, outcome: &Outcome) -> io::Result<Self> {
        let tensors: Vec<Compressed<'_>> =
            outcome.tensors.iter().map(|(specs, entry)| (*specs, entry)).collect();
        let guard = outcome.tensors.first().map(|(_, entry)| entry.name.as_str());
        Self::guarded_by(guard, plan, &tensors, &outcome.kept, outcome.pieces.clone(), false)
    }

    /// Describes the most that may become of a plan. Whichever tensors are kept after all, the guard takes no more than
    /// here. Of the container's own tensor with the original header, only the length is right, and that about where
    /// texts are long.
    pub(in crate::container) fn at_most(plan: &OutputPlan<'_>) -> io::Result<Self> {
        let names = plan.tensors.iter().map(|planned| planned.record.name.as_str());
        let guard = names.max_by_key(|name| name_json_len(name));
        // The parts of a tensor that may be kept after all take no less than keeping it does.
        let longest = |planned: &Planned| {
            let mut entry = planned.entry.clone();
            if let Some(first) = entry.lengths.first_mut().filter(|_| planned.scheme.shares()) {
                *first = (*first).max(planned.record.bytes());
            }
            entry
        };
        let named = plan.tensors.iter().filter(|planned| !planned.entry.pooled);
        let named: Vec<TensorEntry> = named.map(longest).collect();
        let mut named = named.iter();
        let entry_of = |planned: &'_ Planned| if planned.entry.pooled { None } else { named.next() };
        let mut entries: Vec<Option<&TensorEntry>> = plan.tensors.iter().map(entry_of).collect();
        let repeats = repeated(plan);
        let planned = plan.tensors.iter().zip(&mut entries).map(|(planned, entry)| {
            (planned.scheme.part_specs(&planned.split), entry.take().unwrap_or(&planned.entry))
        });
        let tensors: Vec<Compressed<'_>> =
            planned.chain(repeats.iter().map(|entry| (NO_PARTS, entry))).collect();
        // They are kept, too, if those that they repeat are.
        let kept: Vec<TensorRecord> =
            plan.kept.iter().chain(plan.repeats.iter().map(|repeat| &repeat.record)).cloned().collect();
        Self::guarded_by(guard, plan, &tensors, &kept, PiecesEntry::at_most(most_data(plan)), true)
    }

    fn guarded_by(
        guard: Option<&str>,
        plan: &OutputPlan<'_>,
        tensors: &[Compressed<'_>],
        kept: &[TensorRecord],
        pieces: Option<PiecesEntry>,
        is_bound: bool,
    ) -> io::Result<Self> {
        let used = Used::of(plan, tensors);
        let mut manifest = Manifest {
            format_version: format_version(plan.delta.as_ref()),
            prefix: Some(plan.prefix.clone()).filter(|prefix| prefix != OWN_PREFIX),
            header: plan.original(),
            delta: plan.delta.clone(),
            guard: guard.is_some(),
            verbatim: None,
            pieces,
            continued: None,
            codebooks: Vec::new(),
            tensors: Vec::new(),
        };
        let mut lists = Vec::new();
        if plan.is_continued() {
            serde_json::to_writer(&mut lists, &used.lists(tensors))?;
            let checksum = to_hex(if is_bound { 0 } else { checksum(&lists) });
            manifest.continued =
                Some(Continuation { length: lists.len() as u64, checksum, alignment: POOL_ALIGNMENT });
        } else {
            let lists = used.lists(tensors);
            manifest.codebooks = lists.codebooks.iter().map(|text| (*text).to_owned()).collect();
            manifest.tensors = lists.tensors.into_iter().cloned().collect();
        }
        let continuation = lists.len() as u64;
        let mut own_header = if is_bound {
            vec![0; int::index(about_deflated(plan.json, &lists)?)]
        } else {
            let mut deflated = DeflateEncoder::new(Vec::new(), Compression::best());
            deflated.write_all(plan.json)?;
            deflated.write_all(&lists)?;
            deflated.finish()?
        };
        drop(lists);
        manifest.header.deflated = Some(own_header.len() as u64);

        let mut entries: Vec<Entry> = guard.map(guard_entry).into_iter().collect();
        entries.extend(stored_entries(plan, tensors, kept));
        let begin: u64 = entries.iter().map(|entry| entry.bytes).sum();
        let bytes = (begin + own_header.len() as u64).next_multiple_of(CHECKSUM_BYTES) - begin;
        own_header.resize(int::index(bytes), 0);
        let own = |name, dtype, shape, bytes| Entry {
            name: format!("{}.{name}", plan.prefix),
            dtype,
            shape: vec![shape],
            bytes,
        };
        entries.push(own(OWN_HEADER, Dtype::U8, bytes, bytes));
        let count = entries.len() as u64 + 2;
        entries.push(own(OWN_CHECKSUMS, Dtype::U64, count, count * CHECKSUM_BYTES));
        let mut metadata = plan.metadata.clone();
        metadata.push((MANIFEST_KEY.to_owned(), serde_json::to_string(&manifest)?));
        let json = header_json(&metadata, &entries)?;
        Ok(Self { json, own_header, continuation, pieces: manifest.pieces })
    }
}

/// Parts, pool and kept tensors, in the order of their data.
fn stored_entries(plan: &OutputPlan<'_>, tensors: &[Compressed<'_>], kept: &[TensorRecord]) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut pool = 0u64;
    for (specs, entry) in tensors {
        if entry.pooled {
            pool = pool.saturating_add(parts_bytes(entry));
        } else {
            let prefix = entry.prefix.as_deref().unwrap_or(&entry.name);
            entries.extend(part_entries(specs, prefix, &entry.lengths));
        }
    }
    if plan.is_continued() {
        let name = format!("{}.{OWN_POOL}", plan.prefix);
        let pool = padded(pool);
        entries.push(Entry { name, dtype: Dtype::U8, shape: vec![pool], bytes: pool });
    }
    entries.extend(kept.iter().map(kept_entry));
    entries
}

/// What is used of a plan's codebooks, and entries with their numbers among those.
struct Used<'a> {
    codebooks: Vec<&'a str>,
    /// The entries, where not all codebooks are used and so the numbers are others.
    renumbered: Option<Vec<TensorEntry>>,
}

impl<'a> Used<'a> {
    fn of(plan: &'a OutputPlan<'_>, tensors: &[Compressed<'a>]) -> Self {
        let of_runs = |entry: &'a TensorEntry| entry.runs.iter().flat_map(|runs| &runs.codebooks).copied();
        let used = tensors.iter().flat_map(|(_, entry)| of_runs(entry).chain([entry.codebook]));
        let mut indices: BTreeMap<usize, usize> = used.map(|index| (index, 0)).collect();
        indices.values_mut().enumerate().for_each(|(index, used)| *used = index);
        let renumbered = |(_, entry): &Compressed<'_>| {
            let mut entry = (*entry).clone();
            let runs = entry.runs.iter_mut().flat_map(|runs| &mut runs.codebooks);
            for codebook in runs.chain([&mut entry.codebook]) {
                *codebook = indices.get(codebook).copied().unwrap_or_default();
            }
            entry
        };
        Self {
            codebooks: indices
                .keys()
                .filter_map(|index| plan.codebooks.get(*index))
                .map(String::as_str)
                .collect(),
            renumbered: (indices.len() < plan.codebooks.len())
                .then(|| tensors.iter().map(renumbered).collect()),
        }
    }

    fn lists(&'a self, tensors: &[Compressed<'a>]) -> ListsOf<'a> {
        let tensors = match &self.renumbered {
            Some(renumbered) => renumbered.iter().collect(),
            None => tensors.iter().map(|(_, entry)| *entry).collect(),
        };
        ListsOf { codebooks: &self.codebooks, tensors }
    }
}

/// Bytes from the file's start to its data, for a plan whose header has at most this JSON.
pub(in crate::container) fn data_start(plan: &OutputPlan<'_>, json: &[u8]) -> u64 {
    // Room for what only the end tells: six numbers about the deflated header and manifest.
    let slack = if plan.is_continued() { 16 } else { 0 };
    padded(LENGTH_BYTES + json.len() as u64 + slack)
}

/// Bytes of a container of a plan that keeps all tensors, described like this.
pub(super) fn bytes_without_parts(plan: &OutputPlan<'_>, described: &Description) -> u64 {
    let kept: u64 = plan.kept.iter().map(TensorRecord::bytes).sum();
    // Checksums of the tensors, the original header, the file's header, and themselves.
    let checksums = (plan.kept.len() as u64 + 3) * CHECKSUM_BYTES;
    data_start(plan, &described.json) + kept + described.own_header.len() as u64 + checksums
}

/// The file's first `data_start` bytes: length, JSON and the spaces that fill it up. `None` if there is no room.
pub(super) fn framed(json: &[u8], data_start: u64) -> Option<Vec<u8>> {
    let mut framed = (data_start - LENGTH_BYTES).to_le_bytes().to_vec();
    framed.extend_from_slice(json);
    let room = int::index(data_start);
    (framed.len() <= room).then(|| {
        framed.resize(room, b' ');
        framed
    })
}
