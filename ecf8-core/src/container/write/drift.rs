//! Tensors whose statistics drift: along the vocabulary of an embedding, or between rows whose scales differ. Their runs
//! are put into classes that are distributed alike, each of which may have a codebook of its own.

use crate::codebook::cluster::{self, MOST, Sharing, bits, share};
use crate::element::{Counts, RUN, Split};
use crate::histogram::Histogram;
use crate::int;
use crate::layout::Aim;
use crate::map::passing;
use rayon::prelude::*;
use std::ops::Range;

/// Coded bytes that there are.
const BYTES: usize = 256;

/// What a further codebook of bytes takes, about, in bits.
const CODEBOOK_BITS: f64 = 1200.0;

/// What naming a run's codebook takes, about, in bits.
const RUN_BITS: f64 = 8.0;

/// What a chunk takes beside its codewords, about, in bits.
const CHUNK_BITS: f64 = 304.0;

/// The logarithm of the elements of the longest chunk.
const LONGEST_CHUNK: u32 = 17;

/// A tensor whose bytes' entropy by runs is within one part in this many of that of all is not looked at closer.
const LEAST_GAIN: f64 = 1000.0;

/// Runs may be shorter for size where that gains at least one part in this many: a block of threads that decodes a short
/// run has less to do for its table.
const BALANCE: f64 = 1600.0;

/// Elements that are distributed alike: all of a tensor, or the runs of one class.
pub(super) struct Piece {
    /// How many.
    pub(super) elements: u64,
    /// Where they are, in order.
    pub(super) ranges: Vec<Range<u64>>,
    /// Of their coded bytes.
    pub(super) coded: Histogram,
    /// With which others it may share without being compared one by one, see [`crate::codebook::cluster::seeds`].
    pub(super) seed: usize,
}

/// Which piece each run of a tensor belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Runs {
    /// Elements of a run.
    pub(super) elements: u64,
    /// Of each, the number of its piece.
    pub(super) of: Vec<usize>,
}

/// A tensor in pieces; without runs, if there is one.
pub(super) struct Pieces {
    pub(super) list: Vec<Piece>,
    pub(super) runs: Option<Runs>,
}

impl Pieces {
    /// One piece for all elements, whose coded bytes are counted.
    pub(super) fn one(elements: u64, coded: Histogram) -> Self {
        let piece = Piece { elements, ranges: std::iter::once(0..elements).collect(), coded, seed: 0 };
        Self { list: vec![piece], runs: None }
    }

    /// The pieces of a tensor that was counted, where codebooks of their own make it smaller. For speed, runs are as long as several blocks
    /// of threads decode; otherwise shorter ones are tried, too. One piece for all where no runs are wanted.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    pub(super) fn of(counts: &mut Counts, bytes: &[u8], aim: Aim, has_runs: bool) -> Self {
        let split = &counts.split;
        let elements = (bytes.len() / split.element.bytes) as u64;
        let coded = counts.planes.get(split.coded_plane()).cloned().unwrap_or_default();
        let one = Self::one(elements, coded);
        if !has_runs || elements < 2 * RUN || split.dictionary.is_some() {
            return one;
        }
        let shortest = match std::mem::take(&mut counts.runs) {
            none if none.is_empty() => Level::count(split, bytes, counts.run),
            runs => Level { elements: counts.run, runs },
        };
        let all = bits(&one.list[0].coded);
        // Runs alike have less entropy by themselves, too, since each has but some of what is rare.
        if all - shortest.bits() - shortest.chance_bits() < all / LEAST_GAIN {
            return one;
        }
        let mut levels = vec![shortest.joined(16)];
        if aim != Aim::Speed {
            levels.extend([shortest.joined(4), shortest]);
        }
        let mut best: Option<(f64, Classes)> = None;
        for level in &levels {
            let classes = level.classes();
            let most = match (&best, aim) {
                (Some((bits, _)), Aim::Size) => *bits,
                (Some((bits, _)), _) => bits - all / BALANCE,
                (None, _) => all + (elements >> LONGEST_CHUNK) as f64 * CHUNK_BITS,
            };
            if classes.bits < most {
                best = Some((classes.bits, classes));
            }
        }
        best.map_or(one, |(_, classes)| classes.pieces(elements))
    }
}

