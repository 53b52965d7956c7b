//! Decode strategies: one algorithm each, for one or more schemes.
//!
//! Adding one is a file here that implements [`Describe`] and [`DecodeStrategy`], and its line in [`strategies`]. From
//! there it is listed, emulated, proven against the reference over the corpus, compiled for every architecture and
//! benchmarked.

mod author;
mod batch;
mod by_name;
mod coding;
mod error;
mod gap;
mod gap_cascade;
mod gap_wide;
mod lanes;
mod lanes_ring;
mod limits;
mod params;
mod prove;
mod tables;
mod tunables;

pub use crate::launch::{ALIGNMENT, Arg, Gather, Launch, OutputSlot};
pub use author::{DecodeStrategy, Describe, only_store};
pub use batch::{BATCH_ALIGNMENT, batch_offsets, batch_output, only};
pub use by_name::Strategy;
pub use coding::{Coding, Form, Inlined, widest_coding};
pub use ecf8_macros::Tunables;
pub use error::StrategyError;
pub use limits::{checked_grid, checked_shared};
pub use params::{Params, ParamsError};
pub use prove::{Disproof, LISTED_FAILURES, MakeSink, Proof, ProofFailure, ProofProgress, prove, prove_into};
pub use tunables::{Requirement, TunableError, TunableSpec, Tunables, parse_tunable};

static STRATEGIES: [&dyn Strategy; 9] = [
    &gap_wide::GapWideStrategy,
    &gap_cascade::GapCascadeStrategy,
    &lanes_ring::QUAD,
    &lanes_ring::TRIPLE,
    &lanes_ring::PAIR,
    &lanes_ring::PAIR6,
    &lanes_ring::BYTE,
    &lanes_ring::TWO_BYTES,
    &lanes_ring::ANS,
];

/// All strategies. The first that takes a scheme is that scheme's default: the one that is predicted to be fastest.
#[must_use]
pub fn strategies() -> &'static [&'static dyn Strategy] {
    &STRATEGIES
}

/// The strategy of this name.
#[must_use]
pub fn strategy(name: &str) -> Option<&'static dyn Strategy> {
    strategies().iter().copied().find(|strategy| strategy.name() == name)
}

/// The strategies that decode a scheme, its default first.
pub fn strategies_for(scheme: &str) -> impl Iterator<Item = &'static dyn Strategy> {
    strategies().iter().copied().filter(move |strategy| strategy.schemes().contains(&scheme))
}
