//! Tensors that share a codebook: groups of histograms whose sums are nearly as compressible as they are one by one.
//!
//! The work has a bound. At most [`MOST`] histograms are compared pair by pair: `MOST`²/2 sums before anything is
//! joined, and at most as many again while joining. A longer list is first grouped by [`seeds`], whose work is linear,
//! and then only the groups' sums are compared.

mod seeds;

pub use seeds::seeds;

use crate::histogram::Histogram;
use rayon::prelude::*;
use std::sync::LazyLock;

/// The most histograms that are compared pair by pair.
pub const MOST: usize = 192;

/// What sharing may cost and bring.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sharing {
    /// Bits that storing a codebook takes, hence what one fewer saves.
    pub codebook_bits: f64,
    /// Which part of all codewords' bits may be lost beyond that.
    pub tolerance: f64,
    /// The most codebooks, whatever that costs.
    pub most: Option<usize>,
}

/// Which histograms share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shared {
    /// A group's number for each histogram, counted from 0 in the order of first members.
    pub groups: Vec<usize>,
    /// How many pairs of histograms were compared, each by the entropy of their sum: at most [`MOST`]².
    pub comparisons: usize,
}

/// Groups `histograms`, which have one alphabet. What a group costs is estimated by the entropy of its sum.
///
/// Greedily, the two groups are joined that lose least by it; as long as there are too many, then as long as the loss
/// is less than a codebook takes, then as long as all such losses together stay within the tolerance. Of a list that is
/// longer than [`MOST`], those share in any case that [`seeds`] finds alike.
#[must_use]
pub fn share(histograms: &[&Histogram], sharing: &Sharing) -> Shared {
    if histograms.len() <= MOST {
        return Groups::of(histograms, sharing).join();
    }
    let seeds = seeds(histograms);
    let mut sums = vec![Histogram::default(); seeds.iter().max().map_or(0, |last| last + 1)];
    histograms.iter().zip(&seeds).for_each(|(histogram, seed)| sums[*seed].add(histogram));
    let Shared { groups, comparisons } = Groups::of(&sums.iter().collect::<Vec<_>>(), sharing).join();
    Shared { groups: seeds.into_iter().map(|seed| groups[seed]).collect(), comparisons }
}

struct Group {
    members: Vec<usize>,
    sum: Histogram,
    bits: f64,
    /// Bits lost by sharing with each later group of the list; what stands at other places means nothing.
    losses: Vec<f64>,
}

struct Groups<'a> {
    sharing: &'a Sharing,
    groups: Vec<Group>,
    /// Bits that may still be lost.
    left: f64,
    comparisons: usize,
}

impl<'a> Groups<'a> {
    fn of(histograms: &[&Histogram], sharing: &'a Sharing) -> Self {
        let group = |(index, histogram): (usize, &&Histogram)| Group {
            members: vec![index],
            sum: (*histogram).clone(),
            bits: bits(histogram),
            losses: vec![f64::INFINITY; histograms.len()],
        };
        let groups: Vec<Group> = histograms.iter().enumerate().map(group).collect();
        let all: f64 = groups.iter().map(|group| group.bits).sum();
        Self { sharing, groups, left: all * sharing.tolerance, comparisons: 0 }
    }

