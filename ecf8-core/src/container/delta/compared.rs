//! A file as its delta: what a container is made of.

use super::base::{Base, Held, Place};
use super::choose::choose;
use super::description::{
    Change, DESCRIPTION, Description, Elsewhere, HeaderEntry, TensorEntry, base_checksum,
};
use super::siblings::Siblings;
use crate::checksum::{checksum, to_hex};
use crate::container::batch::batches;
use crate::container::output::PendingFile;
use crate::container::report::FileReport;
use crate::container::write::compress::compress_to;
use crate::container::write::large::Grouping;
use crate::container::write::plan::require_plain;
use crate::container::{BATCH_BYTES, CompressOptions, Progress};
use crate::error::{Error, IoContext, Result};
use crate::header::{Entry, Header, LENGTH_BYTES, TensorRecord, header_json};
use crate::map::{MappedFile, give_back};
use crate::source::{DeltaMark, MappedSource, Source, file_bytes};
use crate::transform::{Form, Stream, TransformError, width_of};
use rayon::prelude::*;
use safetensors::Dtype;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Bytes of decoded tensors of a base that are kept for a moment: several streams of a tensor are made one after the other.
const RECENT_BYTES: usize = 256 << 20;

/// Compresses the file `input`, called `name` in its model, as its difference from `base`, into `output`. The paths have been
/// checked.
pub(in crate::container) fn compress_file(
    (input, name): (&Path, &Path),
    (base, siblings): (&Base, &Siblings),
    output: PendingFile,
    options: &CompressOptions,
    progress: &dyn Progress,
) -> Result<FileReport> {
    let input = MappedFile::open_settled(input)?;
    let compressed = compress(&input, name, (base, siblings), output, options, progress);
    let report = input.or_changed(compressed)?;
    base.check_unchanged()?;
    Ok(report)
}

fn compress(
    input: &MappedFile,
    name: &Path,
    (base, siblings): (&Base, &Siblings),
    output: PendingFile,
    options: &CompressOptions,
    progress: &dyn Progress,
) -> Result<FileReport> {
    let original = MappedSource::new(input)?;
    require_plain(&original)?;
    let compared = Compared::new(&original, name, (base, siblings), progress)?;
    let told = compared.told;
    let report = compress_to(&compared, output, options, Grouping::default(), progress)?;
    let records = &original.header().tensors;
    let own = compared.own.iter().map(|(tensor, sum)| (&records[*tensor], *sum));
    siblings.add((input.path(), name), original.header(), own);
    Ok(FileReport {
        input_bytes: file_bytes(&original),
        compressed_tensors: told,
        kept_tensors: original.header().tensors.len() - told,
        kept: Vec::new(),
        ..report
    })
}

/// What a tensor of the delta is.
enum Row {
    Description,
    /// A tensor of the file as it is, by its place in the header.
    Plain(usize),
    /// A stream of one.
    Stream {
        tensor: usize,
        place: Place,
        form: Form,
        stream: Stream,
        checksum: u64,
    },
}

/// What a tensor of the file is told by.
enum Found {
    Plain,
    SameAs(usize),
    /// The same as a tensor of another file.
    Elsewhere {
        file: String,
        tensor: String,
        checksum: u64,
    },
    Base {
        place: Place,
        checksum: u64,
        change: Option<Changed>,
    },
}

/// How a tensor differs from one of the base.
struct Changed {
    form: Form,
    /// Of the tensor's bytes.
    checksum: u64,
    /// Length and checksum of each stream.
    streams: Vec<(u64, u64)>,
}

/// A file as its delta from a base.
struct Compared<'a> {
    original: &'a MappedSource<'a>,
    base: &'a Base,
    mark: DeltaMark,
    header: Header,
    json: Vec<u8>,
    /// By name.
    rows: HashMap<String, Row>,
    description: Vec<u8>,
    /// How many tensors of the file are told from others.
    told: usize,
    /// Tensors that neither the base has nor another of the file or of its siblings, and their checksums.
    own: Vec<(usize, u64)>,
    recent: Recent,
}

