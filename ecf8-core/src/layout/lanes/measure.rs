//! The first pass of encoding: how long each lane's stream becomes, and how far lanes run apart.

use super::geometry::{LANES, VECTOR};
use super::patch::{GROUP, Patch};
use super::words::Word;
use super::{LaneSymbols, ans, turn};
use crate::codebook::Codebook;
use crate::codebook::ans::Steps;
use std::borrow::Cow;

/// Set in the length of a symbol without a codeword, beside the length of the one that stands in. Sums of a turn keep
/// both apart.
const MISSING: u32 = 1 << 16;

/// Lengths of codewords, and how a last round that lacks elements is filled up.
pub(super) struct Measure {
    lengths: Vec<u32>,
    /// The first symbol with the shortest codeword, which stands in for symbols that have none and for no symbol at
    /// all.
    shortest: usize,
    /// What leads from state to state, of a codebook of frequencies.
    pub(super) steps: Steps,
}

/// What is known of a chunk before its codewords are written.
#[derive(Debug)]
pub(super) struct Measured {
    /// Bits of each lane's stream.
    pub(super) bits: [u32; LANES],
    /// Rows in use at once, see FORMAT.md.
    pub(super) lead_rows: u32,
    /// Its patches, as they are stored.
    pub(super) patches: Vec<Word>,
    /// Its streams, if they are there as soon as they are measured.
    pub(super) streams: Option<ans::Streams>,
}

impl Measured {
    /// Whole words that every lane has.
    pub(super) fn rows(&self) -> u32 {
        self.bits.iter().min().map_or(0, |bits| bits / 32)
    }

    /// Bits of each lane beyond the rows.
    pub(super) fn extras(&self) -> [u32; LANES] {
        let rows = self.rows();
        self.bits.map(|bits| bits - 32 * rows)
    }

    /// Bits of the largest extra.
    pub(super) fn width(&self) -> u8 {
        let largest = self.extras().into_iter().max().unwrap_or(0);
        (u32::BITS - largest.leading_zeros()).to_le_bytes()[0]
    }

    /// Words of the chunk's tails.
    pub(super) fn tail_words(&self) -> u64 {
        let bits: u64 = self.extras().into_iter().map(u64::from).sum();
        u64::from(self.width()) + bits.div_ceil(32) + self.patches.len() as u64
    }
}

impl Measure {
    pub(super) fn new(codebook: &Codebook) -> Self {
        let shortest = codebook.first_symbol().unwrap_or(0);
        let mut lengths = vec![u32::from(codebook.min_len()) | MISSING; codebook.symbols()];
        codebook.present().for_each(|(symbol, length)| lengths[symbol] = length.into());
        Self { lengths, shortest, steps: Steps::new(codebook) }
    }

    fn is_missing(&self, symbol: usize) -> bool {
        self.lengths[symbol] & MISSING != 0
    }

    /// Whether any of these elements, each of which is a symbol, has no codeword.
    fn has_missing<S: LaneSymbols>(&self, elements: &[u8]) -> bool {
        const { assert!(!S::ANS || S::KIND.elements == 1) };
        let all = elements.iter().fold(0, |all, element| all | self.lengths[usize::from(*element)]);
        all & MISSING != 0
    }

    /// A round that has these elements. If some are missing, symbols have the shortest codewords possible.
    pub(super) fn complete<'a, S: LaneSymbols>(&self, elements: &'a [u8]) -> Cow<'a, [u8]> {
        turn::whole::<S>(elements, |known| {
            if known.is_empty() {
                return self.shortest;
            }
            let beginning = S::KIND.beginning_with(known);
            let candidates = beginning.clone().filter(|symbol| !self.is_missing(*symbol));
            candidates.min_by_key(|symbol| self.lengths[*symbol]).unwrap_or(beginning.start)
        })
    }

    /// Measures one chunk, whose turns take at most `turn_bits` bits. Patches hold its coded bytes, of which the fields
    /// are parts; those at the places `outside` need one, too.
    pub(super) fn chunk<S: LaneSymbols>(
        &self,
        fields: &[u8],
        coded: &[u8],
        outside: impl Iterator<Item = usize>,
        turn_bits: u32,
    ) -> Measured {
        let mut bits = [0; LANES];
        let mut lead_rows = 0;
        let mut patches = Vec::new();
        let streams = S::ANS.then(|| ans::Streams::of::<S>(self, fields, turn_bits));
        if let Some(streams) = &streams {
            (bits, lead_rows) = (streams.bits, streams.lead_rows);
        }
        for (number, elements) in fields.chunks(turn::round::<S>()).enumerate() {
            // Streams of states are measured as they are written. What is left is to find symbols without one, and there are
            // hardly any.
            if S::ANS && !self.has_missing::<S>(elements) {
                continue;
            }
            let lanes = turn::lanes(elements.len());
            if !S::ANS {
                lead_rows = lead_rows.max(lead(&bits[..lanes], turn_bits));
            }
            let round = self.complete::<S>(elements);
            for (lane, bits) in bits.iter_mut().enumerate().take(lanes) {
                let turn = turn::of::<S>(&round, lane);
                let sum = self.turn::<S>(turn);
                if !S::ANS {
                    *bits += sum & (MISSING - 1);
                }
                if sum >= MISSING {
                    let first = number * turn::round::<S>() + lane * VECTOR;
                    self.patch::<S>(
                        turn,
                        first,
                        &coded[first..(number * turn::round::<S>() + elements.len())],
                        &mut patches,
                    );
                }
            }
        }
        let known = patches.len();
        patches.extend(outside.map(|place| Patch::of(coded, place / GROUP)));
        if S::VECTORS > 1 || patches.len() > known {
            patches.sort_unstable_by_key(|patch: &Patch| patch.group);
            patches.dedup();
        }
        Measured { bits, lead_rows, patches: patches.into_iter().map(Patch::to_word).collect(), streams }
    }

    /// Bits of a turn, and [`MISSING`] for each symbol without a codeword.
    #[inline]
    fn turn<S: LaneSymbols>(&self, turn: &[u8]) -> u32 {
        (0..turn::symbols::<S>()).map(|number| self.lengths[S::KIND.symbol_at(turn, number)]).sum()
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

/// Rows in use while lanes which stand at these bits decode one turn of at most `turn_bits` bits each: from the row
/// of the hindmost up to the last row that the foremost can reach.
#[inline]
pub(super) fn lead(positions: &[u32], turn_bits: u32) -> u32 {
    let (least, most) =
        positions.iter().fold((u32::MAX, 0), |(least, most), bit| (least.min(*bit), most.max(*bit)));
    (most + turn_bits).div_ceil(32).saturating_sub(least / 32)
}
