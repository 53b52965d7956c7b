//! How long each warp of a block takes when no other warp is in its way: a clock per warp, moved on by what it executes.
//!
//! A warp issues its statements in the order of the text, each when its operands are there. A value that is loaded ahead
//! delays nothing before it is used. Compilers move independent instructions between dependent ones; in decoders, most of
//! whose instructions depend on the one before, letting any statement start up to 63 earlier changed the times by a tenth at
//! most, so that is left out.

use super::lanes::Mask;
use super::observe::Access;
use crate::ir::{Block, Kernel, Op, Stmt, StmtKind, ValueId, VarId};

/// What a statement takes each time that a warp executes it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    /// Instructions issued.
    pub issued: f64,
    /// Those of them that the lanes for 32-bit integers execute.
    pub integer: f64,
    /// Cycles that it keeps the warp from issuing another.
    pub issue: f64,
    /// Cycles from the operands to the result or, of a branch, to the first instruction after it; a load is served by what
    /// is nearest.
    pub latency: f64,
}

/// What statements take, as the profiler reckons.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Costs {
    /// Per statement, in the order of the text, those inside another after it: each execution, and each round of a loop.
    pub statements: Vec<[Cost; 2]>,
    /// Cycles more that a load from global memory takes where the L1 cannot serve it.
    pub miss: f64,
    /// A branch around no more instructions than this is none: they are predicated.
    pub predicated: f64,
}

/// What one block did, and how long that takes it alone on a multiprocessor.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct BlockTrace {
    /// The block's number.
    pub block: u32,
    /// Warps that stored to global memory.
    pub working_warps: u32,
    /// Cycles of its slowest warp, from dependence alone.
    pub chain: f64,
    /// Instructions issued, each by one warp.
    pub issued: f64,
    /// Those for the lanes for 32-bit integers.
    pub integer: f64,
    /// Passes over the banks of shared memory and lines of the L1.
    pub passes: u64,
    /// Different sectors of global memory that it touched.
    pub sectors: u64,
}

/// How a statement moves the clock.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Effect {
    /// The warp goes on while it is executed.
    GoesOn,
    /// The warp goes on when it is done.
    Waits,
    /// The warp goes on when all warps of the block have come there.
    Meets,
}

/// What a statement reads and writes, as places of the clock: values, then variables.
#[derive(Debug)]
struct Flow {
    reads: Vec<usize>,
    writes: Vec<usize>,
    effect: Effect,
    /// What another round of a loop depends on.
    asks: Vec<usize>,
}

/// Sectors that the L1 is taken to hold: 128 KiB, what shared memory leaves of it on GPUs from 8.0 on.
const CACHED: usize = 1 << CACHED_BITS;
const CACHED_BITS: u32 = 12;

/// The clocks of a block's warps.
#[derive(Debug)]
pub(super) struct Clock<'c> {
    costs: &'c Costs,
    flows: Vec<Flow>,
    warps: usize,
    /// `ready[place * warps + warp]`: when what is there can be used.
    ready: Vec<f64>,
    /// Per warp: when it can issue its next instruction.
    next: Vec<f64>,
    works: Vec<bool>,
    /// Per place of the L1: which sector is there.
    cache: Vec<u64>,
    now: BlockTrace,
}

impl<'c> Clock<'c> {
    pub(super) fn new(kernel: &Kernel, costs: &'c Costs) -> Self {
        let mut flows = Flows { kernel, costs, choices: vec![None; kernel.values.len()], flows: Vec::new() };
        flows.block(&kernel.body);
        let warps = (kernel.threads as usize).div_ceil(super::lanes::LANES);
        let places = kernel.values.len() + kernel.variables.len();
        Self {
            costs,
            flows: flows.flows,
            warps,
            ready: vec![0.0; places * warps],
            next: vec![0.0; warps],
            works: vec![false; warps],
            cache: vec![u64::MAX; CACHED],
            now: BlockTrace::default(),
        }
    }

