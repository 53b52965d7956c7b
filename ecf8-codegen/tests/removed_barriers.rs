//! No barrier of a kernel is there for nothing: without any one of them the emulator notices.

#![allow(clippy::panic, clippy::unwrap_used, reason = "that is how a test fails, also in its helpers")]

use ecf8_codegen::emulator::{self, Checks};
use ecf8_codegen::ir::{Block, Kernel, Location, StmtKind};
use ecf8_codegen::strategy::{Coding, Strategy, strategies};
use ecf8_core::corpus::{Case, Tier, corpus};
use ecf8_core::{Encoded, Scheme};

/// Barriers without which no tensor of the quick corpus is decoded wrongly or with a fault: strategies, and which of their
/// barriers in the order of the text.
const UNNOTICED: [(&str, usize); 0] = [];

/// Takes out the barrier with this number, counted in the order of the text; where it was, if there is one.
fn remove(block: &mut Block, left: &mut usize) -> Option<Location> {
    for at in 0..block.len() {
        let stmt = &mut block[at];
        let removed = match &mut stmt.kind {
            StmtKind::Barrier | StmtKind::WarpBarrier if *left == 0 => return Some(block.remove(at).at),
            StmtKind::Barrier | StmtKind::WarpBarrier => {
                *left -= 1;
                None
            }
            StmtKind::Choose { then, otherwise, .. } => {
                remove(&mut then.block, left).or_else(|| remove(&mut otherwise.block, left))
            }
            StmtKind::If { then, otherwise, .. } => remove(then, left).or_else(|| remove(otherwise, left)),
            StmtKind::While { condition, body } => {
                remove(&mut condition.block, left).or_else(|| remove(body, left))
            }
            StmtKind::For { body, .. } => remove(body, left),
            _ => None,
        };
        if removed.is_some() {
            return removed;
        }
    }
    None
}

/// Whether the default variant decodes a tensor exactly without a barrier, and where that was; `None` if it has no such
/// barrier.
fn without(
    strategy: &dyn Strategy,
    (case, encoded): (&Case, &Encoded<'_>),
    barrier: usize,
) -> Option<(Location, bool)> {
    let params = strategy.params(&[]).unwrap();
    let mut kernel: Kernel = strategy.kernel(&params, &Coding::of(encoded)).unwrap();
    let place = remove(&mut kernel.body, &mut barrier.clone())?;
    let launch = strategy.launch(&params, &[encoded]).unwrap();
    let outputs = emulator::run(&kernel, &launch, Checks::Full);
    Some((place, outputs.is_ok_and(|outputs| outputs.concat() == case.bytes)))
}

#[test]
fn the_emulator_notices_when_any_one_barrier_of_a_kernel_is_removed() {
    let cases = corpus(Tier::Quick);
    let mut unnoticed = Vec::new();
    for strategy in strategies() {
        let schemes = strategy.schemes().iter().map(|name| ecf8_core::scheme(name).unwrap());
        let suited = |scheme: &'static dyn Scheme| {
            let suited = cases.iter().filter(move |case| case.suits(scheme) && !case.bytes.is_empty());
            suited.map(move |case| (case, scheme.encode(case.numbers(), &case.codebook(scheme)).unwrap()))
        };
        let tensors: Vec<(&Case, Encoded<'_>)> = schemes.flat_map(suited).collect();
        let mut barriers = 0;
        loop {
            let mut tries =
                tensors.iter().filter_map(|(case, encoded)| without(*strategy, (case, encoded), barriers));
            let Some((place, is_exact)) = tries.next() else { break };
            if is_exact && tries.all(|(_, is_exact)| is_exact) {
                eprintln!("{}: barrier {barriers} at {place} is not missed", strategy.name());
                unnoticed.push((strategy.name(), barriers));
            }
            barriers += 1;
        }
        assert!(barriers > 0, "{} has no barrier", strategy.name());
    }
    assert_eq!(unnoticed, UNNOTICED);
}
