//! Codewords by symbol, written into streams; and patches for symbols that have none.

use super::geometry::{LANES, VECTOR};
use super::patch::{GROUP, Patch};
use super::streams::{SLACK, Streams, Written, lead};
use super::words::Word;
use super::{LaneSymbols, MAX_LEN, turn};
use crate::codebook::Codebook;
use crate::codebook::ans::Steps;
use crate::int;
use crate::symbols::Number;
use crate::wide::shifting;
use std::borrow::Cow;

/// Codewords that are put together before they are written: 4 of 13 bits, and 7 before them, are fewer than 64.
const AT_ONCE: usize = 4;

/// Bits of an entry that tell a codeword's length: as many as a shift looks at, and enough for the sum of [`AT_ONCE`].
const LENGTH: u64 = 63;

/// Set in the entry of a symbol without a codeword, beside the codeword that stands in. Sums of entries keep it apart.
const MISSING: u64 = 1 << 8;

/// Set in a sum of entries if a symbol has none.
const ANY_MISSING: u64 = 7 * MISSING;

/// Bits of entries put together that are codewords: the highest.
const CODES: u64 = u64::MAX << (64 - AT_ONCE * MAX_LEN as usize);

/// More bytes than a stream has: a power of two.
const LONGEST: usize = 1 << 13;

/// What becomes of symbols under a codebook.
pub(super) struct Codes {
    /// By symbol: its codeword, in the highest bits, [`MISSING`], and how long it is.
    entries: Vec<u64>,
    /// The first symbol with the shortest codeword, which stands in for symbols that have none and for no symbol at
    /// all.
    shortest: usize,
    /// What leads from state to state, of a codebook of frequencies.
    pub(super) steps: Steps,
}

/// The turns of a chunk that have symbols without a codeword, by round and lane.
pub(super) type Lacking = Vec<(usize, usize)>;

impl Codes {
    pub(super) fn new(codebook: &Codebook) -> Self {
        const { assert!(CODES & (2 * MISSING - 1) == 0 && AT_ONCE * (MAX_LEN as usize) + 7 < 64) };
        // The first of the shortest codewords, which is 0, stands in for those that are missing.
        let mut entries = vec![u64::from(codebook.min_len()) | MISSING; codebook.symbols()];
        if codebook.has_frequencies() {
            codebook.present().for_each(|(symbol, length)| entries[symbol] = length.into());
        } else {
            for (symbol, code, length) in codebook.canonical() {
                // Two shifts, because a codeword of no bits would be shifted by all 64.
                entries[symbol] = u64::from(code) << 1 << (63 - length) | u64::from(length);
            }
        }
        Self { entries, shortest: codebook.first_symbol().unwrap_or(0), steps: Steps::new(codebook) }
    }

    fn is_missing(&self, symbol: usize) -> bool {
        self.entries[symbol] & MISSING != 0
    }

