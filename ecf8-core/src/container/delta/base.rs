//! The files of a base: plain, compressed, or deltas from a base of their own.

use super::restored::Restored;
use crate::checksum::checksum;
use crate::container::folder::{Content, Folder};
use crate::container::{CompressedFile, is_container};
use crate::error::{Error, Result};
use crate::header::{Header, TensorRecord};
use crate::int;
use crate::map::MappedFile;
use rayon::prelude::*;
use safetensors::Dtype;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// A model that others are told from.
#[derive(Debug)]
pub struct Base {
    path: PathBuf,
    files: Vec<BaseFile>,
    /// Where tensors of a name are.
    by_name: HashMap<String, Vec<Place>>,
    /// Where tensors are by what they hold, once somebody has asked.
    by_content: OnceLock<BTreeMap<Held, Place>>,
}

/// What a tensor holds: dtype, length and checksum.
pub(super) type Held = (Dtype, u64, u64);

/// A tensor of a base: which file's, and which of its tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    file: usize,
    tensor: usize,
}

#[derive(Debug)]
struct BaseFile {
    /// Its path within the folder, or its name.
    name: PathBuf,
    json: Vec<u8>,
    header: Header,
    /// Checksums of its tensors' bytes, once they are known.
    sums: Vec<OnceLock<u64>>,
    content: FileContent,
}

#[derive(Debug)]
enum FileContent {
    Plain(Box<MappedFile>),
    Compressed(Box<CompressedFile>),
    Delta(Box<Restored>),
}

impl Base {
    /// Opens a file or folder. If that is a delta, what follows it is its base, and so on.
    ///
    /// # Errors
    /// If it cannot be read or is no model, or if the base of a delta is missing or the wrong one.
    pub fn open<P: AsRef<Path>>(paths: &[P]) -> Result<Arc<Self>> {
        let Some((path, further)) = paths.split_first() else {
            return Err(Error::NoModel { path: PathBuf::new() });
        };
        let path = path.as_ref();
        let names: Vec<(PathBuf, PathBuf)> = if path.is_dir() {
            let content = if is_container(path)? { Content::Compressed } else { Content::Plain };
            let folder = Folder::open(path, content)?;
            folder.require_weights(path)?;
            folder.weights().map(|found| (folder.root.join(&found.name), found.name.clone())).collect()
        } else {
            vec![(path.to_owned(), path.file_name().unwrap_or_default().into())]
        };
        // Only a delta needs what follows, but all deltas of a folder need the same.
        let mut next: Option<Arc<Self>> = None;
        let mut files = Vec::with_capacity(names.len());
        for (path, name) in names {
            let (json, header, content) = if is_container(&path)? {
                let file = CompressedFile::open(&path)?;
                if let Some(needed) = file.base_needed() {
                    if next.is_none() && !further.is_empty() {
                        next = Some(Self::open(further)?);
                    }
                    let Some(base) = next.clone() else { return Err(needed.into_error()) };
                    let restored = Restored::new(file, base)?;
                    let (json, header) = (restored.json().to_vec(), restored.header().clone());
                    (json, header, FileContent::Delta(Box::new(restored)))
                } else {
                    let (json, header) = file.original_layout()?;
                    (json, header, FileContent::Compressed(Box::new(file)))
                }
            } else {
                let map = MappedFile::open_settled(&path)?;
                let (header, json) = map.header()?;
                (json, header, FileContent::Plain(Box::new(map)))
            };
            let sums = header.tensors.iter().map(|_| OnceLock::new()).collect();
            files.push(BaseFile { name, json, header, sums, content });
        }
        if next.is_none() && !further.is_empty() {
            return Err(Error::NoDelta { path: path.to_owned() });
        }
        let mut by_name: HashMap<String, Vec<Place>> = HashMap::new();
        for (file, own) in files.iter().enumerate() {
            for (tensor, record) in own.header.tensors.iter().enumerate() {
                by_name.entry(record.name.clone()).or_default().push(Place { file, tensor });
            }
        }
        let by_content = OnceLock::new();
        Ok(Arc::new(Self { path: path.to_owned(), files, by_name, by_content }))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What deltas call it.
    pub(super) fn name(&self) -> String {
        let name = self.path.canonicalize().unwrap_or_else(|_| self.path.clone());
        name.file_name().unwrap_or(name.as_os_str()).to_string_lossy().into_owned()
    }

    /// The JSON of its files' headers.
    pub(super) fn headers(&self) -> impl Iterator<Item = &[u8]> {
        self.files.iter().map(|file| &*file.json)
    }

    /// The tensors of this name: of a folder there may be several, and that of the file called `file` comes first.
    pub(super) fn of_name(&self, name: &str, file: Option<&Path>) -> Vec<Place> {
        let mut places = self.by_name.get(name).cloned().unwrap_or_default();
        places.sort_by_key(|place| Some(&*self.files[place.file].name) != file);
        places
    }

    /// All its tensors.
    pub(super) fn all(&self) -> impl Iterator<Item = Place> {
        let files = self.files.iter().enumerate();
        files.flat_map(|(file, own)| (0..own.header.tensors.len()).map(move |tensor| Place { file, tensor }))
    }

    pub(super) fn record(&self, place: Place) -> &TensorRecord {
        &self.files[place.file].header.tensors[place.tensor]
    }

    /// The checksum of a tensor's bytes, as far as that is known without decoding it.
    pub(super) fn checksum(&self, place: Place) -> Result<u64> {
        let (file, record) = (&self.files[place.file], self.record(place));
        if let Some(known) = file.sums[place.tensor].get() {
            return Ok(*known);
        }
        let sum = match &file.content {
            FileContent::Plain(_) => checksum(&file.read(record)?),
            FileContent::Compressed(compressed) => match compressed.tensor(&record.name) {
                Some(tensor) => tensor.checksum(),
                None => checksum(&file.read(record)?),
            },
            FileContent::Delta(restored) => restored.checksum(record)?,
        };
        Ok(*file.sums[place.tensor].get_or_init(|| sum))
    }

    /// A tensor's bytes.
    pub(super) fn read(&self, place: Place) -> Result<Cow<'_, [u8]>> {
        self.files[place.file].read(self.record(place))
    }

