//! A container opened for reading: mapped, its manifest checked against its header.

use super::stored::{Statistics, Stored, StoredPart, UnknownTensor};
use super::validate::{self, HeldAs, Original, State, Validated};
use crate::checksum::checksum;
use crate::codebook::Codebook;
use crate::container::manifest::inflate;
use crate::container::piece_sums::Pieces;
use crate::element::Split;
use crate::error::{Error, Result};
use crate::header::{Header, LENGTH_BYTES, TensorRecord};
use crate::layout::{Codebooks, Encoded, Part, Scheme};
use crate::map::{MappedFile, give_back};
use crate::source::DeltaMark;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// A compressed file. Opening it checks its structure; its bytes are checked by [`CompressedFile::verify_integrity`]
/// and, tensor by tensor, by [`CompressedFile::read_tensor`].
#[derive(Debug)]
pub struct CompressedFile {
    pub(in crate::container) map: MappedFile,
    pub(in crate::container) header: Header,
    pub(super) original: Original,
    pub(super) form: HeldAs,
    /// What it is the difference from, if it is one.
    pub(in crate::container) delta: Option<DeltaMark>,
    /// Checksums of pieces of the data section, as far as there are any.
    pub(super) pieces: Pieces,
    pub(super) stored: Vec<Stored>,
    pub(super) unknown: Vec<UnknownTensor>,
    pub(super) codebooks: Vec<Arc<Codebook>>,
    /// Indices into the header's tensors.
    pub(super) kept: Vec<usize>,
    /// Which of the header's tensors were found to be right, so that their parts need not be checked again.
    pub(super) was_right: Vec<AtomicBool>,
    by_name: HashMap<String, TensorKind>,
}

#[derive(Debug, Clone, Copy)]
enum TensorKind {
    Stored(usize),
    Kept(usize),
    Unknown(usize),
}

/// A compressed tensor of an open file.
#[derive(Debug, Clone, Copy)]
pub struct CompressedTensor<'a> {
    pub(super) file: &'a CompressedFile,
    pub(super) stored: &'a Stored,
}

/// A tensor that is stored as it was.
#[derive(Debug, Clone, Copy)]
pub struct KeptTensor<'a> {
    /// Name, dtype, shape, and where its bytes are in this file.
    pub record: &'a TensorRecord,
    /// Its bytes.
    pub data: &'a [u8],
}

impl CompressedFile {
    /// Maps a container and checks its header and manifest.
    ///
    /// # Errors
    /// If it cannot be read, is not valid safetensors, not a container, of another version, or contradicts itself.
    pub fn open(path: &Path) -> Result<Self> {
        let opened = Self::open_as(path, State::Whole)?;
        opened.verify_unknown()?;
        Ok(opened)
    }

    /// As [`CompressedFile::open`], of a file that may be damaged: it may be cut, and tensors may not be what the manifest
    /// says, as long as others are. [`CompressedFile::damage`] tells what is good.
    ///
    /// # Errors
    /// As [`CompressedFile::open`], if header or manifest cannot be read.
    pub fn open_damaged(path: &Path) -> Result<Self> {
        Self::open_as(path, State::Damaged)
    }

    fn open_as(path: &Path, state: State) -> Result<Self> {
        // A model may have more files than a process may have open at once.
        let map = MappedFile::open(path)?.without_handle();
        let read = Self::read(&map, state);
        let (header, validated) = map.or_changed(read)?;
        let Validated { original, form, delta, pieces, stored, unknown, codebooks, kept } = validated;
        let mut by_name = HashMap::with_capacity(stored.len() + unknown.len() + kept.len());
        by_name.extend(
            unknown
                .iter()
                .enumerate()
                .map(|(index, unknown)| (unknown.name.clone(), TensorKind::Unknown(index))),
        );
        by_name.extend(
            stored.iter().enumerate().map(|(index, stored)| (stored.name.clone(), TensorKind::Stored(index))),
        );
        by_name
            .extend(kept.iter().map(|index| (header.tensors[*index].name.clone(), TensorKind::Kept(*index))));
        let was_right = header.tensors.iter().map(|_| AtomicBool::new(false)).collect();
        Ok(Self {
            map,
            header,
            original,
            form,
            delta,
            pieces,
            stored,
            unknown,
            codebooks,
            kept,
            was_right,
            by_name,
        })
    }

