//! Checks of a manifest against the header that it came in, so that nothing later can be out of bounds.

use super::reader::stored_at;
use super::stored::{Statistics, Stored, StoredPart, UnknownTensor};
use crate::checksum::{checksum, from_hex};
use crate::codebook::Codebook;
use crate::container::limits;
use crate::container::manifest::{
    Continuation, Lists, Manifest, OriginalHeader, TensorEntry, format_version, inflate, is_manifest,
};
use crate::container::piece_sums::Pieces;
use crate::container::sizes::{padded, padded_to, stored_dtype};
use crate::container::verbatim::Verbatim;
use crate::container::{
    ALIGNMENT, DELTA_FORMAT_VERSION, FORMAT_VERSION, GUARD_DTYPE, GUARD_SHAPE, MANIFEST_KEY, OWN_CHECKSUMS,
    OWN_HEADER, OWN_POOL, OWN_PREFIX,
};
use crate::element::{self, Dictionary, Element, Split};
use crate::error::{Error, Result};
use crate::header::{Header, MAX_HEADER, TensorRecord};
use crate::int;
use crate::layout::{self, Codebooks, PartSpec, Scheme};
use crate::map::MappedFile;
use crate::source::DeltaMark;
use safetensors::Dtype;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

/// What a manifest says, found to be possible.
pub(super) struct Validated {
    pub(super) original: Original,
    pub(super) form: HeldAs,
    /// What it is the difference from, if it is one.
    pub(super) delta: Option<DeltaMark>,
    pub(super) pieces: Pieces,
    pub(super) stored: Vec<Stored>,
    pub(super) unknown: Vec<UnknownTensor>,
    pub(super) codebooks: Vec<Arc<Codebook>>,
    pub(super) kept: Vec<usize>,
}

/// The original header as the manifest has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Original {
    /// Its bytes.
    pub(super) length: u64,
    /// Of these.
    pub(super) checksum: u64,
}

/// How a container holds what is no tensor of the original.
#[derive(Debug)]
pub(super) enum HeldAs {
    /// In tensors of its own.
    Own(Own),
    /// Not at all, since it is nearly the original.
    Verbatim(Verbatim),
}

/// The container's own tensors, as indices into the header's tensors.
#[derive(Debug, Clone, Copy)]
pub(super) struct Own {
    pub(super) header: usize,
    pub(super) checksums: usize,
    /// Bytes of `header` without padding.
    pub(super) deflated: u64,
    /// Whether the manifest goes on behind the original header.
    pub(super) is_continued: bool,
}

/// What a file is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Whole: what contradicts itself is refused.
    Whole,
    /// Damaged: what can still be read is wanted.
    Damaged,
}

pub(super) fn validate(map: &MappedFile, header: &Header, state: State) -> Result<Validated> {
    let path = map.path();
    let contradiction = |problem| Error::Container { path: path.to_owned(), problem };
    let mut manifest = parse(path, header)?;
    let delta = manifest.delta.take();
    let original = original(&manifest.header).map_err(contradiction)?;
    if let Some(about) = manifest.verbatim.take() {
        let pieces = about.check(&manifest, header).map_err(contradiction)?;
        let kept = (0..header.tensors.len()).collect();
        let form = HeldAs::Verbatim(about);
        let (stored, unknown, codebooks) = (Vec::new(), Vec::new(), Vec::new());
        return Ok(Validated { original, form, delta, pieces, stored, unknown, codebooks, kept });
    }
    let mut claims = Claims {
        map,
        header,
        state,
        by_name: HashMap::new(),
        claimed: HashSet::new(),
        pool: None,
        params: BTreeSet::new(),
    };
    claims
        .by_name
        .extend(header.tensors.iter().enumerate().map(|(index, tensor)| (tensor.name.as_str(), index)));
    let validated = claims.read(manifest, original).map_err(contradiction)?;
    Ok(Validated { delta, ..validated })
}

fn original(header: &OriginalHeader) -> Result<Original, String> {
    if header.length > MAX_HEADER {
        return Err(format!("the original header's length {} is over {MAX_HEADER}", header.length));
    }
    let checksum = from_hex(&header.checksum);
    let checksum = checksum.ok_or("the original header's checksum is not 16 hexadecimal digits")?;
    Ok(Original { length: header.length, checksum })
}

