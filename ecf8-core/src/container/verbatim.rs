//! A container in which nothing is compressed: the original file with a manifest in its header, and nothing else. So it
//! is hardly longer than the original, and every loader of safetensors takes it.

use super::manifest::{Manifest, OriginalHeader, format_version};
use super::output::PendingFile;
use super::piece_sums::{Pieces, PiecesEntry, piece_bytes, sum_up};
use super::{MANIFEST_KEY, Progress};
use crate::checksum::{checksum, to_hex};
use crate::error::{IoContext, Result};
use crate::header::{Header, LENGTH_BYTES, MAX_HEADER, Slot};
use crate::int;
use crate::map::give_back;
use crate::source::Source;
use serde::{Deserialize, Serialize};
use std::io::{Seek, SeekFrom, Write};

/// Bytes that are copied at once.
const COPIED_BYTES: usize = 64 << 20;

/// What the start of the data section keeps, modulo this: its tensors stay aligned as they were.
const KEPT_ALIGNMENT: u64 = 64;

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

/// The file's first bytes up to the data section, `None` if they are more than safetensors allows.
fn framed(source: &dyn Source, piece: u64, checksums: &[u64]) -> serde_json::Result<Option<Vec<u8>>> {
    let (json, delta) = (source.json(), source.delta());
    let Some(Slot { replaced, before, after }) = Slot::of(json, MANIFEST_KEY) else { return Ok(None) };
    let instead = String::from_utf8_lossy(&json[replaced.clone()]).into_owned();
    let PiecesEntry { bytes: piece, checksums } = PiecesEntry::new(piece, checksums);
    let at = replaced.start as u64;
    let header =
        OriginalHeader { length: json.len() as u64, deflated: None, checksum: to_hex(checksum(json)) };
    let mut manifest = Manifest {
        format_version: format_version(delta),
        prefix: None,
        header,
        delta: delta.cloned(),
        guard: false,
        verbatim: Some(Verbatim { at, length: 0, instead, piece, checksums }),
        pieces: None,
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
    let none = vec![0; int::index(data_bytes.div_ceil(piece))];
    Ok(framed(source, piece, &none)?.map(|framed| framed.len() as u64 + data_bytes))
}

/// Writes such a container, for which there is room, in place of whatever was written.
pub(super) fn write(output: &mut PendingFile, source: &dyn Source, progress: &dyn Progress) -> Result<()> {
    let target = output.target().to_owned();
    let data_bytes = source.header().data_bytes();
    let piece = piece_bytes(data_bytes);
    let mut checksums = vec![0; int::index(data_bytes.div_ceil(piece))];
    let front = |checksums: &[u64]| {
        let framed = framed(source, piece, checksums).map_err(std::io::Error::from);
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
        sum_up(chunk, piece, sums.next().unwrap_or_default());
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

impl Verbatim {
    /// Checks that a manifest that has this is possible in a file with this header; gives the pieces of its data.
    pub(super) fn check(&self, manifest: &Manifest, header: &Header) -> Result<Pieces, String> {
        let is_alone = manifest.header.deflated.is_none()
            && manifest.prefix.is_none()
            && manifest.continued.is_none()
            && !manifest.guard
            && manifest.codebooks.is_empty()
            && manifest.tensors.is_empty();
        if !is_alone {
            return Err("its manifest says that nothing is compressed, and more than that".to_owned());
        }
        if self.at.checked_add(self.length).is_none_or(|end| end > header.length) {
            return Err("its manifest claims to be outside the header".to_owned());
        }
        Pieces::new(self.piece, &self.checksums, header.data_bytes())
    }

    /// The original's header, from this file's: what was put in is taken out, and the last spaces that are too many are
    /// left out. `None` if these are not spaces.
    pub(super) fn original(&self, json: &[u8], length: u64) -> Option<Vec<u8>> {
        let before = json.get(..int::index(self.at))?;
        let after = json.get(int::index(self.at.checked_add(self.length)?)..)?;
        let mut original = [before, self.instead.as_bytes(), after].concat();
        let spaces = original.get(int::index(length)..)?;
        if spaces.iter().any(|byte| *byte != b' ') {
            return None;
        }
        original.truncate(int::index(length));
        Some(original)
    }
}
