//! `lanes-byte`: decodes scheme `byte-lanes` once, a chunk per warp, one symbol per look-up.

use super::lanes::arguments;
use super::lanes::decode::{Shape, lanes_ring};
use super::lanes::table::{Placement, Symbol};
use super::{DecodeStrategy, Inlined, Launch, StrategyError, Tunables};
use crate::ir::Kernel;
use ecf8_core::{Codebook, Encoded};

/// What a GPU may like differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Tunables)]
pub(super) struct LanesByte {
    /// Warps in a block, which share a decode table.
    #[tunable(values = [4, 8, 16], default = 16)]
    warps_per_block: u32,
    /// Where the decode table comes from.
    #[tunable(values = [Placement::Inlined, Placement::Argument], default = Placement::Argument)]
    table: Placement,
}

impl LanesByte {
    fn shape(self) -> Shape {
        Shape { symbol: Symbol::Byte, warps_per_block: self.warps_per_block, table: self.table }
    }
}

/// The strategy.
#[derive(Debug)]
pub(super) struct LanesByteStrategy;

impl DecodeStrategy for LanesByteStrategy {
    type Tunables = LanesByte;

    fn name(&self) -> &'static str {
        "lanes-byte"
    }

    fn about(&self) -> &'static str {
        "one pass, a chunk per warp, words staged in shared memory, 16-byte stores"
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["byte-lanes"]
    }

    fn kernel(&self, tunables: &LanesByte, codebook: &Codebook) -> Result<Kernel, StrategyError> {
        Ok(lanes_ring(&tunables.shape(), codebook)?)
    }

    fn launch<'a>(
        &self,
        tunables: &LanesByte,
        encoded: &'a Encoded<'a>,
    ) -> Result<Launch<'a>, StrategyError> {
        arguments::launch(&tunables.shape(), &[encoded])
    }

    fn inlined(&self, tunables: &LanesByte) -> Inlined {
        tunables.table.inlined()
    }

    fn launch_batch<'a>(
        &self,
        tunables: &LanesByte,
        batch: &[&'a Encoded<'a>],
    ) -> Option<Result<Launch<'a>, StrategyError>> {
        Some(arguments::launch(&tunables.shape(), batch))
    }
}