fn parse(path: &Path, header: &Header) -> Result<Manifest> {
    let path = path.to_owned();
    let text = header.metadata(MANIFEST_KEY).filter(|text| is_manifest(text));
    let Some(text) = text else { return Err(Error::NotCompressed { path }) };
    #[derive(serde::Deserialize)]
    struct Version {
        format_version: u64,
    }
    match serde_json::from_str::<Version>(text) {
        Ok(Version { format_version: found }) if ![FORMAT_VERSION, DELTA_FORMAT_VERSION].contains(&found) => {
            return Err(Error::Version { path, found, known: DELTA_FORMAT_VERSION });
        }
        _ => {}
    }
    let contradiction = |problem| Error::Container { path: path.clone(), problem };
    let manifest: Manifest = serde_json::from_str(text)
        .map_err(|error| contradiction(format!("its manifest is not valid: {error}")))?;
    if manifest.format_version != format_version(manifest.delta.as_ref()) {
        let problem = "its version is not that of what it holds, a model or the difference from one";
        return Err(contradiction(problem.to_owned()));
    }
    Ok(manifest)
}

/// What this version knows of a tensor.
struct Known {
    scheme: &'static dyn Scheme,
    split: Split,
    /// The scheme's parameters, usual ones included.
    params: BTreeMap<String, u64>,
}

/// The tensor with the parts of small tensors.
struct Pool {
    tensor: usize,
    /// How far it is claimed, in bytes.
    claimed: u64,
    /// What parts start at and fill multiples of, in bytes.
    alignment: u64,
}

/// The tensors of a file and which of them something stands for already.
struct Claims<'a> {
    map: &'a MappedFile,
    header: &'a Header,
    state: State,
    by_name: HashMap<&'a str, usize>,
    claimed: HashSet<usize>,
    /// The parameters of tensors so far, each once.
    params: BTreeSet<Arc<BTreeMap<String, u64>>>,
    /// The tensor with the parts of small tensors.
    pool: Option<Pool>,
}

