//! Kinds of tensors and their colours.

use super::theme::{GROUPS, Tone};
use crate::report::Analysis;

/// The kinds that an analysis has, the one with the most bytes first.
pub(super) struct Kinds(Vec<String>);

impl Kinds {
    pub(super) fn of(analysis: &Analysis) -> Self {
        Self(analysis.kinds.iter().map(|kind| kind.name.clone()).collect())
    }

    /// Which one it is.
    pub(super) fn place(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|kind| kind == name)
    }

    /// Its colour; there are not more kinds than colours unless somebody has named very many.
    pub(super) fn tone(place: usize) -> Tone {
        GROUPS[place % GROUPS.len()]
    }

    /// All with their colours.
    pub(super) fn entries(&self) -> Vec<(String, Tone)> {
        self.0.iter().enumerate().map(|(place, name)| (super::text::shown(name), Self::tone(place))).collect()
    }
}
