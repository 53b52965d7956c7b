//! What one access of a warp costs the memory, by the addresses of its lanes.
//!
//! A warp's access of up to 4 bytes per lane is served at once, one of 8 bytes half a warp at a time, one of 16 bytes a
//! quarter at a time. Global memory moves in sectors of 32 bytes. Shared memory has 32 banks, each of which gives one word
//! of 4 bytes per pass (a *wavefront*) to any number of lanes; lanes that want different words of one bank take turns.
//! Constant memory serves one address per pass.

use super::lanes::{LANES, Lanes, active};

/// Bytes of a sector: the least that moves between global memory, the L2 and the L1.
pub const SECTOR_BYTES: u64 = 32;
/// Bytes of a line of the L1: a global load takes one pass per line.
const LINE_BYTES: u64 = 128;
/// Bytes that a bank of shared memory gives in one pass.
const WORD_BYTES: u64 = 4;
/// Banks of shared memory, as many as a warp has lanes.
const BANKS: u64 = LANES as u64;

/// The lanes of a warp that take part in an access, and where each goes.
pub(super) struct Addresses {
    starts: [u64; LANES],
    word: u32,
    bytes: u64,
}

impl Addresses {
    /// Element `indices[lane]` of `bytes` bytes, for each lane in `word`.
    pub(super) fn new(indices: &Lanes, bytes: usize, word: u32) -> Self {
        let bytes = bytes as u64;
        Self { starts: indices.map(|index| index.saturating_mul(bytes)), word, bytes }
    }

    /// The lanes that are served together, a word for each group that has any.
    fn groups(&self) -> impl Iterator<Item = u32> {
        let (lanes, mask) = match self.bytes {
            0..=4 => (32, u32::MAX),
            5..=8 => (16, 0xffff),
            _ => (8, 0xff),
        };
        (0..32).step_by(lanes).map(move |first| self.word & (mask << first)).filter(|&word| word != 0)
    }

    /// How many different values `f` has among the lanes of `word`.
    fn distinct(&self, word: u32, f: impl Fn(u64) -> u64) -> u64 {
        let mut seen = [0; LANES];
        let mut count = 0;
        for lane in active(word) {
            let value = f(self.starts[lane]);
            if !seen[..count].contains(&value) {
                seen[count] = value;
                count += 1;
            }
        }
        count as u64
    }

    /// Sectors that are moved.
    pub(super) fn sectors(&self) -> u64 {
        self.groups().map(|word| self.distinct(word, |start| start / SECTOR_BYTES)).sum()
    }

    /// The fewest sectors that hold as many different bytes.
    pub(super) fn fewest_sectors(&self) -> u64 {
        (self.distinct(self.word, |start| start) * self.bytes).div_ceil(SECTOR_BYTES)
    }

    /// Different addresses.
    pub(super) fn different(&self) -> u64 {
        self.distinct(self.word, |start| start)
    }

    /// Lines of the L1 that are looked up.
    pub(super) fn lines(&self) -> u64 {
        self.groups().map(|word| self.distinct(word, |start| start / LINE_BYTES)).sum()
    }

    /// Passes over the banks of shared memory, and how many there would be if no two lanes were in each other's way.
    pub(super) fn wavefronts(&self) -> (u64, u64) {
        let passes = self.groups().map(|word| self.passes(word));
        passes.fold((0, 0), |(all, fewest), passes| (all + passes, fewest + 1))
    }

    /// The most different words that lanes of `word` want of one bank.
    fn passes(&self, word: u32) -> u64 {
        let mut wanted: Vec<u64> = active(word)
            .flat_map(|lane| {
                let start = self.starts[lane];
                // Addresses are counted before they are checked, so one may lie beyond all memory.
                start / WORD_BYTES..=start.saturating_add(self.bytes - 1) / WORD_BYTES
            })
            .collect();
        wanted.sort_unstable();
        wanted.dedup();
        let mut per_bank = [0; LANES];
        for word in wanted {
            per_bank[bank(word)] += 1;
        }
        per_bank.into_iter().max().unwrap_or(0)
    }

    /// The sectors, one by one, not necessarily different ones.
    pub(super) fn each_sector(&self) -> impl Iterator<Item = u64> {
        active(self.word).map(|lane| self.starts[lane] / SECTOR_BYTES)
    }
}

/// The bank that a word of shared memory is in.
#[allow(clippy::cast_possible_truncation)] // below 32
fn bank(word: u64) -> usize {
    (word % BANKS) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stride(elements: u64, bytes: usize) -> Addresses {
        Addresses::new(&std::array::from_fn(|lane| lane as u64 * elements), bytes, u32::MAX)
    }

    #[test]
    fn neighbours_move_the_fewest_sectors_and_strangers_one_each() {
        for (bytes, fewest) in [(1, 1), (2, 2), (4, 4), (8, 8), (16, 16)] {
            assert_eq!((stride(1, bytes).sectors(), stride(1, bytes).fewest_sectors()), (fewest, fewest));
        }
        assert_eq!((stride(8, 4).sectors(), stride(8, 4).fewest_sectors()), (32, 4));
        assert_eq!((stride(8, 1).sectors(), stride(8, 1).fewest_sectors()), (8, 1));
        assert_eq!((stride(0, 4).sectors(), stride(0, 4).fewest_sectors()), (1, 1), "all lanes one address");
    }

    #[test]
    fn words_of_one_bank_take_turns_and_one_word_does_not() {
        assert_eq!(stride(1, 4).wavefronts(), (1, 1));
        assert_eq!(stride(2, 4).wavefronts(), (2, 1));
        assert_eq!(stride(32, 4).wavefronts(), (32, 1));
        assert_eq!(stride(33, 4).wavefronts(), (1, 1), "the usual padding");
        assert_eq!(stride(0, 4).wavefronts(), (1, 1), "a broadcast");
        assert_eq!(stride(1, 1).wavefronts(), (1, 1), "four lanes share a word");
        assert_eq!(stride(4, 1).wavefronts(), (1, 1));
        assert_eq!(stride(128, 1).wavefronts(), (32, 1));
    }

    #[test]
    fn wide_accesses_are_served_by_halves_and_quarters_of_a_warp() {
        assert_eq!(stride(1, 8).wavefronts(), (2, 2));
        assert_eq!(stride(1, 16).wavefronts(), (4, 4));
        assert_eq!(stride(2, 16).wavefronts(), (8, 4));
        let half = Addresses::new(&std::array::from_fn(|lane| lane as u64), 16, 0xff);
        assert_eq!(half.wavefronts(), (1, 1), "only a quarter of the warp takes part");
    }

    #[test]
    fn lines_and_addresses_are_counted_once() {
        assert_eq!((stride(1, 4).lines(), stride(1, 4).different()), (1, 32));
        assert_eq!((stride(32, 4).lines(), stride(0, 4).different()), (32, 1));
    }
}