/// The runs of one length.
struct Level {
    /// Elements of a run.
    elements: u64,
    /// Coded bytes of each.
    runs: Vec<Histogram>,
}

/// Runs, put into classes.
struct Classes {
    runs: Runs,
    /// Coded bytes of each class.
    sums: Vec<Histogram>,
    /// What they take, codebooks included, and what names them.
    bits: f64,
}

impl Level {
    fn count(split: &Split, bytes: &[u8], elements: u64) -> Self {
        let run_bytes = int::index(elements) * split.element.bytes;
        let counted = |bytes: &[u8]| -> Vec<Histogram> {
            let runs = bytes.par_chunks(run_bytes);
            runs.map_init(Vec::new, |memory, run| Histogram::of_bytes(split.coded_of(run, memory))).collect()
        };
        Self { elements, runs: passing(bytes, run_bytes).flat_map(counted).collect() }
    }

    /// The same with runs that are longer.
    fn joined(&self, times: usize) -> Self {
        let runs = self.runs.par_chunks(times).map(|runs| Histogram::sum(BYTES, runs.iter())).collect();
        Self { elements: self.elements * times as u64, runs }
    }

    /// Bits of all runs at their own entropy.
    fn bits(&self) -> f64 {
        self.runs.iter().map(bits).sum()
    }

    /// Bits by which runs of one distribution take less by themselves than together, by chance: half of log₂ e for each
    /// symbol but one, for each run but one.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    fn chance_bits(&self) -> f64 {
        let free = self.runs.iter().skip(1).map(|run| run.present().len().saturating_sub(1));
        free.sum::<usize>() as f64 * std::f64::consts::LOG2_E / 2.0
    }

    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    fn classes(&self) -> Classes {
        let all: Vec<&Histogram> = self.runs.iter().collect();
        let sharing = Sharing { codebook_bits: CODEBOOK_BITS, tolerance: 0.0, most: None };
        let of = if all.len() <= MOST {
            share(&all, &sharing).groups
        } else {
            let seeds = cluster::seeds(&all);
            let sums = sums(&self.runs, &seeds);
            let groups = share(&sums.iter().collect::<Vec<_>>(), &sharing).groups;
            seeds.into_iter().map(|seed| groups[seed]).collect()
        };
        let sums = sums(&self.runs, &of);
        let codewords: f64 = sums.iter().map(bits).sum();
        let named = if sums.len() > 1 { of.len() as f64 * RUN_BITS } else { 0.0 };
        // Runs with an odd number of the shortest chunks' lengths have no longer ones.
        let longest = self.elements.trailing_zeros().min(LONGEST_CHUNK);
        let chunks = (of.len() as u64 * (self.elements >> longest)) as f64;
        let codebooks = sums.len().saturating_sub(1) as f64 * CODEBOOK_BITS;
        let bits = codewords + named + codebooks + chunks * CHUNK_BITS;
        Classes { runs: Runs { elements: self.elements, of }, sums, bits }
    }
}

impl Classes {
    /// As pieces of a tensor.
    fn pieces(self, elements: u64) -> Pieces {
        let Self { runs, sums, .. } = self;
        let mut list: Vec<Piece> =
            sums.into_iter().map(|coded| Piece { elements: 0, ranges: Vec::new(), coded, seed: 0 }).collect();
        let mut first = 0;
        for same in runs.of.chunk_by(|a, b| a == b) {
            let end = elements.min(first + runs.elements * same.len() as u64);
            list[same[0]].elements += end - first;
            list[same[0]].ranges.push(first..end);
            first = end;
        }
        let runs = Some(runs).filter(|_| list.len() > 1);
        Pieces { list, runs }
    }
}

/// The sums of the histograms that have each number.
fn sums(histograms: &[Histogram], numbers: &[usize]) -> Vec<Histogram> {
    let count = numbers.iter().max().map_or(0, |last| last + 1);
    let mut members: Vec<Vec<&Histogram>> = vec![Vec::new(); count];
    histograms.iter().zip(numbers).for_each(|(histogram, number)| members[*number].push(histogram));
    members.par_iter().map(|members| Histogram::sum(BYTES, members.iter().copied())).collect()
}
