//! Turns: the elements that a lane decodes in one go.
//!
//! What all lanes decode in a turn is a round. It is one vector of each lane, if symbols are of neighbours, and else as
//! many as a symbol has elements, one from each: lanes still have the vectors in turn, and so the elements of a symbol
//! are as far apart as a lane's vectors.
//!
//! Within a round, a lane's elements are between the first of its first vector and the last of its last. In that span,
//! its symbols are where they would be in a tensor, so that elements are taken from their places and put there, not
//! gathered.

use super::LaneSymbols;
use super::geometry::{LANES, VECTOR};
use crate::symbols::SymbolKind;
use std::borrow::Cow;

/// Elements from a lane's vector to its next.
pub(super) const STRIDE: usize = LANES * VECTOR;

/// The most vectors of a turn.
pub(super) const MAX_VECTORS: usize = 3;

/// Vectors of a turn.
pub(super) const fn vectors(kind: &SymbolKind) -> usize {
    if kind.stride == 1 { 1 } else { kind.elements }
}

/// Elements of a round.
pub(super) const fn round<S: LaneSymbols>() -> usize {
    STRIDE * S::VECTORS
}

/// Symbols of a turn.
pub(super) const fn symbols<S: LaneSymbols>() -> usize {
    const {
        assert!(S::VECTORS <= MAX_VECTORS);
        assert!(S::KIND.stride == 1 || S::KIND.stride == STRIDE);
        assert!((VECTOR * S::VECTORS).is_multiple_of(S::KIND.elements));
    };
    VECTOR * S::VECTORS / S::KIND.elements
}

/// Elements from the first of a turn to the last, those of other lanes between them included.
const fn span<S: LaneSymbols>() -> usize {
    STRIDE * (S::VECTORS - 1) + VECTOR
}

/// The span of a lane's turn in a whole round.
#[inline]
pub(super) fn of<S: LaneSymbols>(round: &[u8], lane: usize) -> &[u8] {
    &round[lane * VECTOR..][..span::<S>()]
}

/// The span of a lane's turn in a whole round, for writing.
#[inline]
pub(super) fn of_mut<S: LaneSymbols>(round: &mut [u8], lane: usize) -> &mut [u8] {
    &mut round[lane * VECTOR..][..span::<S>()]
}

/// How many lanes take a turn in a round of `elements` elements: those whose first vector has some.
#[inline]
pub(super) fn lanes(elements: usize) -> usize {
    elements.div_ceil(VECTOR).min(LANES)
}

/// Turns of a lane in a chunk of `elements` elements.
pub(super) fn turns<S: LaneSymbols>(elements: usize, lane: usize) -> usize {
    let round = round::<S>();
    elements / round + usize::from(lane < lanes(elements % round))
}

/// A round, in which lanes that take their turn have all symbols: `fill` gives those that lack elements, by the
/// elements which they have.
pub(super) fn whole<S: LaneSymbols>(elements: &[u8], fill: impl Fn(&[u8]) -> usize) -> Cow<'_, [u8]> {
    if elements.len() == round::<S>() {
        return Cow::Borrowed(elements);
    }
    let mut whole = elements.to_vec();
    whole.resize(round::<S>(), 0);
    for lane in 0..lanes(elements.len()) {
        let (turn, known) = (of_mut::<S>(&mut whole, lane), &elements[lane * VECTOR..]);
        for number in 0..symbols::<S>() {
            let known = S::KIND.known(known, number);
            if known.len() < S::KIND.elements {
                let symbol = fill(&known);
                for index in known.len()..S::KIND.elements {
                    turn[S::KIND.place(number, index)] = S::KIND.field(symbol, index);
                }
            }
        }
    }
    Cow::Owned(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symbols::{Pair, Quad, TRIPLE, Triple};

    #[test]
    fn a_turn_is_one_vector_or_one_for_each_element_of_a_symbol() {
        assert_eq!((round::<Quad>(), symbols::<Quad>(), symbols::<Pair>()), (512, 4, 8));
        assert_eq!((round::<Triple>(), symbols::<Triple>()), (1536, 16));
        let elements: Vec<u8> = (0..1536).map(|i| (i / 16) as u8).collect();
        assert_eq!(of::<Quad>(&elements, 5), [5; 16]);
        let turn = of::<Triple>(&elements, 31);
        assert_eq!([0, 1, 2].map(|index| turn[TRIPLE.place(15, index)]), [31, 63, 95]);
    }

    #[test]
    fn lanes_take_a_turn_if_its_first_vector_has_elements() {
        let all = |elements| [0, 1, 31].map(|lane| turns::<Triple>(elements, lane));
        assert_eq!([0, 1, 16, 17].map(all), [[0, 0, 0], [1, 0, 0], [1, 0, 0], [1, 1, 0]]);
        assert_eq!([497, 1536, 1537].map(all), [[1, 1, 1], [1, 1, 1], [2, 1, 1]]);
        assert_eq!([0, 1, 31].map(|lane| turns::<Quad>(530, lane)), [2, 2, 1]);
    }

    #[test]
    fn symbols_that_lack_elements_are_filled_up() {
        let fill = |known: &[u8]| TRIPLE.symbol(&[0; 3]) | known.len();
        let round = whole::<Triple>(&[7; 515], fill);
        let turn =
            |lane: usize| [0, 3].map(|i| [0, 1, 2].map(|m| of::<Triple>(&round, lane)[TRIPLE.place(i, m)]));
        // The first three symbols have two elements, others one.
        assert_eq!(turn(0), [[7, 7, 2], [7, 0, 1]]);
        assert!(matches!(whole::<Triple>(&[0; 1536], fill), Cow::Borrowed(_)));
    }
}
