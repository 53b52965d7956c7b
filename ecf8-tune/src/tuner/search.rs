//! Which candidates to try next.

use super::{Candidate, is_default};
use std::collections::BTreeSet;
use std::fmt::Debug;

/// Spaces of up to this many candidates are tried whole.
const SMALL: usize = 512;

/// Chooses candidates by what is known of those tried before.
pub trait Searcher: Debug {
    /// The next candidates to try, none of them `tried`; none at all when the search is over. `best` are candidates that
    /// were timed, the fastest first.
    fn next(&mut self, space: &[Candidate], tried: &BTreeSet<usize>, best: &[usize]) -> Vec<usize>;
}

/// The searcher for a space: exhaustive if it is small. `seeds` are candidates that did well in similar problems.
#[must_use]
pub fn searcher(space: &[Candidate], seeds: Vec<usize>) -> Box<dyn Searcher> {
    if space.len() <= SMALL { Box::new(Exhaustive) } else { Box::new(Neighbours::new(seeds)) }
}

/// Tries everything, in an order that soon has been everywhere, so that a run which ends early has seen a bit of all.
#[derive(Debug, Clone, Copy)]
pub struct Exhaustive;

impl Searcher for Exhaustive {
    fn next(&mut self, space: &[Candidate], tried: &BTreeSet<usize>, _: &[usize]) -> Vec<usize> {
        /// 2⁶⁴ divided by the golden ratio: its multiples lie evenly however many there are.
        const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut left: Vec<usize> = (0..space.len()).filter(|index| !tried.contains(index)).collect();
        left.sort_by_key(|index| (*index as u64).wrapping_mul(GOLDEN));
        left
    }
}

/// Starts from seeds, from every strategy's default, and from a sample spread evenly over the space; then tries what differs
/// from the best in one tunable, until none of the best has an untried neighbour.
#[derive(Debug, Clone)]
pub struct Neighbours {
    seeds: Vec<usize>,
    /// How many of the best have their neighbours tried.
    width: usize,
    /// Candidates of the even sample.
    sample: usize,
    started: bool,
}

impl Neighbours {
    /// With seeds, the most promising first.
    #[must_use]
    pub fn new(seeds: Vec<usize>) -> Self {
        Self { seeds, width: 3, sample: 64, started: false }
    }

    fn start(&self, space: &[Candidate]) -> BTreeSet<usize> {
        let defaults = (0..space.len()).filter(|index| is_default(&space[*index]));
        let step = (space.len() / self.sample.max(1)).max(1);
        let sample = (0..space.len()).step_by(step);
        let seeds = self.seeds.iter().copied().filter(|index| *index < space.len());
        seeds.chain(defaults).chain(sample).collect()
    }
}

impl Searcher for Neighbours {
    fn next(&mut self, space: &[Candidate], tried: &BTreeSet<usize>, best: &[usize]) -> Vec<usize> {
        if !self.started {
            self.started = true;
            let start: Vec<usize> = self.start(space).difference(tried).copied().collect();
            if !start.is_empty() {
                return start;
            }
        }
        let around = best.iter().take(self.width).filter_map(|index| space.get(*index));
        let near: BTreeSet<usize> = around
            .flat_map(|from| (0..space.len()).filter(move |to| are_neighbours(from, &space[*to])))
            .collect();
        near.difference(tried).copied().collect()
    }
}

/// Whether two variants of a strategy differ in one tunable.
fn are_neighbours(one: &Candidate, other: &Candidate) -> bool {
    one.strategy.name() == other.strategy.name()
        && one.params.iter().zip(other.params.iter()).filter(|(one, other)| one != other).count() == 1
}
