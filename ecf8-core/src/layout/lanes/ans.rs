//! Streams that lead from state to state of an asymmetric numeral system, instead of codewords.
//!
//! A lane's stream begins with the state of its first symbol, in L bits, the number of the codebook's state bits. Between
//! two symbols stand the bits that lead from the state of the one to that of the other; after the last, nothing. The bits
//! between two symbols depend on what follows, so an encoder goes from the last symbol to the first.

use super::code::{CodebookCost, cost_bits, patches_of};
use super::geometry::{LANES, VECTOR};
use super::streams::{SLACK, Streams, Written, lead};
use super::{LaneSymbols, turn};
use crate::codebook::Codebook;
use crate::codebook::ans::{MAX_STATE_BITS, Steps};
use crate::histogram::Histogram;
use crate::int;
use crate::symbols::{Number, SymbolKind};
use crate::wide::shifting;

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

/// Lanes that are written side by side: a state is looked up where the one behind it says, and a processor can do something
/// else meanwhile.
const AT_ONCE: usize = 4;

/// Symbols whose bits are put together before they are written: 4 of 13 bits, and 7 before them, are fewer than 64.
const PER_STORE: usize = 4;

/// Writes the streams of a chunk of these symbols, which is whole rounds, but has only `elements` elements, from their ends to
/// their beginnings. A turn takes at most `turn_bits` bits.
pub(super) fn write<S: LaneSymbols>(
    steps: &Steps,
    symbols: &[S::Number],
    elements: usize,
    turn_bits: u32,
    written: &mut Written,
) {
    const { assert!(!S::ANS || turn::symbols::<S>() == VECTOR) };
    const { assert!(LANES.is_multiple_of(AT_ONCE)) };
    let turns = symbols.as_chunks::<VECTOR>().0;
    let rounds = turns.len() / LANES;
    let in_last = turn::lanes(elements - rounds.saturating_sub(1) * turn::STRIDE);
    let Streams { bytes, stride } = &mut written.streams;
    *stride = (rounds * turn_bits as usize).div_ceil(32) * 4 + SLACK;
    bytes.resize(LANES * *stride, 0);
    // Bits of each lane from the beginning of a turn to the end.
    let mut from_turn = vec![[0u32; LANES]; rounds];
    let mut bits = [0; LANES];
    for (group, rooms) in bytes.chunks_exact_mut(AT_ONCE * *stride).enumerate() {
        let first = AT_ONCE * group;
        let rounds_of = |lane: usize| if lane < in_last { rounds } else { rounds - rounds.min(1) };
        if rounds_of(first) == rounds_of(first + AT_ONCE - 1) {
            let turns = &turns[..rounds_of(first) * LANES];
            let own = shifting(
                #[inline(always)]
                || Writers::<AT_ONCE>::write(steps, turns, first, rooms, &mut from_turn),
            );
            bits[first..first + AT_ONCE].copy_from_slice(&own);
        } else {
            for (lane, room) in (first..).zip(rooms.chunks_exact_mut(*stride)) {
                let turns = &turns[..rounds_of(lane) * LANES];
                [bits[lane]] = Writers::<1>::write(steps, turns, lane, room, &mut from_turn);
            }
        }
    }
    written.starts = bits.map(|bits| int::low(8 * *stride as u64) - bits);
    written.bits = bits;
    written.lead_rows = 0;
    for (round, own) in from_turn.iter().enumerate() {
        let lanes = if round + 1 == rounds { in_last } else { LANES };
        let before: [u32; LANES] = std::array::from_fn(|lane| bits[lane] - own[lane]);
        written.lead_rows = written.lead_rows.max(lead(&before[..lanes], turn_bits));
    }
}

/// `N` lanes, whose streams are written side by side.
struct Writers<'a, const N: usize> {
    steps: &'a Steps,
    /// Rooms of the streams, one behind the other.
    rooms: &'a mut [u8],
    states: [u32; N],
    /// Bits that are not yet stored, those of the first symbol highest; and how many.
    pending: [u64; N],
    counts: [u32; N],
    /// The byte behind them.
    ends: [usize; N],
}

