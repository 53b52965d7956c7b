//! Basic blocks of machine code and the loops among them.
//!
//! `BRA.DIV` goes where the lanes of a warp are brought together before an exchange if they have parted; the emulator
//! refuses kernels in which they have, so that way is left out, and what only it leads to is never executed.

use super::listing::{Instruction, Listing};
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

/// A basic block: instructions of which all are executed or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BasicBlock {
    /// Which instructions.
    pub(super) instructions: Range<usize>,
    /// The blocks that may come next.
    successors: Vec<usize>,
    /// Whether any way leads there.
    pub(super) is_reachable: bool,
}

/// A loop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Loop {
    /// The jumps back to its first block, as instructions.
    pub(super) back_jumps: Vec<usize>,
    /// Its blocks.
    pub(super) blocks: BTreeSet<usize>,
}

/// Blocks and loops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flow {
    pub(super) blocks: Vec<BasicBlock>,
    /// Larger ones first, so that each comes before those inside it.
    pub(super) loops: Vec<Loop>,
}

impl Flow {
    pub(super) fn of(listing: &Listing) -> Self {
        let mut blocks = blocks(&listing.instructions);
        let mut open = vec![0];
        while let Some(n) = open.pop() {
            if let Some(block) = blocks.get_mut(n).filter(|block| !block.is_reachable) {
                block.is_reachable = true;
                open.extend(&block.successors);
            }
        }
        let loops = loops(&blocks);
        Self { blocks, loops }
    }

    /// The loops that a block is in, outermost first, as positions in [`Flow::loops`].
    pub(super) fn loops_around(&self, block: usize) -> impl Iterator<Item = usize> {
        (0..self.loops.len()).filter(move |&n| self.loops[n].blocks.contains(&block))
    }
}

fn blocks(instructions: &[Instruction]) -> Vec<BasicBlock> {
    let at: HashMap<u64, usize> = instructions.iter().enumerate().map(|(n, i)| (i.address, n)).collect();
    let target = |i: &Instruction| i.target.and_then(|address| at.get(&address).copied());
    let mut starts = BTreeSet::from([0]);
    for (n, instruction) in instructions.iter().enumerate() {
        if matches!(instruction.stem(), "BRA" | "JMP" | "EXIT" | "RET") {
            starts.insert(n + 1);
            starts.extend(target(instruction));
        }
    }
    starts.remove(&instructions.len());
    let starts: Vec<usize> = starts.into_iter().collect();
    let ends = starts.iter().skip(1).copied().chain([instructions.len()]);
    let ranges: Vec<Range<usize>> = starts.iter().zip(ends).map(|(&start, end)| start..end).collect();
    let block_at = |n: usize| starts.binary_search(&n).ok();
    ranges
        .iter()
        .enumerate()
        .map(|(n, range)| {
            let last = instructions.get(range.end.saturating_sub(1));
            let jumps = last.filter(|i| !i.opcode.starts_with("BRA.DIV")).and_then(target).and_then(block_at);
            let ends =
                last.is_some_and(|i| matches!(i.stem(), "BRA" | "JMP" | "EXIT" | "RET") && !i.is_predicated);
            // A jump may also depend on one of its operands: `BRA.DIV UR4, …`.
            let is_conditional = last.is_some_and(|i| i.stem() == "BRA" && i.opcode != "BRA");
            let next = (n + 1 < ranges.len() && (!ends || is_conditional)).then_some(n + 1);
            let successors = jumps.into_iter().chain(next).collect();
            BasicBlock { instructions: range.clone(), successors, is_reachable: false }
        })
        .collect()
}