impl<'a> Compared<'a> {
    fn new(
        original: &'a MappedSource<'a>,
        name: &Path,
        (base, siblings): (&'a Base, &Siblings),
        progress: &dyn Progress,
    ) -> Result<Self> {
        let header = original.header();
        let what = format!("comparing {} with {}", original.path().display(), base.path().display());
        progress.start(&what, header.data_bytes());
        let comparing = Comparing { original, name, base, siblings, contents: OnceLock::new() };
        let mut found = Vec::with_capacity(header.tensors.len());
        for batch in batches(&header.tensors, BATCH_BYTES, TensorRecord::bytes) {
            progress.go_on(original.path())?;
            let each: Result<Vec<(Found, u64)>> =
                batch.par_iter().map(|record| comparing.find(record)).collect();
            found.extend(each?);
            progress.advance(batch.iter().map(TensorRecord::bytes).sum());
        }
        let sums: Vec<u64> = found.iter().map(|(_, sum)| *sum).collect();
        let found = comparing.with_repeated(found)?;
        progress.finish();
        let is_own = |found: &Found| matches!(found, Found::Plain | Found::Base { change: Some(_), .. });
        let own = (0..).zip(found.iter().zip(sums)).filter(|(_, (found, _))| is_own(found));
        let own = own.map(|(tensor, (_, sum))| (tensor, sum)).collect();
        Ok(Self { own, ..Self::laid_out(original, base, &found)? })
    }

    /// Lays the delta's tensors out.
    fn laid_out(original: &'a MappedSource<'a>, base: &'a Base, found: &[Found]) -> Result<Self> {
        let records = &original.header().tensors;
        let mut taken: HashSet<String> = records.iter().map(|record| record.name.clone()).collect();
        let (mut entries, mut rows, mut tensors) = (Vec::new(), HashMap::new(), Vec::new());
        let of_bytes = |name: &str, bytes: u64| Entry {
            name: name.to_owned(),
            dtype: Dtype::U8,
            shape: vec![bytes],
            bytes,
        };
        for (tensor, (record, found)) in records.iter().zip(found).enumerate() {
            let mut entry = TensorEntry {
                name: record.name.clone(),
                same_as: None,
                elsewhere: None,
                base: None,
                base_checksum: None,
                change: None,
            };
            match found {
                Found::Plain => {
                    let (name, dtype) = (record.name.clone(), record.dtype);
                    entries.push(Entry { name, dtype, shape: record.shape.clone(), bytes: record.bytes() });
                    rows.insert(record.name.clone(), Row::Plain(tensor));
                    continue;
                }
                Found::SameAs(other) => entry.same_as = Some(records[*other].name.clone()),
                Found::Elsewhere { file, tensor, checksum } => {
                    entry.same_as = Some(tensor.clone());
                    entry.elsewhere = Some(Elsewhere { file: file.clone(), checksum: to_hex(*checksum) });
                }
                Found::Base { place, checksum, change } => {
                    let theirs = &base.record(*place).name;
                    entry.base = Some(theirs.clone()).filter(|theirs| *theirs != record.name);
                    entry.base_checksum = Some(to_hex(*checksum));
                    if let Some(Changed { form, checksum, streams }) = change {
                        let suffixes: Vec<String> =
                            form.streams().into_iter().map(|stream| form.suffix(stream)).collect();
                        let mut prefix = record.name.clone();
                        while suffixes.iter().any(|suffix| taken.contains(&format!("{prefix}.{suffix}"))) {
                            prefix.push('~');
                        }
                        let each = form.streams().into_iter().zip(&suffixes).zip(streams);
                        for ((stream, suffix), (bytes, checksum)) in each {
                            let name = format!("{prefix}.{suffix}");
                            entries.push(of_bytes(&name, *bytes));
                            taken.insert(name.clone());
                            let (place, form, checksum) = (*place, *form, *checksum);
                            rows.insert(name, Row::Stream { tensor, place, form, stream, checksum });
                        }
                        entry.change = Some(Change {
                            by: form.transform.name().to_owned(),
                            sparse: form.is_sparse,
                            prefix: Some(prefix).filter(|prefix| *prefix != record.name),
                            checksum: to_hex(*checksum),
                        });
                    }
                }
            }
            tensors.push(entry);
        }
        let told = tensors.len();
        let mut own = DESCRIPTION.to_owned();
        while taken.contains(&own) {
            own.push('~');
        }
        let mark = DeltaMark {
            base: base.name(),
            checksum: to_hex(base_checksum(&tensors)),
            description: own.clone(),
        };
        let json = original.json();
        let header = HeaderEntry::new(json, base.headers().any(|theirs| theirs == json));
        let what = "describe the difference of";
        let description = Description { header, tensors }.deflated().at(original.path(), what)?;
        entries.push(of_bytes(&own, description.len() as u64));
        rows.insert(own, Row::Description);
        let json = header_json(&[], &entries);
        let mut json = json.map_err(std::io::Error::from).at(original.path(), what)?;
        json.resize(json.len().next_multiple_of(crate::int::index(LENGTH_BYTES)), b' ');
        let header = Header::alone(&json);
        let header = header.map_err(|source| Error::Header { path: original.path().to_owned(), source })?;
        let (recent, own) = (Recent::default(), Vec::new());
        Ok(Self { original, base, mark, header, json, rows, description, told, own, recent })
    }

    fn stream(&self, tensor: usize, place: Place, form: Form, stream: Stream) -> Result<Vec<u8>> {
        let record = &self.original.header().tensors[tensor];
        let (own, base) = (self.original.bytes(record)?, self.recent.read(self.base, place)?);
        let made = form.stream(stream, &own, base.as_ref());
        let made = made.map_err(|error| not_comparable(self.original, record, &error));
        give_back(&own);
        give_back(base.as_ref());
        made
    }
}

impl Source for Compared<'_> {
    fn path(&self) -> &Path {
        self.original.path()
    }

