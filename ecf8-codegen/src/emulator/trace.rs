//! What a launch did, statement by statement: how often, by how many lanes, and how its accesses fell on memory.

use super::clock::{BlockTrace, Clock, Costs};
use super::coalesce::Addresses;
use super::lanes::Mask;
use super::observe::{Access, Observer};
use crate::ir::{Kernel, Space};

/// How accesses to memory fell, added up over warps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AccessTrace {
    /// Accesses, each by one warp.
    pub accesses: u64,
    /// Bytes that lanes asked for.
    pub bytes: u64,
    /// Sectors of 32 bytes that were moved; global memory only.
    pub sectors: u64,
    /// The fewest sectors that could have held the different bytes of each access.
    pub fewest_sectors: u64,
    /// Passes: over the banks of shared memory, over lines of the L1 for global memory, over addresses in constant memory.
    pub wavefronts: u64,
    /// The fewest passes if no two lanes had been in each other's way.
    pub fewest_wavefronts: u64,
}

impl AccessTrace {
    /// Adds another's counts.
    pub fn add(&mut self, other: &Self) {
        self.accesses += other.accesses;
        self.bytes += other.bytes;
        self.sectors += other.sectors;
        self.fewest_sectors += other.fewest_sectors;
        self.wavefronts += other.wavefronts;
        self.fewest_wavefronts += other.fewest_wavefronts;
    }
}

/// How often one statement was executed, added up over warps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StatementTrace {
    /// Warps that executed it with at least one lane.
    pub executions: u64,
    /// Lanes that took part, over all executions.
    pub lanes: u64,
    /// For a loop: rounds of its body, per warp.
    pub rounds: u64,
    /// For an access to memory: how it fell.
    pub memory: AccessTrace,
}

/// What a launch, or a part of its blocks, did.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Trace {
    /// Blocks of the whole launch.
    pub grid: u32,
    /// Blocks that were run.
    pub blocks: u32,
    /// Bytes that these stored to the output.
    pub output_bytes: u64,
    /// Per statement, in the order of the text, those inside another after it; comments count too.
    pub statements: Vec<StatementTrace>,
    /// Per block that was run, in ascending order.
    pub each_block: Vec<BlockTrace>,
    /// Per memory of the kernel: different sectors loaded by the blocks that were run, all together.
    pub loaded_sectors: Vec<u64>,
    /// Per memory of the kernel: different sectors stored.
    pub stored_sectors: Vec<u64>,
    /// Per memory of the kernel: different sectors touched within a block, added up over blocks: what the L2 gives and
    /// takes if a block finds in the L1 what it has touched before.
    pub block_sectors: Vec<u64>,
}

/// Where accesses go, as far as their cost is concerned.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Global,
    GlobalTable,
    Shared,
    ConstantTable,
}

/// Keeps a [`Trace`].
#[derive(Debug)]
pub(super) struct Tracer<'c> {
    clock: Clock<'c>,
    each_block: Vec<BlockTrace>,
    ways: Vec<Way>,
    statements: Vec<StatementTrace>,
    stored_bytes: u64,
    /// Per memory: sectors touched by the block that runs, loaded and stored; not yet without repetitions.
    current: Vec<[Vec<u64>; 2]>,
    /// Per memory: sectors touched by the blocks before it.
    touched: Vec<[Vec<u64>; 2]>,
    block_sectors: Vec<u64>,
}

impl<'c> Tracer<'c> {
    pub(super) fn new(kernel: &Kernel, statements: usize, costs: &'c Costs) -> Self {
        let ways: Vec<Way> = kernel
            .memories
            .iter()
            .map(|memory| match memory.space {
                Space::Global { .. } => Way::Global,
                Space::Shared { .. } | Space::DynamicShared => Way::Shared,
                Space::Table { in_constant_memory: true, .. } => Way::ConstantTable,
                Space::Table { .. } => Way::GlobalTable,
            })
            .collect();
        let memories = ways.len();
        Self {
            clock: Clock::new(kernel, costs),
            each_block: Vec::new(),
            ways,
            statements: vec![StatementTrace::default(); statements],
            stored_bytes: 0,
            current: vec![Default::default(); memories],
            touched: vec![Default::default(); memories],
            block_sectors: vec![0; memories],
        }
    }

