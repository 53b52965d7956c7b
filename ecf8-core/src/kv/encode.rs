//! The plain encoder, whose bytes the kernel's must be.

use super::Codebooks;
use super::codebooks::MISSING;
use super::lane::{Patch, Writer};
use super::page::{
    ALIGNMENT, CHUNK, CHUNK_HEADER_WORDS, HEADER, Header, Kind, LANES, MAX_ELEMENTS, MAX_TAIL, VECTOR,
    vectors_of, worst_case_bytes,
};
use crate::int;

/// Why bytes cannot be a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{bytes} bytes are not a page: it must be whole numbers of {width} bytes, at most {MAX_ELEMENTS}")]
pub struct NotNumbers {
    /// How many bytes there are.
    pub bytes: usize,
    /// Bytes of a number.
    pub width: usize,
}

/// What codebooks say about symbols.
struct Tables {
    /// See [`Codebooks::encoding`].
    entries: Vec<u32>,
    stand_ins: Vec<u8>,
}

impl Codebooks {
    /// Encodes a page, little-endian numbers: at most [`worst_case_bytes`] of its bytes.
    ///
    /// # Errors
    /// If the bytes are not whole numbers, or too many.
    pub fn encode(&self, page: &[u8]) -> Result<Vec<u8>, NotNumbers> {
        let (numbers, width) = (self.numbers(), self.numbers().bytes());
        let elements = page.len() / width;
        if !page.len().is_multiple_of(width) || elements > MAX_ELEMENTS {
            return Err(NotNumbers { bytes: page.len(), width });
        }
        let raw = worst_case_bytes(page.len());
        let (coded, mut stored) = numbers.split(page);
        stored.resize(stored.len().next_multiple_of(VECTOR), 0);
        let tables = Tables { entries: self.encoding(), stand_ins: self.stand_ins() };
        let chunks = coded.chunks(CHUNK).enumerate();
        let chunks: Option<Vec<Vec<u32>>> =
            chunks.map(|(number, coded)| self.chunk(&tables, number, coded)).collect();
        if let Some(chunks) = chunks.filter(|chunks| !chunks.is_empty()) {
            let words = chunks.iter().map(|chunk| chunk.len() + 1).sum::<usize>();
            let length = (HEADER + stored.len() + 4 * words).next_multiple_of(ALIGNMENT);
            if length < raw {
                let header = Header { numbers, kind: Kind::Coded(self.id()), elements, length };
                return Ok(assemble(&header, &stored, &chunks));
            }
        }
        let mut bytes = Header { numbers, kind: Kind::Raw, elements, length: raw }.to_bytes().to_vec();
        bytes.extend_from_slice(page);
        bytes.resize(raw, 0);
        Ok(bytes)
    }

    /// The words of a chunk; `None` if a lane has too many words beyond the rows.
    fn chunk(&self, tables: &Tables, number: usize, coded: &[u8]) -> Option<Vec<u32>> {
        let lanes: Vec<Vec<u32>> = (0..LANES).map(|lane| self.lane(tables, number, lane, coded)).collect();
        let rows = lanes.iter().map(Vec::len).min().unwrap_or(0);
        let tails = lanes.iter().map(|lane| u8::try_from(lane.len() - rows).ok());
        let tails = tails.collect::<Option<Vec<u8>>>()?;
        const { assert!(MAX_TAIL == u8::MAX as usize) };
        let mut words = vec![int::low(rows as u64)];
        words.extend(tails.as_chunks::<4>().0.iter().map(|tails| u32::from_le_bytes(*tails)));
        debug_assert_eq!(words.len(), CHUNK_HEADER_WORDS);
        for row in 0..rows {
            words.extend(lanes.iter().map(|lane| lane[row]));
        }
        lanes.iter().for_each(|lane| words.extend(&lane[rows..]));
        Some(words)
    }

    /// The words of a lane of a chunk.
    fn lane(&self, tables: &Tables, chunk: usize, lane: usize, coded: &[u8]) -> Vec<u32> {
        let mut writer = Writer::default();
        let mut patches = Vec::new();
        for (round, vector) in vectors_of(lane, coded.len().div_ceil(VECTOR)).enumerate() {
            let group = self.group_of(chunk * (CHUNK / VECTOR) + vector);
            for place in 0..VECTOR {
                // Numbers that are not there are coded as what is shortest.
                let byte = coded.get(vector * VECTOR + place).copied().unwrap_or(tables.stand_ins[group]);
                let entry = tables.entries[group * 256 + usize::from(byte)];
                writer.add(entry & !(2 * MISSING - 1), entry & (MISSING - 1));
                if entry & MISSING != 0 {
                    patches.push(Patch { symbol: round * VECTOR + place, byte }.to_word());
                }
            }
        }
        let mut words = writer.finish();
        // The kernel knows where a lane's words end before it knows where its codewords do, so patches grow from there.
        words.extend(patches.iter().rev());
        words
    }
}

fn assemble(header: &Header, stored: &[u8], chunks: &[Vec<u32>]) -> Vec<u8> {
    let mut bytes = header.to_bytes().to_vec();
    bytes.extend_from_slice(stored);
    let mut end = 0;
    for chunk in chunks {
        end += chunk.len();
        bytes.extend(int::low(end as u64).to_le_bytes());
    }
    bytes.extend(chunks.iter().flatten().flat_map(|word| word.to_le_bytes()));
    bytes.resize(header.length, 0);
    bytes
}
