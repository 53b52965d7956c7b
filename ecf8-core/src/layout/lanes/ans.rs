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

/// How long the lanes' streams become, and how many rows are in use at once, where a turn takes at most `turn_bits` bits.
pub(super) fn measure<S: LaneSymbols>(
    measure: &Measure,
    fields: &[u8],
    turn_bits: u32,
) -> ([u32; LANES], u32) {
    let back = Back::<S>::new(measure, fields);
    let mut turns = vec![[0u32; LANES]; back.rounds.len()];
    back.go(
        &mut [0; LANES],
        |sums, lane, _, bits| sums[lane] += bits,
        |sums, turn| {
            if let Some(turn) = turns.get_mut(turn) {
                *turn = std::mem::take(sums);
            }
        },
    );
    let mut positions = [0; LANES];
    let mut lead_rows = 0;
    for (turn, bits) in turns.iter().enumerate() {
        let lanes = if turn + 1 == turns.len() { back.in_last } else { LANES };
        lead_rows = lead_rows.max(lead(&positions[..lanes], turn_bits));
        positions.iter_mut().zip(bits).for_each(|(position, bits)| *position += bits);
    }
    (positions, lead_rows)
}

/// A stream as it is written from its end to its beginning.
#[derive(Debug, Clone, Copy, Default)]
struct Writer {
    /// Bits that are not yet a whole word: the last of them lowest.
    pending: u64,
    count: u32,
    /// The word that they are in.
    row: usize,
    /// Bits of the last word that the stream does not reach.
    beyond: u32,
}

/// Writes the streams of a chunk, which have these many bits.
pub(super) fn write<S: LaneSymbols>(
    measure: &Measure,
    fields: &[u8],
    bits: &[u32; LANES],
    mut put: impl FnMut(usize, usize, u32, u32),
) {
    let mut writers = bits.map(|bits| {
        let beyond = bits.wrapping_neg() % 32;
        Writer { pending: 0, count: beyond, row: (bits.div_ceil(32) as usize).saturating_sub(1), beyond }
    });
    let mut write = |writers: &mut [Writer; LANES], lane: usize, value: u32, bits: u32| {
        let writer = &mut writers[lane];
        writer.pending |= u64::from(value) << writer.count;
        writer.count += bits;
        if writer.count >= 32 {
            let [word, rest] = [writer.pending & u64::from(u32::MAX), writer.pending >> 32];
            let beyond = std::mem::take(&mut writer.beyond);
            put(lane, writer.row, u32::try_from(word).unwrap_or(u32::MAX) >> beyond, 32 - beyond);
            writer.row = writer.row.saturating_sub(1);
            (writer.pending, writer.count) = (rest, writer.count - 32);
        }
    };
    Back::<S>::new(measure, fields).go(&mut writers, &mut write, |_, _| ());
}
