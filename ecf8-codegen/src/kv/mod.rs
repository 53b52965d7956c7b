//! Kernels for pages of K/V caches (`ecf8_core::kv`): encoded and decoded on the GPU, many at once.
//!
//! Warps work on chunks of pages, without waiting for each other and without shared memory of their own but for the tables. Encoding is two
//! launches, one after the other on a stream: `measure` finds how long each lane's stream is, `encode` writes pages into slots of the worst
//! case's size and their lengths beside them. Decoding is one. None needs the host in between, so all can be captured in a graph.
//!
//! - [`PageKernels`]: the kernels, and the tables that they are given.
//! - [`launch`]: their launches, and [`batch`], what they are given in proofs.
//! - `decode`, `encode`: the kernels themselves.

pub mod batch;
mod column;
mod decode;
mod encode;
mod jobs;
pub mod launch;
mod numbers;
mod units;
mod warp;
mod window;

pub use decode::status;

use crate::ir::{BuildErrors, Kernel};
use ecf8_core::kv::{Codebooks, Numbers};

/// What is compiled into kernels of pages: not the codebooks, so layers share kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PageKernels {
    numbers: Numbers,
    /// Vectors after which channels repeat.
    period: u32,
    /// How many codebooks there are.
    groups: u32,
    /// Threads of a block, whole warps.
    threads: u32,
}

/// Warps of a block. They share the tables, and more of them wait longer for the last.
const WARPS: u32 = 8;

impl PageKernels {
    /// Kernels for pages with such codebooks.
    #[must_use]
    pub fn new(codebooks: &Codebooks) -> Self {
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            numbers: codebooks.numbers(),
            period: count(codebooks.groups().len()),
            groups: count(codebooks.codebooks().len()),
            threads: WARPS * crate::lang::WARP,
        }
    }

    /// The kernel that finds how long lanes' streams are.
    ///
    /// # Errors
    /// If it cannot be built: a mistake in it.
    pub fn measure(&self) -> Result<Kernel, BuildErrors> {
        self.described(encode::kv_measure(self))
    }

    /// The kernel that encodes pages.
    ///
    /// # Errors
    /// If it cannot be built: a mistake in it.
    pub fn encode(&self) -> Result<Kernel, BuildErrors> {
        self.described(encode::kv_encode(self))
    }

    /// The kernel that decodes pages.
    ///
    /// # Errors
    /// If it cannot be built: a mistake in it.
    pub fn decode(&self) -> Result<Kernel, BuildErrors> {
        self.described(decode::kv_decode(self))
    }

    fn described(&self, kernel: Result<Kernel, BuildErrors>) -> Result<Kernel, BuildErrors> {
        let mut kernel = kernel?;
        let Self { numbers, period, groups, .. } = self;
        kernel.header.push(("pages".to_owned(), format!("of {}", numbers.dtype())));
        kernel
            .header
            .push(("codebooks".to_owned(), format!("{groups}, which repeat after {period} vectors")));
        Ok(kernel)
    }
}

/// The tables that decoding is given: bytes for the device, at a multiple of 16.
#[must_use]
pub fn decoding_tables(codebooks: &Codebooks) -> Vec<u8> {
    with_head(codebooks, codebooks.decoding().into_iter().flat_map(u32::to_le_bytes))
}

/// The tables that measuring and encoding are given.
#[must_use]
pub fn encoding_tables(codebooks: &Codebooks) -> Vec<u8> {
    with_head(codebooks, codebooks.encoding().into_iter().flat_map(u32::to_le_bytes))
}

/// The codebooks' number and the symbols that stand in, 8 bytes each; of each vector its codebook, up to a multiple of 16 bytes; tables.
fn with_head(codebooks: &Codebooks, tables: impl Iterator<Item = u8>) -> Vec<u8> {
    let mut bytes = codebooks.id().to_le_bytes().to_vec();
    bytes.extend(codebooks.stand_ins());
    bytes.resize(jobs::GROUPS_AT as usize, 0);
    bytes.extend_from_slice(codebooks.groups());
    bytes.resize(bytes.len().next_multiple_of(16), 0);
    bytes.extend(tables);
    bytes
}
