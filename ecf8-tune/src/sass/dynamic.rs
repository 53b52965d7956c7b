//! How many instructions of machine code are issued, from how often the emulator executes the statements behind them.
//!
//! All instructions of a basic block are issued equally often, also those whose predicate does not hold. How often is
//! read off the lines that they come from, one estimate per instruction without a predicate, and the block gets their
//! median, as the compiler moves single instructions between blocks. The estimate of one instruction is the number of
//! executions of its statement, corrected for what became of each loop around that statement:
//! - *kept*: a loop of the machine code, found by its jump back, carries the line of the loop's head, or else most of
//!   its instructions come from the loop's body. Nothing is corrected.
//! - *copied*: the body is there several times, in one loop of the machine code, in several, or behind them for the
//!   rounds that are left over. Copies are counted by the stores and barriers, of which each copy has all; in a body
//!   without any, by the jumps that carry the line of the head, or by the ratio of sizes. The rounds are shared out to
//!   the largest loop first; the copies outside of loops get what cannot fill a round of these.
//! - *gone*: the instruction is in no loop that belongs to the kernel's, which is written out in full, or the
//!   instruction was moved out of it. It is executed once where the loop is entered: a written-out loop has a copy for
//!   each round.
//!
//! What this cannot see is checked in the end, and where something cannot be right there is no count ([`Unmapped`]).

use super::flow::Flow;
use super::listing::{Instruction, Listing};
use super::outline::{Entry, outline};
use super::unmapped::{self, Unmapped};
use ecf8_codegen::emulator::Trace;
use ecf8_codegen::ir::Kernel;
use ecf8_codegen::profile::Profile;
use std::collections::{BTreeMap, HashMap};

/// Instructions issued by a launch, or by the blocks of it that were traced.
#[derive(Debug, Clone, PartialEq)]
pub struct DynamicCount {
    /// Instructions issued, each by one warp.
    pub issued: f64,
    /// Lane-instructions per byte of output.
    pub instructions_per_byte: f64,
    /// Accesses to global and shared memory and tables: counted as the instructions are, and as the emulator saw them.
    pub accesses: (f64, f64),
    /// The loop in which most instructions are issued.
    pub hot_loop: Option<HotLoop>,
    /// Per line of the source, from 1: instructions issued.
    pub lines: BTreeMap<usize, f64>,
}

/// A loop without what is in loops inside it, and how much of the work it does.
#[derive(Debug, Clone, PartialEq)]
pub struct HotLoop {
    /// Lines of the source that it comes from, first and last.
    pub lines: (usize, usize),
    /// Instructions in it.
    pub instructions: usize,
    /// The part of all instructions issued that it issues, 0 to 1.
    pub share: f64,
    /// How often each opcode, without modifiers, occurs in it.
    pub mix: BTreeMap<String, usize>,
}

/// Counts the instructions that `kernel` issues. `map` gives the statement behind each line of the source, `profile`
/// what the emulator saw.
///
/// # Errors
/// If the count cannot be right.
pub fn count(
    kernel: &Kernel,
    profile: &Profile,
    map: &[Option<usize>],
    listing: &Listing,
) -> Result<DynamicCount, Unmapped> {
    let trace = &profile.trace;
    let counter = Counter::new(kernel, trace, map, listing);
    if let Some(lost) = counter.most_lost() {
        return Err(lost);
    }
    let mut executions = Vec::new();
    for block in 0..counter.flow.blocks.len() {
        let is_reachable = counter.flow.blocks[block].is_reachable;
        executions.push(if is_reachable { counter.block(block) } else { 0.0 });
    }
    let mut lines = BTreeMap::new();
    let (mut issued, mut accesses) = (0.0, 0.0);
    for (block, &times) in counter.flow.blocks.iter().zip(&executions) {
        for instruction in &listing.instructions[block.instructions.clone()] {
            issued += times;
            *lines.entry(instruction.line.unwrap_or(0)).or_insert(0.0) += times;
            if is_access(instruction) {
                accesses += times;
            }
        }
    }
    let seen: u64 = trace.statements.iter().map(|statement| statement.memory.accesses).sum();
    let bytes = trace.output_bytes as f64;
    let instructions_per_byte = if bytes == 0.0 { 0.0 } else { issued * 32.0 / bytes };
    let accesses = (accesses, seen as f64);
    unmapped::check(accesses, (instructions_per_byte, profile.instructions_per_byte()))?;
    let hot_loop = counter.hot_loop(&executions, issued);
    Ok(DynamicCount { issued, instructions_per_byte, accesses, hot_loop, lines })
}

