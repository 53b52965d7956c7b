//! The words of each lane's stream, in a ring of shared memory.
//!
//! A chunk stores its lanes' streams as rows of 32 words, one per lane; when the shortest is used up, as short rows
//! with words of the lanes that still have one, and then the bits that fill no word. A warp stages four rows at once,
//! 16 bytes a lane; in the ring each lane has a column of its own, so lanes neither wait for each other nor meet in a
//! bank. The ring is long enough for the lane furthest ahead and the one furthest behind. Its first row is there twice,
//! at the end once more, so that any row's successor is behind it.
//!
//! A position counts bits of a lane's stream in its low [`POSITION_BITS`] bits; those above are anything. So table
//! entries can be added to it as they are.

use super::blocks::Section;
use super::held::Held;
use super::jobs::Job;
use super::tail::{Tail, bits_at};
use super::units::{ACCESS, BATCH, WORD, WORD_BYTES};
use crate::lang::{
    Global, Shared, V, Var, WARP, ballot, device, funnel_left, lane_idx, rolled, sync_warp, thread_idx,
    warp_idx,
};

/// Two neighbouring words of a lane's stream, held.
pub(super) type TwoWords = Held<2>;

/// The batch of rows that a lane has loaded and not yet staged.
pub(in super::super) struct Waiting(Held<{ BATCH as usize }>);

impl Waiting {
    #[track_caller]
    pub(in super::super) fn nothing() -> Self {
        Self(Held::nothing(["waiting_0", "waiting_1", "waiting_2", "waiting_3"]))
    }

    /// Loads the lane's words of four rows from `row` on, if the chunk has them.
    #[device]
    pub(in super::super) fn fetch(&self, columns: &Columns, row: V<u32>) {
        if row + BATCH <= columns.count {
            self.0.replace(columns.model.load4(columns.first + ((row * (WARP / BATCH)) as u64)));
        }
    }

    #[track_caller]
    fn words(&self) -> [V<u32>; BATCH as usize] {
        self.0.words()
    }
}

/// Bits of a position that count.
pub(super) const POSITION_BITS: u32 = 16;

/// Where the words of a chunk come from and go to, for one lane.
#[derive(Clone, Copy)]
pub(in super::super) struct Columns {
    model: Global<u32>,
    /// The lane's vector in the chunk's first batch of rows.
    first: V<u64>,
    /// Rows of the chunk.
    count: V<u32>,
    tail: Tail,
    memory: Shared<u32>,
    /// Where the ring starts in `memory`, in words.
    ring: u32,
    warps: u32,
    /// The bits of a place in the ring that tell the row. Places are in bytes: so they are addresses as they are.
    ring_mask: V<u32>,
    /// The lane's column: its place in row 0.
    column: V<u32>,
    /// The lane's part of a batch: eight lanes have a row.
    part: V<u32>,
}

/// Finds the rows of a chunk. The rings of a block's warps stand side by side in `memory`, from word `ring` on.
#[device]
pub(in super::super) fn open_rows(
    model: Global<u32>,
    job: &Job,
    entries: [V<u64>; 2],
    tail: Tail,
    memory: Shared<u32>,
    ring: u32,
    warps: u32,
    ring_rows: V<u32>,
) -> Columns {
    let first_row = entries[0] as u32;
    let count = (entries[1] as u32) - first_row;
    let lane = lane_idx();
    let first = job.rows + (first_row as u64) * ((WARP / BATCH) as u64) + (lane as u64);
    let ring_mask = (ring_rows - 1) * (warps * WARP * WORD_BYTES);
    let column = thread_idx() * WORD_BYTES;
    let lanes_per_row = WARP / BATCH;
    let part = (lane / lanes_per_row * warps + warp_idx()) * lanes_per_row + (lane & (lanes_per_row - 1));
    Columns { model, first, count, tail, memory, ring, warps, ring_mask, column, part: part * ACCESS }
}

impl Columns {
    /// Bytes from a row to the next.
    fn stride(&self) -> u32 {
        self.warps * WARP * WORD_BYTES
    }

    /// Bits of the lane's stream.
    #[device]
    pub(in super::super) fn bits(&self) -> V<u32> {
        self.count * WORD + self.tail.extra
    }

    /// The section that the warp decodes, worked out once more.
    #[device]
    pub(in super::super) fn section(&self) -> Section {
        self.tail.section()
    }

