//! The look-up table of a fast decoder: symbols and lengths of codewords by the bits that begin with them, or states.

use super::geometry::{LANES, VECTOR};
use super::streams::Streams;
use super::{LaneSymbols, MAX_CODEWORDS, MAX_LEN, turn};
use crate::codebook::Codebook;
use crate::codebook::ans::states;
use crate::symbols::Number;
use crate::wide::{shifting, wide};
use crate::{bits, int};
use std::sync::atomic::AtomicU16;
use std::sync::atomic::Ordering::Relaxed;

/// Codewords that are read from one window: 4 of 13 bits out of at least 57.
const PER_WINDOW: usize = 4;

/// Lanes whose codewords are looked up side by side.
const CODEWORDS_AT_ONCE: usize = 8;

/// Lanes whose states are looked up side by side: as many as leave all that they need in registers.
const STATES_AT_ONCE: usize = 4;

/// What is looked up of a chunk, for each round and in it lane by lane.
pub(super) struct Looked<'a, S: LaneSymbols> {
    /// Entries of codewords.
    pub(super) entries: &'a mut [AtomicU16],
    /// The symbols.
    pub(super) symbols: &'a mut [S::Number],
    /// Where the lanes' turns end in their streams.
    pub(super) ends: &'a mut [[u32; LANES]],
}

/// What leads on from a state: the number to add to the bits that follow in the upper 16 bits, its symbol in the 8 bits after
/// those, and how many bits follow.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct StateEntry(u32);

impl StateEntry {
    fn new(base: u16, symbol: u16, bits: u8) -> Self {
        Self(u32::from(base) << 16 | u32::from(symbol.to_le_bytes()[0]) << 8 | u32::from(bits))
    }

    #[inline]
    pub(super) fn bits(self) -> u32 {
        self.0 & 0xff
    }

    /// The state to which the bits lead that `window` begins with. They are rotated from its top to its bottom, which takes fewer
    /// operations than to move them there and shift what follows them.
    #[inline(always)]
    fn next(self, window: &mut u64) -> usize {
        let Self(entry) = self;
        *window = window.rotate_left(entry & 63);
        let bits = int::low(*window) & !(u32::MAX << (entry & 31));
        ((entry >> 16) + bits) as usize
    }
}

/// What is looked up of a codebook. Tables have all the room that there may be, so that their sizes are known to the compiler.
pub(super) struct Table {
    /// Symbols and lengths of codewords, by the bits that begin with them, if streams are of codewords.
    entries: Option<Box<[Entry; 1 << MAX_LEN]>>,
    /// States by number, if streams are of states.
    states: Option<Box<[StateEntry; 1 << MAX_LEN]>>,
    /// How many there are.
    count: usize,
    /// What leads to the first state: all its bits.
    pub(super) start: StateEntry,
    /// Symbols by number, where the alphabet is larger than an entry can tell.
    symbols: Option<Box<[u16; MAX_CODEWORDS]>>,
}

/// The number of a symbol in the upper bits and the length of its codeword in the lower [`len_bits`]: small, because there are
/// 2^13 of them.
#[derive(Debug, Clone, Copy, Default)]
struct Entry(u16);

/// Bits of an entry that tell a codeword's length: as many as a shift looks at, where a number leaves them.
const fn len_bits<S: LaneSymbols>() -> u32 {
    if S::KIND.alphabet() <= 1 << 10 { 6 } else { 4 }
}

impl Entry {
    fn new<S: LaneSymbols>(number: u16, len: u8) -> Self {
        const {
            assert!((MAX_LEN as usize) < 1 << len_bits::<S>());
            assert!(MAX_CODEWORDS <= 1 << (16 - 4));
        };
        Self(number << len_bits::<S>() | u16::from(len))
    }

    #[inline]
    fn number<S: LaneSymbols>(self) -> u16 {
        self.0 >> len_bits::<S>()
    }