    /// These threads execute a statement.
    pub(super) fn executes(&mut self, statement: usize, mask: &Mask) {
        let cost = self.costs.statements[statement][0];
        let effect = self.flows[statement].effect;
        for warp in active(mask, self.warps) {
            let start = self.issue(statement, |flow| &flow.reads, warp, cost);
            for &place in &self.flows[statement].writes {
                self.ready[place * self.warps + warp] = start + cost.latency;
            }
            if effect != Effect::GoesOn {
                self.next[warp] = start + cost.latency;
            }
        }
        if effect == Effect::Meets {
            let last = active(mask, self.warps).map(|warp| self.next[warp]).fold(0.0, f64::max);
            active(mask, self.warps).for_each(|warp| self.next[warp] = last);
        }
    }

    /// These threads ask whether a loop goes round again.
    pub(super) fn asks(&mut self, statement: usize, mask: &Mask) {
        let cost = self.costs.statements[statement][1];
        for warp in active(mask, self.warps) {
            self.next[warp] = self.issue(statement, |flow| &flow.asks, warp, cost) + cost.latency;
            for &place in &self.flows[statement].writes {
                self.ready[place * self.warps + warp] = self.next[warp];
            }
        }
    }

    /// Issues a statement's instructions, as soon as what it reads is there, and gives when.
    fn issue(&mut self, statement: usize, reads: fn(&Flow) -> &Vec<usize>, warp: usize, cost: Cost) -> f64 {
        let reads = reads(&self.flows[statement]).iter();
        let ready = reads.map(|place| self.ready[place * self.warps + warp]).fold(0.0, f64::max);
        // What takes no instruction is done by whatever uses it, and holds nothing up.
        if cost.issued == 0.0 {
            return ready;
        }
        let start = ready.max(self.next[warp]);
        self.next[warp] = start + cost.issue;
        self.now.issued += cost.issued;
        self.now.integer += cost.integer;
        start
    }

    /// The statement that a warp executes goes to memory, in `passes` passes; `sectors` are those of a load from global
    /// memory, a table there included.
    pub(super) fn accesses(
        &mut self,
        access: &Access<'_>,
        passes: u64,
        sectors: Option<impl Iterator<Item = u64>>,
    ) {
        self.now.passes += passes;
        let mut later = passes.saturating_sub(1) as f64;
        if self.touches_new(access.memory.index(), sectors) {
            later += self.costs.miss;
        }
        for &place in &self.flows[access.statement].writes {
            self.ready[place * self.warps + access.warp] += later;
        }
    }

    /// A warp stores to global memory.
    pub(super) fn works(&mut self, warp: usize) {
        self.works[warp] = true;
    }

    /// What the block did that touched `sectors` sectors; the next one starts at 0.
    pub(super) fn ends(&mut self, block: u32, sectors: u64) -> BlockTrace {
        let done = BlockTrace {
            block,
            working_warps: self.works.iter().map(|&works| u32::from(works)).sum(),
            chain: self.next.iter().copied().fold(0.0, f64::max),
            sectors,
            ..self.now
        };
        self.ready.fill(0.0);
        self.next.fill(0.0);
        self.works.fill(false);
        self.cache.fill(u64::MAX);
        self.now = BlockTrace::default();
        done
    }

    /// Whether any of the sectors is not in the L1; then all are.
    fn touches_new(&mut self, memory: usize, sectors: Option<impl Iterator<Item = u64>>) -> bool {
        let mut any = false;
        for sector in sectors.into_iter().flatten() {
            let name = sector.wrapping_mul(64) | memory as u64;
            // Spread by the golden ratio, as memories do not lie over each other.
            let place = name.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - CACHED_BITS);
            let place = usize::try_from(place).unwrap_or_default();
            any |= std::mem::replace(&mut self.cache[place], name) != name;
        }
        any
    }
}