    fn join(mut self) -> Shared {
        let most = self.sharing.most.unwrap_or(usize::MAX).max(1);
        let alone = self.groups.len();
        self.compare_all();
        // A group that has been joined to another stays in the list without members, so that places keep their meaning.
        let mut alive: Vec<usize> = (0..alone).collect();
        while let Some((loss, one, other)) = self.least(&alive) {
            let beyond = (loss - self.sharing.codebook_bits).max(0.0);
            if alive.len() <= most && beyond > self.left {
                break;
            }
            self.left -= beyond;
            let joined = std::mem::replace(
                &mut self.groups[other],
                Group { members: Vec::new(), sum: Histogram::default(), bits: 0.0, losses: Vec::new() },
            );
            let group = &mut self.groups[one];
            group.sum.add(&joined.sum);
            group.bits = bits(&group.sum);
            group.members.extend(joined.members);
            alive.retain(|index| *index != other);
            self.compare_with(one, &alive);
        }
        let mut numbers = vec![0; alone];
        let mut members: Vec<Vec<usize>> =
            alive.iter().map(|index| std::mem::take(&mut self.groups[*index].members)).collect();
        members.iter_mut().for_each(|members| members.sort_unstable());
        members.sort_unstable();
        for (number, members) in members.iter().enumerate() {
            members.iter().for_each(|member| numbers[*member] = number);
        }
        Shared { groups: numbers, comparisons: self.comparisons }
    }

    /// The two groups that lose least by sharing, and how much.
    fn least(&self, alive: &[usize]) -> Option<(f64, usize, usize)> {
        let pairs = alive.iter().enumerate().flat_map(|(place, one)| {
            alive[place + 1..].iter().map(move |other| (self.groups[*one].losses[*other], *one, *other))
        });
        pairs.min_by(|a, b| a.0.total_cmp(&b.0))
    }

    fn compare_all(&mut self) {
        let count = self.groups.len();
        let loss = |one: usize, other: usize| {
            if one < other { self.loss(one, other) } else { f64::INFINITY }
        };
        let losses: Vec<Vec<f64>> = (0..count)
            .into_par_iter()
            .map(|one| (0..count).map(|other| loss(one, other)).collect())
            .collect();
        self.groups.iter_mut().zip(losses).for_each(|(group, losses)| group.losses = losses);
        self.comparisons += count * count.saturating_sub(1) / 2;
    }

    /// Compares a group that has grown with the others.
    fn compare_with(&mut self, one: usize, alive: &[usize]) {
        let losses: Vec<f64> = alive.par_iter().map(|other| self.loss(one, *other)).collect();
        for (other, loss) in alive.iter().zip(losses) {
            let (first, second) = (one.min(*other), one.max(*other));
            self.groups[first].losses[second] = loss;
        }
        self.comparisons += alive.len().saturating_sub(1);
    }

    /// Bits lost by sharing a codebook.
    fn loss(&self, one: usize, other: usize) -> f64 {
        let (one, other) = (&self.groups[one].sum, &self.groups[other].sum);
        let totals = [one, other].map(Histogram::total);
        let sum = totals[0].saturating_add(totals[1]);
        // A histogram takes t·log₂ t − Σ c·log₂ c bits, with t the sum of its counts c. What differs after joining is
        // the first term, and the others where both have a symbol.
        times_log(sum) - times_log(totals[0]) - times_log(totals[1]) - common(one, other)
    }
}

/// Bits that the symbols of a histogram take at their entropy.
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
pub(crate) fn bits(histogram: &Histogram) -> f64 {
    histogram.entropy_bits() * histogram.total() as f64
}

/// By how much Σ c·log₂ c is larger for the sum of two histograms than for both of them.
fn common(one: &Histogram, other: &Histogram) -> f64 {
    let (mut one, mut other) = (one.present(), other.present());
    let mut more = 0.0;
    while let (Some((&(mine, count), rest)), Some((&(theirs, counted), others))) =
        (one.split_first(), other.split_first())
    {
        match mine.cmp(&theirs) {
            std::cmp::Ordering::Less => one = rest,
            std::cmp::Ordering::Greater => other = others,
            std::cmp::Ordering::Equal => {
                more += times_log(count.saturating_add(counted)) - times_log(count) - times_log(counted);
                (one, other) = (rest, others);
            }
        }
    }
    more
}

