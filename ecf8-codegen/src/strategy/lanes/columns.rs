//! The words of each lane's stream, in a ring of shared memory.
//!
//! A chunk stores its lanes' streams as rows of 32 words, one per lane, and what is left of each lane when the shortest is
//! used up in a tail. A warp loads row after row, all lanes together; each lane puts its word into a column of its own, so
//! lanes neither wait for each other nor meet in a bank. The ring is long enough for the lane furthest ahead and the one
//! furthest behind.

use crate::lang::{Global, IntoV, Shared, V, Var, WARP, ballot, device, funnel_left, lane_idx, shuffle_up};

/// Bits of a word.
const WORD: u32 = 32;

/// Bits of an entry of `chunks` that tell the first row.
const ROW_BITS: u32 = 32;

/// Bits of an entry of `chunks` that tell the first word of the tail.
const TAIL_BITS: u32 = 27;

/// Where the words of a chunk come from and go to, for one lane.
#[derive(Clone, Copy)]
pub(super) struct Columns {
    rows: Global<u32>,
    tails: Global<u32>,
    /// The lane's word in the chunk's first row.
    first: V<u64>,
    /// Rows of the chunk.
    count: V<u32>,
    /// The lane's first bit in the tail, from the tail's first word.
    tail_bit: V<u32>,
    tail_word: V<u32>,
    /// The last word of all tails.
    last_word: V<u32>,
    /// Bits that the lane has in the tail.
    extra: V<u32>,
    ring: Shared<u32>,
    /// The lane's column in the ring's first row.
    column: V<u32>,
    /// Rows of the ring, a power of two, less one.
    ring_mask: V<u32>,
}

/// 32 bits of `words` from bit `at` of word `word` on. After the last word, anything.
#[device]
fn bits_at(words: Global<u32>, last_word: V<u32>, word: V<u32>, at: V<u32>) -> V<u32> {
    let first = word + at / WORD;
    funnel_left(words[first], words[(first + 1).min(last_word)], at)
}

/// Finds the chunk's words. `ring_column` is the lane's place in the first row of its warp's ring.
#[device]
pub(super) fn open_chunk(
    rows: Global<u32>,
    tails: Global<u32>,
    chunks: Global<u64>,
    chunk: V<u32>,
    tail_words: V<u32>,
    ring: Shared<u32>,
    ring_column: V<u32>,
    ring_mask: V<u32>,
) -> Columns {
    let entry = chunks[chunk];
    let first_row = entry as u32;
    let count = (chunks[chunk + 1] as u32) - first_row;
    let tail_start = ((entry >> ROW_BITS) as u32) & ((1u32 << TAIL_BITS) - 1);
    let width = (entry >> (ROW_BITS + TAIL_BITS)) as u32;

    /// Each lane's share of the tail: lengths of `width` bits first.
    let lane = lane_idx();
    let last_word = tail_words - 1;
    let extra =
        if width == 0 { 0 } else { bits_at(tails, last_word, tail_start, lane * width) >> (WORD - width) };
    let mut sum = extra;
    for step in 0..5 {
        let below = shuffle_up(sum, 1 << step);
        if lane >= 1 << step {
            sum += below;
        }
    }
    let tail_bit = sum - extra;
    let first = (first_row as u64) * (WARP as u64) + (lane as u64);
    let tail_word = tail_start + width;
    Columns {
        rows,
        tails,
        first,
        count,
        tail_bit,
        tail_word,
        last_word,
        extra,
        ring,
        column: ring_column,
        ring_mask,
    }
}

impl Columns {
    /// The lane's word of a row, first bit on top. What follows the end of its stream is of no consequence.
    #[device]
    fn fetch(&self, row: V<u32>) -> V<u32> {
        if row < self.count {
            self.rows[self.first + ((row * WARP) as u64)]
        } else {
            let at = (row - self.count) * WORD;
            if at < self.extra {
                bits_at(self.tails, self.last_word, self.tail_word, self.tail_bit + at)
            } else {
                0
            }
        }
    }

    #[device]
    fn place(&self, row: V<u32>) -> V<u32> {
        self.column + (row & self.ring_mask) * WARP
    }

    /// The words that the first `rows` rows start the ring with; returns the one after.
    #[device]
    pub(super) fn start(&self, rows: u32) -> V<u32> {
        let words: Vec<V<u32>> = (0..rows).map(|row| self.fetch(row.into_v())).collect();
        for (row, word) in (0u32..).zip(words) {
            self.ring[self.place(row.into_v())] = word;
        }
        self.fetch(rows.into_v())
    }

    /// Stages rows until every lane that goes on has `need` bits from its position on; one that has ended may stand anywhere. `waiting` is the word after those staged.
    #[device]
    pub(super) fn stage(
        &self,
        goes_on: V<bool>,
        position: V<u32>,
        need: u32,
        staged: &mut Var<u32>,
        waiting: &mut Var<u32>,
    ) {
        while ballot(goes_on && position + need > staged * WORD) != 0 {
            self.ring[self.place(staged)] = waiting;
            staged += 1;
            waiting = self.fetch(staged);
        }
    }

    /// The 32 bits from `position` on.
    #[device]
    pub(super) fn window(&self, position: V<u32>) -> V<u32> {
        let row = position / WORD;
        funnel_left(self.ring[self.place(row)], self.ring[self.place(row + 1)], position)
    }
}