impl Claims<'_> {
    fn read(mut self, manifest: Manifest, original: Original) -> Result<Validated, String> {
        let prefix = manifest.prefix.as_deref().unwrap_or(OWN_PREFIX);
        let own_header = self.claim(&format!("{prefix}.{OWN_HEADER}"), Dtype::U8)?;
        let own_checksums = self.claim(&format!("{prefix}.{OWN_CHECKSUMS}"), Dtype::U64)?;
        let deflated =
            manifest.header.deflated.ok_or("its manifest is not valid: the header has no `deflated`")?;
        if deflated > self.header.tensors[own_header].bytes() {
            return Err("the original header's length leaves its tensor".to_owned());
        }
        // They say only where damage is, so those that are impossible need not keep anybody from reading the tensors.
        let pieces = manifest.pieces.as_ref().and_then(|entry| {
            Pieces::new(entry.bytes, &entry.checksums, self.header.tensors[own_header].begin).ok()
        });
        let pieces = pieces.unwrap_or_default();
        let is_continued = manifest.continued.is_some();
        let own = Own { header: own_header, checksums: own_checksums, deflated, is_continued };
        let mut lists = Lists { codebooks: manifest.codebooks, tensors: manifest.tensors };
        if let Some(continuation) = &manifest.continued {
            let pool = self.claim(&format!("{prefix}.{OWN_POOL}"), Dtype::U8)?;
            if !self.is_aligned(pool) {
                return Err(format!("its pool is not aligned to {ALIGNMENT} bytes"));
            }
            let alignment = continuation.alignment;
            if !alignment.is_power_of_two() || alignment > ALIGNMENT {
                return Err(format!(
                    "its pool is aligned to {alignment}, which is no power of two up to {ALIGNMENT}"
                ));
            }
            self.pool = Some(Pool { tensor: pool, claimed: 0, alignment });
            let further = self.continuation(own, original.length, continuation)?;
            lists.codebooks.extend(further.codebooks);
            lists.tensors.extend(further.tensors);
        }
        let codebooks = lists.codebooks.iter().enumerate().map(|(index, text)| {
            Codebook::from_text(text)
                .map(Arc::new)
                .map_err(|error| format!("codebook {index} of its manifest is not valid: {error}"))
        });
        let codebooks = codebooks.collect::<Result<Vec<_>, _>>()?;
        let first = lists.tensors.first().map(|entry| entry.name.clone());
        let (repeats, others): (Vec<_>, Vec<_>) =
            lists.tensors.into_iter().partition(|entry| entry.same_as.is_some() && entry.further.is_empty());
        lists.tensors = others;
        let (mut stored, mut unknown) = (Vec::with_capacity(lists.tensors.len()), Vec::new());
        for entry in lists.tensors {
            let name = entry.name.clone();
            let of_tensor = |problem| format!("tensor `{name}`: {problem}");
            let (dtype, shape) = (entry.dtype.clone(), entry.shape.clone());
            match self.known(&entry) {
                Ok(known) => {
                    let prefix = entry.prefix.clone();
                    let specs = known.scheme.part_specs(&known.split);
                    match self.stored(entry, known, &codebooks) {
                        Ok(one) => stored.push(one),
                        Err(why) if self.state == State::Damaged => {
                            let prefix = prefix.as_ref().unwrap_or(&name);
                            let parts = specs.iter().map(|spec| format!("{prefix}.{}", spec.name));
                            self.claimed.extend(parts.filter_map(|part| self.by_name.get(part.as_str())));
                            unknown.push(UnknownTensor { name, dtype, shape, why, is_damaged: true });
                        }
                        Err(problem) => return Err(of_tensor(problem)),
                    }
                }
                Err(why) => match self.claim_parts(&entry) {
                    Err(problem) if self.state == State::Whole => {
                        return Err(of_tensor(format!("{why}, and {problem}")));
                    }
                    _ => unknown.push(UnknownTensor { name, dtype, shape, why, is_damaged: false }),
                },
            }
        }
        let places: HashMap<String, usize> = if repeats.is_empty() {
            HashMap::new()
        } else {
            stored.iter().enumerate().map(|(place, one)| (one.name.clone(), place)).collect()
        };
        for entry in repeats {
            let other = entry.same_as.as_ref().and_then(|name| places.get(name)).map(|place| &stored[*place]);
            match repeated(&entry, other, &unknown) {
                Ok(one) => stored.push(one),
                Err(why) => {
                    let is_of_other =
                        unknown.iter().find(|other| Some(&other.name) == entry.same_as.as_ref());
                    let is_damaged = is_of_other.is_none_or(|other| other.is_damaged);
                    if is_damaged && self.state == State::Whole {
                        return Err(format!("tensor `{}`: {why}", entry.name));
                    }
                    let TensorEntry { name, dtype, shape, .. } = entry;
                    unknown.push(UnknownTensor { name, dtype, shape, why, is_damaged });
                }
            }
        }
        let guarded = if manifest.guard { self.guard(first.as_deref()) } else { Ok(()) };
        let is_full = |pool: &Pool| padded(pool.claimed) == self.header.tensors[pool.tensor].bytes();
        if self.state == State::Whole && !self.pool.as_ref().is_none_or(is_full) {
            return Err("its pool holds more than the parts in it".to_owned());
        }
        let count = self.header.tensors.len();
        if own_checksums + 1 != count || self.header.tensors[own_checksums].bytes() != 8 * (count as u64 + 1)
        {
            return Err("its checksums are not last, or not one for each tensor".to_owned());
        }

        let kept: Vec<usize> = (0..count).filter(|index| !self.claimed.contains(index)).collect();
        let mut names = HashSet::new();
        let kept_names = kept.iter().map(|index| self.header.tensors[*index].name.as_str());
        let unknown_names = unknown.iter().map(|one| one.name.as_str());
        let all_names = stored.iter().map(|one| one.name.as_str()).chain(unknown_names).chain(kept_names);
        if let Some(twice) = all_names.into_iter().find(|name| !names.insert(*name)) {
            return Err(format!("there are two tensors `{twice}`"));
        }
        if self.state == State::Whole {
            guarded?;
        }
        let form = HeldAs::Own(own);
        Ok(Validated { original, form, delta: None, pieces, stored, unknown, codebooks, kept })
    }

    /// The entry that stands where loaders look for the first compressed tensor, and is nothing.
    fn guard(&mut self, first: Option<&str>) -> Result<(), String> {
        let name = first.ok_or("its manifest has a guard, but no compressed tensor")?;
        let guard = self.claim(name, GUARD_DTYPE).map_err(|problem| format!("its guard: {problem}"))?;
        let shape = &self.header.tensors[guard].shape;
        if *shape != GUARD_SHAPE {
            return Err(format!("its guard: `{name}` has shape {shape:?}, expected {GUARD_SHAPE:?}"));
        }
        Ok(())
    }

    /// The rest of the manifest, which is deflated behind the original header.
    fn continuation(
        &self,
        own: Own,
        original_length: u64,
        Continuation { length, checksum: expected, .. }: &Continuation,
    ) -> Result<Lists, String> {
        let most = limits::most_continuation(self.map.len() as u64);
        if *length > most {
            return Err(format!("the length {length} of its manifest is over {most}"));
        }
        let begin = self.header.tensors[own.header].begin;
        let deflated = stored_at(self.map, self.header, begin..begin.saturating_add(own.deflated));
        // One byte more than promised is enough to notice.
        let both = inflate(deflated, original_length + length + 1)
            .map_err(|error| format!("its manifest cannot be inflated: {error}"))?;
        let (original, json) = both.split_at_checked(int::index(original_length)).unwrap_or_default();
        if json.len() as u64 != *length || from_hex(expected) != Some(checksum(json)) {
            return Err("its manifest is not what its length and checksum say".to_owned());
        }
        if !limits::has_few_values(json, original, self.map.len() as u64) {
            return Err("its manifest has more values than a file of its size can need".to_owned());
        }
        serde_json::from_slice(json).map_err(|error| format!("its manifest is not valid: {error}"))
    }

    fn is_aligned(&self, tensor: usize) -> bool {
        [self.header.tensors[tensor].begin, self.header.data_start()]
            .iter()
            .all(|begin| begin.is_multiple_of(ALIGNMENT))
    }

    /// The tensor of this name, which nothing else may stand for.
    fn claim(&mut self, name: &str, dtype: Dtype) -> Result<usize, String> {
        let index = *self.by_name.get(name).ok_or_else(|| format!("`{name}` is missing"))?;
        let found = self.header.tensors[index].dtype;
        if found != dtype {
            return Err(format!("`{name}` has dtype {found}, expected {dtype}"));
        }
        if !self.claimed.insert(index) {
            return Err(format!("`{name}` is used twice"));
        }
        Ok(index)
    }

    /// What this version must know to read a tensor; otherwise, what it does not know. A later version may have more
    /// schemes, number types, ways to split them and parameters.
    fn known(&self, entry: &TensorEntry) -> Result<Known, String> {
        if let Some(key) = entry.further.keys().next() {
            return Err(format!("its entry has the key {key:?}, which is unknown"));
        }
        let scheme = layout::scheme(&entry.scheme).ok_or_else(|| {
            let known: Vec<&str> = layout::schemes().iter().map(|scheme| scheme.name()).collect();
            format!("scheme {:?} is unknown (known: {})", entry.scheme, known.join(", "))
        })?;
        let element = element::element(&entry.dtype).filter(|element| scheme.takes(element));
        let element = element
            .ok_or_else(|| format!("dtype {:?} is not what scheme {} codes", entry.dtype, entry.scheme))?;
        let split = entry.split(element);
        let split = split.filter(|split| scheme.takes_split(split));
        let split =
            split.ok_or_else(|| format!("its {} numbers are split in an unknown way", entry.dtype))?;
        let mut params: BTreeMap<String, u64> =
            scheme.params().iter().map(|spec| (spec.name.to_owned(), spec.usual)).collect();
        for (name, value) in entry.params.clone().into_iter() {
            if params.insert(name.clone(), value).is_none() {
                return Err(format!("scheme {} has no parameter {name:?}", entry.scheme));
            }
        }
        Ok(Known { scheme, split, params })
    }

    /// Claims the parts of a tensor that cannot be read, whose names are not known but for what they begin with: in the
    /// order of their data they follow each other.
    fn claim_parts(&mut self, entry: &TensorEntry) -> Result<(), String> {
        if entry.pooled {
            return entry.lengths.iter().try_for_each(|length| self.pooled(*length).map(|_| ()));
        }
        let prefix = format!("{}.", entry.prefix.as_deref().unwrap_or(&entry.name));
        let is_part = |(index, tensor): (usize, &TensorRecord), length: &u64| {
            tensor.name.starts_with(&prefix)
                && tensor.bytes() == padded(*length)
                && !self.claimed.contains(&index)
        };
        let are_parts = |first: &usize| {
            let tensors = self.header.tensors.iter().enumerate().skip(*first);
            tensors.zip(&entry.lengths).all(|(tensor, length)| is_part(tensor, length))
        };
        let most = self.header.tensors.len().saturating_sub(entry.lengths.len());
        let first = (0..=most).find(are_parts).ok_or("its parts are not there")?;
        self.claimed.extend(first..first + entry.lengths.len());
        Ok(())
    }

    fn stored(
        &mut self,
        entry: TensorEntry,
        known: Known,
        codebooks: &[Arc<Codebook>],
    ) -> Result<Stored, String> {
        let Known { scheme, mut split, params } = known;
        let elements = entry.shape.iter().try_fold(1u64, |product, dim| product.checked_mul(*dim));
        let elements = elements.ok_or("its shape overflows")?;
        let units = split.element.units(&entry.shape).ok_or("its shape is not one of whole bytes")?;
        if let (Some(float), Some(exponents)) = (split.element.float, &entry.exponents)
            && (exponents.alphabet() != float.exponents() || exponents.total() != elements)
        {
            return Err("its exponent counts do not fit its shape".to_owned());
        }
        let (own_codebooks, codebook_indices) = own_codebooks(&entry, scheme, units, codebooks)?;
        let checksum = from_hex(&entry.checksum).ok_or("its checksum is not 16 hexadecimal digits")?;
        let specs = scheme.part_specs(&split);
        if entry.lengths.len() != specs.len() {
            return Err(format!(
                "it has {} parts, scheme {} has {}",
                entry.lengths.len(),
                entry.scheme,
                specs.len()
            ));
        }
        let prefix = entry.prefix.as_deref().unwrap_or(&entry.name);
        let mut parts = Vec::new();
        for (spec, &length) in specs.iter().zip(&entry.lengths) {
            let name = format!("{prefix}.{}", spec.name);
            if length % spec.dtype.bytes() != 0 {
                let dtype = spec.dtype.dtype();
                return Err(format!("`{name}` is of {dtype}, which does not fit its length {length}"));
            }
            let part = if entry.pooled { self.pooled(length) } else { self.named(&name, spec, length) };
            parts.push(part?);
        }
        if let (Some(dictionary), Some(part)) = (&mut split.dictionary, parts.last()) {
            *dictionary = Arc::new(self.dictionary(&entry, split.element, part)?);
        }
        let statistics = entry.byte_entropy.map(|byte_entropy_bits| Statistics {
            exponent_entropy_bits: entry
                .exponents
                .as_ref()
                .map_or(entry.exponent_entropy, |exponents| Some(exponents.entropy_bits())),
            exponents: entry.exponents,
            byte_entropy_bits,
        });
        let params = Arc::new(params);
        let params = self.params.get(&params).cloned().unwrap_or_else(|| {
            self.params.insert(params.clone());
            params
        });
        Ok(Stored {
            name: entry.name,
            dtype: entry.dtype,
            shape: entry.shape,
            scheme,
            split,
            params,
            codebooks: own_codebooks,
            codebook_indices,
            parts,
            elements,
            units,
            checksum,
            is_repeat: false,
            statistics,
        })
    }

    /// The dictionary in a part.
    fn dictionary(
        &self,
        entry: &TensorEntry,
        element: &Element,
        part: &StoredPart,
    ) -> Result<Dictionary, String> {
        let begin = self.header.tensors[part.tensor].begin.saturating_add(part.begin);
        let bytes = stored_at(self.map, self.header, begin..begin.saturating_add(part.length));
        let dictionary = Dictionary::from_bytes(element.bytes, bytes);
        let dictionary = dictionary.filter(|dictionary| dictionary.len() as u64 == entry.dictionary);
        dictionary
            .ok_or_else(|| format!("its dictionary is not {} different numbers in order", entry.dictionary))
    }

    /// A part that is a tensor.
    fn named(&mut self, name: &str, spec: &PartSpec, length: u64) -> Result<StoredPart, String> {
        let tensor = self.claim(name, stored_dtype(spec.dtype))?;
        let found = self.header.tensors[tensor].bytes();
        if found != padded(length) {
            return Err(format!("`{name}` has {found} bytes, which does not fit its length {length}"));
        }
        if !self.is_aligned(tensor) {
            return Err(format!("`{name}` is not aligned to {ALIGNMENT} bytes"));
        }
        Ok(StoredPart { tensor, begin: 0, length, padded: found })
    }

    /// The next part in the pool.
    fn pooled(&mut self, length: u64) -> Result<StoredPart, String> {
        let pool = self.pool.as_mut().ok_or("its parts are in a pool, but there is none")?;
        let (tensor, begin, padded) = (pool.tensor, pool.claimed, padded_to(pool.alignment, length));
        let end = begin.checked_add(padded).filter(|end| *end <= self.header.tensors[tensor].bytes());
        pool.claimed = end.ok_or("its parts leave the pool")?;
        Ok(StoredPart { tensor, begin, length, padded })
    }
}

