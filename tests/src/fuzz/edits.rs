//! Encoded tensors whose parts are changed as bytes say. What reads them has no checksum to hide behind.

use ecf8_core::corpus::{Tier, corpus};
use ecf8_core::layout::Codebooks;
use ecf8_core::layout::lanes::{CHUNKS, ChunkEntry, ROWS, TAILS};
use ecf8_core::{Codebook, Encoded, Scheme};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The largest tensors of the corpus that are changed, in bytes: several chunks, and many runs in a second.
const LARGEST: usize = 45_000;

/// The most changes of one tensor.
const MOST_EDITS: usize = 24;

/// Bytes that somebody else chose, taken one after the other; zeros when there are no more.
#[derive(Debug)]
pub struct Bytes<'a>(pub &'a [u8]);

impl Bytes<'_> {
    /// Whether all are taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next one.
    pub fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().map_or((0, self.0), |(first, rest)| (*first, rest));
        self.0 = rest;
        first
    }

    /// A number from the next two.
    pub fn number(&mut self) -> usize {
        usize::from(u16::from_le_bytes([self.byte(), self.byte()]))
    }

    /// A small number, negative or not.
    fn signed(&mut self) -> i8 {
        i8::from_le_bytes([self.byte()])
    }

    /// A number below `end`, or 0.
    pub fn below(&mut self, end: usize) -> usize {
        let number = if end > 256 { self.number() } else { self.byte().into() };
        number % end.max(1)
    }
}

/// The tensors of the corpus that a scheme takes, as far as they are small, encoded. Made once.
///
/// # Panics
/// If one cannot be encoded.
#[must_use]
pub fn suited(scheme: &'static dyn Scheme) -> &'static [Encoded<'static>] {
    static MADE: Mutex<Option<HashMap<&str, &[Encoded<'static>]>>> = Mutex::new(None);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    made.get_or_insert_default().entry(scheme.name()).or_insert_with(|| {
        let cases = corpus(Tier::Quick);
        let cases = cases.iter().filter(|case| case.suits(scheme) && case.bytes.len() <= LARGEST);
        let encoded: Vec<_> = cases.map(|case| case.encode(scheme).unwrap()).collect();
        encoded.leak()
    })
}

/// One of a scheme's [tensors](suited), changed as `bytes` say.
#[must_use]
pub fn changed(scheme: &'static dyn Scheme, bytes: &mut Bytes<'_>) -> Encoded<'static> {
    let all = suited(scheme);
    let mut encoded = all[bytes.below(all.len())].clone();
    for _ in 0..MOST_EDITS {
        if bytes.is_empty() {
            break;
        }
        edit(&mut encoded, all, bytes);
    }
    encoded
}

fn edit(encoded: &mut Encoded<'static>, all: &[Encoded<'static>], bytes: &mut Bytes<'_>) {
    match bytes.byte() % 12 {
        0..=2 => {
            let part = part(encoded, bytes);
            if let Some(at) = place(part, bytes) {
                part[at] ^= 1 << (bytes.byte() % 8);
            }
        }
        3 | 4 => {
            let part = part(encoded, bytes);
            if let Some(at) = place(part, bytes) {
                part[at] = bytes.byte();
            }
        }
        5 => {
            let part = part(encoded, bytes);
            let (at, seed) = (place(part, bytes).unwrap_or(0), bytes.byte());
            let end = part.len().min(at + 1 + bytes.number() % 2048);
            scatter(&mut part[at..end], seed);
        }
        6 => {
            let part = part(encoded, bytes);
            let (from, to) = (place(part, bytes).unwrap_or(0), place(part, bytes).unwrap_or(0));
            let length = (part.len() - from.max(to)).min(bytes.number() % 512);
            part.copy_within(from..from + length, to);
        }
        7 => {
            let part = part(encoded, bytes);
            let length = part.len().saturating_add_signed(bytes.signed().into());
            part.resize(length, bytes.byte());
        }
        8 => {
            let params: Vec<String> = encoded.params.keys().cloned().collect();
            let name = params[bytes.below(params.len())].clone();
            let value = match bytes.byte() {
                small @ 0..128 => u64::from(small),
                exponent @ 128..192 => 1 << (exponent - 128),
                times => 96 << (times % 8),
            };
            encoded.params.insert(name, value);
        }
        9 => {
            let by = i64::from(bytes.signed());
            encoded.elements = match by {
                64.. => encoded.elements.saturating_mul(1 << (by - 64)),
                _ => encoded.elements.saturating_add_signed(by),
            };
        }
        10 => {
            // One of another tensor, which stands for other symbols in other codewords.
            let other = &all[bytes.below(all.len())].codebooks;
            encoded.codebooks = match bytes.byte() % 3 {
                0 => other.clone(),
                1 => Codebooks::one(Arc::new(other.first().clone())),
                _ => with_run(encoded, other.first().clone()),
            };
        }
        _ => rewire(encoded, bytes),
    }
}

