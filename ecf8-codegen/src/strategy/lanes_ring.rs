//! `lanes-quad`, `lanes-triple`, `lanes-pair`, `lanes-byte`: decode a scheme of layout `lanes` once, a chunk per warp, one
//! symbol per look-up. What a symbol is makes the difference.

use super::lanes::arguments;
use super::lanes::decode::lanes_ring;
use super::lanes::table::{Placement, Symbol};
use super::{DecodeStrategy, Gather, Inlined, Launch, StrategyError, Tunables};
use crate::ir::Kernel;
use ecf8_core::{Codebook, Encoded};

/// What a GPU may like differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Tunables)]
#[tunables(require(self.batches_ahead == 1 || self.warps_per_block != 8, "registers spill on sm_120"))]
pub(super) struct LanesRing {
    /// Warps in a block, which share a decode table.
    #[tunable(values = [4, 8, 16], default = 16)]
    pub(super) warps_per_block: u32,
    /// Where the decode table comes from.
    #[tunable(values = [Placement::Inlined, Placement::Argument], default = Placement::Argument)]
    pub(super) table: Placement,
    /// Four rows of words at a time are loaded ahead: so many times.
    #[tunable(values = [1, 2], default = 1)]
    pub(super) batches_ahead: u32,
}

/// The strategy for one kind of symbol.
#[derive(Debug)]
pub(super) struct LanesRingStrategy {
    name: &'static str,
    scheme: &'static [&'static str],
    symbol: Symbol,
}

/// Scheme `quad-lanes`.
pub(super) static QUAD: LanesRingStrategy =
    LanesRingStrategy { name: "lanes-quad", scheme: &["quad-lanes"], symbol: Symbol::Quad };

/// Scheme `triple-lanes`.
pub(super) static TRIPLE: LanesRingStrategy =
    LanesRingStrategy { name: "lanes-triple", scheme: &["triple-lanes"], symbol: Symbol::Triple };

/// Scheme `pair-lanes`.
pub(super) static PAIR: LanesRingStrategy =
    LanesRingStrategy { name: "lanes-pair", scheme: &["pair-lanes"], symbol: Symbol::Pair };

/// Scheme `byte-lanes`.
pub(super) static BYTE: LanesRingStrategy =
    LanesRingStrategy { name: "lanes-byte", scheme: &["byte-lanes"], symbol: Symbol::Byte };

impl DecodeStrategy for LanesRingStrategy {
    type Tunables = LanesRing;

    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        "one pass, a chunk per warp, words staged in shared memory, 16-byte stores"
    }

    fn schemes(&self) -> &'static [&'static str] {
        self.scheme
    }

    fn kernel(&self, tunables: &LanesRing, codebook: &Codebook) -> Result<Kernel, StrategyError> {
        Ok(lanes_ring(tunables, self.symbol, codebook)?)
    }

    fn inlined(&self, tunables: &LanesRing) -> Inlined {
        tunables.table.inlined()
    }

    fn takes_several(&self) -> bool {
        true
    }

    fn launch<'a>(
        &self,
        tunables: &LanesRing,
        batch: &[&'a Encoded<'a>],
    ) -> Result<Launch<Gather<'a>>, StrategyError> {
        arguments::launch(tunables, self.symbol, batch)
    }
}