/// A tensor that has the parts of another.
fn repeated(
    entry: &TensorEntry,
    other: Option<&Stored>,
    unknown: &[UnknownTensor],
) -> Result<Stored, String> {
    let name = entry.same_as.as_deref().unwrap_or_default();
    let Some(other) = other else {
        return Err(match unknown.iter().find(|other| other.name == name) {
            Some(other) => format!("it is the same as `{name}`, of which {}", other.why),
            None => format!("`{name}`, which it is the same as, is no compressed tensor"),
        });
    };
    let elements = entry.shape.iter().try_fold(1u64, |product, dim| product.checked_mul(*dim));
    let is_alike = entry.dtype == other.dtype
        && elements == Some(other.elements)
        && from_hex(&entry.checksum) == Some(other.checksum)
        && entry.lengths.is_empty();
    if !is_alike {
        return Err(format!("it is not like `{name}`, which it is the same as"));
    }
    Ok(Stored { name: entry.name.clone(), shape: entry.shape.clone(), is_repeat: true, ..other.clone() })
}

/// The codebooks that a tensor's entry names, and which of those of the file they are.
fn own_codebooks(
    entry: &TensorEntry,
    scheme: &dyn Scheme,
    units: u64,
    codebooks: &[Arc<Codebook>],
) -> Result<(Codebooks, Vec<usize>), String> {
    let symbols = scheme.symbols().alphabet();
    let find = |index: usize| {
        let codebook = codebooks.get(index);
        let codebook = codebook
            .ok_or_else(|| format!("codebook {index} does not exist, there are {}", codebooks.len()))?;
        match codebook.symbols() {
            found if found == symbols => Ok(codebook.clone()),
            found => Err(format!("codebook {index} has {found} symbols, it takes {symbols}")),
        }
    };
    let first = find(entry.codebook)?;
    let Some(runs) = &entry.runs else { return Ok((Codebooks::one(first), vec![entry.codebook])) };
    if !scheme.has_runs() {
        return Err(format!("it has runs, which scheme {} has not", scheme.name()));
    }
    if runs.codebooks.first() != Some(&entry.codebook) {
        return Err(format!("its first run has not codebook {}", entry.codebook));
    }
    if runs.elements == 0 || units.div_ceil(runs.elements).max(1) != runs.codebooks.len() as u64 {
        let (count, elements) = (runs.codebooks.len(), runs.elements);
        return Err(format!("it has {units} elements, which are not {count} runs of {elements}"));
    }
    let mut places: BTreeMap<usize, usize> = runs.codebooks.iter().map(|index| (*index, 0)).collect();
    places.values_mut().enumerate().for_each(|(place, of)| *of = place);
    let list = places.keys().map(|index| find(*index)).collect::<Result<Vec<_>, _>>()?;
    let of = runs.codebooks.iter().filter_map(|index| places.get(index).copied()).collect();
    let own = Codebooks::of_runs(list, runs.elements, of).ok_or("its runs have no elements")?;
    Ok((own, places.into_keys().collect()))
}
