//! Launches of the kernels for pages, over buffers that are wherever the caller has them.

use super::PageKernels;
use super::units::{ALIGNMENT, CHUNK, HEADER};
use crate::lang::WARP;
use crate::launch::{Arg, Launch, OutputSlot};
use crate::strategy::{StrategyError, checked_grid};
use ecf8_core::kv::page::MAX_ELEMENTS;
use ecf8_core::kv::worst_case_bytes;

/// Bytes of the accesses that places in buffers are counted in.
pub const ACCESS: u64 = ALIGNMENT as u64;

/// The most bytes that compressed pages may lie in together: kernels count their words in 32 bits.
pub const MAX_PAGES_BYTES: u64 = 1 << 34;

/// The most bytes of a cache: kernels count its accesses of 16 bytes in 32 bits.
pub const MAX_CACHE_BYTES: u64 = 1 << 36;

/// The most chunks of a launch: kernels count in 32 bits, and beyond the last by as many warps as there are.
const MAX_JOBS: u64 = 1 << 30;

/// How many pages a launch has, and how large they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pages {
    /// How many there are.
    pub count: u32,
    /// The most numbers that one has.
    pub elements: u32,
    /// Bytes of the cache that their numbers are in. Those beyond the last whole 16 are not used.
    pub cache_bytes: u64,
    /// Blocks at most; 0 if there may be as many as there is work for. Blocks go on with further chunks, so more than a GPU
    /// runs at once only copy their tables more often.
    pub most_blocks: u32,
}

/// What encoding reads, in the order of the kernels' parameters.
#[derive(Debug, Clone, Copy)]
pub struct ToEncode<B> {
    /// [`encoding_tables`](super::encoding_tables).
    pub tables: B,
    /// The numbers of all pages.
    pub cache: B,
    /// Of each page, a `u32`: where its numbers start in the cache, in units of 16 bytes.
    pub sources: B,
    /// Of each page, a `u32`: how many numbers it has. A page of more than there may be gets the length 0.
    pub elements: B,
}

/// What decoding reads, in the order of the kernel's parameters.
#[derive(Debug, Clone, Copy)]
pub struct ToDecode<B> {
    /// [`decoding_tables`](super::decoding_tables).
    pub tables: B,
    /// Compressed pages.
    pub pages: B,
    /// Of each page, a `u32`: where it starts there, in units of 16 bytes.
    pub starts: B,
    /// Of each page, a `u32`: how many bytes belong to it at most. What it says of itself may be less.
    pub lengths: B,
    /// Of each page, a `u32`: where its numbers go in the cache, in units of 16 bytes.
    pub targets: B,
}

impl Pages {
    /// Bytes of the slot that each encoded page has: the worst case.
    #[must_use]
    pub fn slot_bytes(&self, kernels: &PageKernels) -> u64 {
        worst_case_bytes(self.elements as usize * kernels.numbers.bytes()) as u64
    }

    /// Chunks of all pages if each is of the largest size: a page has as many statuses, one for each of its chunks.
    #[must_use]
    pub fn jobs(&self) -> u64 {
        u64::from(self.count) * self.chunks()
    }

    /// Chunks of the largest page; 1 if it is empty, since even then somebody has to say so.
    #[must_use]
    pub fn chunks(&self) -> u64 {
        u64::from(self.elements.div_ceil(CHUNK)).max(1)
    }

    /// Bytes of what measuring writes and encoding reads: how many words each chunk has, and each lane of it.
    #[must_use]
    pub fn sizes_bytes(&self) -> u64 {
        self.jobs() * 4 * (1 + u64::from(WARP))
    }

    fn checked(&self, kernels: &PageKernels) -> Result<u32, StrategyError> {
        let slots = self.slot_bytes(kernels).saturating_mul(self.count.into());
        for (what, needed, limit) in [
            ("the number of a page's numbers", self.elements.into(), MAX_ELEMENTS as u64),
            ("the number of chunks of pages", self.jobs(), MAX_JOBS),
            ("the bytes of the cache", self.cache_bytes, MAX_CACHE_BYTES),
            ("the bytes of compressed pages", slots, MAX_PAGES_BYTES),
        ] {
            if needed > limit {
                return Err(StrategyError::TooLarge { what, needed, limit });
            }
        }
        let blocks = checked_grid(self.jobs().div_ceil((kernels.threads / WARP).into()))?;
        Ok(if self.most_blocks == 0 { blocks } else { blocks.min(self.most_blocks) })
    }

