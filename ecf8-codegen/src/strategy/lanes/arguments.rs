//! What launches of the `lanes` strategies pass to their kernel.

use super::blocks::{self, Chunks, Shares, numbers as numbers_of};
use super::jobs::{DictionaryRecord, JobRecord, POSITIONS, PlaneRecord};
use super::join::Join;
use super::table::{self, PerEntry, Placement};
use super::units::{ACCESS, BATCH, VECTOR, symbols};
use crate::lang::WARP;
use crate::launch::{ALIGNMENT, Arg, Gather, Launch};
use crate::strategy::tables::{Tables, numbers};
use crate::strategy::{
    StrategyError, batch_offsets, batch_output, checked_grid, checked_shared, widest_coding,
};
use ecf8_core::Encoded;
use ecf8_core::element::Plane;
use ecf8_core::layout::Run;
use ecf8_core::layout::lanes::{
    CHUNKS, DICTIONARY, ELEMENTS_PER_LANE, LEAD_ROWS, PACKED, ROWS, TAILS, section_positions, section_turns,
};
use ecf8_core::symbols::SymbolKind;

/// What a launch has to know of a variant.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Block {
    /// Warps of a block.
    pub(in super::super) warps: u32,
    /// Where the decode table comes from.
    pub(in super::super) table: Placement,
    /// How many symbols an entry of it is for.
    pub(in super::super) per_entry: PerEntry,
    /// How many warps the GPU is thought to run at once.
    pub(in super::super) at_once: u32,
}

/// The launch that decodes tensors, a warp per chunk or section of one. Given how their numbers are put together, `block` says
/// what the variant is.
pub(in super::super) fn launch<'a>(
    kind: &SymbolKind,
    batch: &[&'a Encoded<'a>],
    block: impl FnOnce(Join) -> Block,
) -> Result<Launch<Gather<'a>>, StrategyError> {
    let coding = widest_coding(batch);
    let bits = coding.map_or(0, |coding| table::index_bits(coding.codebook));
    let join = coding.map_or(Join::Whole, |coding| Join::of(coding.form(), kind));
    let block = block(join);
    let (mut shares, per_block) = shares(block, kind, batch)?;
    let offsets = batch_offsets(batch);
    let (mut model, mut tables) = (Gather::default(), Tables::default());
    let (mut jobs, mut blocks, mut lead_rows) = (Vec::new(), Vec::new(), 1);
    for (encoded, &output) in batch.iter().zip(&offsets) {
        // Kernels believe what the parts say.
        encoded.scheme.check(encoded)?;
        let per_lane = encoded.param(ELEMENTS_PER_LANE)?;
        lead_rows = lead_rows.max(lead_of(kind, encoded, bits)?);
        let mut whole = JobRecord {
            positions: 0,
            elements_per_lane: u32::try_from(per_lane)
                .map_err(|_| too_large("the number of elements per lane", per_lane))?,
            elements: encoded.elements,
            rows: model.add(ALIGNMENT, encoded.part(ROWS)?),
            // Reading 32 bits across words touches the word after the last: what follows is another part.
            tails: model.add(ALIGNMENT, encoded.part(TAILS)?),
            packed: if join.packed_bytes() > 0 { model.add(ALIGNMENT, encoded.part(PACKED)?) } else { 0 },
            chunks: model.add(ALIGNMENT, encoded.part(CHUNKS)?),
            table: 0,
            output,
            least_exponent: encoded.split.least_exponent,
            planes: Vec::new(),
            dictionary: None,
        };
        whole.planes = planes(join, encoded, whole.packed, &mut model);
        if let Some(dictionary) = &encoded.split.dictionary {
            let at = model.add(ALIGNMENT, encoded.part(DICTIONARY)?);
            whole.dictionary = Some(DictionaryRecord { at, entries: dictionary.len() as u64 });
        }
        // Kernels count vectors of numbers in 32 bits.
        let vectors = encoded.elements.div_ceil(VECTOR.into());
        u32::try_from(vectors).map_err(|_| too_large("the number of vectors of 16 numbers", vectors))?;
        for (piece, shares) in encoded.codebooks.pieces(encoded.elements).iter().zip(shares.by_ref()) {
            if shares.units() >= blocks::UNITS {
                return Err(StrategyError::TooLarge {
                    what: "the number of chunks",
                    needed: shares.units(),
                    limit: blocks::UNITS,
                });
            }
            let mut job = whole.part(join, piece.first, piece.elements);
            job.positions = positions(kind, encoded, piece, shares, &mut model)?;
            job.table = match block.table {
                Placement::Inlined => 0,
                Placement::Argument => tables.place(piece.codebook, || {
                    let entries = table::entries(kind, block.per_entry, join, piece.codebook, bits);
                    model.add(ALIGNMENT, numbers(entries, u32::to_le_bytes))
                }),
            };
            blocks.extend(shares.blocks(checked_grid(jobs.len() as u64)?, per_block));
            jobs.push(job);
        }
    }
    let ring_rows = ring_rows(lead_rows)?;
    let words =
        u64::from(block.per_entry.words(bits)) + (u64::from(ring_rows) + 1) * u64::from(block.warps) * 32;
    Ok(Launch {
        grid: checked_grid(blocks.len() as u64)?,
        dynamic_shared_bytes: checked_shared(words * 4)?,
        outputs: vec![batch_output(batch)?],
        args: vec![
            Arg::Input(model),
            Arg::Input(numbers(jobs.iter().flat_map(|job| job.words(join)), u64::to_le_bytes).into()),
            Arg::Input(numbers(blocks, u64::to_le_bytes).into()),
            Arg::Output(0),
            Arg::U32(ring_rows),
            Arg::U32(per_block),
        ],
    })
}