/// Whether it reads or writes memory that the kernel declares. `LDC` also fetches parameters, which nobody counts.
fn is_access(instruction: &Instruction) -> bool {
    matches!(instruction.stem(), "LDG" | "STG" | "LDS" | "STS" | "LD" | "ST")
}

struct Counter<'a> {
    listing: &'a Listing,
    map: &'a [Option<usize>],
    statements: Vec<Entry>,
    flow: Flow,
    /// Per loop of the machine code: the loop of the kernel, and its rounds there as a part of the kernel's rounds.
    matched: Vec<Option<(usize, f64)>>,
    /// Per loop of the kernel with copies in no loop of the machine code: how often each is executed when it is
    /// entered.
    outside: HashMap<usize, f64>,
    /// Per loop of the kernel of which rounds are nowhere: which part of all.
    lost: HashMap<usize, f64>,
}

/// The part of all that is executed which may be lost.
const NEGLIGIBLE: f64 = 0.05;

impl<'a> Counter<'a> {
    fn new(kernel: &Kernel, trace: &Trace, map: &'a [Option<usize>], listing: &'a Listing) -> Self {
        let mut counter = Self {
            listing,
            map,
            statements: outline(kernel, trace),
            flow: Flow::of(listing),
            matched: Vec::new(),
            outside: HashMap::new(),
            lost: HashMap::new(),
        };
        let loops: Vec<Option<usize>> = (0..counter.flow.loops.len()).map(|n| counter.loop_of(n)).collect();
        let mut copies: HashMap<usize, Vec<usize>> = HashMap::new();
        for (n, of) in loops.iter().enumerate() {
            if let Some(of) = of {
                copies.entry(*of).or_default().push(n);
            }
        }
        counter.matched = vec![None; loops.len()];
        let kernel_loops: Vec<usize> =
            (0..counter.statements.len()).filter(|&n| counter.is_loop(n)).collect();
        for of in kernel_loops {
            counter.share(of, copies.get(&of).map_or(&[], Vec::as_slice));
        }
        counter
    }

    /// The statement behind an instruction.
    fn statement(&self, instruction: &Instruction) -> Option<usize> {
        let statement = *self.map.get(instruction.line?.checked_sub(1)?)?;
        statement.filter(|&statement| statement < self.statements.len())
    }