/// c·log₂ c; of small counts, which are most in large alphabets, from a table.
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn times_log(count: u64) -> f64 {
    static SMALL: LazyLock<Vec<f64>> = LazyLock::new(|| (0..4096).map(computed).collect());
    fn computed(count: u64) -> f64 {
        if count > 1 { count as f64 * (count as f64).log2() } else { 0.0 }
    }
    let small = usize::try_from(count).ok().and_then(|count| SMALL.get(count).copied());
    small.unwrap_or_else(|| computed(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(histograms: &[Histogram], sharing: &Sharing) -> Vec<usize> {
        share(&histograms.iter().collect::<Vec<_>>(), sharing).groups
    }

    /// Nothing to gain; a thousandth of a bit covers what rounding makes of equal shapes.
    const FREE: Sharing = Sharing { codebook_bits: 0.001, tolerance: 0.0, most: None };

    fn histogram(counts: &[u64]) -> Histogram {
        Histogram::from_counts(counts)
    }

    /// Two kinds of histograms, alternating, with small differences within a kind.
    fn two_kinds(count: u64) -> Vec<Histogram> {
        let kind = |i: u64| if i.is_multiple_of(2) { [1000 + i, 100, 10, 1] } else { [1, 10, 100, 1000 + i] };
        (0..count).map(|i| histogram(&kind(i))).collect()
    }

    #[test]
    fn histograms_of_the_same_shape_share_and_others_do_not() {
        let alike = [histogram(&[4, 2, 0]), histogram(&[0, 1, 9]), histogram(&[8, 4, 0])];
        assert_eq!(groups(&alike, &FREE), [0, 1, 0]);
        assert_eq!(groups(&[], &FREE), [0; 0]);
        assert_eq!(groups(&two_kinds(1), &FREE), [0]);
    }

    #[test]
    fn a_codebook_is_dropped_where_it_takes_more_than_it_saves() {
        let kinds = two_kinds(6);
        let expected = [0, 1, 0, 1, 0, 1];
        assert_eq!(groups(&kinds, &Sharing { codebook_bits: 100.0, ..FREE }), expected);
        assert_eq!(groups(&kinds, &Sharing { codebook_bits: 1e6, ..FREE }), [0; 6]);
        assert_eq!(groups(&kinds, &Sharing { tolerance: 0.001, ..FREE }), expected);
    }

    #[test]
    fn there_are_never_more_than_asked_for_however_long_the_list() {
        for count in [2, 50, 3 * MOST as u64 + 1] {
            let kinds = two_kinds(count);
            let two = groups(&kinds, &Sharing { most: Some(2), ..FREE });
            assert!(two.iter().enumerate().all(|(index, group)| *group == index % 2));
            assert!(groups(&kinds, &Sharing { most: Some(0), ..FREE }).iter().all(|group| *group == 0));
        }
    }

    #[test]
    fn comparisons_are_bounded_however_long_the_list() {
        for count in [1, 10, MOST, MOST + 1, 20_000] {
            let kinds: Vec<Histogram> =
                (0..count as u64).map(|i| histogram(&[1 + i % 977, 1 + i % 89, i % 7, 3])).collect();
            for most in [None, Some(1)] {
                let shared = share(&kinds.iter().collect::<Vec<_>>(), &Sharing { most, ..FREE });
                assert_eq!(shared.groups.len(), count);
                assert!(shared.comparisons <= MOST * MOST, "{count}: {}", shared.comparisons);
            }
        }
    }

    #[test]
    fn what_is_lost_is_what_the_sum_takes_more() {
        let kinds = [histogram(&[5, 0, 7, 1, 0]), histogram(&[0, 3, 2, 0, 9000]), histogram(&[0, 0])];
        let all: Vec<&Histogram> = kinds.iter().collect();
        let groups = Groups::of(&all, &FREE);
        for (one, other) in [(0, 1), (0, 2), (1, 2)] {
            let mut sum = kinds[one].clone();
            sum.add(&kinds[other]);
            let lost = bits(&sum) - bits(&kinds[one]) - bits(&kinds[other]);
            assert!((groups.loss(one, other) - lost).abs() < 1e-6);
        }
    }
}
