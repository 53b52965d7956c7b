//! Which candidates to try next.

use super::Candidate;
use std::collections::BTreeSet;
use std::fmt::Debug;

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