/// Natural loops: a jump back to a block that every way to the jump leads through.
fn loops(blocks: &[BasicBlock]) -> Vec<Loop> {
    let dominators = dominators(blocks);
    let mut found: HashMap<usize, Loop> = HashMap::new();
    for (from, block) in blocks.iter().enumerate().filter(|(_, block)| block.is_reachable) {
        for &head in &block.successors {
            if !dominators[from].contains(&head) {
                continue;
            }
            let entry = found
                .entry(head)
                .or_insert_with(|| Loop { back_jumps: Vec::new(), blocks: BTreeSet::from([head]) });
            entry.back_jumps.push(block.instructions.end - 1);
            let mut open = vec![from];
            while let Some(n) = open.pop() {
                if entry.blocks.insert(n) {
                    let before = blocks
                        .iter()
                        .enumerate()
                        .filter(|(_, block)| block.is_reachable && block.successors.contains(&n));
                    open.extend(before.map(|(n, _)| n));
                }
            }
        }
    }
    let mut loops: Vec<Loop> = found.into_values().collect();
    loops.sort_by_key(|a| (std::cmp::Reverse(a.blocks.len()), a.blocks.first().copied()));
    loops
}

/// Per block: the blocks that every way to it leads through, itself included.
fn dominators(blocks: &[BasicBlock]) -> Vec<BTreeSet<usize>> {
    let all: BTreeSet<usize> = (0..blocks.len()).collect();
    let mut dominators = vec![all; blocks.len()];
    if let Some(first) = dominators.first_mut() {
        *first = BTreeSet::from([0]);
    }
    let mut predecessors = vec![Vec::new(); blocks.len()];
    for (n, block) in blocks.iter().enumerate() {
        for &next in block.successors.iter().filter(|_| block.is_reachable) {
            predecessors[next].push(n);
        }
    }
    loop {
        let mut changed = false;
        for n in 1..blocks.len() {
            let mut common: Option<BTreeSet<usize>> = None;
            for &before in &predecessors[n] {
                common = Some(match common {
                    None => dominators[before].clone(),
                    Some(common) => common.intersection(&dominators[before]).copied().collect(),
                });
            }
            let mut now = common.unwrap_or_default();
            now.insert(n);
            if now != dominators[n] {
                dominators[n] = now;
                changed = true;
            }
        }
        if !changed {
            return dominators;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Instructions written `opcode` or `opcode>target`, a `?` in front for a predicate; 16 bytes each.
    fn listing(text: &str) -> Listing {
        let instructions = text.split_whitespace().enumerate().map(|(n, word)| {
            let (is_predicated, word) = word.strip_prefix('?').map_or((false, word), |word| (true, word));
            let (opcode, target) =
                word.split_once('>').map_or((word, None), |(opcode, to)| (opcode, Some(to)));
            let target = target.map(|to| to.parse::<u64>().unwrap() * 16);
            Instruction {
                address: n as u64 * 16,
                opcode: opcode.to_owned(),
                is_predicated,
                target,
                line: None,
            }
        });
        Listing { instructions: instructions.collect() }
    }

    #[test]
    fn nested_loops_are_found_and_a_jump_backwards_alone_is_no_loop() {
        let nested = Flow::of(&listing("MOV MOV MOV ?BRA>2 ?BRA>1 EXIT"));
        let sizes: Vec<usize> = nested.loops.iter().map(|l| l.blocks.len()).collect();
        assert_eq!(sizes, [3, 1]);
        assert_eq!(nested.loops_around(2).collect::<Vec<_>>(), [0, 1]);
        // The second half is put behind the end and jumps back into the middle.
        let out_of_line = Flow::of(&listing("MOV ?BRA>4 MOV EXIT MOV BRA>2"));
        assert!(out_of_line.loops.is_empty());
        assert_eq!(out_of_line.blocks.len(), 3);
    }

    #[test]
    fn what_only_parted_lanes_reach_is_not_reachable() {
        let flow = Flow::of(&listing("MOV BRA.DIV>4 MOV EXIT MOV BRA>2"));
        let reachable: Vec<bool> = flow.blocks.iter().map(|block| block.is_reachable).collect();
        assert_eq!(reachable, [true, true, false]);
    }
}