    /// Bits of the codeword; 0 if there is none.
    #[inline]
    fn len<S: LaneSymbols>(self) -> u32 {
        u32::from(self.0) & ((1 << len_bits::<S>()) - 1)
    }
}

/// Whether symbols of a kind are their own numbers.
const fn is_small<S: LaneSymbols>() -> bool {
    S::KIND.alphabet() <= MAX_CODEWORDS
}

impl Table {
    pub(super) fn new<S: LaneSymbols>(codebook: &Codebook) -> Self {
        let start = StateEntry::new(0, 0, codebook.max_len());
        let mut table = Self { entries: None, states: None, count: 0, start, symbols: None };
        if S::ANS {
            let of_codebook = states(codebook);
            let states = table.states.insert(Box::new([StateEntry::default(); 1 << MAX_LEN]));
            for (entry, state) in states.iter_mut().zip(&of_codebook) {
                *entry = StateEntry::new(state.base, state.symbol, state.bits);
            }
            table.count = of_codebook.len();
            return table;
        }
        // Bits that are no codeword take none, so that the stream does not end where it should.
        let entries = table.entries.insert(Box::new([Entry::default(); 1 << MAX_LEN]));
        let codewords = codebook.canonical();
        for (place, &(symbol, code, len)) in (0u16..).zip(&codewords) {
            let spare = MAX_LEN - len;
            let first = (code as usize) << spare;
            let number = u16::try_from(symbol).ok().filter(|_| is_small::<S>()).unwrap_or(place);
            entries[first..first + (1 << spare)].fill(Entry::new::<S>(number, len));
        }
        if !is_small::<S>() {
            let symbols = table.symbols.insert(Box::new([0; MAX_CODEWORDS]));
            for (place, (symbol, ..)) in symbols.iter_mut().zip(codewords) {
                *place = u16::try_from(symbol).unwrap_or_default();
            }
        }
        table
    }

    /// How many states there are.
    pub(super) fn states(&self) -> usize {
        self.count
    }

    /// Goes through the states of a turn, from a bit of a stream and the number of a state on, which then are where the turn ends.
    /// What leads to the first state is numbered as if it came behind all others.
    pub(super) fn through_turn(&self, stream: &[u8], bit: &mut u32, number: &mut usize) {
        let Some(states) = &self.states else { return };
        let mut standing = if *number < self.count { states[*number] } else { self.start };
        for _ in 0..VECTOR {
            let mut window = bits::window(stream, (*bit).into());
            *number = standing.next(&mut window) & (states.len() - 1);
            *bit += standing.bits();
            standing = states[*number];
        }
    }

    /// Looks up the symbols of a chunk.
    #[inline(never)]
    pub(super) fn look_up<S: LaneSymbols>(&self, streams: &Streams, looked: &mut Looked<'_, S>) {
        if let Some(states) = &self.states {
            let look = |lane: &mut InStates, window: &mut u64| lane.go_on(states, window);
            let end = |lane: &mut InStates, bit: u64, _| bit + lane.take();
            let start = InStates { standing: self.start, taken: 0 };
            shifting(
                #[inline(always)]
                || turns::<S, _, STATES_AT_ONCE>(streams, looked, start, look, end),
            );
        } else if let Some(entries) = &self.entries {
            let look = |(): &mut (), window: &mut u64| {
                let entry = entries[int::index(*window >> (64 - MAX_LEN))];
                *window <<= entry.len::<S>();
                entry.0
            };
            // The bit behind the window tells how far it was shifted.
            let end = |(): &mut (), bit: u64, window: u64| bit / 8 * 8 + u64::from(window.trailing_zeros());
            turns::<S, _, CODEWORDS_AT_ONCE>(streams, looked, (), look, end);
        }
        self.symbols::<S>(looked.entries, looked.symbols);
    }