    /// A round that has these elements. If some are missing, symbols have the shortest codewords possible.
    pub(super) fn complete<'a, S: LaneSymbols>(&self, elements: &'a [u8]) -> Cow<'a, [u8]> {
        turn::whole::<S>(elements, |known| {
            if known.is_empty() {
                return self.shortest;
            }
            let beginning = S::KIND.beginning_with(known);
            let candidates = beginning.clone().filter(|symbol| !self.is_missing(*symbol));
            candidates.min_by_key(|symbol| self.entries[*symbol] & LENGTH).unwrap_or(beginning.start)
        })
    }

    /// Writes the streams of a chunk of these symbols, which is whole rounds, but has only `elements` elements. A turn takes at
    /// most `turn_bits` bits.
    pub(super) fn write<S: LaneSymbols>(
        &self,
        symbols: &[S::Number],
        elements: usize,
        turn_bits: u32,
        written: &mut Written,
        lacking: &mut Lacking,
    ) {
        let in_round = LANES * turn::symbols::<S>();
        let rounds = symbols.len() / in_round;
        let in_last = turn::lanes(elements - rounds.saturating_sub(1) * turn::round::<S>());
        let Streams { bytes, stride } = &mut written.streams;
        *stride = (rounds * turn_bits as usize).div_ceil(32) * 4 + SLACK;
        bytes.resize(LANES * *stride, 0);
        written.starts = [0; LANES];
        lacking.clear();
        let mut ends = vec![[0u32; LANES]; rounds];
        let mut own = [0; LONGEST + SLACK];
        for (lane, stream) in bytes.chunks_exact_mut(*stride).enumerate() {
            let rounds = if lane < in_last { rounds } else { rounds.saturating_sub(1) };
            let symbols = &symbols[..rounds * in_round];
            shifting(
                #[inline(always)]
                || self.lane::<S>(symbols, lane, &mut own, &mut ends, lacking),
            );
            stream.copy_from_slice(&own[..stream.len()]);
        }
        lacking.sort_unstable();
        written.lead_rows = 0;
        let mut before = [0; LANES];
        for (round, ends) in ends.iter().enumerate() {
            let lanes = if round + 1 == rounds { in_last } else { LANES };
            written.lead_rows = written.lead_rows.max(lead(&before[..lanes], turn_bits));
            before[..lanes].copy_from_slice(&ends[..lanes]);
        }
        written.bits = before;
    }

    /// Writes the stream of a lane; tells where its turns end, and which lack codewords.
    #[inline(always)]
    fn lane<S: LaneSymbols>(
        &self,
        symbols: &[S::Number],
        lane: usize,
        stream: &mut [u8; LONGEST + SLACK],
        ends: &mut [[u32; LANES]],
        lacking: &mut Lacking,
    ) {
        const { assert!(turn::symbols::<S>().is_multiple_of(AT_ONCE)) };
        const { assert!(int::index(S::LENGTHS.most) * MAX_LEN as usize <= 8 * LONGEST) };
        let of_turn = turn::symbols::<S>();
        let entries = &self.entries[..S::KIND.alphabet()];
        // Bits that are not yet a whole byte, highest, and how many; the byte that they belong to.
        let (mut pending, mut count, mut at) = (0u64, 0u64, 0usize);
        for (round, symbols) in symbols.chunks_exact(LANES * of_turn).enumerate() {
            let mut all = 0;
            for four in symbols[lane * of_turn..][..turn::symbols::<S>()].as_chunks::<AT_ONCE>().0 {
                // Masks change nothing, but tell that there is such an entry, and room.
                let own = four.map(|symbol| entries[usize::from(symbol.number()) & (S::KIND.alphabet() - 1)]);
                let sum = own.iter().fold(0u64, |sum, entry| sum.wrapping_add(*entry));
                // From the last to the first: each moves those behind it back by its own length.
                let code = own.iter().rev().fold(0, |code, entry| code >> (entry & LENGTH) | entry);
                all |= sum;
                pending |= (code & CODES) >> count;
                count += sum & LENGTH;
                let place = at & (LONGEST - 1);
                stream[place..place + 8].copy_from_slice(&pending.to_be_bytes());
                at += int::index(count / 8);
                pending <<= count & !7;
                count %= 8;
            }
            ends[round][lane] = int::low(8 * at as u64 + count);
            if all & ANY_MISSING != 0 {
                lacking.push((round, lane));
            }
        }
    }

    /// The turns of a chunk's rounds, each element of which is a symbol, that have symbols without a codeword.
    pub(super) fn find_lacking<S: LaneSymbols>(&self, fields: &[u8], lacking: &mut Lacking) {
        const { assert!(!S::ANS || S::KIND.elements == 1) };
        lacking.clear();
        // With as many entries as there are bytes, none needs a check.
        let Some(entries) = self.entries.first_chunk::<256>() else { return };
        let lacks = |vector: &[u8]| {
            vector.iter().fold(0, |all, element| all | entries[usize::from(*element)]) & MISSING != 0
        };
        let (vectors, rest) = fields.as_chunks::<VECTOR>();
        let with_rest =
            vectors.iter().map(|vector| lacks(vector)).chain((!rest.is_empty()).then(|| lacks(rest)));
        let lacking_ones = with_rest.enumerate().filter(|(_, lacks)| *lacks);
        lacking.extend(lacking_ones.map(|(index, _)| (index / LANES, index % LANES)));
    }

    /// The patches of a chunk's turns that lack codewords, and of those coded bytes whose places are `outside`. Patches hold
    /// coded bytes, of which the fields are parts.
    pub(super) fn patches<S: LaneSymbols>(
        &self,
        fields: &[u8],
        coded: &[u8],
        lacking: &Lacking,
        outside: impl Iterator<Item = usize>,
    ) -> Vec<Word> {
        let mut patches = Vec::new();
        for &(round, lane) in lacking {
            let start = round * turn::round::<S>();
            let end = fields.len().min(start + turn::round::<S>());
            let first = start + lane * VECTOR;
            let round = self.complete::<S>(&fields[start..end]);
            self.patch::<S>(turn::of::<S>(&round, lane), first, &coded[first..end], &mut patches);
        }
        let known = patches.len();
        patches.extend(outside.map(|place| Patch::of(coded, place / GROUP)));
        if S::VECTORS > 1 || patches.len() > known {
            patches.sort_unstable_by_key(|patch: &Patch| patch.group);
            patches.dedup();
        }
        patches.into_iter().map(Patch::to_word).collect()
    }

    /// Adds the patches of a turn whose first element is element `first` of the chunk, and whose coded bytes are those
    /// of `coded`, as far as they exist.
    fn patch<S: LaneSymbols>(&self, turn: &[u8], first: usize, coded: &[u8], patches: &mut Vec<Patch>) {
        let mut wrong = [false; VECTOR * turn::MAX_VECTORS / GROUP];
        for number in 0..turn::symbols::<S>() {
            if !self.is_missing(S::KIND.symbol_at(turn, number)) {
                continue;
            }
            for index in 0..S::KIND.elements {
                let place = S::KIND.place(number, index);
                let differs = turn[place] != S::KIND.field(self.shortest, index);
                wrong[place / turn::STRIDE * (VECTOR / GROUP) + place % turn::STRIDE / GROUP] |=
                    place < coded.len() && differs;
            }
        }
        let wrong = wrong.into_iter().enumerate().filter(|(_, wrong)| *wrong);
        patches.extend(wrong.map(|(group, _)| {
            let group = group / (VECTOR / GROUP) * (turn::STRIDE / GROUP) + group % (VECTOR / GROUP);
            let Patch { bytes, .. } = Patch::of(coded, group);
            Patch { group: first / GROUP + group, bytes }
        }));
    }
}