    fn instructions(&self, machine_loop: usize) -> impl Iterator<Item = &'a Instruction> {
        let blocks = self.flow.loops[machine_loop].blocks.iter();
        blocks.flat_map(|&block| &self.listing.instructions[self.flow.blocks[block].instructions.clone()])
    }

    fn is_loop(&self, statement: usize) -> bool {
        self.statements[statement].loops.last() == Some(&statement)
    }

    /// The kernel's loop that a loop of the machine code is.
    fn loop_of(&self, machine_loop: usize) -> Option<usize> {
        let heads = self.flow.loops[machine_loop].back_jumps.iter();
        let head = heads
            .filter_map(|&jump| self.statement(&self.listing.instructions[jump]))
            .find(|&n| self.is_loop(n));
        if head.is_some() {
            return head;
        }
        let mut votes: HashMap<usize, usize> = HashMap::new();
        let mut all = 0;
        for instruction in self.instructions(machine_loop) {
            all += 1;
            let entry = self.statement(instruction).and_then(|n| self.statements.get(n));
            for &of in entry.map_or(&[][..], |entry| &entry.loops) {
                *votes.entry(of).or_default() += 1;
            }
        }
        // The innermost of those that most instructions come from.
        let most = votes.into_iter().filter(|&(_, count)| count * 2 > all);
        most.map(|(of, _)| of).max_by_key(|&of| self.statements[of].loops.len())
    }

    /// How the rounds of the kernel's loop `of` are shared out to its copies: per loop of the machine code, its rounds
    /// as a part of all. What they leave over is for the copies outside of them.
    fn share(&mut self, of: usize, copies: &[usize]) {
        let outside = self.anchors(of, |block| !self.is_in_any(block, copies)) as f64;
        let mut factors: Vec<(usize, f64)> =
            copies.iter().map(|&n| (n, self.factor(of, n, copies))).collect();
        factors.sort_by(|a, b| b.1.total_cmp(&a.1));
        let entry = &self.statements[of];
        if entry.rounds == 0.0 || entry.entries == 0.0 {
            return;
        }
        let all = entry.rounds / entry.entries;
        let mut left = all;
        let count = factors.len();
        for (i, (n, factor)) in factors.into_iter().enumerate() {
            let is_last = i + 1 == count && outside == 0.0;
            // What does not fill a round of this copy is left to the smaller ones: half a round on average.
            let rounds =
                if is_last { left / factor } else { ((left - (factor - 1.0) / 2.0) / factor).max(0.0) };
            left -= rounds * factor;
            self.matched[n] = Some((of, rounds / all));
        }
        if outside > 0.0 {
            self.outside.insert(of, (left / outside).min(1.0));
        }
        // A body without an anchor has at most as many copies as one of its statements has instructions.
        let held = match count {
            0 if outside == 0.0 => self.most_instructions(of) as f64,
            _ => outside,
        };
        let nowhere = if held > 0.0 { (left - held) / all } else { 0.0 };
        if nowhere > 0.0 {
            self.lost.insert(of, nowhere);
        }
    }

    /// The most instructions that any one statement directly in the kernel's loop `of` has.
    fn most_instructions(&self, of: usize) -> usize {
        let mut found: HashMap<usize, usize> = HashMap::new();
        for instruction in &self.listing.instructions {
            let Some(statement) = self.statement(instruction) else { continue };
            if self.statements[statement].loops.last() == Some(&of) {
                *found.entry(statement).or_default() += 1;
            }
        }
        found.into_values().max().unwrap_or(0)
    }

    /// The loop most of whose work is nowhere in the machine code, if that is not negligible.
    fn most_lost(&self) -> Option<Unmapped> {
        let work = |is_in: &dyn Fn(&Entry) -> bool| -> f64 {
            self.statements.iter().filter(|entry| is_in(entry)).map(|entry| entry.executions).sum()
        };
        let all = work(&|_| true);
        let lost = self.lost.iter().map(|(&of, part)| (of, part * work(&|entry| entry.loops.contains(&of))));
        let (of, _) = lost.filter(|(_, lost)| *lost > NEGLIGIBLE * all).max_by(|a, b| a.1.total_cmp(&b.1))?;
        let line = self.map.iter().position(|statement| *statement == Some(of)).map_or(0, |line| line + 1);
        let entry = &self.statements[of];
        Some(Unmapped::Loop { line, rounds: entry.rounds / entry.entries })
    }

    fn is_in_any(&self, block: usize, machine_loops: &[usize]) -> bool {
        machine_loops.iter().any(|&n| self.flow.loops[n].blocks.contains(&block))
    }

    /// Copies of the body of the kernel's loop `of` in some blocks: the most of any statement directly in it that has
    /// an instruction which no copy lacks.
    fn anchors(&self, of: usize, is_in: impl Fn(usize) -> bool) -> usize {
        let mut found: HashMap<usize, usize> = HashMap::new();
        for (_, block) in
            self.flow.blocks.iter().enumerate().filter(|&(n, block)| block.is_reachable && is_in(n))
        {
            for instruction in &self.listing.instructions[block.instructions.clone()] {
                let Some(statement) = self.statement(instruction) else { continue };
                let entry = &self.statements[statement];
                if entry.loops.last() == Some(&of) && entry.anchor == Some(instruction.stem()) {
                    *found.entry(statement).or_default() += 1;
                }
            }
        }
        found.into_values().max().unwrap_or(0)
    }

    /// How many copies of the kernel loop's body a loop of the machine code has.
    fn factor(&self, of: usize, n: usize, copies: &[usize]) -> f64 {
        let anchors = self.anchors(of, |block| self.flow.loops[n].blocks.contains(&block));
        if anchors > 0 {
            return anchors as f64;
        }
        if copies.len() == 1 {
            return self.heads(of, n);
        }
        let size = |n: usize| {
            let belongs = |i: &&Instruction| {
                self.statement(i).is_some_and(|statement| self.statements[statement].loops.contains(&of))
            };
            self.instructions(n).filter(belongs).count().max(1)
        };
        let least = copies.iter().map(|&n| size(n)).min().unwrap_or(1);
        (size(n) as f64 / least as f64).round().max(1.0)
    }

    /// How many jumps of a loop carry the line of the kernel loop's head.
    fn heads(&self, of: usize, machine_loop: usize) -> f64 {
        let is_head = |i: &&Instruction| i.stem() == "BRA" && self.statement(i) == Some(of);
        (self.instructions(machine_loop).filter(is_head).count().max(1)) as f64
    }

    /// How often an instruction in a block is executed, judging by its line alone.
    fn estimate(&self, instruction: &Instruction, block: usize) -> Option<f64> {
        let n = self.statement(instruction)?;
        let entry = self.statements.get(n)?;
        let mut executions = entry.executions;
        for &of in &entry.loops {
            let kernel_loop = &self.statements[of];
            let rounds = if of == n { kernel_loop.executions } else { kernel_loop.rounds };
            let around = self.flow.loops_around(block).filter_map(|machine_loop| self.matched[machine_loop]);
            let part = around.filter(|&(matched, _)| matched == of).map(|(_, part)| part).last();
            executions *= match part {
                Some(part) => part,
                None if rounds > 0.0 => {
                    kernel_loop.entries / rounds * self.outside.get(&of).copied().unwrap_or(1.0)
                }
                None => 0.0,
            };
        }
        Some(executions)
    }

    /// How often a basic block is executed.
    fn block(&self, block: usize) -> f64 {
        let instructions = &self.listing.instructions[self.flow.blocks[block].instructions.clone()];
        let estimates = |predicated: bool| -> Vec<f64> {
            let of = instructions.iter().filter(|i| i.is_predicated == predicated);
            let mut estimates: Vec<f64> = of.filter_map(|i| self.estimate(i, block)).collect();
            estimates.sort_by(f64::total_cmp);
            estimates
        };
        let unconditional = estimates(false);
        if let Some(&median) = unconditional.get(unconditional.len() / 2) {
            return median;
        }
        estimates(true)
            .last()
            .copied()
            .unwrap_or_else(|| self.statements.first().map_or(0.0, |first| first.executions))
    }

    /// The loop that issues most, without what loops inside it issue.
    fn hot_loop(&self, executions: &[f64], issued: f64) -> Option<HotLoop> {
        let mut own = vec![Vec::new(); self.flow.loops.len()];
        for block in 0..self.flow.blocks.len() {
            if let Some(innermost) = self.flow.loops_around(block).last() {
                own[innermost].push(block);
            }
        }
        let size = |block: usize| self.flow.blocks[block].instructions.len() as f64;
        let work =
            |blocks: &[usize]| -> f64 { blocks.iter().map(|&block| size(block) * executions[block]).sum() };
        let hottest = own.into_iter().max_by(|a, b| work(a).total_cmp(&work(b)))?;
        let mut mix = BTreeMap::new();
        let mut lines: Option<(usize, usize)> = None;
        let mut instructions = 0;
        for &block in &hottest {
            for instruction in &self.listing.instructions[self.flow.blocks[block].instructions.clone()] {
                instructions += 1;
                *mix.entry(instruction.stem().to_owned()).or_default() += 1;
                if let Some(line) = instruction.line {
                    lines =
                        Some(lines.map_or((line, line), |(first, last)| (first.min(line), last.max(line))));
                }
            }
        }
        let share = if issued > 0.0 { work(&hottest) / issued } else { 0.0 };
        Some(HotLoop { lines: lines?, instructions, share, mix })
    }
}