    fn header(&self) -> &Header {
        &self.header
    }

    fn json(&self) -> &[u8] {
        &self.json
    }

    fn bytes(&self, record: &TensorRecord) -> Result<Cow<'_, [u8]>> {
        match self.rows.get(&record.name) {
            Some(Row::Plain(tensor)) => self.original.bytes(&self.original.header().tensors[*tensor]),
            Some(Row::Stream { tensor, place, form, stream, checksum: expected }) => {
                let made = self.stream(*tensor, *place, *form, *stream)?;
                if checksum(&made) != *expected {
                    let how = format!("tensor `{}`, or that of the base, is not what it was", record.name);
                    return Err(Error::Changed { path: self.path().to_owned(), how });
                }
                Ok(Cow::Owned(made))
            }
            Some(Row::Description) | None => Ok(Cow::Borrowed(&self.description)),
        }
    }

    fn delta(&self) -> Option<&DeltaMark> {
        Some(&self.mark)
    }

    fn check_unchanged(&self) -> Result<()> {
        self.original.check_unchanged()
    }
}

/// What of the base has been decoded last.
#[derive(Default)]
struct Recent(Mutex<VecDeque<(Place, Arc<Vec<u8>>)>>);

/// Bytes of a tensor of the base.
enum BaseBytes<'a> {
    Mapped(&'a [u8]),
    Decoded(Arc<Vec<u8>>),
}

impl AsRef<[u8]> for BaseBytes<'_> {
    fn as_ref(&self) -> &[u8] {
        match self {
            BaseBytes::Mapped(bytes) => bytes,
            BaseBytes::Decoded(bytes) => bytes,
        }
    }
}

impl Recent {
    fn read<'b>(&self, base: &'b Base, place: Place) -> Result<BaseBytes<'b>> {
        let list = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, bytes)) = list().iter().find(|(other, _)| *other == place) {
            return Ok(BaseBytes::Decoded(bytes.clone()));
        }
        let bytes = match base.read(place)? {
            Cow::Borrowed(bytes) => return Ok(BaseBytes::Mapped(bytes)),
            Cow::Owned(bytes) => Arc::new(bytes),
        };
        let mut list = list();
        list.push_back((place, bytes.clone()));
        while list.len() > 1 && list.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() > RECENT_BYTES {
            list.pop_front();
        }
        Ok(BaseBytes::Decoded(bytes))
    }
}

fn not_comparable(source: &dyn Source, record: &TensorRecord, error: &TransformError) -> Error {
    let how = format!("tensor `{}`: {error}", record.name);
    Error::Changed { path: source.path().to_owned(), how }
}

/// Finding out what tensors have in common with a base.
struct Comparing<'a> {
    original: &'a MappedSource<'a>,
    /// What the file is called in its model.
    name: &'a Path,
    base: &'a Base,
    siblings: &'a Siblings,
    /// The base's tensors by what they hold, once somebody needs to know.
    contents: OnceLock<BTreeMap<Held, Place>>,
}