    /// Turns what was looked up into symbols.
    fn symbols<S: LaneSymbols>(&self, entries: &mut [AtomicU16], symbols: &mut [S::Number]) {
        let looked = entries.iter_mut().map(|entry| *entry.get_mut()).zip(symbols);
        wide(
            #[inline(always)]
            || match &self.symbols {
                _ if S::ANS => looked.for_each(|(entry, place)| *place = S::Number::of(entry >> 8)),
                None => looked.for_each(|(entry, place)| *place = S::Number::of(Entry(entry).number::<S>())),
                Some(listed) => looked.for_each(|(entry, place)| {
                    // The mask changes nothing, but tells that there is one.
                    let number = usize::from(Entry(entry).number::<S>()) & (MAX_CODEWORDS - 1);
                    *place = S::Number::of(listed[number]);
                }),
            },
        );
    }
}

/// A lane among states.
#[derive(Debug, Clone, Copy)]
struct InStates {
    standing: StateEntry,
    /// The sum of the entries from which it went on; of interest is its lowest byte, the sum of their bits.
    taken: u32,
}

impl InStates {
    /// Goes on to the next state, and gives the low half of its entry.
    #[inline(always)]
    fn go_on(&mut self, states: &[StateEntry; 1 << MAX_LEN], window: &mut u64) -> u16 {
        self.taken = self.taken.wrapping_add(self.standing.0);
        self.standing = states[self.standing.next(window) & (states.len() - 1)];
        int::low_half(self.standing.0)
    }

    /// How many bits were taken since this was asked last.
    #[inline(always)]
    fn take(&mut self) -> u64 {
        const { assert!(PER_WINDOW * MAX_LEN as usize <= 0xff) };
        u64::from(std::mem::take(&mut self.taken) & 0xff)
    }
}

/// Looks up what the lanes' streams lead to, turn after turn, each lane beginning where `start` says. `look` is told where a lane
/// stands and the bits of its stream from there on, highest; it moves on in both, and gives what is found. `end` tells which bit comes
/// after a window that began with one and has been looked at. `N` lanes side by side, because what is next begins where the one
/// before ends, and a processor can do something else meanwhile.
///
/// What is found is stored atomically, which costs nothing: compilers that see plain stores one beside the other gather what is stored
/// in wide registers first, by way of memory, and every look-up waits for that.
#[inline(always)]
fn turns<S: LaneSymbols, T: Copy, const N: usize>(
    streams: &Streams,
    looked: &mut Looked<'_, S>,
    start: T,
    look: impl Fn(&mut T, &mut u64) -> u16,
    end: impl Fn(&mut T, u64, u64) -> u64,
) {
    const { assert!(LANES.is_multiple_of(N)) };
    const { assert!(turn::symbols::<S>().is_multiple_of(PER_WINDOW)) };
    let symbols = turn::symbols::<S>();
    for first in (0..LANES).step_by(N) {
        let starts: [u64; N] = std::array::from_fn(|lane| 8 * ((first + lane) * streams.stride) as u64);
        let (mut bits, mut standing) = (starts, [start; N]);
        let rounds = looked.entries.chunks_exact(LANES * symbols).zip(looked.ends.iter_mut());
        for (entries, ends) in rounds {
            let entries = &entries[first * symbols..][..N * turn::symbols::<S>()];
            for index in (0..symbols).step_by(PER_WINDOW) {
                let mut window = [0u64; N];
                for lane in 0..N {
                    let Some(ahead) = streams.window(bits[lane]) else { return };
                    window[lane] = ahead;
                }
                for place in index..index + PER_WINDOW {
                    for lane in 0..N {
                        let found = look(&mut standing[lane], &mut window[lane]);
                        entries[lane * symbols + place].store(found, Relaxed);
                    }
                }
                for lane in 0..N {
                    bits[lane] = end(&mut standing[lane], bits[lane], window[lane]);
                }
            }
            for lane in 0..N {
                ends[first + lane] = int::low(bits[lane] - starts[lane]);
            }
        }
    }
}
