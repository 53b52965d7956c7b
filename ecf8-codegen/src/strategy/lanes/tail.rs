//! What a chunk has beyond its rows, in part `tails`: how many bits each lane has, short rows, the bits that fill no word,
//! and patches.

use super::blocks::Section;
use super::jobs::Job;
use super::uniform::Uniform;
use super::units::WORD;
use crate::lang::{Global, V, WARP, device, funnel_left, lane_idx, shuffle, shuffle_up};
use ecf8_core::layout::lanes::ChunkEntry;

/// Bits of an entry of `chunks` that tell the first row.
const ROW_BITS: u32 = 32;

/// Bits of an entry of `chunks` that tell the first word of the tail.
const TAIL_BITS: u32 = ChunkEntry::TAIL_BITS;

/// A chunk's tail, for one lane.
#[derive(Clone, Copy)]
pub(in super::super) struct Tail {
    /// Bits that the lane has beyond the rows.
    pub(super) extra: V<u32>,
    /// The first of the lane's bits that fill no word, counted from the short rows.
    pub(super) rest: V<u32>,
    /// What is needed at the end of the streams, and after them.
    kept: Uniform,
}

/// Which of the kept numbers is what: the first word of the short rows, in two halves; that of the patches, counted from
/// the short rows; how many patches there are; the section and the vectors of a chunk.
const SHORT_ROWS: u32 = 0;
const PATCHES: u32 = 2;
const PATCH_COUNT: u32 = 3;
const SECTION: u32 = 4;
const PER_CHUNK: u32 = 5;

impl Tail {
    /// The first word of the short rows.
    #[device]
    pub(super) fn short_rows(&self) -> V<u64> {
        self.kept.get_long(SHORT_ROWS)
    }

    /// The first word of the patches.
    #[device]
    pub(super) fn patches(&self) -> V<u64> {
        self.short_rows() + (self.kept.get(PATCHES) as u64)
    }

    #[device]
    pub(super) fn patch_count(&self) -> V<u32> {
        self.kept.get(PATCH_COUNT)
    }

    /// The section that the warp decodes, worked out once more.
    #[device]
    pub(super) fn section(&self) -> Section {
        Section::of(self.kept.get(SECTION), self.kept.get(PER_CHUNK))
    }
}

/// A chunk's entry in part `chunks`, and the next one's.
#[device]
pub(in super::super) fn entries_of(model: Global<u32>, job: &Job, chunk: V<u32>) -> [V<u64>; 2] {
    let entries = model.view::<u64>();
    let entry = entries[job.chunks + (chunk as u64)];
    let next = entries[job.chunks + (chunk as u64) + 1];
    [entry, next]
}

/// The first word of the tail that an entry is for.
#[device]
fn first_word(job: &Job, entry: V<u64>) -> V<u64> {
    job.tails + ((((entry >> ROW_BITS) as u32) & ((1u32 << TAIL_BITS) - 1)) as u64)
}

/// 32 bits of `words` from bit `at` of word `word` on. After the last word, anything.
#[device]
pub(super) fn bits_at(words: Global<u32>, word: V<u64>, at: V<u32>) -> V<u32> {
    let first = word + ((at / WORD) as u64);
    funnel_left(words[first], words[first + 1], at)
}

/// Finds what is in a chunk's tail.
#[device]
pub(in super::super) fn open_tail(
    model: Global<u32>,
    job: &Job,
    entries: [V<u64>; 2],
    section: &Section,
) -> Tail {
    let [entry, next] = entries;
    let lengths = first_word(job, entry);
    let width = (entry >> (ROW_BITS + TAIL_BITS)) as u32;

    /// What each lane has beyond the rows: words, and bits that fill none. Lengths of `width` bits tell.
    let lane = lane_idx();
    let extra = if width == 0 { 0 } else { bits_at(model, lengths, lane * width) >> (WORD - width) };
    let own = ((extra / WORD) << 16) | (extra & (WORD - 1));
    let mut sum = own;
    for step in 0..5 {
        let below = shuffle_up(sum, 1 << step);
        if lane >= 1 << step {
            sum += below;
        }
    }
    let all = shuffle(sum, WARP - 1);
    let short_rows = lengths + (width as u64);
    let short_words = all >> 16;
    let rest = short_words * WORD + ((sum - own) & 0xffff);
    /// What follows, up to the next chunk's tail, are patches.
    let patches = short_words + ((all & 0xffff) + (WORD - 1)) / WORD;
    let patch_count = ((first_word(job, next) - short_rows) as u32) - patches;
    let kept = Uniform::keep(&[
        short_rows as u32,
        (short_rows >> 32) as u32,
        patches,
        patch_count,
        section.word,
        section.per_chunk,
    ]);
    Tail { extra, rest, kept }
}
