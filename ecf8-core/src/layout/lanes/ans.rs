//! Streams that lead from state to state of an asymmetric numeral system, instead of codewords.
//!
//! A lane's stream begins with the state of its first symbol, in L bits, the number of the codebook's state bits. Between
//! two symbols stand the bits that lead from the state of the one to that of the other; after the last, nothing. The bits
//! between two symbols depend on what follows, so an encoder goes from the last symbol to the first.

use super::code::{CodebookCost, cost_bits, patches_of};
use super::geometry::{LANES, VECTOR};
use super::codes::Codes;
use super::streams::{Written, lead};
use super::{LaneSymbols, turn};
use crate::codebook::Codebook;
use crate::codebook::ans::{MAX_STATE_BITS, Steps};
use crate::histogram::Histogram;
use crate::int;
use crate::symbols::SymbolKind;
use std::borrow::Cow;
use std::marker::PhantomData;
use std::ops::Range;

/// The cheapest codebook found for at most 2^`limit` states. The rarest symbols have none where a patch costs less than what
/// a state takes from the others.
pub(super) fn within(kind: &SymbolKind, histogram: &Histogram, limit: u8) -> CodebookCost {
    let present = histogram.present();
    let stand_in = present.iter().max_by_key(|(symbol, count)| (*count, std::cmp::Reverse(*symbol)));
    let stand_in = stand_in.map_or(0, |(symbol, _)| *symbol);
    let keep = |is_kept: &dyn Fn(usize, u64) -> bool| {
        let mut kept: Vec<(usize, u64)> = present
            .iter()
            .copied()
            .filter(|&(symbol, count)| symbol == stand_in || is_kept(symbol, count))
            .collect();
        let dropped = histogram
            .total()
            .saturating_sub(kept.iter().map(|(_, count)| *count).fold(0, u64::saturating_add));
        let own = kept.iter_mut().find(|(symbol, _)| *symbol == stand_in);
        own.into_iter().for_each(|(_, count)| *count = count.saturating_add(dropped));
        let codebook = Codebook::of_frequencies(&Histogram::from_present(histogram.alphabet(), kept), limit);
        CodebookCost { bits: cost_bits(kind, histogram, &codebook), codebook }
    };
    // A state less for the others makes all of them longer by log2(1 + 2^-limit) bits, or 1.44 * 2^-limit.
    let state_bits = histogram.total().saturating_mul(3) >> (limit + 1);
    let all = keep(&|_, _| true);
    let fewer = keep(&|symbol, count| {
        // A patch in place of a symbol that would take all bits of a state.
        let patched = 32 * patches_of(kind, symbol, stand_in);
        count.saturating_mul(patched.saturating_sub(limit.into())) > state_bits
    });
    if fewer.bits < all.bits || all.codebook.is_empty() { fewer } else { all }
}

/// What leads from symbol to symbol in a chunk.
///
/// All lanes go back at once, two symbols each and then the next two: a step waits for the one before it, and 32 lanes' are on
/// their way together.
struct Back<'a, S> {
    steps: &'a Steps,
    /// Fields by round.
    rounds: Vec<Cow<'a, [u8]>>,
    /// How many lanes have a turn in the last round.
    in_last: usize,
    symbols: PhantomData<S>,
}

impl<'a, S: LaneSymbols> Back<'a, S> {
    fn new(codes: &'a Codes, fields: &'a [u8]) -> Self {
        let rounds: Vec<_> =
            fields.chunks(turn::round::<S>()).map(|elements| codes.complete::<S>(elements)).collect();
        let in_last = fields.chunks(turn::round::<S>()).next_back().map_or(0, |last| turn::lanes(last.len()));
        Self { steps: &codes.steps, rounds, in_last, symbols: PhantomData }
    }

    /// Goes back. `read` is told what is read, from the last of a lane to the first, often of two symbols at once: by which
    /// lane, the bits as a number, and how many. `turn` is told when all of a turn has been read.
    #[inline]
    fn go<T>(
        &self,
        told: &mut T,
        mut read: impl FnMut(&mut T, usize, u32, u32),
        mut turn: impl FnMut(&mut T, usize),
    ) {
        const { assert!(!S::ANS || S::VECTORS == 1 && S::KIND.elements == 1) };
        let Some((last, others)) = self.rounds.split_last() else { return };
        let mut states = [0u16; LANES];
        self.begin(&mut states, last, 0..self.in_last);
        let mut lanes = self.in_last;
        let mut round = last;
        for index in (0..self.rounds.len()).rev() {
            for places in (1..VECTOR - 1).step_by(2).rev() {
                for (lane, (state, symbols)) in states.iter_mut().zip(vectors(round)).enumerate().take(lanes)
                {
                    let (value, bits) = self.two(state, symbols[places + 1], symbols[places]);
                    read(told, lane, value, bits);
                }
            }
            // What leads on from the last symbol of a turn is read in the next.
            let Some(before) = index.checked_sub(1).map(|before| &others[before]) else { break };
            let both = vectors(round).iter().zip(vectors(before));
            for (lane, (state, (symbols, before))) in states.iter_mut().zip(both).enumerate().take(lanes) {
                let (value, bits) = self.two(state, symbols[0], before[VECTOR - 1]);
                read(told, lane, value, bits);
            }
            turn(told, index);
            self.begin(&mut states, before, lanes..LANES);
            (lanes, round) = (LANES, before);
        }
        for (lane, (state, symbols)) in states.into_iter().zip(vectors(round)).enumerate().take(lanes) {
            let first = self.steps.before(symbols[0], state);
            read(told, lane, first.value.into(), first.bits.into());
            read(told, lane, first.state.into(), self.steps.bits().into());
        }
        turn(told, 0);
    }

