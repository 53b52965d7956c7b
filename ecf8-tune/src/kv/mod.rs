//! Pages of K/V caches encoded and decoded on a GPU, many at once.
//!
//! [`PageCodec`] holds what a layer's keys or values need: kernels, which layers of one shape share, and tables. Everything else is the
//! caller's: the cache, where pages go, and the numbers that say where they are, all in the GPU's memory. So its launches only follow each
//! other on the stream, the host waits for nothing, lengths and statuses are published in the GPU's memory, and all of it can be captured
//! in a graph.

#[cfg(test)]
mod tests;

pub use ecf8_codegen::kv::launch::{Pages, ToDecode, ToEncode};
pub use ecf8_codegen::kv::status;

use crate::executor::{BlockNeeds, Destination, Dispatch, ExecutorError, Target};
use ecf8_codegen::kv::{PageKernels, decoding_tables, encoding_tables};
use ecf8_codegen::launch::Launch;
use ecf8_codegen::strategy::StrategyError;
use ecf8_core::kv::Codebooks;

/// Blocks for each multiprocessor: as many of 256 threads as one can have at once. Each goes on with further chunks.
const BLOCKS_PER_SM: u32 = 8;

/// Encodes and decodes pages of one layer's keys or values on a target.
#[derive(Debug)]
pub struct PageCodec<K, B> {
    kernels: PageKernels,
    measure: K,
    encode: K,
    decode: K,
    encoding: B,
    decoding: B,
    most_blocks: u32,
}

/// Pages of a cache to encode. Numbers are as [`ToEncode`] has them.
#[derive(Debug, Clone, Copy)]
pub struct EncodePages<'a, B> {
    /// How many pages.
    pub count: u32,
    /// The most numbers that one has.
    pub elements: u32,
    /// The cache.
    pub cache: &'a B,
    /// Where each page starts in it.
    pub sources: &'a B,
    /// How many numbers each has.
    pub numbers: &'a B,
    /// Memory for [`PageCodec::scratch_bytes`].
    pub scratch: &'a B,
    /// Where pages go: a slot of [`PageCodec::slot_bytes`] for each. They start at multiples of 16 bytes.
    pub slots: &'a B,
    /// Gets a `u32` for each page: its length in bytes, or 0 if it does not lie in the cache.
    pub lengths: &'a B,
}

/// Compressed pages to decode. Numbers are as [`ToDecode`] has them.
#[derive(Debug, Clone, Copy)]
pub struct DecodePages<'a, B> {
    /// How many pages.
    pub count: u32,
    /// The most numbers that one may have.
    pub elements: u32,
    /// The compressed pages, each at a multiple of 16 bytes.
    pub pages: &'a B,
    /// Where each starts.
    pub starts: &'a B,
    /// How many bytes each has.
    pub lengths: &'a B,
    /// Where each goes in the cache.
    pub targets: &'a B,
    /// The cache. On the emulator, bytes of it that are in no page become 0.
    pub cache: &'a B,
    /// Gets a `u32` for each chunk of each page, [`PageCodec::chunks`] for a page: a [`status`].
    pub statuses: &'a B,
}

impl<K: Clone, B> PageCodec<K, B> {
    /// Compiles the kernels, or takes them from the kernel cache, and uploads the tables.
    ///
    /// # Errors
    /// If kernels cannot be compiled or loaded, or there is no memory left.
    pub fn new<T>(target: &mut T, codebooks: &Codebooks) -> Result<Self, ExecutorError>
    where
        T: Target<Kernel = K, Buffer = B>,
    {
        let kernels = PageKernels::new(codebooks);
        let built = [kernels.measure(), kernels.encode(), kernels.decode()];
        let [measure, encode, decode] = built.map(|kernel| kernel.map_err(StrategyError::from));
        let (measure, encode, decode) = (measure?, encode?, decode?);
        for kernel in [&measure, &encode, &decode] {
            let nothing =
                Launch::<()> { grid: 1, dynamic_shared_bytes: 0, args: Vec::new(), outputs: Vec::new() };
            target.limits().check(&BlockNeeds::of(kernel, None), &nothing)?;
        }
        Ok(Self {
            kernels,
            measure: target.load(&measure)?,
            encode: target.load(&encode)?,
            decode: target.load(&decode)?,
            encoding: target.upload(&encoding_tables(codebooks).into())?,
            decoding: target.upload(&decoding_tables(codebooks).into())?,
            most_blocks: target.device_fingerprint().sm_count.saturating_mul(BLOCKS_PER_SM),
        })
    }

