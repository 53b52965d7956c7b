//! A file as its delta: what a container is made of.

use super::base::{Base, Place};
use super::comparing::{Changed, Comparing, Found, not_comparable};
use super::description::{
    Change, DESCRIPTION, Description, Elsewhere, HeaderEntry, TensorEntry, base_checksum,
};
use super::recent::Recent;
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
use crate::transform::{Form, Stream};
use rayon::prelude::*;
use safetensors::Dtype;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::path::Path;

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
        let comparing = Comparing { original, name, base, siblings, contents: base.by_content()? };
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