    /// The states of these lanes' last symbols.
    fn begin(&self, states: &mut [u16; LANES], round: &[u8], lanes: Range<usize>) {
        let with_symbols = states.iter_mut().zip(vectors(round));
        for (state, symbols) in with_symbols.take(lanes.end).skip(lanes.start) {
            *state = self.steps.last(symbols[VECTOR - 1]);
        }
    }

    /// Goes back to the symbol `after` and from it to the one `before`. What is read on the way there and back stands behind
    /// one another.
    #[inline]
    fn two(&self, state: &mut u16, after: u8, before: u8) -> (u32, u32) {
        const { assert!(2 * MAX_STATE_BITS < 32) };
        let second = self.steps.before(after, *state);
        let first = self.steps.before(before, second.state);
        *state = first.state;
        let value = u32::from(first.value) << second.bits | u32::from(second.value);
        (value, u32::from(first.bits) + u32::from(second.bits))
    }
}

/// The turns of a round's lanes.
fn vectors(round: &[u8]) -> &[[u8; VECTOR]] {
    round.as_chunks().0
}

/// How far a stream is written.
#[derive(Debug, Clone, Copy, Default)]
struct Writer {
    /// Bits that are not yet a whole word, the last of them lowest, and how many.
    pending: u64,
    count: u32,
    /// The word behind them.
    end: usize,
}

impl Writer {
    /// Bits that were written by a lane whose room ends at this word.
    fn bits(&self, end: usize) -> u32 {
        int::low((end - self.end) as u64) * 32 + self.count
    }
}

/// Writes the streams of a chunk, of which a turn takes at most `turn_bits` bits, from their ends to their beginnings.
pub(super) fn write<S: LaneSymbols>(codes: &Codes, fields: &[u8], turn_bits: u32, written: &mut Written) {
    let back = Back::<S>::new(codes, fields);
    let rounds = back.rounds.len();
    let room = rounds * turn_bits as usize / 32 + 1;
    written.streams.stride = 4 * room;
    written.streams.bytes.resize(LANES * written.streams.stride, 0);
    let words = written.streams.bytes.as_chunks_mut::<4>().0;
    // Bits of each lane from the beginning of a turn to the end.
    let mut from_turn = vec![[0u32; LANES]; rounds + 1];
    let ends: [usize; LANES] = std::array::from_fn(|lane| (lane + 1) * room);
    let mut writers = ends.map(|end| Writer { end, ..Writer::default() });
    back.go(
        &mut writers,
        |writers, lane, value, bits| {
            let writer = &mut writers[lane];
            writer.pending |= u64::from(value) << writer.count;
            writer.count += bits;
            // No branch, since whether a word is full is hard to foresee: one that is not is written again.
            words[writer.end - 1] = int::low(writer.pending).to_be_bytes();
            let is_full = writer.count >> 5;
            writer.end -= is_full as usize;
            writer.pending >>= 32 * is_full;
            writer.count &= 31;
        },
        |writers, turn| {
            if let Some(bits) = from_turn.get_mut(turn) {
                *bits = std::array::from_fn(|lane| writers[lane].bits(ends[lane]));
            }
        },
    );
    for writer in writers.iter().filter(|writer| writer.count > 0) {
        words[writer.end - 1] = int::low(writer.pending).to_be_bytes();
    }
    written.bits = from_turn[0];
    written.starts = written.bits.map(|bits| int::low(32 * room as u64) - bits);
    written.lead_rows = 0;
    for (turn, own) in from_turn[..rounds].iter().enumerate() {
        let lanes = if turn + 1 == rounds { back.in_last } else { LANES };
        let before: [u32; LANES] = std::array::from_fn(|lane| written.bits[lane] - own[lane]);
        written.lead_rows = written.lead_rows.max(lead(&before[..lanes], turn_bits));
    }
}