    /// Whether a lane that came to `position` is elsewhere than at bit `end`.
    #[device]
    pub(in super::super) fn is_beside(position: V<u32>, end: V<u32>) -> V<bool> {
        ((position ^ end) & ((1u32 << POSITION_BITS) - 1)) != 0
    }

    /// The lane's word of a row, perhaps beyond the rows. `taken` words of short rows come before. What follows the end
    /// of a lane's stream is of no consequence.
    #[device]
    fn last_word(&self, row: V<u32>, taken: &mut Var<u32>) -> V<u32> {
        if row < self.count {
            self.model
                [self.first * (BATCH as u64) - ((lane_idx() * (BATCH - 1)) as u64) + ((row * WARP) as u64)]
        } else {
            let bit = (row - self.count) * WORD;
            let short_rows = self.tail.short_rows();
            let has_word = self.tail.extra >= bit + WORD;
            let lanes = ballot(has_word);
            let before = taken + (lanes & ((1u32 << lane_idx()) - 1)).count_ones();
            taken += lanes.count_ones();
            if has_word {
                self.model[short_rows + (before as u64)]
            } else if self.tail.extra > bit {
                bits_at(self.model, short_rows, self.tail.rest)
            } else {
                0
            }
        }
    }

    /// Stages rows until every lane that goes on has `need` bits from its position on; one that has ended may stand
    /// anywhere. `waiting` has the words after those staged.
    #[device]
    pub(in super::super) fn stage(
        &self,
        goes_on: V<bool>,
        position: V<u32>,
        need: u32,
        staged: &mut Var<u32>,
        taken: &mut Var<u32>,
        waiting: &Waiting,
    ) {
        let bit = position & ((1u32 << POSITION_BITS) - 1);
        while ballot(goes_on && bit + need > staged * WORD) != 0 {
            // What is overwritten has been read by then.
            sync_warp();
            let slot = (staged * self.stride()) & self.ring_mask;
            if staged + BATCH <= self.count {
                /// Four rows, an eighth of one from each lane.
                let part = (slot | self.part) / ACCESS + self.ring / (ACCESS / WORD_BYTES);
                let words = waiting.words();
                self.memory.store4(part, words);
                if slot == 0 && lane_idx() < WARP / BATCH {
                    self.memory.store4(part + (self.ring_mask + self.stride()) / ACCESS, words);
                }
                waiting.fetch(self, staged + BATCH);
            } else {
                #[unroll(1)]
                for i in rolled(0..BATCH) {
                    let word = self.last_word(staged + i, &mut taken);
                    let place = (slot + i * self.stride() + self.column) / WORD_BYTES + self.ring;
                    self.memory[place] = word;
                    if slot + i == 0 {
                        self.memory[place + (self.ring_mask + self.stride()) / WORD_BYTES] = word;
                    }
                }
            }
            staged += BATCH;
            sync_warp();
        }
    }

    /// Where in `memory` the lane's word is in which a position is.
    #[device]
    fn place(&self, position: V<u32>) -> V<u32> {
        let row = (position * (self.stride() / WORD)) & self.ring_mask;
        (row | self.column) / WORD_BYTES + self.ring
    }

    /// Words from a row to the next.
    fn next_row(&self) -> u32 {
        self.stride() / WORD_BYTES
    }

    /// The 32 bits from `position` on.
    #[device]
    pub(super) fn window(&self, position: V<u32>) -> V<u32> {
        let place = self.place(position);
        funnel_left(self.memory[place], self.memory[place + self.next_row()], position)
    }

    /// Holds the two words that the 32 bits from `position` on lie in, which take two passes over the banks.
    #[device]
    pub(super) fn hold(&self, position: V<u32>, held: TwoWords) {
        let place = self.place(position);
        held.replace([self.memory[place], self.memory[place + self.next_row()]]);
    }

    /// Holds the words for `position`, where those for `before` are held, at most 32 bits less: one pass, for the lanes that
    /// have come to their next word.
    #[device]
    pub(super) fn hold_next(&self, position: V<u32>, before: V<u32>, held: TwoWords) {
        let rows = (1u32 << POSITION_BITS) - WORD;
        if (position ^ before) & rows != 0 {
            let [_, next] = held.words();
            held.replace([next, self.memory[self.place(position) + self.next_row()]]);
        }
    }
}
