//! The words of each lane's stream, in a ring of shared memory.
//!
//! A chunk stores its lanes' streams as rows of 32 words, one per lane, and what is left of each lane when the shortest is
//! used up in a tail. A warp stages four rows at once, 16 bytes a lane; in the ring each lane has a column of its own, so
//! lanes neither wait for each other nor meet in a bank. The ring is long enough for the lane furthest ahead and the one
//! furthest behind. Its first row is there twice, at the end once more, so that any row's successor is behind it.
//!
//! A position counts bits of a lane's stream in its low [`POSITION_BITS`] bits; those above are anything. So table entries
//! can be added to it as they are.

use super::jobs::Job;
use crate::lang::{
    Global, Shared, V, Var, WARP, ballot, device, funnel_left, lane_idx, rolled, rt, shuffle_up, sync_warp,
    thread_idx, warp_idx,
};

/// Rows that are staged at once.
pub(super) const BATCH: u32 = 4;

/// Bits of a word.
const WORD: u32 = 32;

/// Bits of a position that count.
pub(super) const POSITION_BITS: u32 = 16;

/// Bits of an entry of `chunks` that tell the first row.
const ROW_BITS: u32 = 32;

/// Bits of an entry of `chunks` that tell the first word of the tail.
const TAIL_BITS: u32 = 27;

/// Where the words of a chunk come from and go to, for one lane.
#[derive(Clone, Copy)]
pub(super) struct Columns {
    model: Global<u32>,
    /// The lane's vector in the chunk's first batch of rows.
    first: V<u64>,
    /// Rows of the chunk.
    count: V<u32>,
    /// The word of the tail in which its streams start.
    tail: V<u64>,
    /// Where the lane's stream goes on in the tail, and for how many bits.
    tail_bit: V<u32>,
    extra: V<u32>,
    memory: Shared<u32>,
    /// Where the ring starts in `memory`, in words.
    ring: u32,
    warps: u32,
    ring_rows: V<u32>,
}

/// The words that a lane has loaded and not yet staged, so that memory is busy while it decodes.
#[derive(Clone, Copy)]
pub(super) struct Waiting([Var<u32>; BATCH as usize]);

impl Waiting {
    #[track_caller]
    pub(super) fn none() -> Self {
        Self(["waiting_0", "waiting_1", "waiting_2", "waiting_3"].map(|name| rt::declare(name, 0u32)))
    }

    #[track_caller]
    fn replace(self, words: [V<u32>; BATCH as usize]) {
        self.0.into_iter().zip(words).for_each(|(variable, word)| variable.set(word));
    }

    #[track_caller]
    fn words(self) -> [V<u32>; BATCH as usize] {
        self.0.map(Var::get)
    }
}

/// 32 bits of `words` from bit `at` of word `word` on. After the last word, anything.
#[device]
fn bits_at(words: Global<u32>, word: V<u64>, at: V<u32>) -> V<u32> {
    let first = word + ((at / WORD) as u64);
    funnel_left(words[first], words[first + 1], at)
}

/// Finds the words of a chunk. The rings of a block's warps stand side by side in `memory`, from word `ring` on.
#[device]
pub(super) fn open_chunk(
    model: Global<u32>,
    job: &Job,
    chunk: V<u32>,
    memory: Shared<u32>,
    ring: u32,
    warps: u32,
    ring_rows: V<u32>,
) -> Columns {
    let entries = model.view::<u64>();
    let entry = entries[job.chunks + (chunk as u64)];
    let first_row = entry as u32;
    let count = (entries[job.chunks + (chunk as u64) + 1] as u32) - first_row;
    let lengths = job.tails + ((((entry >> ROW_BITS) as u32) & ((1u32 << TAIL_BITS) - 1)) as u64);
    let width = (entry >> (ROW_BITS + TAIL_BITS)) as u32;

    /// Each lane's share of the tail: lengths of `width` bits first.
    let lane = lane_idx();
    let extra = if width == 0 { 0 } else { bits_at(model, lengths, lane * width) >> (WORD - width) };
    let mut sum = extra;
    for step in 0..5 {
        let below = shuffle_up(sum, 1 << step);
        if lane >= 1 << step {
            sum += below;
        }
    }
    let tail_bit = sum - extra;
    let tail = lengths + (width as u64);
    let first = job.rows + (first_row as u64) * ((WARP / BATCH) as u64) + (lane as u64);
    Columns { model, first, count, tail, tail_bit, extra, memory, ring, warps, ring_rows }
}

impl Columns {
    /// Words from a row to the next.
    fn stride(&self) -> u32 {
        self.warps * WORD
    }

    /// The lane's words of four rows, if the chunk has so many.
    #[device]
    pub(super) fn fetch(&self, row: V<u32>, waiting: Waiting) {
        if row + BATCH <= self.count {
            waiting.replace(self.model.load4(self.first + ((row * (WARP / BATCH)) as u64)));
        }
    }

    /// The lane's word of a row, of which some lane's is in the tail. What follows the end of its stream is of no
    /// consequence.
    #[device]
    fn last_word(&self, row: V<u32>) -> V<u32> {
        if row < self.count {
            self.model
                [self.first * (BATCH as u64) - ((lane_idx() * (BATCH - 1)) as u64) + ((row * WARP) as u64)]
        } else {
            let at = (row - self.count) * WORD;
            if at < self.extra { bits_at(self.model, self.tail, self.tail_bit + at) } else { 0 }
        }
    }

    /// Stages rows until every lane that goes on has `need` bits from its position on; one that has ended may stand
    /// anywhere. `waiting` are the words after those staged.
    #[device]
    pub(super) fn stage(
        &self,
        goes_on: V<bool>,
        position: V<u32>,
        need: u32,
        staged: &mut Var<u32>,
        waiting: Waiting,
    ) {
        let bit = position & ((1u32 << POSITION_BITS) - 1);
        while ballot(goes_on && bit + need > staged * WORD) != 0 {
            // What is overwritten has been read by then.
            sync_warp();
            let slot = staged & (self.ring_rows - 1);
            if staged + BATCH <= self.count {
                /// Four rows, an eighth of one from each lane.
                let lane = lane_idx();
                let part =
                    (slot + lane / 8) * (self.stride() / 4) + warp_idx() * 8 + (lane & 7) + self.ring / 4;
                let words = waiting.words();
                self.memory.store4(part, words);
                if slot == 0 && lane < 8 {
                    self.memory.store4(part + self.ring_rows * (self.stride() / 4), words);
                }
                self.fetch(staged + BATCH, waiting);
            } else {
                for i in rolled(0..BATCH) {
                    let word = self.last_word(staged + i);
                    let place = (slot + i) * self.stride() + thread_idx() + self.ring;
                    self.memory[place] = word;
                    if slot + i == 0 {
                        self.memory[place + self.ring_rows * self.stride()] = word;
                    }
                }
            }
            staged += BATCH;
            sync_warp();
        }
    }

    /// The 32 bits from `position` on.
    #[device]
    pub(super) fn window(&self, position: V<u32>) -> V<u32> {
        let row = (position * self.warps) & ((self.ring_rows - 1) * self.stride());
        let place = (row | thread_idx()) + self.ring;
        funnel_left(self.memory[place], self.memory[place + self.stride()], position)
    }
}