    fn shape(&self, count: u32, elements: u32, cache_bytes: usize) -> Pages {
        Pages { count, elements, cache_bytes: cache_bytes as u64, most_blocks: self.most_blocks }
    }

    /// Bytes of the slot that an encoded page of at most `elements` numbers takes.
    #[must_use]
    pub fn slot_bytes(&self, elements: u32) -> u64 {
        self.shape(1, elements, 0).slot_bytes(&self.kernels)
    }

    /// Bytes of scratch memory for encoding `count` pages of at most `elements` numbers each.
    #[must_use]
    pub fn scratch_bytes(&self, count: u32, elements: u32) -> u64 {
        self.shape(count, elements, 0).sizes_bytes()
    }

    /// How many statuses decoding gives for each page of at most `elements` numbers.
    #[must_use]
    pub fn chunks(&self, elements: u32) -> u64 {
        self.shape(1, elements, 0).chunks()
    }

    /// Encodes pages: two launches.
    ///
    /// # Errors
    /// If a buffer is too short, pages or buffers are too large, or a launch fails.
    pub fn encode<T>(&self, target: &mut T, pages: &EncodePages<'_, B>) -> Result<(), ExecutorError>
    where
        T: Target<Kernel = K, Buffer = B>,
    {
        let shape = self.shape(pages.count, pages.elements, target.bytes(pages.cache));
        for numbers in [pages.sources, pages.numbers] {
            has_room(target, numbers, u64::from(pages.count) * 4)?;
        }
        has_room(target, pages.scratch, shape.sizes_bytes())?;
        let read = || ToEncode {
            tables: &self.encoding,
            cache: pages.cache,
            sources: pages.sources,
            elements: pages.numbers,
        };
        let measure = self.kernels.launch_measure(&shape, read())?;
        self.launch(target, &self.measure, measure, &[pages.scratch])?;
        let encode = self.kernels.launch_encode(&shape, read(), pages.scratch)?;
        self.launch(target, &self.encode, encode, &[pages.slots, pages.lengths])
    }

    /// Decodes pages: one launch. Whatever bytes they are, nothing is read outside of a page, and nothing written outside of its place.
    ///
    /// # Errors
    /// If a buffer is too short, pages or buffers are too large, or the launch fails. What is wrong with a page, its statuses tell.
    pub fn decode<T>(&self, target: &mut T, pages: &DecodePages<'_, B>) -> Result<(), ExecutorError>
    where
        T: Target<Kernel = K, Buffer = B>,
    {
        let shape = self.shape(pages.count, pages.elements, target.bytes(pages.cache));
        for numbers in [pages.starts, pages.lengths, pages.targets] {
            has_room(target, numbers, u64::from(pages.count) * 4)?;
        }
        let read = ToDecode {
            tables: &self.decoding,
            pages: pages.pages,
            starts: pages.starts,
            lengths: pages.lengths,
            targets: pages.targets,
        };
        let launch = self.kernels.launch_decode(&shape, read, target.bytes(pages.pages) as u64)?;
        self.launch(target, &self.decode, launch, &[pages.cache, pages.statuses])
    }

    fn launch<T>(
        &self,
        target: &mut T,
        kernel: &K,
        launch: Launch<&B>,
        outputs: &[&B],
    ) -> Result<(), ExecutorError>
    where
        T: Target<Kernel = K, Buffer = B>,
    {
        if launch.grid == 0 {
            return Ok(());
        }
        let outputs = outputs.iter().map(|buffer| Destination { buffer: *buffer, start: 0 }).collect();
        target.launch(&Dispatch { kernel, threads: self.kernels.threads(), launch, outputs })
    }
}

/// Checks that a buffer which a kernel reads has at least `wanted` bytes.
fn has_room<T: Target>(target: &T, buffer: &T::Buffer, wanted: u64) -> Result<(), ExecutorError> {
    let (bytes, room) = (usize::try_from(wanted).unwrap_or(usize::MAX), target.bytes(buffer));
    if bytes > room { Err(ExecutorError::Room { start: 0, bytes, room }) } else { Ok(()) }
}
