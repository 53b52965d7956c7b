//! Where the words of a lane are: in rows as far as all lanes go, one lane's beside the other's, then in a tail of its own.

use super::units::{CHUNK_HEADER_WORDS, WORD};
use super::warp;
use crate::lang::{V, WARP, device, lane_idx, select};

/// The words of a lane.
#[derive(Clone, Copy)]
pub(super) struct Column {
    /// How many words all lanes have.
    pub(super) rows: V<u32>,
    /// How many words this lane has.
    pub(super) words: V<u32>,
    /// Where its word in row 0 is.
    pub(super) first: V<u32>,
    /// Where its word 0 would be if its tail went back that far.
    tail: V<u32>,
    /// Words of all lanes' tails.
    pub(super) tails: V<u32>,
}

/// Finds the words of a lane that has `tail` words beyond `rows` rows, in the chunk that starts at word `chunk`.
#[device]
pub(super) fn column(chunk: V<u32>, rows: V<u32>, tail: V<u32>) -> Column {
    let (before, tails) = warp::sum_before(tail);
    let first_row = chunk + CHUNK_HEADER_WORDS;
    let after_rows = first_row + rows * WARP + before;
    Column {
        rows,
        words: rows + tail,
        first: first_row + lane_idx(),
        tail: after_rows - rows,
        tails,
    }
}

impl Column {
    /// Where word `number` of the lane is.
    #[device]
    pub(super) fn place(&self, number: V<u32>) -> V<u32> {
        select(number < self.rows, number * WARP + self.first, number + self.tail)
    }

    /// Where the word is that bit `position` of the lane is in, if that is in a row.
    #[device]
    pub(super) fn place_of_bit(&self, position: V<u32>) -> V<u32> {
        const { assert!(WORD == WARP) };
        (position & !(WORD - 1)) + self.first
    }
}
