//! The tensors of a launch, put together: their parts in common buffers, their blocks numbered through.

use super::jobs::JobRecord;
use super::table;
use crate::launch::{ALIGNMENT, Arg, Gather, Launch, OutputSlot};
use crate::strategy::tables::{Tables, numbers};
use crate::strategy::{
    BATCH_ALIGNMENT, StrategyError, batch_offsets, batch_output, checked_grid, checked_shared,
};
use ecf8_core::Encoded;
use ecf8_core::layout::exponent_gap::{self, ENCODED, PACKED};

/// What packed parts start at: a byte for two numbers, so that they are half as far into their buffer as their numbers
/// into the output.
const PACKED_ALIGNMENT: usize = 128;
const _: () = assert!(2 * PACKED_ALIGNMENT as u64 == BATCH_ALIGNMENT);

/// What the kernels read.
#[derive(Debug)]
pub(in super::super) struct Batch<'a> {
    /// The bitstreams, each aligned.
    encoded: Gather<'a>,
    /// Signs and mantissas, those of a number at half the index that it has in the output.
    packed: Gather<'a>,
    gaps: Vec<u8>,
    /// For each tensor, the first element of each of its blocks, and its end.
    output_positions: Vec<u64>,
    /// The decode tables of the codebooks, each once; empty unless they are passed.
    tables: Vec<u32>,
    jobs: Vec<JobRecord>,
    /// The job of each block.
    block_jobs: Vec<u32>,
    /// Elements of the block that has most.
    pub(in super::super) most_in_block: u64,
    output: OutputSlot,
}

impl<'a> Batch<'a> {
    /// Puts tensors together for blocks of `threads_per_block` windows of `bytes_per_thread`. `table_bits` is given if
    /// decode tables are passed.
    pub(in super::super) fn new(
        tensors: &[&'a Encoded<'a>],
        bytes_per_thread: u32,
        threads_per_block: u32,
        table_bits: Option<u32>,
    ) -> Result<Self, StrategyError> {
        let (b, t) = (u64::from(bytes_per_thread), u64::from(threads_per_block));
        let offsets = batch_offsets(tensors);
        let mut batch = Self {
            encoded: Gather::default(),
            packed: Gather::default(),
            gaps: Vec::new(),
            output_positions: Vec::new(),
            tables: Vec::new(),
            jobs: Vec::new(),
            block_jobs: Vec::new(),
            most_in_block: 0,
            output: batch_output(tensors)?,
        };
        let mut tables = Tables::default();
        for (encoded, &output) in tensors.iter().zip(&offsets) {
            let (gaps, positions) = exponent_gap::resync(encoded, b, t)?;
            let stream = encoded.part(ENCODED)?;
            let first_byte = batch.encoded.add(ALIGNMENT, stream);
            batch.packed.add(PACKED_ALIGNMENT, encoded.part(PACKED)?);
            let first_block = batch.block_jobs.len() as u64;
            let number = checked_grid(batch.jobs.len() as u64)?;
            let blocks = checked_grid((stream.len() as u64).div_ceil(b * t))?;
            batch.block_jobs.resize(batch.block_jobs.len() + blocks as usize, number);
            let table = table_bits.map_or(0, |bits| {
                tables.place(encoded.codebooks.first(), || {
                    let at = batch.tables.len() as u64 / u64::from(table::VECTOR);
                    batch.tables.extend(table::words(encoded.codebooks.first(), bits));
                    at
                })
            });
            batch.jobs.push(JobRecord { to_window: (first_byte / b).wrapping_sub(first_block * t), table });
            batch.gaps.extend(gaps);
            let in_block = positions.windows(2).map(|pair| pair[1].saturating_sub(pair[0]));
            batch.most_in_block = in_block.max().unwrap_or(0).max(batch.most_in_block);
            batch.output_positions.extend(positions.iter().map(|position| output.saturating_add(*position)));
        }
        Ok(batch)
    }

