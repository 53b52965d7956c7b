//! Many histograms put into few groups of similar ones, in time linear in their number.

use crate::histogram::Histogram;
use rayon::prelude::*;

/// Groups by the mean symbol, before each is cut by how far symbols spread around it.
const BY_MEAN: usize = 32;

/// Parts that each of these is cut into.
const BY_SPREAD: usize = 4;

/// How many times each histogram moves to the group that suits it best.
const ROUNDS: usize = 3;

/// Added to each count of a group's sum, so that a symbol which it lacks is expensive and not impossible.
const UNSEEN: f64 = 0.25;

/// Puts each histogram, all of one small alphabet, into one of at most 128 groups: gives the group's number for each,
/// counted from 0 without holes.
///
/// First by where its symbols are and how far they spread, so that groups have about equally many symbols; then three
/// times, each moves to the group under whose frequencies it takes the fewest bits. That compares each histogram with
/// 128 others at most.
#[must_use]
pub fn seeds(histograms: &[&Histogram]) -> Vec<usize> {
    let shapes: Vec<Outline> = histograms.iter().map(|histogram| Outline::of(histogram)).collect();
    let mut order: Vec<usize> = (0..histograms.len()).collect();
    order.sort_by(|a, b| shapes[*a].mean.total_cmp(&shapes[*b].mean));
    let mut groups = vec![0; histograms.len()];
    for (number, run) in cut(&mut order, &shapes, BY_MEAN).into_iter().enumerate() {
        run.sort_by(|a, b| shapes[*a].spread.total_cmp(&shapes[*b].spread));
        for (part, members) in cut(run, &shapes, BY_SPREAD).into_iter().enumerate() {
            members.iter().for_each(|member| groups[*member] = number * BY_SPREAD + part);
        }
    }
    for _ in 0..ROUNDS {
        let costs = Costs::new(histograms, &groups);
        groups = histograms.par_iter().map(|histogram| costs.cheapest(histogram)).collect();
    }
    without_holes(groups)
}

/// Where a histogram's symbols are.
struct Outline {
    mean: f64,
    spread: f64,
    total: u64,
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
impl Outline {
    fn of(histogram: &Histogram) -> Self {
        let total = histogram.total();
        let (mut sum, mut squares) = (0.0, 0.0);
        for &(symbol, count) in histogram.present() {
            let (symbol, count) = (symbol as f64, count as f64);
            sum += symbol * count;
            squares += symbol * symbol * count;
        }
        let all = total.max(1) as f64;
        let mean = sum / all;
        Self { mean, spread: squares / all - mean * mean, total }
    }
}

/// Cuts a list into runs of about equally many symbols, of which there is a most.
fn cut<'a>(order: &'a mut [usize], shapes: &[Outline], runs: usize) -> Vec<&'a mut [usize]> {
    let all: u128 = order.iter().map(|index| u128::from(shapes[*index].total) + 1).sum();
    let mut before = 0u128;
    let mut numbers = Vec::with_capacity(order.len());
    for index in order.iter() {
        numbers.push(before * runs as u128 / all.max(1));
        before += u128::from(shapes[*index].total) + 1;
    }
    let mut rest = order;
    let mut cut = Vec::new();
    for run in numbers.chunk_by(|a, b| a == b) {
        let (head, tail) = rest.split_at_mut(run.len());
        cut.push(head);
        rest = tail;
    }
    cut
}

/// Bits of each symbol under each group's frequencies.
struct Costs {
    alphabet: usize,
    /// `alphabet` numbers for each group.
    bits: Vec<f64>,
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
impl Costs {
    fn new(histograms: &[&Histogram], groups: &[usize]) -> Self {
        let alphabet = histograms.iter().map(|histogram| histogram.alphabet()).max().unwrap_or(0).max(1);
        let count = groups.iter().max().map_or(0, |last| last + 1);
        let mut bits = vec![0.0; alphabet * count];
        for (histogram, group) in histograms.iter().zip(groups) {
            for &(symbol, times) in histogram.present() {
                bits[group * alphabet + symbol] += times as f64;
            }
        }
        for counts in bits.chunks_mut(alphabet) {
            let total: f64 = counts.iter().sum::<f64>() + UNSEEN * alphabet as f64;
            // A group that lost all members gets none back.
            let is_empty = counts.iter().all(|count| *count == 0.0);
            for count in counts {
                *count = if is_empty { f64::INFINITY } else { (total / (*count + UNSEEN)).log2() };
            }
        }
        Self { alphabet, bits }
    }

    /// The group under whose frequencies a histogram takes the fewest bits.
    fn cheapest(&self, histogram: &Histogram) -> usize {
        let cost = |bits: &[f64]| -> f64 {
            histogram.present().iter().map(|&(symbol, count)| bits[symbol] * count as f64).sum()
        };
        let costs = self.bits.chunks(self.alphabet).map(cost).enumerate();
        costs.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(group, _)| group)
    }
}

/// The same groups, numbered in the order of their first members.
fn without_holes(mut groups: Vec<usize>) -> Vec<usize> {
    let mut numbers = std::collections::HashMap::new();
    for group in &mut groups {
        let next = numbers.len();
        *group = *numbers.entry(*group).or_insert(next);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alike_histograms_are_together_and_there_are_at_most_128_groups() {
        let all: Vec<Histogram> = (0..5000u64)
            .map(|i| {
                let centre = i * 7 % 16;
                Histogram::from_counts(
                    &(0..16u64).map(|s| 1000 >> (2 * s.abs_diff(centre))).collect::<Vec<_>>(),
                )
            })
            .collect();
        let groups = seeds(&all.iter().collect::<Vec<_>>());
        assert!(groups.iter().all(|group| *group < BY_MEAN * BY_SPREAD));
        for (i, group) in groups.iter().enumerate() {
            assert_eq!(*group, groups[i % 16], "{i}");
        }
        assert_eq!(groups.iter().max(), Some(&15));
    }

    #[test]
    fn histograms_of_nothing_are_a_group() {
        let zero = Histogram::zero(16);
        assert_eq!(seeds(&[&zero, &zero]), [0, 0]);
        assert_eq!(seeds(&[]), [0; 0]);
    }
}
