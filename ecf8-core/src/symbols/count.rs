//! Counting the symbols of a tensor, in parallel.

use super::{Number, Symbols, join};
use crate::element::{SLOTS, Split};
use crate::histogram::{Histogram, add, sum};
use crate::map::in_batches;
use rayon::prelude::*;
use std::cmp::Reverse;
use std::ops::Range;

/// Bytes that one task counts, about: few enough to stay in a processor's cache from one step to the next.
const CHUNK: usize = 1 << 18;

/// Chunks whose memory is given back in one go.
const TOGETHER: usize = 64;

/// Symbols are few if there is less than one element for this many symbols of the alphabet.
const FEW: usize = 4;

/// How often each symbol occurs in pieces of a tensor. A symbol at the end of a piece that lacks elements counts as the most
/// frequent of those that begin like it.
#[must_use]
pub fn histogram<S: Symbols>(split: &Split, pieces: &[&[u8]]) -> Histogram {
    let elements = pieces.iter().map(|piece| piece.len()).sum::<usize>() / split.element.bytes;
    if elements < S::KIND.alphabet() / FEW { few::<S>(split, pieces) } else { many::<S>(split, pieces) }
}

/// Memory in which the fields of elements are put together.
#[derive(Default)]
struct Memory([Vec<u8>; 3]);

impl Memory {
    /// The fields of elements.
    fn fields<'a, S: Symbols>(&'a mut self, split: &Split, bytes: &'a [u8]) -> &'a [u8] {
        let [places, coded, fields] = &mut self.0;
        split.fields(S::KIND.bits, split.coded_of(split.units_of(bytes, places), coded), fields)
    }
}

/// A counter for each symbol, or several that take turns, since equal neighbours would otherwise wait for each other's increments.
/// In a large alphabet neighbours are hardly ever equal.
struct Counters<S: Symbols> {
    counts: Vec<u32>,
    memory: Memory,
    symbols: Vec<S::Number>,
}

impl<S: Symbols> Counters<S> {
    const TURNS: usize = match S::KIND.alphabet() {
        0..=256 => 4,
        257..=4096 => 2,
        _ => 1,
    };

    fn new() -> Self {
        Self {
            counts: vec![0; Self::TURNS * S::KIND.alphabet()],
            memory: Memory::default(),
            symbols: Vec::new(),
        }
    }

    /// Counts elements, which are whole symbols.
    fn count(mut self, split: &Split, bytes: &[u8]) -> Self {
        let (alphabet, turns) = (S::KIND.alphabet(), const { Self::TURNS });
        let fields = self.memory.fields::<S>(split, bytes);
        self.symbols.resize(fields.len() / S::KIND.elements, S::Number::default());
        join::<S>(fields, &mut self.symbols);
        // With this length, no place needs a check.
        let counts = &mut self.counts[..turns * alphabet];
        let mut count = |turn: usize, symbol: S::Number| {
            counts[turn * alphabet + (usize::from(symbol.number()) & (alphabet - 1))] += 1;
        };
        let (fours, rest) = self.symbols.as_chunks::<4>();
        for four in fours {
            (0..4).for_each(|place| count(place % turns, four[place]));
        }
        rest.iter().for_each(|symbol| count(0, *symbol));
        self
    }

    /// How often each symbol was counted.
    fn sums(&self) -> Vec<u64> {
        sum(S::KIND.alphabet(), self.counts.chunks_exact(S::KIND.alphabet()))
    }
}

/// How often each symbol occurs, with a counter for each.
fn many<S: Symbols>(split: &Split, pieces: &[&[u8]]) -> Histogram {
    let (kind, width) = (S::KIND, split.element.bytes);
    // Whole symbols, and as many as are reordered together.
    let block = width * kind.block().max(SLOTS);
    let chunk = (CHUNK - CHUNK % block).max(block);
    let whole = |piece: &&[u8]| piece.len() - piece.len() % block;
    let mut counts = vec![0; kind.alphabet()];
    in_batches(pieces.iter().flat_map(|piece| piece[..whole(piece)].chunks(TOGETHER * chunk)), |pieces| {
        let chunks: Vec<&[u8]> = pieces.iter().flat_map(|piece| piece.chunks(chunk)).collect();
        // Making counters and adding them up should take less than counting.
        let chunks = chunks.par_iter().with_min_len(kind.alphabet() / 4096);
        let each = chunks.fold(Counters::<S>::new, |counters, chunk| counters.count(split, chunk));
        let sums = each.map(|counters| counters.sums()).reduce_with(add);
        sums.into_iter().flatten().zip(&mut counts).for_each(|(more, count)| *count += more);
    });
    let (mut memory, mut incomplete) = (Memory::default(), Vec::new());
    for piece in pieces {
        let (whole, rest) = in_symbols::<S>(memory.fields::<S>(split, &piece[whole(piece)..]));
        (0..whole.len() / kind.elements).for_each(|number| counts[kind.symbol_at(whole, number)] += 1);
        incomplete.extend(candidates::<S>(rest));
    }
    for candidates in incomplete {
        let likely = candidates.rev().max_by_key(|symbol| counts[*symbol]);
        likely.into_iter().for_each(|symbol| counts[symbol] += 1);
    }
    Histogram::from_counts(&counts)
}

/// Fields of whole symbols, and others.
fn in_symbols<S: Symbols>(fields: &[u8]) -> (&[u8], &[u8]) {
    fields.split_at(fields.len() - fields.len() % S::KIND.block())
}

/// For each symbol of a rest that lacks elements: those that it may be.
fn candidates<S: Symbols>(rest: &[u8]) -> impl Iterator<Item = Range<usize>> {
    (0..rest.len().min(S::KIND.stride)).map(|number| S::KIND.beginning_with(&S::KIND.known(rest, number)))
}