    /// Places of tensors by what they hold, the first of equals.
    pub(super) fn by_content(&self) -> Result<&BTreeMap<Held, Place>> {
        if let Some(known) = self.by_content.get() {
            return Ok(known);
        }
        let places: Vec<Place> = self.all().filter(|place| self.record(*place).bytes() > 0).collect();
        let sums: Vec<u64> = places.par_iter().map(|place| self.checksum(*place)).collect::<Result<_>>()?;
        let keyed = places.into_iter().zip(sums).rev().map(|(place, sum)| {
            let record = self.record(place);
            ((record.dtype, record.bytes(), sum), place)
        });
        let found = keyed.collect();
        Ok(self.by_content.get_or_init(|| found))
    }

    /// Refuses an output that would replace one of its files, or of those of its own base.
    pub(in crate::container) fn require_apart(&self, output: &Path) -> Result<()> {
        let Ok(output_found) = output.canonicalize() else { return Ok(()) };
        for file in &self.files {
            let found = file.path().canonicalize();
            let found =
                found.map_err(|source| Error::Io { action: "find", path: file.path().to_owned(), source })?;
            if found.starts_with(&output_found) {
                let how = if found == output_found { "is the base" } else { "contains the base" };
                return Err(Error::OutputIsInput { path: output.to_owned(), how });
            }
            if let FileContent::Delta(restored) = &file.content {
                restored.base().require_apart(output)?;
            }
        }
        Ok(())
    }

    /// Refuses files none of whose tensors could be told from one here.
    pub(in crate::container) fn require_common(&self, input: &Path, weights: &[PathBuf]) -> Result<()> {
        let is_here = |record: &TensorRecord| {
            let named = self.by_name.get(&record.name).into_iter().flatten();
            let mut theirs = named.map(|place| self.record(*place));
            theirs.any(|theirs| theirs.dtype == record.dtype && theirs.shape == record.shape)
        };
        for path in weights {
            if MappedFile::open(path)?.header()?.0.tensors.iter().any(is_here) {
                return Ok(());
            }
        }
        Err(Error::NothingInCommon { path: input.to_owned(), base: self.path.clone() })
    }

    /// Checks that all bytes which were read are of one state of the files.
    pub(super) fn check_unchanged(&self) -> Result<()> {
        self.files.iter().try_for_each(|file| match &file.content {
            FileContent::Plain(map) => map.check_unchanged(),
            FileContent::Compressed(file) => file.check_unchanged(),
            FileContent::Delta(restored) => restored.check_unchanged(),
        })
    }
}

impl BaseFile {
    fn path(&self) -> &Path {
        match &self.content {
            FileContent::Plain(map) => map.path(),
            FileContent::Compressed(file) => file.path(),
            FileContent::Delta(restored) => restored.path(),
        }
    }

    fn read(&self, record: &TensorRecord) -> Result<Cow<'_, [u8]>> {
        match &self.content {
            FileContent::Plain(map) => {
                let start = self.header.data_start();
                Ok(Cow::Borrowed(&map[int::index(start + record.begin)..int::index(start + record.end)]))
            }
            FileContent::Compressed(file) => file.read_tensor(&record.name),
            FileContent::Delta(restored) => restored.read(record),
        }
    }
}