/// The warps with an active lane.
fn active(mask: &Mask, warps: usize) -> impl Iterator<Item = usize> + use<> {
    let words = mask.0;
    (0..warps).filter(move |&warp| words[warp] != 0)
}

/// Collects the flow of each statement, in order.
struct Flows<'k> {
    kernel: &'k Kernel,
    costs: &'k Costs,
    /// Per value that one of two arms defines: the values that it depends on.
    choices: Vec<Option<[ValueId; 3]>>,
    flows: Vec<Flow>,
}

impl Flows<'_> {
    fn block(&mut self, block: &Block) {
        for stmt in block {
            let number = self.flows.len();
            let flow = self.flow(stmt, number);
            self.flows.push(flow);
            for (inner, _) in stmt.kind.blocks() {
                self.block(inner);
            }
            match &stmt.kind {
                StmtKind::Choose { result, condition, then, otherwise } => {
                    self.choices[result.index()] = Some([*condition, then.value, otherwise.value]);
                }
                StmtKind::While { condition, .. } => {
                    self.flows[number].asks = self.places(&[condition.value]);
                }
                _ => {}
            }
        }
    }

    fn flow(&self, stmt: &Stmt, number: usize) -> Flow {
        let mut reads = Vec::new();
        stmt.kind.for_each_operand(|id| reads.extend(self.places(&[id])));
        let mut writes: Vec<usize> = stmt.kind.results().iter().map(|id| id.index()).collect();
        let mut asks = Vec::new();
        match &stmt.kind {
            StmtKind::Let(_, Op::Read(variable)) => reads.push(self.variable(*variable)),
            StmtKind::Declare(variable, _) | StmtKind::Assign(variable, _) => {
                writes.push(self.variable(*variable));
            }
            StmtKind::For { index, to, .. } => {
                writes.push(index.index());
                asks = self.places(&[*to]);
            }
            // A choice has no place of its own.
            StmtKind::Choose { .. } => writes.clear(),
            _ => {}
        }
        let effect = match &stmt.kind {
            StmtKind::If { .. } | StmtKind::Choose { .. } if self.is_predicated(stmt, number) => {
                Effect::GoesOn
            }
            StmtKind::If { .. }
            | StmtKind::Choose { .. }
            | StmtKind::Break
            | StmtKind::Continue
            | StmtKind::Return
            | StmtKind::WarpBarrier => Effect::Waits,
            StmtKind::Barrier => Effect::Meets,
            _ => Effect::GoesOn,
        };
        Flow { reads, writes, effect, asks }
    }

    /// Whether the arms of a branch are so short that there is none.
    fn is_predicated(&self, stmt: &Stmt, number: usize) -> bool {
        fn count(block: &Block) -> Option<usize> {
            block.iter().try_fold(0, |sum, stmt| {
                let is_plain = stmt.kind.blocks().is_empty()
                    && !matches!(
                        stmt.kind,
                        StmtKind::Break
                            | StmtKind::Continue
                            | StmtKind::Return
                            | StmtKind::Barrier
                            | StmtKind::WarpBarrier
                    );
                is_plain.then_some(sum + 1)
            })
        }
        let inner = stmt.kind.blocks().into_iter().map(|(block, _)| count(block)).sum::<Option<usize>>();
        inner.is_some_and(|inner| {
            let costs = self.costs.statements[number + 1..].iter().take(inner);
            costs.map(|[once, _]| once.issued).sum::<f64>() <= self.costs.predicated
        })
    }

    /// The places that values are at.
    fn places(&self, values: &[ValueId]) -> Vec<usize> {
        let of = |id: &ValueId| match &self.choices[id.index()] {
            Some(chosen) => self.places(chosen),
            None => vec![id.index()],
        };
        values.iter().flat_map(of).collect()
    }

    fn variable(&self, id: VarId) -> usize {
        self.kernel.values.len() + id.index()
    }
}
