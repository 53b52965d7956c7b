//! A model's tensors for those who look at the numbers, whether or not they are compressed.

use crate::container::folder::{Content as FolderContent, Folder};
use crate::container::{BaseNeeded, CompressedFile, CompressedTensor, is_container};
use crate::error::{Error, Result};
use crate::header::{Header, TensorRecord};
use crate::map::{MappedFile, give_back};
use std::borrow::Cow;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A file, or all files of weights in a folder, opened for reading numbers.
#[derive(Debug)]
pub struct Weights {
    /// The files, ordered by path.
    pub files: Vec<WeightsFile>,
    /// What the user should know about the folder, a line each.
    pub notes: Vec<String>,
}

/// A safetensors file or container.
#[derive(Debug)]
pub struct WeightsFile {
    /// Its path within the folder; its name if it was opened alone.
    pub name: PathBuf,
    header: Header,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Plain(Box<MappedFile>),
    Compressed(Box<CompressedFile>),
}

impl Weights {
    /// Opens a file, or the files of a folder.
    ///
    /// # Errors
    /// If one cannot be read, is neither safetensors nor a container, or is the difference from a base; if an index names a
    /// shard that is missing.
    pub fn open(path: &Path) -> Result<Self> {
        if !path.is_dir() {
            let name = path.file_name().unwrap_or_default().into();
            return Ok(Self { files: vec![WeightsFile::open(path, name)?], notes: Vec::new() });
        }
        let content = if is_container(path)? { FolderContent::Compressed } else { FolderContent::Plain };
        let folder = Folder::open(path, content)?;
        folder.require_shards()?;
        folder.require_weights(path)?;
        let files = folder
            .weights()
            .map(|found| WeightsFile::open(&folder.root.join(&found.name), found.name.clone()));
        Ok(Self { files: files.collect::<Result<_>>()?, notes: folder.notes })
    }
}

impl WeightsFile {
    fn open(path: &Path, name: PathBuf) -> Result<Self> {
        if is_container(path)? {
            let file = CompressedFile::open(path)?;
            // What it holds are the differences, which are no weights.
            if let Some(needed) = file.base_needed() {
                return Err(BaseNeeded::into_error(needed));
            }
            let header = file.original()?;
            return Ok(Self { name, header, content: Content::Compressed(Box::new(file)) });
        }
        let map = MappedFile::open(path)?.without_handle();
        let read = map.header();
        let (header, _) = map.or_changed(read)?;
        Ok(Self { name, header, content: Content::Plain(Box::new(map)) })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        match &self.content {
            Content::Plain(map) => map.path(),
            Content::Compressed(file) => file.path(),
        }
    }

    /// Its tensors as they are when nothing is compressed, in the order of their data.
    #[must_use]
    pub fn tensors(&self) -> &[TensorRecord] {
        &self.header.tensors
    }

    /// The tensor as it is compressed, if it is.
    #[must_use]
    pub fn compressed(&self, record: &TensorRecord) -> Option<CompressedTensor<'_>> {
        match &self.content {
            Content::Plain(_) => None,
            Content::Compressed(file) => file.tensor(&record.name),
        }
    }

    /// Bytes of a tensor, counted from its first, as they are when nothing is compressed; whole units of its number type (see
    /// [`Element`](crate::element::Element)). The whole of a compressed tensor is checked against its checksum; of a part,
    /// what is stored is checked the first time. Whoever is done with them says so by [`give_back`].
    ///
    /// # Errors
    /// If it has no such bytes, or what is stored is damaged.
    pub fn read(&self, record: &TensorRecord, bytes: Range<u64>) -> Result<Cow<'_, [u8]>> {
        let refused = || Error::Range {
            path: self.path().to_owned(),
            tensor: record.name.clone(),
            first: bytes.start,
            count: bytes.end.saturating_sub(bytes.start),
            bytes: record.bytes(),
        };
        let count = bytes.end.checked_sub(bytes.start).filter(|_| bytes.end <= record.bytes());
        let count = count.and_then(|count| usize::try_from(count).ok()).ok_or_else(refused)?;
        match &self.content {
            Content::Plain(map) => {
                let start = self.header.data_start() + record.begin + bytes.start;
                let found = map.within(start..start + count as u64);
                if found.len() == count { Ok(Cow::Borrowed(found)) } else { Err(refused()) }
            }
            Content::Compressed(file) if count as u64 == record.bytes() => file.read_tensor(&record.name),
            Content::Compressed(file) => {
                let mut memory = vec![0; count];
                file.read_range(&record.name, bytes.start, &mut memory)?;
                if let Some(tensor) = file.tensor(&record.name) {
                    tensor.encoded().parts.iter().for_each(|part| give_back(&part.bytes));
                }
                Ok(Cow::Owned(memory))
            }
        }
    }

    /// Checks that all bytes which were read are of one state of the file.
    ///
    /// # Errors
    /// If it has changed meanwhile.
    pub fn check_unchanged(&self) -> Result<()> {
        match &self.content {
            Content::Plain(map) => map.check_unchanged(),
            Content::Compressed(file) => file.check_unchanged(),
        }
    }
}
