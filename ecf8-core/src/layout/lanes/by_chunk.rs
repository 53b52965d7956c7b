//! What is made of each codebook of a tensor, found by chunk.

use super::geometry::Geometry;
use crate::codebook::Codebook;
use crate::layout::Codebooks;

/// What runs may be, for errors.
pub(super) const RUNS: &str =
    "whole chunks, 32 times elements_per_lane elements each, as many runs as the tensor has elements for";

/// Whether a tensor can be cut into such runs.
pub(super) fn fit(codebooks: &Codebooks, geometry: &Geometry) -> bool {
    codebooks.run().is_none_or(|run| {
        let runs = geometry.elements.div_ceil(run).max(1);
        run.is_multiple_of(geometry.chunk as u64) && runs == codebooks.runs() as u64
    })
}

/// Something for each codebook.
pub(super) struct ByChunk<'a, T> {
    made: Vec<T>,
    codebooks: &'a Codebooks,
    /// Elements of a chunk.
    chunk: u64,
}

impl<'a, T> ByChunk<'a, T> {
    /// What `make` makes of each codebook.
    pub(super) fn new(codebooks: &'a Codebooks, geometry: &Geometry, make: impl Fn(&Codebook) -> T) -> Self {
        let made = codebooks.list().iter().map(|codebook| make(codebook)).collect();
        Self { made, codebooks, chunk: geometry.chunk as u64 }
    }

    /// That of a chunk's codebook.
    pub(super) fn of(&self, chunk: usize) -> &T {
        &self.made[self.codebooks.index_at((chunk as u64).saturating_mul(self.chunk))]
    }
}