impl Comparing<'_> {
    /// What a tensor is told by, but for those of its own file; and its checksum.
    fn find(&self, record: &TensorRecord) -> Result<(Found, u64)> {
        let own = self.original.bytes(record)?;
        let found = self.find_bytes(record, &own);
        give_back(&own);
        found
    }

    fn find_bytes(&self, record: &TensorRecord, own: &[u8]) -> Result<(Found, u64)> {
        let sum = checksum(own);
        if own.is_empty() {
            return Ok((Found::Plain, sum));
        }
        let alike = |place: &Place| {
            let theirs = self.base.record(*place);
            theirs.dtype == record.dtype && theirs.shape == record.shape
        };
        let named = self.base.of_name(&record.name, Some(self.name)).into_iter().find(alike);
        let mut theirs = None;
        if let Some(place) = named {
            let bytes = self.base.read(place)?;
            if *bytes == *own {
                return Ok((Found::Base { place, checksum: sum, change: None }, sum));
            }
            theirs = Some((place, bytes));
        }
        if let Some(place) = self.contents()?.get(&(record.dtype, own.len() as u64, sum))
            && *self.base.read(*place)? == *own
        {
            return Ok((Found::Base { place: *place, checksum: sum, change: None }, sum));
        }
        let Some((place, theirs)) = theirs else { return Ok((Found::Plain, sum)) };
        let change = self.change(record, own, &theirs, sum)?;
        give_back(&theirs);
        let found = |change| Found::Base { place, checksum: checksum(&theirs), change: Some(change) };
        Ok((change.map_or(Found::Plain, found), sum))
    }

    /// How a tensor differs from that of the base, if telling that pays.
    fn change(&self, record: &TensorRecord, own: &[u8], base: &[u8], sum: u64) -> Result<Option<Changed>> {
        let failed = |error| not_comparable(self.original, record, &error);
        let Some(form) = choose(own, base, width_of(&record.dtype.to_string())).map_err(failed)? else {
            return Ok(None);
        };
        let streams = form.streams().into_iter().map(|stream| form.stream(stream, own, base).map(Cow::Owned));
        let streams: Vec<Cow<'_, [u8]>> = streams.collect::<Result<_, _>>().map_err(failed)?;
        match form.restore(&streams, base) {
            Ok(restored) if checksum(&restored) == sum => {
                let streams = streams.iter().map(|stream| (stream.len() as u64, checksum(stream))).collect();
                Ok(Some(Changed { form, checksum: sum, streams }))
            }
            _ => {
                let how = format!("tensor `{}`, or that of the base, is not what it was", record.name);
                Err(Error::Changed { path: self.original.path().to_owned(), how })
            }
        }
    }

    fn contents(&self) -> Result<&BTreeMap<Held, Place>> {
        if let Some(contents) = self.contents.get() {
            return Ok(contents);
        }
        let contents = self.base.by_content()?;
        Ok(self.contents.get_or_init(|| contents))
    }

    /// The same, where tensors that repeat an earlier one of the file are told by that.
    fn with_repeated(&self, found: Vec<(Found, u64)>) -> Result<Vec<Found>> {
        let records = &self.original.header().tensors;
        let mut first: BTreeMap<Held, usize> = BTreeMap::new();
        let mut all = Vec::with_capacity(found.len());
        for (tensor, (found, sum)) in found.into_iter().enumerate() {
            let record = &records[tensor];
            let is_told = matches!(found, Found::Base { change: None, .. });
            if record.bytes() == 0 || is_told {
                all.push(found);
                continue;
            }
            let earlier = *first.entry((record.dtype, record.bytes(), sum)).or_insert(tensor);
            let is_same = earlier != tensor
                && *self.original.bytes(&records[earlier])? == *self.original.bytes(record)?;
            if is_same {
                all.push(Found::SameAs(earlier));
                continue;
            }
            let held = (record.dtype, record.bytes(), sum);
            let elsewhere = self.siblings.find(self.name, held, &self.original.bytes(record)?)?;
            let elsewhere = elsewhere.map(|(file, tensor)| Found::Elsewhere { file, tensor, checksum: sum });
            all.push(elsewhere.unwrap_or(found));
        }
        Ok(all)
    }
}
