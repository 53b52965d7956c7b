//! Why there is no kernel or no launch.

use super::TunableError;
use crate::ir::BuildErrors;
use ecf8_core::codebook::CodebookError;
use ecf8_core::layout::DecodeError;

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
    /// A code that is not canonical, with codewords too long for a table.
    #[error(
        "of a code that is not canonical, a table of {index_bits} bits finds no longer codewords, and this one has some of \
         {max_len} bits; take gap-cascade, or more index_bits"
    )]
    NotCanonical {
        /// The longest codeword in bits.
        max_len: u8,
        /// Bits that index the table.
        index_bits: u32,
    },
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