    /// What several tracers have seen together, of a launch of `grid` blocks of which `blocks` were run.
    pub(super) fn join(tracers: Vec<Self>, grid: u32, blocks: u32) -> Trace {
        let mut tracers = tracers.into_iter();
        let Some(mut all) = tracers.next() else { return Trace { grid, ..Trace::default() } };
        for tracer in tracers {
            all.stored_bytes += tracer.stored_bytes;
            all.each_block.extend(tracer.each_block);
            for (to, from) in all.statements.iter_mut().zip(&tracer.statements) {
                to.executions += from.executions;
                to.lanes += from.lanes;
                to.rounds += from.rounds;
                to.memory.add(&from.memory);
            }
            for (to, from) in all.touched.iter_mut().flatten().zip(tracer.touched.into_iter().flatten()) {
                to.extend(from);
            }
            for (to, from) in all.block_sectors.iter_mut().zip(tracer.block_sectors) {
                *to += from;
            }
        }
        let distinct = |direction: usize, touched: &mut Vec<[Vec<u64>; 2]>| -> Vec<u64> {
            let sectors = touched.iter_mut().map(|both| without_repetitions(&mut both[direction]));
            sectors.collect()
        };
        all.each_block.sort_unstable_by_key(|block| block.block);
        Trace {
            grid,
            blocks,
            each_block: all.each_block,
            output_bytes: all.stored_bytes,
            loaded_sectors: distinct(0, &mut all.touched),
            stored_sectors: distinct(1, &mut all.touched),
            block_sectors: all.block_sectors,
            statements: all.statements,
        }
    }
}

/// Sorts, drops repetitions, and says how many are left.
fn without_repetitions(sectors: &mut Vec<u64>) -> u64 {
    sectors.sort_unstable();
    sectors.dedup();
    sectors.len() as u64
}

/// Warps with an active lane.
fn warps(mask: &Mask) -> u64 {
    mask.0.iter().map(|&word| u64::from(word != 0)).sum()
}

impl Observer for Tracer<'_> {
    fn executes(&mut self, statement: usize, mask: &Mask) {
        let trace = &mut self.statements[statement];
        trace.executions += warps(mask);
        trace.lanes += u64::from(mask.count());
        self.clock.executes(statement, mask);
    }

    fn goes_round(&mut self, statement: usize, asking: &Mask, going: &Mask) {
        self.statements[statement].rounds += warps(going);
        self.clock.asks(statement, asking);
    }

    fn accesses(&mut self, access: &Access<'_>) {
        let addresses = Addresses::new(access.indices, access.bytes, access.word);
        let bytes = u64::from(access.word.count_ones()) * access.bytes as u64;
        let memory = access.memory.index();
        let mut trace = AccessTrace { accesses: 1, bytes, ..AccessTrace::default() };
        match self.ways[memory] {
            Way::Global => {
                trace.sectors = addresses.sectors();
                trace.fewest_sectors = addresses.fewest_sectors();
                trace.wavefronts = addresses.lines();
                trace.fewest_wavefronts = trace.fewest_sectors.div_ceil(4);
                let sectors = &mut self.current[memory][usize::from(access.stores)];
                for sector in addresses.each_sector() {
                    if sectors.last() != Some(&sector) {
                        sectors.push(sector);
                    }
                }
                if access.stores {
                    self.stored_bytes += bytes;
                    self.clock.works(access.warp);
                }
            }
            Way::GlobalTable => {
                trace.wavefronts = addresses.lines();
                trace.fewest_wavefronts = 1;
            }
            Way::Shared => (trace.wavefronts, trace.fewest_wavefronts) = addresses.wavefronts(),
            Way::ConstantTable => {
                trace.wavefronts = addresses.different();
                trace.fewest_wavefronts = 1;
            }
        }
        let is_load = matches!(self.ways[memory], Way::Global | Way::GlobalTable) && !access.stores;
        self.clock.accesses(access, trace.wavefronts, is_load.then(|| addresses.each_sector()));
        self.statements[access.statement].memory.add(&trace);
    }

    fn block_ends(&mut self, block: u32) {
        let mut sectors_of_block = 0;
        for (memory, current) in self.current.iter_mut().enumerate() {
            for (direction, sectors) in current.iter_mut().enumerate() {
                let different = without_repetitions(sectors);
                self.block_sectors[memory] += different;
                sectors_of_block += different;
                self.touched[memory][direction].append(sectors);
            }
        }
        self.each_block.push(self.clock.ends(block, sectors_of_block));
    }
}
