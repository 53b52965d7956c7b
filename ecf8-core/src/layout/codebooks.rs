//! Which codebook each part of a tensor has.

use crate::codebook::Codebook;
use std::sync::Arc;

/// The codebooks of an encoded tensor: one for all of it, or one for each *run* of elements.
///
/// Statistics may drift within a tensor, along the vocabulary of an embedding or between rows whose scales differ, and
/// codewords are shorter where they follow. All runs have equally many elements, but for the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Codebooks {
    /// That of the first element.
    first: Arc<Codebook>,
    /// Where others have others.
    runs: Option<Arc<Runs>>,
}

#[derive(Debug, PartialEq, Eq)]
struct Runs {
    /// The codebooks, each once.
    list: Vec<Arc<Codebook>>,
    /// Elements of a run.
    elements: u64,
    /// Of each run, the place of its codebook in the list; one at least.
    of: Vec<usize>,
}

/// Elements in a row that have one codebook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run<'a> {
    /// The first of them.
    pub first: u64,
    /// How many.
    pub elements: u64,
    /// Their codebook's place in the list.
    pub index: usize,
    /// Their codebook.
    pub codebook: &'a Codebook,
}

impl Codebooks {
    /// One for all elements.
    #[must_use]
    pub fn one(codebook: Arc<Codebook>) -> Self {
        Self { first: codebook, runs: None }
    }

    /// One for each run of `elements` elements, given by its place in a list. `None` if such a place is not in the list,
    /// or there is no run or no element in one.
    #[must_use]
    pub fn of_runs(list: Vec<Arc<Codebook>>, elements: u64, of: Vec<usize>) -> Option<Self> {
        let are_there = elements > 0 && of.iter().all(|of| *of < list.len());
        let first = list[*of.first().filter(|_| are_there)?].clone();
        Some(Self { first, runs: Some(Arc::new(Runs { list, elements, of })) })
    }

    /// That of the first element, and of all where there are no runs.
    #[must_use]
    pub fn first(&self) -> &Codebook {
        &self.first
    }

    /// All of them, each once.
    #[must_use]
    pub fn list(&self) -> &[Arc<Codebook>] {
        self.runs.as_ref().map_or(std::slice::from_ref(&self.first), |runs| &runs.list)
    }

    /// The only one; `None` if there are several.
    #[must_use]
    pub fn only(&self) -> Option<&Codebook> {
        match self.list() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// One with the longest codewords: a kernel that has room for these has it for all.
    #[must_use]
    pub fn widest(&self) -> &Codebook {
        self.list().iter().max_by_key(|codebook| codebook.max_len()).unwrap_or(&self.first)
    }

    /// Elements of a run; `None` if there are no runs.
    #[must_use]
    pub fn run(&self) -> Option<u64> {
        self.runs.as_ref().map(|runs| runs.elements)
    }

    /// How many runs there are; one, if all elements have one codebook.
    #[must_use]
    pub fn runs(&self) -> usize {
        self.runs.as_ref().map_or(1, |runs| runs.of.len())
    }

    /// The codebook of an element, as its place in the list; that of the last run for elements which no run has.
    #[must_use]
    pub fn index_at(&self, element: u64) -> usize {
        let Some(runs) = &self.runs else { return 0 };
        let run = usize::try_from(element / runs.elements).unwrap_or(usize::MAX);
        runs.of.get(run).or(runs.of.last()).copied().unwrap_or_default()
    }

    /// Those of `elements` elements from `first` on as a tensor of their own, in chunks of `chunk` elements, which no run
    /// begins or ends within. The list stays, since what is laid out depends on all of it.
    pub(crate) fn part(&self, first: u64, elements: u64, chunk: u64) -> Self {
        let Some(runs) = &self.runs else { return self.clone() };
        let chunks = (0..elements.div_ceil(chunk.max(1)).max(1)).map(|index| first + index * chunk);
        let of = chunks.map(|element| self.index_at(element)).collect();
        Self::of_runs(runs.list.clone(), chunk.max(1), of).unwrap_or_else(|| self.clone())
    }

    /// The first `elements` elements by what codebook they have: as few pieces as possible, at least one.
    #[must_use]
    pub fn pieces(&self, elements: u64) -> Vec<Run<'_>> {
        let Some(runs) = &self.runs else {
            return vec![Run { first: 0, elements, index: 0, codebook: &self.first }];
        };
        let mut pieces: Vec<Run<'_>> = Vec::new();
        let mut first = 0;
        for same in runs.of.chunk_by(|a, b| a == b) {
            let rest = elements.saturating_sub(first);
            let own = runs.elements.saturating_mul(same.len() as u64).min(rest);
            if own > 0 || pieces.is_empty() {
                let index = same[0];
                pieces.push(Run { first, elements: own, index, codebook: &runs.list[index] });
            }
            first = first.saturating_add(own);
        }
        pieces
    }
}

impl From<Codebook> for Codebooks {
    fn from(codebook: Codebook) -> Self {
        Self::one(Arc::new(codebook))
    }
}

impl From<&Codebook> for Codebooks {
    fn from(codebook: &Codebook) -> Self {
        Self::one(Arc::new(codebook.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book(lengths: &[u8]) -> Arc<Codebook> {
        Arc::new(Codebook::from_lengths(lengths).unwrap())
    }

    #[test]
    fn runs_in_a_row_with_one_codebook_are_one_piece() {
        let list = vec![book(&[1, 1, 0]), book(&[1, 2, 2])];
        let books = Codebooks::of_runs(list.clone(), 100, vec![1, 1, 0, 1]).unwrap();
        let pieces = |elements| -> Vec<(u64, u64, u8)> {
            let pieces = books.pieces(elements);
            pieces.iter().map(|run| (run.first, run.elements, run.codebook.max_len())).collect()
        };
        assert_eq!(pieces(350), [(0, 200, 2), (200, 100, 1), (300, 50, 2)]);
        assert_eq!(pieces(150), [(0, 150, 2)]);
        assert_eq!(pieces(0), [(0, 0, 2)]);
        assert_eq!([0, 199, 200, 399, 9999].map(|element| books.index_at(element)), [1, 1, 0, 1, 1]);
        assert_eq!((books.only(), books.widest().max_len(), books.run()), (None, 2, Some(100)));
        let one = Codebooks::one(list[1].clone());
        assert_eq!(one.pieces(7), [Run { first: 0, elements: 7, index: 0, codebook: &list[1] }]);
        assert_eq!((one.only(), one.run(), one.index_at(u64::MAX)), (Some(&*list[1]), None, 0));
    }

    #[test]
    fn runs_of_no_elements_and_codebooks_that_are_not_there_are_refused() {
        let list = || vec![book(&[1, 1])];
        assert_eq!(Codebooks::of_runs(list(), 0, vec![0]), None);
        assert_eq!(Codebooks::of_runs(list(), 9, vec![]), None);
        assert_eq!(Codebooks::of_runs(list(), 9, vec![0, 1]), None);
    }
}