fn part<'e>(encoded: &'e mut Encoded<'static>, bytes: &mut Bytes<'_>) -> &'e mut Vec<u8> {
    let index = bytes.below(encoded.parts.len());
    encoded.parts[index].bytes.to_mut()
}

fn named<'e>(encoded: &'e mut Encoded<'static>, name: &str) -> Option<&'e mut Vec<u8>> {
    encoded.parts.iter_mut().find(|part| part.name == name).map(|part| part.bytes.to_mut())
}

fn place(part: &[u8], bytes: &mut Bytes<'_>) -> Option<usize> {
    (!part.is_empty()).then(|| bytes.below(part.len()))
}

/// Fills bytes with what looks like chance.
fn scatter(bytes: &mut [u8], seed: u8) {
    let mut state = u32::from(seed) + 1;
    for byte in bytes {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = state.to_be_bytes()[0];
    }
}

/// The codebooks of a tensor with another for its last run, or in the place of its only one.
fn with_run(encoded: &Encoded<'_>, other: Codebook) -> Codebooks {
    let Some(run) = encoded.codebooks.run() else { return Codebooks::one(Arc::new(other)) };
    let list = vec![Arc::new(encoded.codebooks.first().clone()), Arc::new(other)];
    let runs = encoded.codebooks.runs();
    let of = (0..runs).map(|number| usize::from(number + 1 == runs)).collect();
    Codebooks::of_runs(list, run, of).unwrap_or_else(|| encoded.codebooks.clone())
}

/// Moves the beginning of a chunk's rows or tails, or changes how many bits its lanes' lengths have; or adds or removes
/// rows or words at the end, and lets the last entry say so. So lengths stay consistent, and readers come further.
fn rewire(encoded: &mut Encoded<'static>, bytes: &mut Bytes<'_>) {
    let Some(chunks) = named(encoded, CHUNKS) else { return };
    let mut entries: Vec<ChunkEntry> = chunks
        .as_chunks::<8>()
        .0
        .iter()
        .map(|bits| ChunkEntry::from_bits(u64::from_le_bytes(*bits)))
        .collect();
    let index = bytes.below(entries.len());
    let kind = bytes.byte();
    let Some(last) = entries.len().checked_sub(1) else { return };
    let by = i64::from(bytes.signed()) / 8;
    match kind % 5 {
        0 => entries[index].width = (bytes.byte() % 16).min(if index == last { 0 } else { 15 }),
        1 => entries[index].first_row = moved(entries[index].first_row, by),
        2 => entries[index].first_tail = moved(entries[index].first_tail, by),
        3 => entries[last].first_row = moved(entries[last].first_row, by),
        _ => entries[last].first_tail = moved(entries[last].first_tail, by),
    }
    *chunks = entries.iter().flat_map(|entry| entry.to_bits().to_le_bytes()).collect();
    let (rows, tails) = (entries[last].first_row as usize, entries[last].first_tail as usize);
    for (name, length) in [(ROWS, 128 * rows), (TAILS, 4 * tails)] {
        if let Some(part) = named(encoded, name)
            && length < 1 << 20
        {
            part.resize(length, kind);
        }
    }
}

fn moved(number: u32, by: i64) -> u32 {
    u32::try_from(i64::from(number) + by).unwrap_or(0)
}
