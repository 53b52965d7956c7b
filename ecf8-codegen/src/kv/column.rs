//! Where the words of a lane are: in rows as far as all lanes go, one lane's beside the other's, then in a tail of its own.

use super::units::{CHUNK_HEADER_WORDS, WORD};
use super::warp;
use crate::lang::{V, WARP, device, lane_idx, select};

/// The bits of a position that count: entries of tables are added to positions as they are, with a symbol above.
pub(super) const POSITION: u32 = 0x00ff_ffff;

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
    /// Where the chunk ends.
    end: V<u32>,
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
        end: first_row + rows * WARP + tails,
    }
}

impl Column {
    /// Where word `number` of the lane is.
    #[device]
    pub(super) fn place(&self, number: V<u32>) -> V<u32> {
        select(number < self.rows, number * WARP + self.first, number + self.tail)
    }

    /// Where word `number` of the lane is; past the lane's last word, the place of any word of the chunk.
    #[device]
    pub(super) fn place_or_last(&self, number: V<u32>) -> V<u32> {
        self.place(number).min(self.end - 1)
    }

    /// The first position from which on the next bits, as many as these words have, are perhaps not all in rows.
    #[device]
    pub(super) fn last_in_rows(&self, words: u32) -> V<u32> {
        (self.rows.max(words) - words) * WORD
    }
}
