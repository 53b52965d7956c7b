//! Tensors that share a codebook: groups of histograms whose sums are nearly as compressible as they are one by one.

use crate::histogram::Histogram;

/// Histograms that are compared pair by pair; a longer list is worked through in runs of so many.
const RUN: usize = 192;

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

/// Groups `histograms`, which have one alphabet: gives a group's number for each, counted from 0 in the order of first
/// members. What a group costs is estimated by the entropy of its sum.
///
/// Greedily, the two groups are joined that lose least by it; as long as there are too many, then as long as the loss is
/// less than a codebook takes, then as long as all such losses together stay within the tolerance.
#[must_use]
pub fn share(histograms: &[&Histogram], sharing: &Sharing) -> Vec<usize> {
    let all: f64 = histograms.iter().map(|histogram| bits(histogram)).sum();
    let mut groups = Groups { sharing, groups: Vec::new(), left: all * sharing.tolerance };
    let most = sharing.most.unwrap_or(usize::MAX).max(1);
    let members: Vec<usize> = (0..histograms.len()).collect();
    for run in members.chunks(RUN) {
        groups.groups.extend(run.iter().map(|&index| Group::of(index, histograms[index])));
        // Joining within a run leaves room for the next, so that the work grows with the number of runs only.
        let room = if run.contains(&(histograms.len().saturating_sub(1))) { most } else { most.max(RUN) };
        groups.join(room);
    }
    let mut numbers = vec![0; histograms.len()];
    let mut groups: Vec<Vec<usize>> = groups.groups.into_iter().map(|group| group.members).collect();
    groups.iter_mut().for_each(|members| members.sort_unstable());
    groups.sort_unstable();
    for (number, members) in groups.iter().enumerate() {
        members.iter().for_each(|member| numbers[*member] = number);
    }
    numbers
}

struct Group {
    members: Vec<usize>,
    sum: Histogram,
    bits: f64,
}

impl Group {
    fn of(index: usize, histogram: &Histogram) -> Self {
        Self { members: vec![index], sum: histogram.clone(), bits: bits(histogram) }
    }

    fn with(&self, other: &Self) -> Self {
        let mut sum = self.sum.clone();
        sum.add(&other.sum);
        let members = self.members.iter().chain(&other.members).copied().collect();
        Self { members, bits: bits(&sum), sum }
    }

    /// Bits lost by sharing a codebook with another group.
    fn loss(&self, other: &Self) -> f64 {
        let mut sum = self.sum.clone();
        sum.add(&other.sum);
        bits(&sum) - self.bits - other.bits
    }
}

struct Groups<'a> {
    sharing: &'a Sharing,
    groups: Vec<Group>,
    /// Bits that may still be lost.
    left: f64,
}

impl Groups<'_> {
    fn join(&mut self, most: usize) {
        // For each group, the later group that it loses least with, and how much.
        let mut nearest: Vec<Option<(f64, usize)>> =
            (0..self.groups.len()).map(|index| self.nearest(index)).collect();
        loop {
            let candidates =
                nearest.iter().enumerate().filter_map(|(one, near)| near.map(|near| (near, one)));
            let least = candidates.min_by(|(a, _), (b, _)| a.0.total_cmp(&b.0));
            let Some(((loss, other), one)) = least else { return };
            let beyond = (loss - self.sharing.codebook_bits).max(0.0);
            if self.groups.len() <= most && beyond > self.left {
                return;
            }
            self.left -= beyond;
            let joined = self.groups[one].with(&self.groups[other]);
            self.groups[one] = joined;
            self.groups.remove(other);
            nearest.remove(other);
            let found = nearest.into_iter().enumerate();
            nearest = found.map(|(index, near)| self.after_join(index, near, one, other)).collect();
        }
    }

    /// What group `index` is nearest to, after group `other` was joined to `one` and removed; `near` counts as before.
    fn after_join(
        &self,
        index: usize,
        near: Option<(f64, usize)>,
        one: usize,
        other: usize,
    ) -> Option<(f64, usize)> {
        let (least, near) = match near {
            Some((least, near)) if index != one && near != one && near != other => (least, near),
            _ => return self.nearest(index),
        };
        let near = near - usize::from(near > other);
        let loss = if index < one { self.groups[index].loss(&self.groups[one]) } else { f64::INFINITY };
        Some(if loss < least { (loss, one) } else { (least, near) })
    }

    fn nearest(&self, one: usize) -> Option<(f64, usize)> {
        let losses =
            (one + 1..self.groups.len()).map(|other| (self.groups[one].loss(&self.groups[other]), other));
        losses.min_by(|a, b| a.0.total_cmp(&b.0))
    }
}

/// Bits that the symbols of a histogram take at their entropy.
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn bits(histogram: &Histogram) -> f64 {
    histogram.entropy_bits() * histogram.total() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(histograms: &[Histogram], sharing: &Sharing) -> Vec<usize> {
        share(&histograms.iter().collect::<Vec<_>>(), sharing)
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
        for count in [2, 50, 3 * RUN as u64 + 1] {
            let kinds = two_kinds(count);
            let two = groups(&kinds, &Sharing { most: Some(2), ..FREE });
            assert!(two.iter().enumerate().all(|(index, group)| *group == index % 2));
            assert!(groups(&kinds, &Sharing { most: Some(0), ..FREE }).iter().all(|group| *group == 0));
        }
    }
}