    /// The numbers that all kernels are given last.
    fn numbers<B>(&self) -> [Arg<B>; 3] {
        [units(self.cache_bytes), Arg::U32(self.elements), Arg::U32(self.count)]
    }
}

/// Bytes in units of 16, which fit because of the limits.
fn units<B>(bytes: u64) -> Arg<B> {
    Arg::U32(u32::try_from(bytes / ACCESS).unwrap_or(u32::MAX))
}

impl PageKernels {
    /// Threads of a block.
    #[must_use]
    pub fn threads(&self) -> u32 {
        self.threads
    }

    /// Launches [`measure`](Self::measure). Its output is what [`encode`](Self::encode) is given as sizes.
    ///
    /// # Errors
    /// If pages or buffers are too large.
    pub fn launch_measure<B>(&self, pages: &Pages, read: ToEncode<B>) -> Result<Launch<B>, StrategyError> {
        let grid = pages.checked(self)?;
        let inputs = [read.tables, read.cache, read.sources, read.elements].map(Arg::Input);
        Ok(Launch {
            grid,
            dynamic_shared_bytes: 0,
            args: inputs.into_iter().chain([Arg::Output(0)]).chain(pages.numbers()).collect(),
            outputs: vec![OutputSlot::whole(pages.sizes_bytes())],
        })
    }

    /// Launches [`encode`](Self::encode). Its outputs are the slots of the encoded pages, of which each has what its page takes, and a
    /// `u32` for each page: its length in bytes, or 0 if it does not lie in the cache.
    ///
    /// # Errors
    /// If pages or buffers are too large.
    pub fn launch_encode<B>(
        &self,
        pages: &Pages,
        read: ToEncode<B>,
        sizes: B,
    ) -> Result<Launch<B>, StrategyError> {
        let grid = pages.checked(self)?;
        let slot = pages.slot_bytes(self);
        let inputs = [read.tables, read.cache, read.sources, read.elements, sizes].map(Arg::Input);
        let outputs = [Arg::Output(0), Arg::Output(1), units(slot)];
        Ok(Launch {
            grid,
            dynamic_shared_bytes: 0,
            args: inputs.into_iter().chain(outputs).chain(pages.numbers()).collect(),
            outputs: vec![
                OutputSlot::whole(slot * u64::from(pages.count)),
                OutputSlot::whole(u64::from(pages.count) * 4),
            ],
        })
    }

    /// Launches [`decode`](Self::decode) for pages in a buffer of `pages_bytes`. Its outputs are the cache, and a `u32` for each chunk of
    /// each page, [`Pages::chunks`] of a page one after the other: a [`status`](super::status).
    ///
    /// # Errors
    /// If pages or buffers are too large.
    pub fn launch_decode<B>(
        &self,
        pages: &Pages,
        read: ToDecode<B>,
        pages_bytes: u64,
    ) -> Result<Launch<B>, StrategyError> {
        let grid = pages.checked(self)?;
        if pages_bytes > MAX_PAGES_BYTES {
            let what = "the bytes of compressed pages";
            return Err(StrategyError::TooLarge { what, needed: pages_bytes, limit: MAX_PAGES_BYTES });
        }
        let inputs = [read.tables, read.pages, read.starts, read.lengths, read.targets].map(Arg::Input);
        let outputs = [Arg::Output(0), Arg::Output(1), units(pages_bytes)];
        Ok(Launch {
            grid,
            dynamic_shared_bytes: 0,
            args: inputs.into_iter().chain(outputs).chain(pages.numbers()).collect(),
            outputs: vec![OutputSlot::whole(pages.cache_bytes), OutputSlot::whole(pages.jobs() * 4)],
        })
    }
}

const _: () = assert!((HEADER as u64).is_multiple_of(ACCESS));
