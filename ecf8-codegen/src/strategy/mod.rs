//! Decode strategies: one algorithm each, for one or more schemes.
//!
//! Adding one is a file here that implements [`DecodeStrategy`], and its line in [`strategies`]. From there it is listed,
//! emulated, proven against the reference over the corpus, compiled for every architecture and benchmarked.

mod batch;
mod coding;
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
pub use batch::{BATCH_ALIGNMENT, batch_offsets, batch_output, only};
pub use coding::{Coding, Form, Inlined, widest_coding};
pub use ecf8_macros::Tunables;
pub use limits::{checked_grid, checked_shared};
pub use params::{Params, ParamsError};
pub use prove::{Disproof, LISTED_FAILURES, MakeSink, Proof, ProofFailure, ProofProgress, prove, prove_into};
pub use tunables::{Requirement, TunableError, TunableSpec, Tunables, parse_tunable};

use crate::ir::{BuildErrors, Kernel};
use crate::sink::{Sink, Store};
use ecf8_core::Encoded;
use ecf8_core::codebook::CodebookError;
use ecf8_core::layout::DecodeError;
use std::fmt::Debug;

static STRATEGIES: [&dyn Strategy; 6] = [
    &gap_wide::GapWideStrategy,
    &gap_cascade::GapCascadeStrategy,
    &lanes_ring::QUAD,
    &lanes_ring::TRIPLE,
    &lanes_ring::PAIR,
    &lanes_ring::BYTE,
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
    /// Other than one tensor, for a strategy that decodes one per launch.
    #[error("the strategy decodes one tensor per launch, not {tensors}: launch it once for each")]
    OneByOne {
        /// How many there are.
        tensors: usize,
    },
    /// A sink that the strategy's kernels cannot end in.
    #[error("strategy {strategy} stores what it decodes; it has no sink {sink}")]
    Sink {
        /// The strategy.
        strategy: &'static str,
        /// The sink.
        sink: &'static str,
    },
    /// A batch of tensors that differ in what is compiled into the kernel: number types, or codebooks.
    #[error(
        "strategy {strategy}: the tensors of the batch differ in number types or codebooks that this variant has compiled in"
    )]
    Mixed {
        /// The strategy.
        strategy: &'static str,
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

    /// The kernel for a coding that gives its numbers to a sink. It may depend on nothing else of the tensor, of the split on its [`Form`] only, and on no more of the
    /// codebook than [`DecodeStrategy::inlined`] says.
    ///
    /// # Errors
    /// If the codebook does not fit the strategy.
    fn kernel(
        &self,
        tunables: &Self::Tunables,
        coding: &Coding<'_>,
        sink: &dyn Sink,
    ) -> Result<Kernel, StrategyError>;

    /// What of a codebook is compiled into the kernel of a variant.
    fn inlined(&self, _tunables: &Self::Tunables) -> Inlined {
        Inlined::Codebook
    }

    /// Whether one launch may decode several tensors.
    fn takes_several(&self) -> bool {
        false
    }

    /// How to launch the kernel for [`widest_coding`] on these tensors, whose bytes then stand in the output where
    /// [`batch_output`] says. It is [`only`] one tensor unless the strategy takes several.
    ///
    /// # Errors
    /// If the parts of a tensor are inconsistent, or too large for one launch.
    fn launch<'a>(
        &self,
        tunables: &Self::Tunables,
        batch: &[&'a Encoded<'a>],
    ) -> Result<Launch<Gather<'a>>, StrategyError>;
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

    /// The kernel of a variant for a coding that stores what it decodes, its header filled in.
    ///
    /// # Errors
    /// If the parameters are not valid, or the codebook does not fit the strategy.
    fn kernel(&self, params: &Params, coding: &Coding<'_>) -> Result<Kernel, StrategyError> {
        self.kernel_into(params, coding, &Store)
    }

    /// The same for any sink.
    ///
    /// # Errors
    /// As [`Strategy::kernel`], or if the strategy has no such sink.
    fn kernel_into(
        &self,
        params: &Params,
        coding: &Coding<'_>,
        sink: &dyn Sink,
    ) -> Result<Kernel, StrategyError>;

    /// What of a codebook is compiled into the kernel of a variant.
    ///
    /// # Errors
    /// If the parameters are not valid.
    fn inlined(&self, params: &Params) -> Result<Inlined, StrategyError>;

    /// Whether one launch may decode several tensors.
    fn takes_several(&self) -> bool;

    /// How to launch the kernel for [`widest_coding`] on these tensors, whose bytes then stand in the output where
    /// [`batch_output`] says.
    ///
    /// # Errors
    /// If the parts of a tensor are inconsistent, or too large for one launch; if there are several and the strategy does not
    /// take several, or the kernel has a codebook compiled in that is not every tensor's.
    fn launch<'a>(
        &self,
        params: &Params,
        batch: &[&'a Encoded<'a>],
    ) -> Result<Launch<Gather<'a>>, StrategyError>;

    /// The same for the kernel that gives its numbers to a sink.
    ///
    /// # Errors
    /// As [`Strategy::launch`].
    fn launch_into<'a>(
        &self,
        params: &Params,
        batch: &[&'a Encoded<'a>],
        sink: &'a dyn Sink,
    ) -> Result<Launch<Gather<'a>>, StrategyError> {
        let mut launch = self.launch(params, batch)?;
        launch.args.extend(sink.args(batch));
        Ok(launch)
    }
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

    fn kernel_into(
        &self,
        params: &Params,
        coding: &Coding<'_>,
        sink: &dyn Sink,
    ) -> Result<Kernel, StrategyError> {
        let tunables = tunables::checked::<S::Tunables>(params)?;
        let mut kernel = DecodeStrategy::kernel(self, &tunables, coding, sink)?;
        let codebook = match DecodeStrategy::inlined(self, &tunables) {
            Inlined::Codebook => ("codebook", coding.codebook.to_text()),
            Inlined::MaxLen => ("codewords", format!("of at most {} bits", coding.codebook.max_len())),
        };
        let numbers = coding.form().describe().map(|numbers| ("numbers", numbers));
        let header = [
            Some(("strategy", DecodeStrategy::name(self).to_owned())),
            Some(("variant", params.to_string())),
            numbers,
            (sink.name() != Store.name()).then(|| ("sink", sink.name().to_owned())),
            Some(codebook),
        ];
        kernel.header = header.into_iter().flatten().map(|(key, value)| (key.to_owned(), value)).collect();
        Ok(kernel)
    }

    fn inlined(&self, params: &Params) -> Result<Inlined, StrategyError> {
        Ok(DecodeStrategy::inlined(self, &tunables::checked::<S::Tunables>(params)?))
    }

    fn takes_several(&self) -> bool {
        DecodeStrategy::takes_several(self)
    }

    fn launch<'a>(
        &self,
        params: &Params,
        batch: &[&'a Encoded<'a>],
    ) -> Result<Launch<Gather<'a>>, StrategyError> {
        let tunables = tunables::checked::<S::Tunables>(params)?;
        batch.iter().try_for_each(|encoded| check_scheme(self, encoded))?;
        if !DecodeStrategy::takes_several(self) {
            only(batch)?;
        }
        let inlined = DecodeStrategy::inlined(self, &tunables);
        let key = |encoded: &&'a Encoded<'a>| inlined.in_common(encoded.scheme, Coding::of(encoded));
        if batch.windows(2).any(|pair| key(&pair[0]) != key(&pair[1])) {
            return Err(StrategyError::Mixed { strategy: DecodeStrategy::name(self) });
        }
        DecodeStrategy::launch(self, &tunables, batch)
    }
}

/// Refuses every sink but the one that stores.
///
/// # Errors
/// [`StrategyError::Sink`].
pub fn only_store(strategy: &'static str, sink: &dyn Sink) -> Result<(), StrategyError> {
    if sink.name() == Store.name() {
        Ok(())
    } else {
        Err(StrategyError::Sink { strategy, sink: sink.name() })
    }
}

fn check_scheme(strategy: &impl DecodeStrategy, encoded: &Encoded<'_>) -> Result<(), StrategyError> {
    let scheme = encoded.scheme.name();
    if DecodeStrategy::schemes(strategy).contains(&scheme) {
        return Ok(());
    }
    Err(StrategyError::Scheme {
        strategy: DecodeStrategy::name(strategy),
        takes: DecodeStrategy::schemes(strategy).join(", "),
        scheme,
    })
}
