//! Where lanes stand within a chunk, so that several warps can share it. This is derived data: it is made from the other
//! parts when it is needed, and stored nowhere.
//!
//! A chunk is cut into sections of equally many turns, the last of which may have fewer. A warp that decodes a section has
//! to know where each lane's codewords for it begin.

use super::by_chunk::ByChunk;
use super::geometry::LANES;
use super::parts::{Chunk, Parts};
use super::streams::Streams;
use super::table::Table;
use super::{LaneSymbols, MAX_LEN, turn};
use crate::codebook::Codebook;
use crate::layout::{DecodeError, Encoded};
use crate::symbols::{AnsByte, Byte, Pair, Pair6, Quad, SymbolKind, Triple};
use crate::{bits, int};
use rayon::prelude::*;
use std::ops::Range;

/// Turns of a lane in one of `sections` sections of a whole chunk, for S elements per lane.
#[must_use]
pub fn section_turns(kind: &SymbolKind, elements_per_lane: u64, sections: u32) -> u64 {
    let turn = (super::VECTOR * turn::vectors(kind)) as u64;
    (elements_per_lane / turn).div_ceil(u64::from(sections).max(1))
}

/// Bit positions of the lanes in their streams where sections begin, of some chunks, as far as the tensor has them: for
/// each chunk, for each of its sections but the first, 32 positions. A lane that has ended by then stands at its end.
///
/// Where streams lead from state to state, 32 numbers of states follow the 32 positions: of the lane's last symbol before the
/// section, or how many states there are if there is none. (Of its first symbol in the section would be a look-up less, but the position
/// would be behind that symbol's bits, and a kernel would stage words for a turn from there on: more than what encoders count as
/// in use at once.)
///
/// # Errors
/// If parts are inconsistent, or codewords do not end where their stream does.
pub fn section_positions(
    kind: &SymbolKind,
    encoded: &Encoded<'_>,
    chunks: Range<u64>,
    sections: u32,
) -> Result<Vec<u16>, DecodeError> {
    match (kind.elements, kind.bits) {
        _ if encoded.scheme.name() == AnsByte::NAME => positions::<AnsByte>(encoded, chunks, sections),
        (4, _) => positions::<Quad>(encoded, chunks, sections),
        (3, _) => positions::<Triple>(encoded, chunks, sections),
        (2, 6) => positions::<Pair6>(encoded, chunks, sections),
        (2, _) => positions::<Pair>(encoded, chunks, sections),
        _ => positions::<Byte>(encoded, chunks, sections),
    }
}

fn positions<S: LaneSymbols>(
    encoded: &Encoded<'_>,
    chunks: Range<u64>,
    sections: u32,
) -> Result<Vec<u16>, DecodeError> {
    let parts = Parts::new::<S>(encoded)?;
    let turns = int::index(section_turns(&S::KIND, encoded.param(super::ELEMENTS_PER_LANE)?, sections));
    let numbers = if S::ANS { 2 * LANES } else { LANES };
    let each = numbers * (int::index(sections.into()).saturating_sub(1));
    let first = int::index(chunks.start);
    let chunks = parts.geometry.chunks.min(int::index(chunks.end)).saturating_sub(first);
    let mut positions = vec![0; chunks * each];
    if positions.is_empty() {
        return Ok(positions);
    }
    if S::ANS {
        let tables = ByChunk::new(&encoded.codebooks, &parts.geometry, Table::new::<S>);
        positions.par_chunks_mut(each).enumerate().with_min_len(1).try_for_each_init(
            Streams::default,
            |streams, (number, positions)| {
                let chunk = parts.chunk::<S>(first + number)?;
                states_of_chunk::<S>(&chunk, tables.of(chunk.index), turns, streams, positions)
            },
        )?;
        return Ok(positions);
    }
    let lengths = ByChunk::new(&encoded.codebooks, &parts.geometry, lengths);
    positions.par_chunks_mut(each).enumerate().with_min_len(1).try_for_each_init(
        Streams::default,
        |streams, (number, positions)| {
            let chunk = parts.chunk::<S>(first + number)?;
            of_chunk::<S>(&chunk, lengths.of(chunk.index), turns, streams, positions)
        },
    )?;
    Ok(positions)
}

