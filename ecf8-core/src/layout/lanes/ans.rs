//! Streams that lead from state to state of an asymmetric numeral system, instead of codewords.
//!
//! A lane's stream begins with the state of its first symbol, in L bits, the number of the codebook's state bits. Between
//! two symbols stand the bits that lead from the state of the one to that of the other; after the last, nothing. The bits
//! between two symbols depend on what follows, so an encoder goes from the last symbol to the first.

use super::code::{CodebookCost, cost_bits, patches_of};
use super::geometry::{LANES, VECTOR};
use super::measure::{Measure, lead};
use super::{LaneSymbols, turn};
use crate::codebook::Codebook;
use crate::histogram::Histogram;
use crate::symbols::SymbolKind;
use std::borrow::Cow;
use std::marker::PhantomData;

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
/// All lanes go back at once, a symbol each and then the next: a step waits for the one before it, and 32 of them are on
/// their way together.
struct Back<'a, S> {
    measure: &'a Measure,
    /// Fields by round.
    rounds: Vec<Cow<'a, [u8]>>,
    /// How many lanes have a turn in the last round.
    in_last: usize,
    symbols: PhantomData<S>,
}

impl<'a, S: LaneSymbols> Back<'a, S> {
    fn new(measure: &'a Measure, fields: &'a [u8]) -> Self {
        let rounds: Vec<_> =
            fields.chunks(turn::round::<S>()).map(|elements| measure.complete::<S>(elements)).collect();
        let in_last = fields.chunks(turn::round::<S>()).next_back().map_or(0, |last| turn::lanes(last.len()));
        Self { measure, rounds, in_last, symbols: PhantomData }
    }

    /// Goes back. `read` is told of each thing that is read, from the last to the first of a lane: by which lane, and what.
    /// `turn` is told when all of a turn has been read.
    #[inline]
    fn go<T>(
        &self,
        told: &mut T,
        mut read: impl FnMut(&mut T, usize, u32, u32),
        mut turn: impl FnMut(&mut T, usize),
    ) {
        const { assert!(!S::ANS || S::VECTORS == 1 && S::KIND.elements == 1) };
        let steps = &self.measure.steps;
        let mut states = [0u16; LANES];
        let mut begun = 0;
        for (index, round) in self.rounds.iter().enumerate().rev() {
            let lanes = if index + 1 == self.rounds.len() { self.in_last } else { LANES };
            let (vectors, _) = round.as_chunks::<VECTOR>();
            for place in (0..VECTOR).rev() {
                let known = if place + 1 == VECTOR { begun } else { lanes };
                for (lane, (state, symbols)) in states.iter_mut().zip(vectors).enumerate().take(known) {
                    let step = steps.before(symbols[place], *state);
                    read(told, lane, step.value.into(), step.bits.into());
                    *state = step.state;
                }
                for (state, symbols) in states.iter_mut().zip(vectors).take(lanes).skip(known) {
                    *state = steps.last(symbols[place]);
                }
                // What leads on from the last symbol of a turn is read in the next.
                if place + 1 == VECTOR && known > 0 {
                    turn(told, index + 1);
                }
            }
            begun = lanes;
        }
        for (lane, state) in states.into_iter().enumerate().take(begun) {
            read(told, lane, state.into(), steps.bits().into());
        }
        turn(told, 0);
    }
}

/// The streams of a chunk's lanes. They are written from their ends to their beginnings, each in room of its own.
#[derive(Debug)]
pub(super) struct Streams {
    /// Words of each lane's room, of which the stream is the end; and one more behind all.
    words: Vec<u32>,
    room: usize,
    /// Bits of each stream.
    pub(super) bits: [u32; LANES],
    /// Rows that are in use at once.
    pub(super) lead_rows: u32,
}

/// How far a stream is written.
#[derive(Debug, Clone, Copy, Default)]
struct Writer {
    /// Bits that are not yet a whole word, the last of them lowest, and how many.
    pending: u64,
    count: u32,
    /// The word behind them.
    end: usize,
    /// Bits of the turn.
    turn: u32,
}

impl Streams {
    /// The streams of a chunk, of which a turn takes at most `turn_bits` bits.
    pub(super) fn of<S: LaneSymbols>(measure: &Measure, fields: &[u8], turn_bits: u32) -> Self {
        let back = Back::<S>::new(measure, fields);
        let rounds = back.rounds.len();
        let room = rounds * turn_bits as usize / 32 + 1;
        let mut words = vec![0; LANES * room + 1];
        let mut turns = vec![[0u32; LANES]; rounds];
        let mut writers = [Writer::default(); LANES];
        for (lane, writer) in writers.iter_mut().enumerate() {
            writer.end = (lane + 1) * room;
        }
        back.go(
            &mut writers,
            |writers, lane, value, bits| {
                let writer = &mut writers[lane];
                writer.pending |= u64::from(value) << writer.count;
                writer.count += bits;
                writer.turn += bits;
                // No branch, since whether a word is full is hard to foresee: one that is not is written again.
                words[writer.end - 1] = low(writer.pending);
                let is_full = writer.count >> 5;
                writer.end -= is_full as usize;
                writer.pending >>= 32 * is_full;
                writer.count &= 31;
            },
            |writers, turn| {
                if let Some(turn) = turns.get_mut(turn) {
                    *turn = writers.each_mut().map(|writer| std::mem::take(&mut writer.turn));
                }
            },
        );
        for writer in writers.iter().filter(|writer| writer.count > 0) {
            words[writer.end - 1] = low(writer.pending);
        }
        let mut bits = [0; LANES];
        let mut lead_rows = 0;
        for (turn, own) in turns.iter().enumerate() {
            let lanes = if turn + 1 == rounds { back.in_last } else { LANES };
            lead_rows = lead_rows.max(lead(&bits[..lanes], turn_bits));
            bits.iter_mut().zip(own).for_each(|(bits, own)| *bits += own);
        }
        Self { words, room, bits, lead_rows }
    }

    /// Word `row` of a lane's stream, and how many bits of it there are: the last may have fewer than 32, which are then lowest.
    pub(super) fn word(&self, lane: usize, row: u32) -> (u32, u32) {
        let bits = self.bits[lane];
        let before = self.room * 32 - bits as usize + row as usize * 32;
        let place = lane * self.room + before / 32;
        let two = u64::from(self.words[place]) << 32 | u64::from(self.words[place + 1]);
        let len = (bits - 32 * row).min(32);
        (low(two << (before % 32) >> (64 - len)), len)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the low half is wanted")]
fn low(bits: u64) -> u32 {
    bits as u32
}
