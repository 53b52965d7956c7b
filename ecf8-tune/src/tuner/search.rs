//! Which candidates to try next.

use super::{Candidate, is_default};
use std::collections::BTreeSet;
use std::fmt::Debug;

/// Spaces of up to this many candidates are tried whole.
const SMALL: usize = 512;

/// Most seeds that a search among neighbours starts from.
const MOST_SEEDS: usize = 16;

/// Chooses candidates by what is known of those tried before.
pub trait Searcher: Debug {
    /// The next candidates to try, none of them `tried`; none at all when the search is over. `best` are candidates that
    /// were timed, the fastest first.
    fn next(&mut self, space: &[Candidate], tried: &BTreeSet<usize>, best: &[usize]) -> Vec<usize>;

    /// Whether a search that begins here would try nothing.
    fn is_over(&self, space: &[Candidate], tried: &BTreeSet<usize>, _best: &[usize]) -> bool {
        (0..space.len()).all(|index| tried.contains(&index))
    }
}

/// The searcher for a space: exhaustive if it is small. `promising` are candidates that did well in similar problems or are
/// predicted to, the best first.
#[must_use]
pub fn searcher(space: &[Candidate], mut promising: Vec<usize>) -> Box<dyn Searcher> {
    if space.len() <= SMALL {
        return Box::new(Exhaustive { first: promising });
    }
    promising.truncate(MOST_SEEDS);
    Box::new(Neighbours::new(promising))
}

/// Tries everything: what is promising first, and the rest in an order that soon has been everywhere, so that a run which
/// ends early has seen a bit of all.
#[derive(Debug, Clone, Default)]
pub struct Exhaustive {
    /// What to try first, in this order.
    pub first: Vec<usize>,
}

impl Searcher for Exhaustive {
    fn next(&mut self, space: &[Candidate], tried: &BTreeSet<usize>, _: &[usize]) -> Vec<usize> {
        /// 2⁶⁴ divided by the golden ratio: its multiples lie evenly however many there are.
        const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut left: Vec<usize> = (0..space.len()).filter(|index| !tried.contains(index)).collect();
        left.sort_by_cached_key(|index| {
            let place = self.first.iter().position(|first| first == index).unwrap_or(usize::MAX);
            (place, (*index as u64).wrapping_mul(GOLDEN))
        });
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
        self.near(space, best).difference(tried).copied().collect()
    }

    fn is_over(&self, space: &[Candidate], tried: &BTreeSet<usize>, best: &[usize]) -> bool {
        self.start(space).is_subset(tried) && self.near(space, best).is_subset(tried)
    }
}

impl Neighbours {
    /// What differs from one of the best in one tunable.
    fn near(&self, space: &[Candidate], best: &[usize]) -> BTreeSet<usize> {
        let around = best.iter().take(self.width).filter_map(|index| space.get(*index));
        around.flat_map(|from| (0..space.len()).filter(move |to| are_neighbours(from, &space[*to]))).collect()
    }
}

/// Whether two variants of a strategy differ in one tunable.
fn are_neighbours(one: &Candidate, other: &Candidate) -> bool {
    one.strategy.name() == other.strategy.name()
        && one.params.iter().zip(other.params.iter()).filter(|(one, other)| one != other).count() == 1
}
