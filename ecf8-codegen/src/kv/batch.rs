//! Launches for pages on the host: what the emulator and host-compiled kernels are given, for proofs and profiles.

use super::launch::{Pages, ToDecode, ToEncode};
use super::{PageKernels, decoding_tables, encoding_tables};
use crate::launch::{Gather, Launch};
use crate::strategy::StrategyError;
use ecf8_core::kv::Codebooks;
use ecf8_core::kv::page::ALIGNMENT as UNIT;
use std::ops::Range;

/// Pages that one launch encodes or decodes.
#[derive(Debug)]
pub struct Batch<'a> {
    codebooks: &'a Codebooks,
    kernels: PageKernels,
    shape: Pages,
    /// Where each page's bytes are in the cache.
    places: Vec<Range<usize>>,
    cache: Vec<u8>,
}

/// Bytes as a multiple of what places are counted in.
fn padded(bytes: usize) -> usize {
    bytes.next_multiple_of(crate::launch::ALIGNMENT)
}

fn number(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn bytes_of(numbers: impl IntoIterator<Item = usize>) -> Vec<u8> {
    numbers.into_iter().flat_map(|n| number(n).to_le_bytes()).collect()
}

impl<'a> Batch<'a> {
    /// Pages of these bytes, one after the other in a cache.
    #[must_use]
    pub fn new(codebooks: &'a Codebooks, pages: &[&[u8]]) -> Self {
        let (mut cache, mut places) = (Vec::new(), Vec::new());
        for page in pages {
            places.push(cache.len()..cache.len() + page.len());
            cache.extend_from_slice(page);
            cache.resize(padded(cache.len()), 0);
        }
        let width = codebooks.numbers().bytes();
        let shape = Pages {
            count: number(pages.len()),
            elements: number(pages.iter().map(|page| page.len() / width).max().unwrap_or(0)),
            cache_bytes: cache.len() as u64,
            most_blocks: 0,
        };
        Self { codebooks, kernels: PageKernels::new(codebooks), shape, places, cache }
    }

    /// The kernels that the launches are of.
    #[must_use]
    pub fn kernels(&self) -> &PageKernels {
        &self.kernels
    }

    /// How many pages there are, and how large.
    #[must_use]
    pub fn shape(&self) -> &Pages {
        &self.shape
    }

    /// Where each page's bytes are in the cache.
    #[must_use]
    pub fn places(&self) -> &[Range<usize>] {
        &self.places
    }

    fn to_encode(&self) -> ToEncode<Gather<'_>> {
        let width = self.codebooks.numbers().bytes();
        ToEncode {
            tables: encoding_tables(self.codebooks).into(),
            cache: self.cache.as_slice().into(),
            sources: bytes_of(self.starts()).into(),
            elements: bytes_of(self.places.iter().map(|place| place.len() / width)).into(),
        }
    }

    fn starts(&self) -> impl Iterator<Item = usize> {
        self.places.iter().map(|place| place.start / UNIT)
    }

    /// The launch that measures.
    ///
    /// # Errors
    /// If the pages are too large.
    pub fn measure(&self) -> Result<Launch<Gather<'_>>, StrategyError> {
        self.kernels.launch_measure(&self.shape, self.to_encode())
    }

    /// The launch that encodes, given what measuring has written.
    ///
    /// # Errors
    /// If the pages are too large.
    pub fn encode(&self, sizes: Vec<u8>) -> Result<Launch<Gather<'_>>, StrategyError> {
        self.kernels.launch_encode(&self.shape, self.to_encode(), sizes.into())
    }

    /// The pages that encoding has written, from its two outputs.
    #[must_use]
    pub fn encoded(&self, slots: &[u8], lengths: &[u8]) -> Vec<Vec<u8>> {
        let slot = usize::try_from(self.shape.slot_bytes(&self.kernels)).unwrap_or(usize::MAX);
        let lengths = lengths.as_chunks::<4>().0.iter().map(|length| u32::from_le_bytes(*length) as usize);
        let page = |(slot, length): (&[u8], usize)| slot.get(..length).unwrap_or_default().to_vec();
        slots.chunks(slot).zip(lengths).map(page).collect()
    }

    /// The launch that decodes these bytes into the places of the pages.
    ///
    /// # Errors
    /// If the pages are too large.
    pub fn decode(&self, encoded: &[&[u8]]) -> Result<Launch<Gather<'_>>, StrategyError> {
        let (mut pages, mut starts) = (Vec::new(), Vec::new());
        for page in encoded {
            starts.push(pages.len() / UNIT);
            pages.extend_from_slice(page);
            pages.resize(pages.len().next_multiple_of(UNIT), 0);
        }
        let pages_bytes = pages.len() as u64;
        let read = ToDecode {
            tables: decoding_tables(self.codebooks).into(),
            pages: pages.into(),
            starts: bytes_of(starts).into(),
            lengths: bytes_of(encoded.iter().map(|page| page.len())).into(),
            targets: bytes_of(self.starts()).into(),
        };
        self.kernels.launch_decode(&self.shape, read, pages_bytes)
    }
}