    /// The launch with so much shared memory, in bytes, and arguments: bitstreams, packed, gaps, output positions,
    /// tables if they are a parameter, jobs, the job of each block, output, `last`.
    pub(in super::super) fn launch(
        self,
        has_tables: bool,
        shared_bytes: u64,
        last: Arg<Gather<'a>>,
    ) -> Result<Launch<Gather<'a>>, StrategyError> {
        let grid = checked_grid(self.block_jobs.len() as u64)?;
        let jobs = self.jobs.iter().flat_map(JobRecord::words);
        let tables = has_tables.then(|| Arg::Input(numbers(self.tables, u32::to_le_bytes).into()));
        let first = [
            Arg::Input(self.encoded),
            Arg::Input(self.packed),
            Arg::Input(self.gaps.into()),
            Arg::Input(numbers(self.output_positions, u64::to_le_bytes).into()),
        ];
        let rest = [
            Arg::Input(numbers(jobs, u64::to_le_bytes).into()),
            Arg::Input(numbers(self.block_jobs, u32::to_le_bytes).into()),
            Arg::Output(0),
            last,
        ];
        Ok(Launch {
            grid,
            dynamic_shared_bytes: checked_shared(shared_bytes)?,
            outputs: vec![self.output],
            args: first.into_iter().chain(tables).chain(rest).collect(),
        })
    }

    /// Bytes of the bitstreams.
    pub(in super::super) fn encoded_bytes(&self) -> u64 {
        self.encoded.len()
    }

    /// Blocks of the launch.
    pub(in super::super) fn blocks(&self) -> u64 {
        self.block_jobs.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ecf8_core::element::Numbers;
    use ecf8_core::{Scheme, scheme};

    fn encoded(bytes: &[u8]) -> Encoded<'static> {
        let scheme: &dyn Scheme = scheme("exponent-gap").unwrap();
        let codebook = scheme.codebook(&scheme.symbol_histogram(Numbers::e4m3(bytes)));
        scheme.encode(Numbers::e4m3(bytes), &codebook).unwrap()
    }

    fn bytes(count: u32, step: u32) -> Vec<u8> {
        (0..count).map(|i| ((i * i * step) >> 3).to_le_bytes()[0]).collect()
    }

    #[test]
    fn parts_of_one_tensor_are_not_copied() {
        let one = encoded(&bytes(5000, 7));
        let batch = Batch::new(&[&one], 8, 64, Some(10)).unwrap();
        let borrowed = [one.part(ENCODED).unwrap(), one.part(PACKED).unwrap()].map(<[u8]>::as_ptr);
        assert_eq!([&batch.encoded, &batch.packed].map(|part| part.bytes().as_ptr()), borrowed);
        assert_eq!(batch.jobs.iter().map(JobRecord::words).collect::<Vec<_>>(), [[0, 0]]);
        assert!(batch.block_jobs.iter().all(|job| *job == 0));
        assert_eq!(batch.output, OutputSlot::whole(5000));
    }

    #[test]
    fn blocks_find_the_windows_elements_and_tables_of_their_tensors() {
        let sources = [bytes(2501, 3), Vec::new(), bytes(1, 1), bytes(7000, 5), bytes(2501, 3)];
        let tensors: Vec<_> = sources.iter().map(|bytes| encoded(bytes)).collect();
        let tensors: Vec<&Encoded<'_>> = tensors.iter().collect();
        let (b, t) = (16, 64);
        let batch = Batch::new(&tensors, b, t, Some(8)).unwrap();
        let offsets = batch_offsets(&tensors);
        for (job, encoded) in tensors.iter().enumerate() {
            let blocks: Vec<usize> = (0..batch.block_jobs.len())
                .filter(|block| usize::try_from(batch.block_jobs[*block]) == Ok(job))
                .collect();
            let stream = encoded.part(ENCODED).unwrap();
            assert_eq!(blocks.len(), stream.len().div_ceil(16 * 64));
            let Some(&first) = blocks.first() else { continue };
            let first_window = batch.jobs[job].to_window.wrapping_add(first as u64 * 64);
            let at = usize::try_from(first_window).unwrap() * 16;
            assert_eq!(at % ALIGNMENT, 0);
            assert_eq!(&batch.encoded.bytes()[at..at + stream.len()], stream);
            assert_eq!(batch.output_positions[first + job], offsets[job]);
            let end = blocks.len() + first + job;
            assert_eq!(batch.output_positions[end], offsets[job] + encoded.elements);
            let at = usize::try_from(offsets[job] / 2).unwrap();
            let packed = encoded.part(PACKED).unwrap();
            assert_eq!(&batch.packed.bytes()[at..at + packed.len()], packed);
        }
        let tables: Vec<u64> = batch.jobs.iter().map(|job| job.table).collect();
        assert_eq!(tables[0], tables[4], "a codebook's table is passed once");
        assert_eq!(batch.tables.len(), 4 * table::words(tensors[0].codebooks.first(), 8).len());
    }

    #[test]
    fn a_batch_of_nothing_launches_nothing() {
        let launch = Batch::new(&[], 8, 64, None).unwrap().launch(false, 0, Arg::U32(0)).unwrap();
        assert_eq!((launch.grid, launch.output_bytes(), launch.args.len()), (0, 0, 8));
    }
}