impl<'a, const N: usize> Writers<'a, N> {
    /// Writes lanes from `first` on into their rooms, round by round from the last; tells how many bits there are from each
    /// turn on, and gives how many in all.
    #[inline(always)]
    fn write<T: Number>(
        steps: &'a Steps,
        turns: &[[T; VECTOR]],
        first: usize,
        rooms: &'a mut [u8],
        from_turn: &mut [[u32; LANES]],
    ) -> [u32; N] {
        let room = rooms.len() / N;
        let ends: [usize; N] = std::array::from_fn(|lane| (lane + 1) * room);
        let mut writers = Self { steps, rooms, states: [0; N], pending: [0; N], counts: [0; N], ends };
        let rounds = turns.chunks_exact(LANES);
        let last = rounds.len().saturating_sub(1);
        let bits = |writers: &Self| -> [u32; N] {
            std::array::from_fn(|lane| {
                int::low(8 * (ends[lane] - writers.ends[lane]) as u64) + writers.counts[lane]
            })
        };
        for (round, turns) in rounds.enumerate().rev() {
            let Some(turns) = turns[first..].first_chunk::<N>() else { continue };
            if round == last {
                writers.turn::<T, true>(turns);
                continue;
            }
            // What leads on from the last symbol of a turn is read in the next.
            let (behind, leading) = (bits(&writers), writers.turn::<T, false>(turns));
            let from: [u32; N] = std::array::from_fn(|lane| behind[lane] + leading[lane]);
            from_turn[round + 1][first..first + N].copy_from_slice(&from);
        }
        if turns.is_empty() {
            return [0; N];
        }
        writers.begin();
        from_turn[0][first..first + N].copy_from_slice(&bits(&writers));
        bits(&writers)
    }

    /// Goes back through a turn, which may be the last of all; else, gives how many bits lead on from its last symbols.
    #[inline(always)]
    fn turn<T: Number, const LAST: bool>(&mut self, turns: &[[T; VECTOR]; N]) -> [u32; N] {
        const { assert!(VECTOR.is_multiple_of(PER_STORE)) };
        const { assert!(PER_STORE * MAX_STATE_BITS as usize + 7 < 64) };
        let (mut states, mut leading) = (self.states, [0; N]);
        for four in (0..VECTOR / PER_STORE).rev() {
            // Of our own, so that they stay in registers.
            let (mut pending, mut counts) = (self.pending, self.counts);
            for place in (four * PER_STORE..(four + 1) * PER_STORE).rev() {
                for lane in 0..N {
                    let symbol = turns[lane][place].number().to_le_bytes()[0];
                    if LAST && place == VECTOR - 1 {
                        states[lane] = self.steps.last(symbol);
                        continue;
                    }
                    let step = self.steps.before(symbol, states[lane]);
                    pending[lane] |= u64::from(step.low) << (counts[lane] & 63);
                    counts[lane] += step.bits;
                    states[lane] = step.state;
                    if place == VECTOR - 1 {
                        leading[lane] = step.bits;
                    }
                }
            }
            (self.pending, self.counts) = (pending, counts);
            (0..N).for_each(|lane| self.store(lane));
        }
        self.states = states;
        leading
    }

    /// Writes the states of the first symbols.
    #[inline(always)]
    fn begin(&mut self) {
        for lane in 0..N {
            let (bits, state) = (self.steps.bits(), u64::from(self.states[lane]));
            self.pending[lane] |= state << self.counts[lane];
            self.counts[lane] += bits;
            self.store(lane);
            self.store(lane);
        }
    }

    /// Stores what is pending; what is no whole byte stays so.
    #[inline(always)]
    fn store(&mut self, lane: usize) {
        let end = self.ends[lane];
        if let Some(place) = self.rooms.get_mut(..end).and_then(|before| before.last_chunk_mut()) {
            *place = self.pending[lane].to_be_bytes();
        }
        self.ends[lane] = end - int::index(u64::from(self.counts[lane] / 8));
        self.pending[lane] >>= self.counts[lane] & 56;
        self.counts[lane] %= 8;
    }
}