    fn read(map: &MappedFile, state: State) -> Result<(Header, Validated)> {
        let header = match state {
            State::Whole => map.header()?.0,
            State::Damaged => {
                let of_header = |source| Error::Header { path: map.path().to_owned(), source };
                Header::of_cut_file(map).map_err(of_header)?
            }
        };
        let validated = validate::validate(map, &header, state)?;
        Ok((header, validated))
    }

    /// Checks that the file has not changed since it was opened: that all bytes which were read of it are of one state.
    /// Who promises something of them calls this first.
    ///
    /// # Errors
    /// [`Error::Changed`] if not.
    pub fn check_unchanged(&self) -> Result<()> {
        self.map.check_unchanged()
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.map.path()
    }

    /// Its size in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.map.len() as u64
    }

    /// Size of the file that it was made from, in bytes.
    #[must_use]
    pub fn original_bytes(&self) -> u64 {
        let compressed = self.tensors().map(|tensor| tensor.original_bytes());
        let data = compressed.chain(self.kept().map(|kept| kept.record.bytes())).fold(0, u64::saturating_add);
        data.saturating_add(crate::header::LENGTH_BYTES + self.original.length)
    }

    /// The compressed tensors, in the order of their data.
    pub fn tensors(&self) -> impl ExactSizeIterator<Item = CompressedTensor<'_>> {
        self.stored.iter().map(|stored| CompressedTensor { file: self, stored })
    }

    /// The compressed tensor of this name.
    #[must_use]
    pub fn tensor(&self, name: &str) -> Option<CompressedTensor<'_>> {
        match self.by_name.get(name)? {
            TensorKind::Stored(index) => Some(CompressedTensor { file: self, stored: &self.stored[*index] }),
            TensorKind::Kept(_) | TensorKind::Unknown(_) => None,
        }
    }

    /// The tensors that are stored as they were, in the order of their data.
    pub fn kept(&self) -> impl ExactSizeIterator<Item = KeptTensor<'_>> {
        self.kept.iter().map(|index| self.kept_at(*index))
    }

    /// The kept tensor of this name.
    #[must_use]
    pub fn kept_tensor(&self, name: &str) -> Option<KeptTensor<'_>> {
        match self.by_name.get(name)? {
            TensorKind::Kept(index) => Some(self.kept_at(*index)),
            TensorKind::Stored(_) | TensorKind::Unknown(_) => None,
        }
    }

    /// Which of the header's tensors the kept tensor of this name is.
    pub(super) fn kept_index(&self, name: &str) -> Option<usize> {
        match self.by_name.get(name)? {
            TensorKind::Kept(index) => Some(*index),
            TensorKind::Stored(_) | TensorKind::Unknown(_) => None,
        }
    }

    fn kept_at(&self, index: usize) -> KeptTensor<'_> {
        let record = &self.header.tensors[index];
        KeptTensor { record, data: self.data(index) }
    }

    /// The codebooks, each once; [`CompressedTensor::codebook_indices`] count into them.
    #[must_use]
    pub fn codebooks(&self) -> &[Arc<Codebook>] {
        &self.codebooks
    }

    /// The original bytes of a tensor, compressed or kept, checked against their checksum where there is one of them.
    ///
    /// # Errors
    /// If there is no such tensor, or its stored bytes are damaged.
    pub fn read_tensor(&self, name: &str) -> Result<Cow<'_, [u8]>> {
        match self.by_name.get(name) {
            Some(TensorKind::Stored(index)) => {
                CompressedTensor { file: self, stored: &self.stored[*index] }.decode().map(Cow::Owned)
            }
            Some(TensorKind::Kept(index)) => {
                self.map.or_changed(self.verify_stored(*index))?;
                Ok(Cow::Borrowed(self.data(*index)))
            }
            Some(TensorKind::Unknown(_)) | None => Err(self.unreadable(name)),
        }
    }

    /// The error that no tensor of this name can be read: there is none, or it is unknown how.
    pub(super) fn unreadable(&self, name: &str) -> Error {
        let (path, tensor) = (self.path().to_owned(), name.to_owned());
        match self.by_name.get(name) {
            Some(TensorKind::Unknown(index)) => {
                Error::UnknownTensor { path, tensor, why: self.unknown[*index].why.clone() }
            }
            _ => Error::NoTensor { path, tensor },
        }
    }

    /// The compressed tensors that this version cannot read.
    #[must_use]
    pub fn unknown(&self) -> &[UnknownTensor] {
        &self.unknown
    }

    /// Checks that this version can read all tensors.
    ///
    /// # Errors
    /// [`Error::UnknownTensor`] for the first that it cannot read.
    pub fn require_known(&self) -> Result<()> {
        self.unknown.first().map_or(Ok(()), |unknown| Err(self.unreadable(&unknown.name)))
    }

    /// The header of the original file, without the 8 bytes of its length, checked against its checksum.
    ///
    /// # Errors
    /// If it is damaged.
    pub fn original_header(&self) -> Result<Vec<u8>> {
        let Original { length, checksum: expected } = self.original;
        let contradiction = |problem: String| Error::Container { path: self.path().to_owned(), problem };
        let json = match &self.form {
            HeldAs::Own(own) => {
                let begin = self.header.tensors[own.header].begin;
                let deflated = self.stored_at(begin..begin.saturating_add(own.deflated));
                // One byte more than promised is enough to notice, unless the manifest is expected to follow.
                let beyond = u64::from(!own.is_continued);
                inflate(deflated, length.saturating_add(beyond)).map_err(|error| {
                    contradiction(format!("the original header cannot be inflated: {error}"))
                })?
            }
            HeldAs::Verbatim(about) => {
                let own = self.map.within(LENGTH_BYTES..self.header.data_start());
                about.original(own, length).ok_or_else(|| {
                    contradiction("its header is not the original header with a manifest in it".to_owned())
                })?
            }
        };
        let found = checksum(&json);
        if json.len() as u64 == length && found == expected {
            return Ok(json);
        }
        Err(Error::Checksum {
            path: self.path().to_owned(),
            what: "the original header".to_owned(),
            expected,
            found,
        })
    }

    /// The stored bytes of a tensor of this file's own header.
    pub(super) fn data(&self, index: usize) -> &[u8] {
        let record = &self.header.tensors[index];
        self.stored_at(record.begin..record.end)
    }

    /// As many of these bytes, counted in the data section, as the file has.
    pub(super) fn stored_at(&self, bytes: Range<u64>) -> &[u8] {
        stored_at(&self.map, &self.header, bytes)
    }
}

