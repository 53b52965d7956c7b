//! What launches of the faster strategies pass to their kernels.

use super::table;
use crate::strategy::{ALIGNMENT, Arg, Launch, StrategyError};
use ecf8_core::Encoded;
use ecf8_core::layout::exponent_gap::{self, ENCODED, PACKED};
use std::borrow::Cow;

/// Unused bytes in front of the staged exponents, at most.
const MAX_LEAD: u64 = 31;

/// The launch over the blocks of `threads_per_block` windows of `bytes_per_thread`. `table_bits` is given if the decode table
/// is passed; `shared_bytes` are needed besides the staged exponents.
///
/// The kernel's parameters: encoded, packed, gaps, output positions, decode table, output, words of the stream.
pub(in super::super) fn launch<'a>(
    encoded: &'a Encoded<'a>,
    bytes_per_thread: u32,
    threads_per_block: u32,
    table_bits: Option<u32>,
) -> Result<Launch<'a>, StrategyError> {
    let (b, t) = (u64::from(bytes_per_thread), u64::from(threads_per_block));
    let (gaps, positions) = exponent_gap::resync(encoded, b, t)?;
    let stream = encoded.part(ENCODED)?;
    let blocks = (stream.len() as u64).div_ceil(b * t);
    // The thread in whose window the stream ends decodes what follows it too, at most a symbol per bit.
    let in_block = positions.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).max().unwrap_or(0);
    let staged = (MAX_LEAD + in_block + 8 * b).next_multiple_of(16);
    let words = stream.len().next_multiple_of(ALIGNMENT) as u64 / 4;
    let too_large = StrategyError::TooLarge {
        what: "the number of words of the bitstream",
        needed: words,
        limit: u32::MAX.into(),
    };
    let table = table_bits.map_or_else(Vec::new, |bits| table::words(&encoded.codebook, bits));
    Ok(Launch {
        grid: Launch::checked_grid(blocks)?,
        dynamic_shared_bytes: Launch::checked_shared(staged)?,
        output_bytes: positions.last().and_then(|&total| usize::try_from(total).ok()).unwrap_or(0),
        args: vec![
            Arg::Input(Cow::Borrowed(stream)),
            Arg::Input(Cow::Borrowed(encoded.part(PACKED)?)),
            Arg::Input(Cow::Owned(gaps)),
            Arg::Input(Cow::Owned(positions.iter().flat_map(|position| position.to_le_bytes()).collect())),
            Arg::Input(Cow::Owned(table.iter().flat_map(|word| word.to_le_bytes()).collect())),
            Arg::Output,
            Arg::U32(u32::try_from(words).map_err(|_| too_large)?),
        ],
    })
}