/// Where the planes of a tensor are that are not coded, the most significant first: `packed` has those that are stored
/// one after the other; of one that is the same in all numbers there are 16 bytes.
fn planes<'a>(join: Join, encoded: &'a Encoded<'a>, packed: u64, model: &mut Gather<'a>) -> Vec<PlaneRecord> {
    let each = encoded.elements.next_multiple_of(ACCESS.into());
    let mut next = packed;
    let mut records = Vec::new();
    // Bytes of places above the two lowest are zero, and kernels know that.
    let unread = if join.has_dictionary() { encoded.split.planes.len().saturating_sub(2) } else { 0 };
    for plane in encoded.split.planes.iter().skip(unread) {
        match plane {
            Plane::Coded => {}
            Plane::Stored => {
                records.push(PlaneRecord::Each(next));
                next = next.saturating_add(each);
            }
            Plane::Constant(byte) => {
                records.push(PlaneRecord::Same(model.add(ALIGNMENT, vec![*byte; ACCESS as usize])));
            }
        }
    }
    records
}

/// How the chunks with one codebook of each tensor are shared among warps, and how many of them, or of their sections, a
/// block decodes.
fn shares(
    block: Block,
    kind: &SymbolKind,
    batch: &[&Encoded<'_>],
) -> Result<(impl Iterator<Item = Shares>, u32), StrategyError> {
    let mut all = Vec::new();
    for encoded in batch {
        let per_lane = encoded.param(ELEMENTS_PER_LANE)?;
        let turns = section_turns(kind, per_lane, 1);
        let pieces = encoded.codebooks.pieces(encoded.elements);
        all.extend(pieces.iter().map(|piece| Chunks { count: chunks(piece.elements, per_lane), turns }));
    }
    let shares = blocks::share(&all, block.at_once);
    let per_block = blocks::units_per_block(block.warps, &shares);
    Ok((shares.into_iter().map(move |share| share.in_blocks(per_block)), per_block))
}

/// Adds where the lanes stand within the chunks of a piece that are cut; gives where the positions of its chunk 0 would
/// start.
fn positions(
    kind: &SymbolKind,
    encoded: &Encoded<'_>,
    piece: &Run<'_>,
    shares: Shares,
    model: &mut Gather<'_>,
) -> Result<u32, StrategyError> {
    if shares.cut == 0 {
        return Ok(0);
    }
    let per_lane = encoded.param(ELEMENTS_PER_LANE)?;
    let (first, count) = (chunks(piece.first, per_lane), chunks(piece.elements, per_lane));
    let positions = section_positions(kind, encoded, first + shares.whole..first + count, shares.sections)?;
    let at = model.add(ALIGNMENT, numbers(positions, u16::to_le_bytes)) / u64::from(POSITIONS);
    let each = WARP * 2 / POSITIONS * numbers_of(piece.codebook.has_frequencies());
    let before = shares.whole * u64::from(shares.sections - 1) * u64::from(each);
    // The kernel adds it again, modulo 2^32.
    let first = at.wrapping_sub(before) & u64::from(u32::MAX);
    u32::try_from(first).map_err(|_| too_large("the place of positions", first))
}

/// Chunks of this many elements.
fn chunks(elements: u64, elements_per_lane: u64) -> u64 {
    elements.div_ceil(elements_per_lane.saturating_mul(WARP.into()).max(1))
}

/// Rows of a tensor that are in use at once where the kernel's table is indexed by `bits` bits: what its `lead_rows`
/// says, and more if its own codewords are shorter, because a kernel stages what symbols may take at most under the
/// longest codewords of a launch.
fn lead_of(kind: &SymbolKind, encoded: &Encoded<'_>, bits: u32) -> Result<u64, StrategyError> {
    let own = u32::from(encoded.codebooks.widest().max_len());
    let more = u64::from(bits.saturating_sub(own)) * u64::from(symbols(kind));
    Ok(encoded.param(LEAD_ROWS)?.saturating_add(more.div_ceil(32)))
}

/// Rows of a ring. While a vector is decoded, `lead_rows` are in use and one more may be touched; staging whole batches
/// puts up to three beyond.
fn ring_rows(lead_rows: u64) -> Result<u32, StrategyError> {
    let rows = lead_rows.saturating_add(BATCH.into());
    let rows = rows.checked_next_power_of_two().and_then(|rows| u32::try_from(rows).ok());
    rows.ok_or_else(|| too_large("the number of rows in use at once", lead_rows))
}

fn too_large(what: &'static str, needed: u64) -> StrategyError {
    StrategyError::TooLarge { what, needed, limit: u32::MAX.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::{self, Checks};
    use crate::strategy::Coding;
    use crate::strategy::Describe;
    use crate::strategy::Strategy;
    use crate::strategy::lanes_ring::{ANS, BYTE, PAIR, QUAD, TRIPLE};
    use ecf8_core::Codebook;
    use ecf8_core::element::Numbers;
    use ecf8_core::layout::Scheme;
    use ecf8_core::layout::lanes::BYTE_LANES;

    /// Bytes of which lane 0 takes 5 bits each and the others 2; `per_lane` of each lane.
    fn apart(per_lane: usize, codebook: &Codebook) -> Encoded<'static> {
        let byte = |place: usize| if (place / 16).is_multiple_of(32) { 4 } else { 1 };
        let data: Vec<u8> = (0..32 * per_lane).map(byte).collect();
        ecf8_core::layout::lanes::Lanes::<ecf8_core::symbols::Byte>::new(Some(1024))
            .encode(Numbers::e4m3(&data), codebook)
            .unwrap()
    }

    #[test]
    fn chunks_are_decoded_by_one_warp_or_by_several_to_the_same_bytes() {
        for strategy in [&QUAD, &TRIPLE, &PAIR, &BYTE] {
            let scheme = ecf8_core::scheme(strategy.schemes()[0]).unwrap();
            // Some 20 chunks of the least size, the last one short, with symbols that are patched.
            let bytes =
                ecf8_core::synthetic::stored_as("F8_E4M3", &ecf8_core::synthetic::gaussian(3, 90_001, 0.1));
            let bytes = bytes.unwrap();
            let numbers = Numbers::e4m3(&bytes);
            let codebook = scheme.codebook(&scheme.symbol_histogram(Numbers::e4m3(&bytes[..4000])));
            let encoded = scheme.encode(numbers, &codebook).unwrap();
            let params = Strategy::params(strategy, &[]).unwrap();
            let kernel = Strategy::kernel(strategy, &params, &Coding::of(&encoded)).unwrap();
            let mut grids = Vec::new();
            for at_once in [1, 3, 16, 4096] {
                let block =
                    Block { warps: 16, table: Placement::Argument, per_entry: PerEntry::One, at_once };
                let launch = launch(strategy.kind(), &[&encoded], |_| block).unwrap();
                assert!(
                    emulator::run(&kernel, &launch, Checks::Full).unwrap() == [bytes.clone()],
                    "{at_once}"
                );
                grids.push(launch.grid);
            }
            assert!(grids[3] > grids[0], "{grids:?}");
        }
    }

    /// Of these numbers a lane's words were once overwritten before it had read them: where a section begins, words were staged from behind the
    /// bits of its first symbol on.
    #[test]
    fn sections_of_states_take_no_more_rows_than_whole_chunks() {
        let bytes = ecf8_core::synthetic::gaussian(27, 1_000_003, 0.02);
        let bytes = ecf8_core::synthetic::stored_as("F16", &bytes).unwrap();
        let split = ecf8_core::element::counts(ecf8_core::element::element("F16").unwrap(), &bytes).split;
        let (numbers, scheme) =
            (Numbers { split: &split, bytes: &bytes }, ecf8_core::scheme("ans-lanes").unwrap());
        let encoded = scheme.encode(numbers, &scheme.codebook(&scheme.symbol_histogram(numbers))).unwrap();
        let params = Strategy::params(&ANS, &[]).unwrap();
        let kernel = Strategy::kernel(&ANS, &params, &Coding::of(&encoded)).unwrap();
        let launch = Strategy::launch(&ANS, &params, &[&encoded]).unwrap();
        assert!(emulator::run(&kernel, &launch, Checks::Basic).unwrap() == [bytes]);
    }

    #[test]
    fn lanes_that_run_apart_beside_longer_codewords_have_room() {
        let book = |lengths: &[u8]| {
            Codebook::from_lengths(&[lengths, &vec![0; 256 - lengths.len()]].concat()).unwrap()
        };
        let short = book(&[1, 2, 3, 4, 5, 5]);
        let long = book(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 13]);
        let other = BYTE_LANES.encode(Numbers::e4m3(&[0, 13, 5, 12]), &long).unwrap();
        let params = Strategy::params(&BYTE, &[("warps_per_block".to_owned(), "4".to_owned())]).unwrap();
        // The ring is full where the rows in use and those staged at once are a power of two.
        let full = (1..64).map(|vectors| apart(16 * vectors, &short)).filter(|encoded| {
            let rows = encoded.param(LEAD_ROWS).unwrap() + u64::from(BATCH);
            rows.is_power_of_two() && rows >= 16
        });
        let full: Vec<Encoded<'_>> = full.collect();
        assert!(full.len() >= 2, "{}", full.len());
        for encoded in &full {
            let batch = [encoded, &other];
            let kernel = Strategy::kernel(&BYTE, &params, &Coding::e4m3(&long)).unwrap();
            let launch = Strategy::launch(&BYTE, &params, &batch).unwrap();
            let output = emulator::run(&kernel, &launch, Checks::Full).unwrap().remove(0);
            for (start, encoded) in batch_offsets(&batch).into_iter().zip(batch) {
                let bytes = encoded.decode().unwrap();
                let start = usize::try_from(start).unwrap();
                assert!(output[start..][..bytes.len()] == bytes);
            }
        }
    }
}
