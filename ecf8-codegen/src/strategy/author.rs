//! What the author of a strategy writes.

use super::{Coding, Gather, Inlined, Launch, StrategyError, Tunables};
use crate::ir::Kernel;
use crate::sink::{Sink, Store};
use ecf8_core::Encoded;
use std::fmt::Debug;

/// What a strategy is.
pub trait Describe: Sync + Debug {
    /// The name on the command line, for example `gap-cascade`.
    fn name(&self) -> &'static str;

    /// One line about it for people.
    fn about(&self) -> &'static str;

    /// The schemes that it decodes.
    fn schemes(&self) -> &'static [&'static str];

    /// Whether one launch may decode several tensors.
    fn takes_several(&self) -> bool {
        false
    }

    /// The tunables that change how a kernel is launched, and nothing of the kernel itself.
    fn launch_tunables(&self) -> &'static [&'static str] {
        &[]
    }
}

/// What a strategy does, by its tunables. The rest of the world sees it as a [`Strategy`](super::Strategy).
pub trait DecodeStrategy: Describe + 'static {
    /// What can be tuned.
    type Tunables: Tunables;

    /// The kernel for a coding that gives its numbers to a sink. Of the tensor's split it may depend on the
    /// [`Form`](super::Form) only, of the codebook on what [`DecodeStrategy::inlined`] says, and on nothing else of the
    /// tensor.
    ///
    /// # Errors
    /// If the codebook does not fit the strategy, or the strategy has no such sink.
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

    /// How to launch the kernel for [`widest_coding`](super::widest_coding) on these tensors, whose bytes then stand in
    /// the output where [`batch_output`](super::batch_output) says. There is exactly one unless the strategy takes
    /// several ([`only`](super::only)).
    ///
    /// # Errors
    /// If the parts of a tensor are inconsistent, or too large for one launch.
    fn launch<'a>(
        &self,
        tunables: &Self::Tunables,
        batch: &[&'a Encoded<'a>],
    ) -> Result<Launch<Gather<'a>>, StrategyError>;
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
