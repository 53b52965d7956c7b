//! What launches of the faster strategies pass to their kernels.

use super::batch::Batch;
use crate::strategy::{ALIGNMENT, Arg, Gather, Launch, StrategyError};
use ecf8_core::Encoded;

/// Unused bytes in front of the staged exponents, at most.
const MAX_LEAD: u64 = 31;

/// The launch over the blocks of `threads_per_block` windows of `bytes_per_thread` of these tensors. `table_bits` is
/// given if the decode tables are passed.
///
/// The kernel's parameters: encoded, packed, gaps, output positions, decode tables, jobs, the job of each block,
/// output, words of the bitstreams.
pub(in super::super) fn launch<'a>(
    tensors: &[&'a Encoded<'a>],
    bytes_per_thread: u32,
    threads_per_block: u32,
    table_bits: Option<u32>,
) -> Result<Launch<Gather<'a>>, StrategyError> {
    let batch = Batch::new(tensors, bytes_per_thread, threads_per_block, table_bits)?;
    // The thread in whose window the stream ends decodes what follows it too, at most a symbol per bit.
    let staged = (MAX_LEAD + batch.most_in_block + 8 * u64::from(bytes_per_thread)).next_multiple_of(16);
    let words = counted(
        "the number of words of the bitstreams",
        batch.encoded_bytes().next_multiple_of(ALIGNMENT as u64) / 4,
    )?;
    counted("the number of threads", batch.blocks() * u64::from(threads_per_block))?;
    batch.launch(true, staged, Arg::U32(words))
}

/// A number that the kernel counts in 32 bits.
fn counted(what: &'static str, number: u64) -> Result<u32, StrategyError> {
    let limit = u32::MAX.into();
    u32::try_from(number).map_err(|_| StrategyError::TooLarge { what, needed: number, limit })
}
