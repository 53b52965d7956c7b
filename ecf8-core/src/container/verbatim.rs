//! A container in which nothing is compressed: the original file with a manifest in its header, and nothing else. So it
//! is hardly longer than the original, and every loader of safetensors takes it.

use super::manifest::{Manifest, OriginalHeader};
use super::output::PendingFile;
use super::{FORMAT_VERSION, MANIFEST_KEY, Progress};
use crate::checksum::{checksum, from_hex, to_hex};
use crate::error::{IoContext, Result};
use crate::header::{Header, LENGTH_BYTES, MAX_HEADER, Slot};
use crate::int;
use crate::map::give_back;
use crate::source::Source;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::io::{Seek, SeekFrom, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// The fewest bytes of a piece of the data section, each of which has a checksum.
const PIECE_BYTES: u64 = 1 << 20;

/// The most pieces; a larger file has larger ones.
const PIECES: u64 = 4096;

/// Bytes that are copied at once.
const COPIED_BYTES: usize = 64 << 20;

/// What the start of the data section keeps, modulo this: its tensors stay aligned as they were.
const KEPT_ALIGNMENT: u64 = 64;

/// Digits of a checksum.
const DIGITS: usize = 16;

/// What the manifest says of such a container. FORMAT.md specifies every key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Verbatim {
    /// Where in the header the manifest was put in.
    at: u64,
    /// Bytes that were put in there.
    length: u64,
    /// What the original has there.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    instead: String,
    /// Bytes of the data section for each checksum.
    piece: u64,
    /// One after the other.
    checksums: String,
}

/// The same, checked.
#[derive(Debug)]
pub(super) struct Pieces {
    about: Verbatim,
    checksums: Vec<u64>,
    /// Which of them were right already, so that reading many small tensors does not check a piece for each.
    right: Vec<AtomicBool>,
}

fn pieces(data_bytes: u64, piece: u64) -> u64 {
    data_bytes.div_ceil(piece)
}

/// The file's first bytes up to the data section, `None` if they are more than safetensors allows.
fn framed(json: &[u8], piece: u64, checksums: &[u64]) -> serde_json::Result<Option<Vec<u8>>> {
    let Some(Slot { replaced, before, after }) = Slot::of(json, MANIFEST_KEY) else { return Ok(None) };
    let instead = String::from_utf8_lossy(&json[replaced.clone()]).into_owned();
    let checksums: String = checksums.iter().map(|checksum| to_hex(*checksum)).collect();
    let at = replaced.start as u64;
    let header =
        OriginalHeader { length: json.len() as u64, deflated: None, checksum: to_hex(checksum(json)) };
    let mut manifest = Manifest {
        format_version: FORMAT_VERSION,
        prefix: None,
        header,
        guard: false,
        verbatim: Some(Verbatim { at, length: 0, instead, piece, checksums }),
        continued: None,
        codebooks: Vec::new(),
        tensors: Vec::new(),
    };
    // Its own length is in it, which only grows with its digits.
    let text = loop {
        let text = serde_json::to_string(&serde_json::to_string(&manifest)?)?;
        let text = format!("{before}{text}{after}");
        match &mut manifest.verbatim {
            Some(about) if about.length != text.len() as u64 => about.length = text.len() as u64,
            _ => break text,
        }
    };
    let json = [&json[..replaced.start], text.as_bytes(), &json[replaced.end..]].concat();
    let start = LENGTH_BYTES + json.len() as u64;
    let original_start = LENGTH_BYTES + manifest.header.length;
    let spaces = (original_start + KEPT_ALIGNMENT - start % KEPT_ALIGNMENT) % KEPT_ALIGNMENT;
    let length = json.len() as u64 + spaces;
    if length > MAX_HEADER {
        return Ok(None);
    }
    let mut framed = length.to_le_bytes().to_vec();
    framed.extend(json);
    framed.resize(int::index(LENGTH_BYTES + length), b' ');
    Ok(Some(framed))
}

/// How long such a container of a source is; `None` if there is no room for a manifest in the header.
pub(super) fn file_bytes(source: &dyn Source) -> serde_json::Result<Option<u64>> {
    let data_bytes = source.header().data_bytes();
    let piece = piece_bytes(data_bytes);
    let none = vec![0; int::index(pieces(data_bytes, piece))];
    Ok(framed(source.json(), piece, &none)?.map(|framed| framed.len() as u64 + data_bytes))
}

fn piece_bytes(data_bytes: u64) -> u64 {
    let mut piece = PIECE_BYTES;
    while pieces(data_bytes, piece) > PIECES {
        piece *= 2;
    }
    piece
}

