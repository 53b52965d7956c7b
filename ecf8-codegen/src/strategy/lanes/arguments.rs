//! What launches of the `lanes` strategies pass to their kernel.

use super::decode::{FIRST_ROWS, Shape};
use super::table::{self, Placement};
use crate::strategy::{Arg, Launch, StrategyError};
use ecf8_core::Encoded;
use ecf8_core::layout::lanes::{CHUNKS, ELEMENTS_PER_LANE, LEAD_ROWS, PACKED, ROWS, TAILS};
use std::borrow::Cow;

/// The launch that decodes a tensor, a warp per chunk.
pub(in super::super) fn launch<'a>(
    shape: &Shape,
    encoded: &'a Encoded<'a>,
) -> Result<Launch<'a>, StrategyError> {
    let chunk_entries = encoded.part(CHUNKS)?;
    let chunks = (chunk_entries.len() as u64 / 8).saturating_sub(1);
    let per_lane = encoded.param(ELEMENTS_PER_LANE)?;
    // The rows in use while a vector is decoded, and the one after them, which a window may touch.
    let needed = encoded.param(LEAD_ROWS)?.saturating_add(1).max(FIRST_ROWS.into());
    let ring_rows = needed.checked_next_power_of_two().unwrap_or(u64::MAX);
    let ring_bytes = ring_rows.saturating_mul(128).saturating_mul(shape.warps_per_block.into());
    let packed = if shape.symbol.is_split() { encoded.part(PACKED)? } else { &[] };
    let words = match shape.table {
        Placement::Argument => table::entries(shape.symbol, &encoded.codebook),
        _ => Vec::new(),
    };
    let too_large = |what, needed| StrategyError::TooLarge { what, needed, limit: u32::MAX.into() };
    let word = |what, value: u64| u32::try_from(value).map_err(|_| too_large(what, value));
    Ok(Launch {
        grid: Launch::checked_grid(chunks.div_ceil(shape.warps_per_block.into()))?,
        dynamic_shared_bytes: Launch::checked_shared(ring_bytes)?,
        output_bytes: usize::try_from(encoded.elements)
            .map_err(|_| too_large("the number of elements", encoded.elements))?,
        args: vec![
            Arg::Input(Cow::Borrowed(encoded.part(ROWS)?)),
            Arg::Input(Cow::Borrowed(encoded.part(TAILS)?)),
            Arg::Input(Cow::Borrowed(chunk_entries)),
            Arg::Input(Cow::Borrowed(packed)),
            Arg::Input(Cow::Owned(words.iter().flat_map(|word| word.to_le_bytes()).collect())),
            Arg::Output,
            Arg::U64(encoded.elements),
            Arg::U32(word("the number of words in tails", encoded.part(TAILS)?.len() as u64 / 4)?),
            Arg::U32(word("the number of chunks", chunks)?),
            Arg::U32(word("the number of elements per lane", per_lane)?),
            Arg::U32(word("the number of rows in the ring", ring_rows)?),
        ],
    })
}