/// The length of the codeword that begins with these bits; 0 if none does.
fn lengths(codebook: &Codebook) -> Vec<u8> {
    let mut lengths = vec![0; 1 << MAX_LEN];
    for (_, code, len) in codebook.canonical() {
        let spare = MAX_LEN - len;
        lengths[(code as usize) << spare..][..1 << spare].fill(len);
    }
    lengths
}

fn of_chunk<S: LaneSymbols>(
    chunk: &Chunk<'_>,
    lengths: &[u8],
    turns: usize,
    streams: &mut Streams,
    positions: &mut [u16],
) -> Result<(), DecodeError> {
    streams.gather(chunk);
    for lane in 0..LANES {
        let stream = streams.of(lane);
        let (mut position, mut left) = (0, turn::turns::<S>(chunk.elements, lane));
        for section in positions.chunks_exact_mut(LANES) {
            for _ in 0..turns.min(left) {
                position = after_turn::<S>(stream, lengths, position);
            }
            left = left.saturating_sub(turns);
            let bits = chunk.bits(lane);
            let wrong =
                DecodeError::LaneEnd { chunk: chunk.index as u64, lane: lane as u64, end: position, bits };
            section[lane] = u16::try_from(position).ok().filter(|_| position <= bits).ok_or(wrong)?;
        }
    }
    Ok(())
}

/// The same where streams lead from state to state.
fn states_of_chunk<S: LaneSymbols>(
    chunk: &Chunk<'_>,
    table: &Table,
    turns: usize,
    streams: &mut Streams,
    positions: &mut [u16],
) -> Result<(), DecodeError> {
    streams.gather(chunk);
    for lane in 0..LANES {
        let stream = streams.of(lane);
        let mut left = turn::turns::<S>(chunk.elements, lane);
        let (mut bit, mut state) = (0, table.states());
        for section in positions.chunks_exact_mut(2 * LANES) {
            for _ in 0..turns.min(left) {
                table.through_turn(stream, &mut bit, &mut state);
            }
            left = left.saturating_sub(turns);
            let (end, bits) = (u64::from(bit), chunk.bits(lane));
            let wrong = DecodeError::LaneEnd { chunk: chunk.index as u64, lane: lane as u64, end, bits };
            let position = u16::try_from(end).ok().filter(|_| end <= bits);
            let state = u16::try_from(state).ok().filter(|_| state <= table.states());
            (section[lane], section[LANES + lane]) = position.zip(state).ok_or(wrong)?;
        }
    }
    Ok(())
}

/// Where a turn ends that begins at `position`.
#[inline]
fn after_turn<S: LaneSymbols>(stream: &[u8], lengths: &[u8], mut position: u64) -> u64 {
    /// Codewords of a window: 4 of 13 bits out of at least 57.
    const PER_WINDOW: usize = 4;
    for _ in 0..turn::symbols::<S>() / PER_WINDOW {
        let mut window = bits::window(stream, position);
        for _ in 0..PER_WINDOW {
            let length = lengths[int::index(window >> (64 - MAX_LEN))];
            window <<= length;
            position += u64::from(length);
        }
    }
    position
}

#[cfg(test)]
mod tests {
    use super::super::geometry::VECTOR;
    use super::*;
    use crate::element::Numbers;
    use crate::layout::Scheme;
    use crate::layout::lanes::Lanes;
    use crate::{symbols, synthetic};