/// As many of these bytes, counted in the data section, as the file has: all, unless it was opened as one that is cut.
pub(super) fn stored_at<'a>(map: &'a MappedFile, header: &Header, bytes: Range<u64>) -> &'a [u8] {
    let [begin, end] = [bytes.start, bytes.end].map(|at| header.data_start().saturating_add(at));
    map.within(begin..end)
}

impl<'a> CompressedTensor<'a> {
    /// Its name in the original file.
    #[must_use]
    pub fn name(&self) -> &'a str {
        &self.stored.name
    }

    /// Its safetensors dtype in the original file.
    #[must_use]
    pub fn dtype(&self) -> &'a str {
        &self.stored.dtype
    }

    /// Its dimensions.
    #[must_use]
    pub fn shape(&self) -> &'a [u64] {
        &self.stored.shape
    }

    /// Numbers in it: the product of its dimensions.
    #[must_use]
    pub fn elements(&self) -> u64 {
        self.stored.elements
    }

    /// How it is encoded.
    #[must_use]
    pub fn scheme(&self) -> &'static dyn Scheme {
        self.stored.scheme
    }

    /// The scheme's parameters, defaults included.
    #[must_use]
    pub fn params(&self) -> &'a BTreeMap<String, u64> {
        &self.stored.params
    }

    /// Its codebooks.
    #[must_use]
    pub fn codebooks(&self) -> &'a Codebooks {
        &self.stored.codebooks
    }

    /// Which of the file's codebooks each of its codebooks is.
    #[must_use]
    pub fn codebook_indices(&self) -> &'a [usize] {
        &self.stored.codebook_indices
    }

    /// XXH3-64 of its original bytes.
    #[must_use]
    pub fn checksum(&self) -> u64 {
        self.stored.checksum
    }

    /// How its numbers are split.
    #[must_use]
    pub fn split(&self) -> &'a Split {
        &self.stored.split
    }

    /// How its numbers are distributed: as the manifest says, or, where that says nothing of a small tensor, as its bytes
    /// do, which are decoded for it.
    ///
    /// # Errors
    /// If its parts are damaged.
    pub fn statistics(&self) -> Result<Cow<'a, Statistics>> {
        match &self.stored.statistics {
            Some(told) => Ok(Cow::Borrowed(told)),
            None => Ok(Cow::Owned(Statistics::of(self.split(), &self.decode()?))),
        }
    }

    /// Bytes that it has in the original file.
    #[must_use]
    pub fn original_bytes(&self) -> u64 {
        self.stored.units.saturating_mul(self.stored.split.element.bytes as u64)
    }

    /// Whether it has the same bytes as another tensor that comes before it, and shares its parts.
    #[must_use]
    pub fn is_repeat(&self) -> bool {
        self.stored.is_repeat
    }

    /// Bytes that its parts take in this file, padding included; 0 if they are another's as well.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        if self.stored.is_repeat {
            return 0;
        }
        self.stored.parts.iter().map(|part| part.padded).sum()
    }

    /// Its parts, borrowed from the mapped file.
    #[must_use]
    pub fn encoded(&self) -> Encoded<'a> {
        let specs = self.stored.scheme.part_specs(&self.stored.split).iter();
        let bytes = |part: &StoredPart| {
            let begin = self.file.header.tensors[part.tensor].begin.saturating_add(part.begin);
            self.file.stored_at(begin..begin.saturating_add(part.length))
        };
        let parts = specs.zip(&self.stored.parts).map(|(spec, part)| Part {
            name: spec.name,
            dtype: spec.dtype,
            bytes: Cow::Borrowed(bytes(part)),
        });
        Encoded {
            scheme: self.stored.scheme,
            split: self.stored.split.clone(),
            elements: self.stored.units,
            codebooks: self.stored.codebooks.clone(),
            params: (*self.stored.params).clone(),
            parts: parts.collect(),
        }
    }

    /// Its original bytes, decoded fast and checked against their checksum.
    ///
    /// # Errors
    /// If its parts are damaged.
    pub fn decode(&self) -> Result<Vec<u8>> {
        let encoded = self.encoded();
        let decoded = encoded.decode().map_err(|source| self.undecodable(source));
        encoded.parts.iter().for_each(|part| give_back(&part.bytes));
        self.or_changed(decoded.and_then(|data| self.check(&data).map(|()| data)))
    }

    /// As many of its original bytes as `out` has room for, from unit `first` of its number type on. Decodes little
    /// more than these, where the scheme's layout permits; there is no checksum of a part of a tensor.
    ///
    /// # Errors
    /// If its parts are damaged there, or it has fewer elements.
    pub fn decode_range(&self, first: u64, out: &mut [u8]) -> Result<()> {
        let encoded = self.encoded();
        let decoded = encoded.scheme.decode_range(&encoded, first, out);
        self.or_changed(decoded.map_err(|source| self.undecodable(source)))
    }

    /// Checks that `data` are its original bytes, by their checksum.
    ///
    /// # Errors
    /// If they are not.
    pub fn check(&self, data: &[u8]) -> Result<()> {
        self.expect(checksum(data))
    }

    /// Checks that this is the checksum of its original bytes.
    pub(super) fn expect(&self, found: u64) -> Result<()> {
        let expected = self.stored.checksum;
        if expected == found {
            return Ok(());
        }
        let what = format!("tensor `{}`", self.stored.name);
        Err(Error::Checksum { path: self.file.path().to_owned(), what, expected, found })
    }

    /// The same result; if it is damage because the file has changed, that it has.
    pub(super) fn or_changed<T>(&self, result: Result<T>) -> Result<T> {
        self.file.map.or_changed(result)
    }

    /// The error that this tensor cannot be decoded: damage, or no memory.
    #[must_use]
    pub fn undecodable(&self, source: crate::layout::DecodeError) -> Error {
        Error::of_decoding(self.file.path().to_owned(), self.stored.name.clone(), source)
    }
}
