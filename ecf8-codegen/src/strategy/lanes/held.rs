//! Words that a lane loads before it needs them, so that memory is busy while it decodes.

use crate::lang::{V, Var, rt};

/// Variables of the running kernel that are loaded and used together.
#[derive(Clone, Copy)]
pub(super) struct Held<const N: usize>([Var<u32>; N]);

impl<const N: usize> Held<N> {
    /// Declares the variables, all zero.
    #[track_caller]
    pub(super) fn nothing(names: [&str; N]) -> Self {
        Self(names.map(|name| rt::declare(name, 0u32)))
    }

    #[track_caller]
    pub(super) fn replace(self, words: [V<u32>; N]) {
        self.0.into_iter().zip(words).for_each(|(variable, word)| variable.set(word));
    }

    #[track_caller]
    pub(super) fn words(self) -> [V<u32>; N] {
        self.0.map(Var::get)
    }
}
