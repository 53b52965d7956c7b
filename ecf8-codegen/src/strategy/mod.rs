//! Decode strategies: one algorithm each, for one or more schemes.
//!
//! Adding one is a file here that implements [`DecodeStrategy`], and its line in [`strategies`]. From there it is listed,
//! emulated, proven against the reference over the corpus, compiled for every architecture and benchmarked.

mod gap;
mod gap_cascade;
mod gap_onepass;
mod gap_wide;
mod lanes;
mod lanes_byte;
mod lanes_pair;
mod launch;
mod nibbles;
mod params;
mod prove;
mod tunables;

pub use ecf8_macros::Tunables;
pub use launch::{ALIGNMENT, Arg, Launch};
pub use params::{Params, ParamsError};
pub use prove::{Disproof, LISTED_FAILURES, Proof, ProofFailure, ProofProgress, prove};
pub use tunables::{Requirement, TunableError, TunableSpec, Tunables, parse_tunable};

use crate::ir::{BuildErrors, Kernel};
use ecf8_core::codebook::CodebookError;
use ecf8_core::layout::DecodeError;
use ecf8_core::{Codebook, Encoded};
use std::fmt::Debug;

/// All strategies. The first that takes a scheme is that scheme's default.
#[must_use]
pub fn strategies() -> &'static [&'static dyn Strategy] {
    &[
        &gap_cascade::GapCascadeStrategy,
        &gap_wide::GapWideStrategy,
        &gap_onepass::GapOnepassStrategy,
        &lanes_pair::LanesPairStrategy,
        &lanes_byte::LanesByteStrategy,
    ]
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

/// Why a strategy cannot decode a tensor or make a kernel.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StrategyError {
    /// The parameters are not ones it has.
    #[error(transparent)]
    Tunable(#[from] TunableError),
    /// The kernel cannot be built: a mistake in the strategy.
    #[error(transparent)]
    Build(#[from] BuildErrors),
    /// The codebook does not fit the strategy's tables.
    #[error(transparent)]
    Codebook(#[from] CodebookError),
    /// The encoded tensor is damaged.
    #[error(transparent)]
    Encoded(#[from] DecodeError),
    /// The tensor needs more than a launch can have.
    #[error("{what} is {needed}, but one launch can have at most {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// How large it would be.
        needed: u64,
        /// How large it may be.
        limit: u64,
    },
    /// A scheme that the strategy does not decode.
    #[error("strategy {strategy} decodes {takes}, not {scheme}")]
    Scheme {
        /// The strategy.
        strategy: &'static str,
        /// The schemes it decodes, for people.
        takes: String,
        /// The scheme of the tensor.
        scheme: &'static str,
    },
}

/// What the author of a strategy writes.
pub trait DecodeStrategy: Sync + Debug + 'static {
    /// What can be tuned.
    type Tunables: Tunables;

    /// The name on the command line, for example `gap-cascade`.
    fn name(&self) -> &'static str;

    /// One line about it for people.
    fn about(&self) -> &'static str;

    /// The schemes that it decodes.
    fn schemes(&self) -> &'static [&'static str];

    /// The kernel for a codebook. It may depend on nothing else of the tensor.
    ///
    /// # Errors
    /// If the codebook does not fit the strategy.
    fn kernel(&self, tunables: &Self::Tunables, codebook: &Codebook) -> Result<Kernel, StrategyError>;

    /// How to launch that kernel on one tensor.
    ///
    /// # Errors
    /// If the parts of `encoded` are inconsistent, or too large for one launch.
    fn launch<'a>(
        &self,
        tunables: &Self::Tunables,
        encoded: &'a Encoded<'a>,
    ) -> Result<Launch<'a>, StrategyError>;
}

/// A strategy as the rest of the world uses it: parameters by name. Implemented for every [`DecodeStrategy`].
pub trait Strategy: Sync + Debug {
    /// The name on the command line, for example `gap-cascade`.
    fn name(&self) -> &'static str;

    /// One line about it for people.
    fn about(&self) -> &'static str;

    /// The schemes that it decodes.
    fn schemes(&self) -> &'static [&'static str];

    /// What can be tuned.
    fn tunables(&self) -> Vec<TunableSpec>;

    /// The conditions over several tunables.
    fn requirements(&self) -> Vec<Requirement>;

    /// The same parameters in the order of declaration, if they are those of a variant: none is missing or unknown, each is
    /// in its set, and all go together.
    ///
    /// # Errors
    /// What keeps them from being a variant's.
    fn check(&self, params: &Params) -> Result<Params, TunableError>;

    /// The parameters with those in `set` replaced, all checked.
    ///
    /// # Errors
    /// If a name is unknown, a value is not in its set, or they do not go together.
    fn params(&self, set: &[(String, String)]) -> Result<Params, TunableError>;

    /// Every valid combination of parameters.
    fn variants(&self) -> Vec<Params>;

    /// The kernel of a variant for a codebook, its header filled in.
    ///
    /// # Errors
    /// If the parameters are not valid, or the codebook does not fit the strategy.
    fn kernel(&self, params: &Params, codebook: &Codebook) -> Result<Kernel, StrategyError>;

    /// How to launch that kernel on one tensor.
    ///
    /// # Errors
    /// If the parts of `encoded` are inconsistent, or too large for one launch.
    fn launch<'a>(&self, params: &Params, encoded: &'a Encoded<'a>) -> Result<Launch<'a>, StrategyError>;
}

impl<S: DecodeStrategy> Strategy for S {
    fn name(&self) -> &'static str {
        DecodeStrategy::name(self)
    }

    fn about(&self) -> &'static str {
        DecodeStrategy::about(self)
    }

    fn schemes(&self) -> &'static [&'static str] {
        DecodeStrategy::schemes(self)
    }

    fn tunables(&self) -> Vec<TunableSpec> {
        S::Tunables::specs()
    }

    fn requirements(&self) -> Vec<Requirement> {
        S::Tunables::requirements()
    }

    fn check(&self, params: &Params) -> Result<Params, TunableError> {
        tunables::checked::<S::Tunables>(params).map(|tunables| tunables.params())
    }

    fn params(&self, set: &[(String, String)]) -> Result<Params, TunableError> {
        tunables::resolve::<S::Tunables>(set)
    }

    fn variants(&self) -> Vec<Params> {
        tunables::combinations::<S::Tunables>()
    }

    fn kernel(&self, params: &Params, codebook: &Codebook) -> Result<Kernel, StrategyError> {
        let mut kernel = DecodeStrategy::kernel(self, &tunables::checked::<S::Tunables>(params)?, codebook)?;
        kernel.header = vec![
            ("strategy".to_owned(), DecodeStrategy::name(self).to_owned()),
            ("variant".to_owned(), params.to_string()),
            ("codebook".to_owned(), codebook.to_text()),
        ];
        Ok(kernel)
    }

    fn launch<'a>(&self, params: &Params, encoded: &'a Encoded<'a>) -> Result<Launch<'a>, StrategyError> {
        let scheme = encoded.scheme.name();
        if !DecodeStrategy::schemes(self).contains(&scheme) {
            return Err(StrategyError::Scheme {
                strategy: DecodeStrategy::name(self),
                takes: DecodeStrategy::schemes(self).join(", "),
                scheme,
            });
        }
        DecodeStrategy::launch(self, &tunables::checked::<S::Tunables>(params)?, encoded)
    }
}