/// Writes such a container, for which there is room, in place of whatever was written.
pub(super) fn write(output: &mut PendingFile, source: &dyn Source, progress: &dyn Progress) -> Result<()> {
    let target = output.target().to_owned();
    let data_bytes = source.header().data_bytes();
    let piece = piece_bytes(data_bytes);
    let mut checksums = vec![0; int::index(pieces(data_bytes, piece))];
    let front = |checksums: &[u64]| {
        let framed = framed(source.json(), piece, checksums).map_err(std::io::Error::from);
        framed.map(Option::unwrap_or_default).at(&target, "write the header of")
    };
    let start = front(&checksums)?.len() as u64;
    let file = output.file();
    file.set_len(0).at(&target, "write")?;
    file.seek(SeekFrom::Start(start)).at(&target, "write")?;
    let at_once = COPIED_BYTES.max(int::index(piece));
    let mut sums = checksums.chunks_mut(at_once / int::index(piece));
    // What is written is what the checksum is of, whatever becomes of the input meanwhile.
    let mut chunk = Vec::new();
    let mut write = |chunk: &mut Vec<u8>| {
        let pieces = chunk.par_chunks(int::index(piece));
        let sums = sums.next().unwrap_or_default();
        sums.par_iter_mut().zip(pieces).for_each(|(sum, piece)| *sum = checksum(piece));
        file.write_all(chunk).at(&target, "write")?;
        progress.advance(chunk.len() as u64);
        chunk.clear();
        Ok(())
    };
    for record in &source.header().tensors {
        let bytes = source.bytes(record)?;
        let mut rest = bytes.as_ref();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(at_once - chunk.len()));
            chunk.extend_from_slice(now);
            give_back(now);
            rest = later;
            if chunk.len() == at_once {
                write(&mut chunk)?;
            }
        }
    }
    if !chunk.is_empty() {
        write(&mut chunk)?;
    }
    let front = front(&checksums)?;
    file.seek(SeekFrom::Start(0)).at(&target, "write")?;
    file.write_all(&front).at(&target, "write")
}

impl Pieces {
    /// Checks that a manifest, which describes such a container, is possible in a file with this header.
    pub(super) fn new(manifest: &Manifest, about: Verbatim, header: &Header) -> Result<Self, String> {
        let is_alone = manifest.header.deflated.is_none()
            && manifest.prefix.is_none()
            && manifest.continued.is_none()
            && !manifest.guard
            && manifest.codebooks.is_empty()
            && manifest.tensors.is_empty();
        if !is_alone {
            return Err("its manifest says that nothing is compressed, and more than that".to_owned());
        }
        if about.at.checked_add(about.length).is_none_or(|end| end > header.length) {
            return Err("its manifest claims to be outside the header".to_owned());
        }
        let (digits, others) = about.checksums.as_bytes().as_chunks::<DIGITS>();
        let sums = digits.iter().map(|digits| str::from_utf8(digits).ok().and_then(from_hex));
        let checksums = sums.collect::<Option<Vec<u64>>>().filter(|_| others.is_empty());
        let checksums = checksums.ok_or("its checksums are not 16 hexadecimal digits each")?;
        // Any other number might be as good for a small file, so that a flipped bit in it went unnoticed.
        if !about.piece.is_power_of_two() || about.piece < PIECE_BYTES {
            return Err(format!(
                "its pieces have {} bytes, expected a power of two from {PIECE_BYTES} on",
                about.piece
            ));
        }
        if checksums.len() as u64 != pieces(header.data_bytes(), about.piece) {
            return Err(format!("its checksums are not one for each {} bytes of the data", about.piece));
        }
        let right = checksums.iter().map(|_| AtomicBool::new(false)).collect();
        Ok(Self { about, checksums, right })
    }

    /// The original's header, from this file's: what was put in is taken out, and the last spaces that are too many are
    /// left out. `None` if these are not spaces.
    pub(super) fn original(&self, json: &[u8], length: u64) -> Option<Vec<u8>> {
        let Verbatim { at, length: put_in, instead, .. } = &self.about;
        let before = json.get(..int::index(*at))?;
        let after = json.get(int::index(at.checked_add(*put_in)?)..)?;
        let mut original = [before, instead.as_bytes(), after].concat();
        let spaces = original.get(int::index(length)..)?;
        if spaces.iter().any(|byte| *byte != b' ') {
            return None;
        }
        original.truncate(int::index(length));
        Some(original)
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.checksums.len()
    }

    /// The pieces that have bytes of these, which are counted in the data section.
    pub(super) fn of(&self, begin: u64, end: u64) -> std::ops::Range<usize> {
        if begin == end {
            return 0..0;
        }
        int::index(begin / self.about.piece)..int::index(end.div_ceil(self.about.piece))
    }

    /// The bytes of a piece, counted in a data section of this length.
    pub(super) fn bytes_of(&self, index: usize, data_bytes: u64) -> std::ops::Range<u64> {
        let begin = index as u64 * self.about.piece;
        begin..begin.saturating_add(self.about.piece).min(data_bytes)
    }

    /// The checksum of a piece.
    pub(super) fn checksum(&self, index: usize) -> u64 {
        self.checksums[index]
    }

    /// Whether a piece was right already.
    pub(super) fn was_right(&self, index: usize) -> bool {
        self.right[index].load(Ordering::Relaxed)
    }

    /// Remembers that a piece was right.
    pub(super) fn is_right(&self, index: usize) {
        self.right[index].store(true, Ordering::Relaxed);
    }
}