    /// Sections of a chunk, decoded from where they are said to begin, are what the chunk has there.
    fn sections_begin_where_they_say<S: LaneSymbols>(elements: usize, sections: u32) {
        let bytes = synthetic::gaussian(elements as u64, elements, 0.05);
        let bytes = synthetic::stored_as("F8_E4M3", &bytes).unwrap();
        let numbers = Numbers::e4m3(&bytes);
        let scheme = Lanes::<S>::new(Some(S::LENGTHS.least * 4));
        let codebook = scheme.codebook(&scheme.symbol_histogram(numbers));
        let encoded = scheme.encode(numbers, &codebook).unwrap();
        let positions = section_positions(&S::KIND, &encoded, 0..u64::MAX, sections).unwrap();
        let parts = Parts::new::<S>(&encoded).unwrap();
        let turns = int::index(section_turns(&S::KIND, S::LENGTHS.least * 4, sections));
        let each = LANES * (sections as usize - 1);
        assert_eq!(positions.len(), parts.geometry.chunks * each);
        // Independently: lengths of codewords, symbol by symbol, of what was encoded.
        for (number, of_chunk) in positions.chunks_exact(each).enumerate() {
            let chunk = parts.chunk::<S>(number).unwrap();
            let fields: Vec<u8> = bytes[number * parts.geometry.chunk..][..chunk.elements]
                .iter()
                .map(|byte| {
                    if S::KIND.bits == 8 {
                        *byte
                    } else {
                        byte >> (7 - S::KIND.bits) & (0xff >> (8 - S::KIND.bits))
                    }
                })
                .collect();
            for section in 1..sections as usize {
                for lane in 0..LANES {
                    let (mut bits, mut is_known) = (0, true);
                    for turn in 0..(section * turns).min(turn::turns::<S>(chunk.elements, lane)) {
                        let start = turn * turn::round::<S>();
                        let round = &fields[start..fields.len().min(start + turn::round::<S>())];
                        is_known &= round.len() == turn::round::<S>();
                        if is_known {
                            let own = turn::of::<S>(round, lane);
                            for symbol in 0..turn::symbols::<S>() {
                                let fields = S::KIND.known(own, symbol);
                                let length = codebook.length(S::KIND.symbol(&fields));
                                is_known &= length > 0;
                                bits += u64::from(length);
                            }
                        }
                    }
                    // Symbols without a codeword, or that lack elements, are stood in for by others.
                    if is_known {
                        assert_eq!(u64::from(of_chunk[(section - 1) * LANES + lane]), bits);
                    }
                }
            }
        }
    }

    #[test]
    fn sections_begin_where_the_codewords_before_them_end() {
        for elements in [1, 700, 32 * 512, 70_001] {
            for sections in [2, 4, 8] {
                sections_begin_where_they_say::<Byte>(elements, sections);
                sections_begin_where_they_say::<Pair>(elements, sections);
                sections_begin_where_they_say::<Pair6>(elements, sections);
                sections_begin_where_they_say::<Triple>(elements, sections);
                sections_begin_where_they_say::<Quad>(elements, sections);
            }
        }
    }

    #[test]
    fn sections_of_states_begin_where_the_reads_before_them_end() {
        let bytes = synthetic::stored_as("F8_E4M3", &synthetic::gaussian(5, 70_001, 0.05)).unwrap();
        let numbers = Numbers::e4m3(&bytes);
        let scheme = Lanes::<AnsByte>::new(Some(256));
        let codebook = scheme.codebook_within(&scheme.symbol_histogram(numbers), 13);
        let encoded = scheme.encode(numbers, &codebook).unwrap();
        let chunks = 70_001u64.div_ceil(32 * 256);
        let positions = section_positions(&symbols::BYTE, &encoded, 0..chunks, 4).unwrap();
        let states = crate::codebook::ans::states(&codebook);
        let mut begins = 0;
        for (chunk, of_chunk) in positions.chunks_exact(3 * 64).enumerate() {
            for (section, of_section) in (1usize..).zip(of_chunk.chunks_exact(64)) {
                for lane in 0..LANES {
                    // Four turns of 512 elements to a section.
                    let first = chunk * 32 * 256 + section * 4 * 512 + lane * VECTOR;
                    if first < bytes.len() {
                        let state = states[usize::from(of_section[32 + lane])];
                        let last = bytes[first - 512 + VECTOR - 1];
                        assert_eq!(state.symbol, u16::from(last));
                        begins += 1;
                    }
                }
            }
        }
        assert!(begins > 700, "{begins}");
    }

    #[test]
    fn a_chunk_that_is_not_cut_has_no_positions() {
        let scheme = Lanes::<Byte>::new(None);
        let numbers = Numbers::e4m3(&[1; 5000]);
        let codebook = scheme.codebook(&scheme.symbol_histogram(numbers));
        let encoded = scheme.encode(numbers, &codebook).unwrap();
        assert_eq!(section_positions(&symbols::BYTE, &encoded, 0..9, 1).unwrap(), Vec::<u16>::new());
        assert_eq!(section_positions(&symbols::BYTE, &encoded, 9..12, 4).unwrap(), Vec::<u16>::new());
    }
}
