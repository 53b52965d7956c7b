//! Gaps and output positions for other windows and blocks, from the bitstream alone.

use super::decode::{Checked, follow_block};
use super::sync::{self, Geometry, Recorder};
use super::tables::Tables;
use crate::layout::{DecodeError, Encoded};
use rayon::prelude::*;

/// Blocks that one task follows.
const BLOCKS_PER_TASK: u64 = 16;

/// The parts `gaps` and `output_positions` (one entry per block and the total) that `encoded` would have with other
/// parameters. The codewords are followed in parallel over the blocks that it has.
///
/// # Errors
/// If the parts of `encoded` are inconsistent, or a parameter is out of its range (see [`super::ExponentGap`]).
pub fn resync(
    encoded: &Encoded<'_>,
    bytes_per_thread: u64,
    threads_per_block: u64,
) -> Result<(Vec<u8>, Vec<u64>), DecodeError> {
    let parts = Checked::new(encoded)?;
    let geometry = Geometry::new(parts.stream.len() as u64, bytes_per_thread, threads_per_block)?;
    let tables = Tables::new(encoded.codebooks.first());
    let tasks = parts.geometry.blocks.div_ceil(BLOCKS_PER_TASK);
    let segments: Result<Vec<Recorder>, DecodeError> = (0..tasks)
        .into_par_iter()
        .map(|task| {
            let first = task * BLOCKS_PER_TASK;
            let mut recorder = Recorder::new(&geometry, parts.block_start(first));
            for block in first..(first + BLOCKS_PER_TASK).min(parts.geometry.blocks) {
                follow_block(&parts, &tables, block, &mut recorder)?;
            }
            Ok(recorder)
        })
        .collect();
    Ok(sync::assemble(&geometry, &segments?, encoded.elements))
}