/// The same as [`many`] for data so short that most symbols do not occur: sorting them takes less than looking at a counter for
/// each.
fn few<S: Symbols>(split: &Split, pieces: &[&[u8]]) -> Histogram {
    let kind = S::KIND;
    let mut memory = Memory::default();
    let (mut symbols, mut incomplete) = (Vec::new(), Vec::new());
    for piece in pieces {
        let (whole, rest) = in_symbols::<S>(memory.fields::<S>(split, piece));
        symbols.extend((0..whole.len() / kind.elements).map(|number| kind.symbol_at(whole, number)));
        incomplete.extend(candidates::<S>(rest));
    }
    symbols.sort_unstable();
    let runs = symbols.chunk_by(|a, b| a == b);
    let mut present: Vec<(usize, u64)> = runs.map(|run| (run[0], run.len() as u64)).collect();
    for candidates in incomplete {
        let first = present.partition_point(|(symbol, _)| *symbol < candidates.start);
        let those = present[first..].iter().take_while(|(symbol, _)| candidates.contains(symbol));
        // Of several that are equally frequent, the first.
        let likely = those.enumerate().min_by_key(|(_, (_, count))| Reverse(*count));
        match likely.map(|(place, _)| first + place) {
            Some(likely) => present[likely].1 += 1,
            None => present.insert(first, (candidates.start, 1)),
        }
    }
    Histogram::from_present(kind.alphabet(), present)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::element::Numbers;
    use crate::symbols::{Byte, PAIR, Pair, Pair6, Quad, TRIPLE, Triple};

    fn histogram<S: Symbols>(numbers: &Numbers<'_>) -> Histogram {
        super::histogram::<S>(numbers.split, &[numbers.bytes])
    }

    #[test]
    fn whole_symbols_are_counted_and_a_last_one_completed_by_frequency() {
        let data: Vec<u8> = (0..2 * CHUNK + 6).map(|i| (i * i / 7 % 256) as u8).collect();
        let mut expected = vec![0; 256];
        let exponent = |byte: &u8| byte >> 3 & 15;
        data.chunks_exact(2)
            .for_each(|pair| expected[PAIR.symbol(&[exponent(&pair[0]), exponent(&pair[1])])] += 1);
        assert_eq!(histogram::<Pair>(&Numbers::e4m3(&data)).counts(), expected);
        assert_eq!(histogram::<Byte>(&Numbers::e4m3(&data)), Histogram::of_bytes(&data));
        let odd = histogram::<Pair>(&Numbers::e4m3(&[0x38, 0x10, 0x38, 0x20, 0x38, 0x20, 0x38]));
        assert_eq!((odd.counts()[0x72], odd.counts()[0x74]), (1, 3));
        assert_eq!(histogram::<Pair>(&Numbers::e4m3(&[0x38])).counts()[0x70], 1);
        assert_eq!(histogram::<Pair>(&Numbers::e4m3(&[])).total(), 0);
    }

    #[test]
    fn few_symbols_are_counted_as_many_are() {
        let data: Vec<u8> = (0..9000u32).map(|i| (i * i / 7 % 251 * (i % 3)).to_le_bytes()[0]).collect();
        for len in [0, 1, 2, 3, 5, 64, 511, 513, 1023, 1025, 1536, 1600, 2600, 4099, 9000] {
            let Numbers { split, bytes } = Numbers::e4m3(&data[..len]);
            let (one, other) = bytes.split_at(len / 3);
            let of = |count: fn(&Split, &[&[u8]]) -> Histogram| {
                [count(split, &[bytes]), count(split, &[one, other])]
            };
            assert_eq!(of(few::<Quad>), of(many::<Quad>), "{len}");
            assert_eq!(of(few::<Triple>), of(many::<Triple>), "{len}");
            assert_eq!(of(few::<Pair>), of(many::<Pair>), "{len}");
            assert_eq!(of(few::<Pair6>), of(many::<Pair6>), "{len}");
        }
    }

    #[test]
    fn symbols_of_elements_far_apart_are_counted_round_by_round() {
        let data: Vec<u8> = (0..3 * CHUNK + 700).map(|i| (i * i / 7 % 256) as u8).collect();
        for len in [0, 1, 511, 512, 513, 1024, 1535, 1536, 1537, 2600, CHUNK, data.len()] {
            let data = &data[..len];
            let exponent = |byte: u8| byte >> 3 & 15;
            let (mut whole, mut incomplete) = (vec![0; 4096], 0);
            for round in data.chunks(1536) {
                for first in 0..round.len().min(512) {
                    match (round.get(first + 512), round.get(first + 1024)) {
                        (Some(second), Some(third)) => {
                            whole[TRIPLE.symbol(&[
                                exponent(round[first]),
                                exponent(*second),
                                exponent(*third),
                            ])] += 1;
                        }
                        _ => incomplete += 1,
                    }
                }
            }
            let counts = histogram::<Triple>(&Numbers::e4m3(data)).counts();
            assert!(counts.iter().zip(&whole).all(|(count, whole)| count >= whole), "{len}");
            assert_eq!(counts.iter().sum::<u64>(), whole.iter().sum::<u64>() + incomplete, "{len}");
        }
        let mut round = vec![0x38; 1536];
        round[1024..1524].fill(0x40);
        let counts = histogram::<Triple>(&Numbers::e4m3(&[&round[..], &[0x38; 600]].concat())).counts();
        assert_eq!((counts[0x778], counts[0x777]), (500 + 512, 12));
    }
}
