//! What a chunk's lanes have beyond its rows: short rows, with words of the lanes that have one, then the bits of each
//! lane that fill no word.

use super::geometry::LANES;

/// Where the bits beyond the rows are in a chunk's words of part `tails`.
#[derive(Debug, Clone)]
pub(super) struct Tail {
    short_rows: Vec<ShortRow>,
    /// Where the bits of each lane start that fill no word, and how many they are.
    rests: [(u64, u32); LANES],
    /// Whole words of each lane.
    words: [usize; LANES],
    /// The bit after all others.
    end: u64,
}

#[derive(Debug, Clone, Copy)]
struct ShortRow {
    /// The lanes that have a word, lane 0 in the lowest bit.
    lanes: u32,
    /// The first word.
    first: u64,
}

impl Tail {
    /// For lanes with `extras` bits beyond the rows, numbers that are stored in `width` bits each.
    pub(super) fn new(extras: &[u32; LANES], width: u8) -> Self {
        let words = extras.map(|extra| crate::int::index(u64::from(extra / 32)));
        let mut next = u64::from(width);
        let short_rows = (0..words.into_iter().max().unwrap_or(0)).map(|row| {
            let has_word = |lanes, (lane, own): (usize, &usize)| lanes | u32::from(*own > row) << lane;
            let lanes = words.iter().enumerate().fold(0, has_word);
            let first = next;
            next += u64::from(lanes.count_ones());
            ShortRow { lanes, first }
        });
        let short_rows = short_rows.collect();
        let mut end = 32 * next;
        let rests = extras.map(|extra| {
            let start = end;
            end += u64::from(extra % 32);
            (start, extra % 32)
        });
        Self { short_rows, rests, words, end }
    }

    /// Where the bits are that would be word `index` of a lane, counted from the first beyond the rows, and how many
    /// there are.
    pub(super) fn place(&self, lane: usize, index: usize) -> (u64, u32) {
        match self.short_rows.get(index) {
            Some(row) if self.words[lane] > index => {
                let before = row.lanes & ((1 << lane) - 1);
                (32 * (row.first + u64::from(before.count_ones())), 32)
            }
            _ if self.words[lane] == index => self.rests[lane],
            _ => (self.end, 0),
        }
    }

    /// The bit after all others.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Words up to there, and so the first of the patches.
    pub(super) fn words(&self) -> usize {
        crate::int::index(self.end.div_ceil(32))
    }
}
