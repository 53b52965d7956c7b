//! The plain decoder, which refuses what the kernel refuses.

use super::Codebooks;
use super::lane::{Patch, Reader};
use super::page::{
    ALIGNMENT, CHUNK, CHUNK_HEADER_WORDS, CHUNK_VECTORS, HEADER, Header, Kind, LANES, PageError, VECTOR,
    vectors_of,
};
use crate::int;

impl Codebooks {
    /// Decodes the page that `bytes` begin with; what follows it is ignored. Raw pages of the same numbers are read whatever codebooks
    /// were there when they were encoded.
    ///
    /// # Errors
    /// If there is none, if it has other codebooks, or if it is damaged, as far as that can be told: damage that is a valid page of
    /// other numbers cannot.
    pub fn decode(&self, bytes: &[u8]) -> Result<Vec<u8>, PageError> {
        let header = Header::parse(bytes)?;
        let describe = |numbers: super::Numbers, id: Option<u64>| match id {
            Some(id) => format!("{} {id:016x}", numbers.dtype()),
            None => numbers.dtype().to_owned(),
        };
        let other = |id| PageError::OtherCodebooks {
            found: describe(header.numbers, id),
            wanted: describe(self.numbers(), Some(self.id())),
        };
        let after_header = &bytes[HEADER..header.length];
        match header.kind {
            Kind::Raw if header.numbers != self.numbers() => Err(other(None)),
            Kind::Raw => Ok(after_header[..header.page_bytes()].to_vec()),
            Kind::Coded(id) if header.numbers != self.numbers() || id != self.id() => Err(other(Some(id))),
            Kind::Coded(_) => {
                let (stored, rest) = after_header.split_at(header.stored_bytes());
                self.decode_coded(&header, stored, rest)
            }
        }
    }

    fn decode_coded(&self, header: &Header, stored: &[u8], rest: &[u8]) -> Result<Vec<u8>, PageError> {
        let words: Vec<u32> = rest.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect();
        let Some((ends, words)) = words.split_at_checked(header.chunks()) else {
            return Err(PageError::Damaged { chunk: 0, what: "there is no room for where chunks end" });
        };
        let tables = self.decoding();
        let mut numbers = Vec::with_capacity(header.page_bytes());
        let mut start = 0;
        for (chunk, end) in ends.iter().enumerate() {
            let damaged = |what| PageError::Damaged { chunk, what };
            let end = int::index((*end).into());
            let own = words.get(start..end).ok_or(damaged("it ends before it starts, or after the page"))?;
            let first = chunk * CHUNK;
            let elements = (header.elements - first).min(CHUNK);
            let coded = self.decode_chunk(chunk * CHUNK_VECTORS, elements, own, &tables).map_err(damaged)?;
            for (place, byte) in coded.into_iter().enumerate() {
                let stored = stored.get(first + place).copied().unwrap_or(0);
                numbers.extend_from_slice(&header.numbers.join(byte, stored)[..header.numbers.bytes()]);
            }
            start = end;
        }
        if words.len() - start >= ALIGNMENT / 4 {
            let chunk = header.chunks() - 1;
            return Err(PageError::Damaged { chunk, what: "words follow that are of no chunk" });
        }
        Ok(numbers)
    }

    /// The coded bytes of a chunk's numbers.
    fn decode_chunk(
        &self,
        first_vector: usize,
        elements: usize,
        words: &[u32],
        tables: &[u32],
    ) -> Result<Vec<u8>, &'static str> {
        let (head, streams) =
            words.split_at_checked(CHUNK_HEADER_WORDS).ok_or("it is shorter than its header")?;
        let rows = int::index(head[0].into());
        let tails = head[1..].iter().flat_map(|word| word.to_le_bytes()).map(usize::from);
        let tails: Vec<usize> = tails.collect();
        let in_rows = rows.saturating_mul(LANES);
        if in_rows.saturating_add(tails.iter().sum()) != streams.len() {
            return Err("its rows and tails are not as long as it is");
        }
        let (in_rows, mut in_tails) = streams.split_at(in_rows);
        let mut coded = vec![0; elements.next_multiple_of(VECTOR)];
        for (lane, tail) in tails.into_iter().enumerate() {
            let (own, others) = in_tails.split_at(tail);
            in_tails = others;
            let lane_words: Vec<u32> = in_rows.iter().skip(lane).step_by(LANES).chain(own).copied().collect();
            let mut reader = Reader::new(&lane_words);
            let vectors: Vec<usize> = vectors_of(lane, coded.len() / VECTOR).collect();
            for &vector in &vectors {
                let table = self.group_of(first_vector + vector) << super::codebooks::CODE_BITS;
                for byte in &mut coded[vector * VECTOR..][..VECTOR] {
                    let next = int::index((reader.peek() >> (32 - super::codebooks::CODE_BITS)).into());
                    let [length, _, _, symbol] = tables[table + next].to_le_bytes();
                    *byte = symbol;
                    reader.skip(length.into());
                }
            }
            let patches = reader.rest().ok_or("a lane's codewords go on beyond its words")?;
            for patch in patches.iter().map(|word| Patch::from_word(*word)) {
                let (number, place) = patch.place();
                let at = vectors.get(number).map(|vector| vector * VECTOR + place);
                let at = at.filter(|at| *at < elements).ok_or("a patch is for no number of its lane")?;
                coded[at] = patch.byte;
            }
        }
        coded.truncate(elements);
        Ok(coded)
    }
}
