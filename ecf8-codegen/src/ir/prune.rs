//! Values that nobody uses are dropped, as any compiler would: staging leaves many behind.

use super::{Arm, Block, Kernel, StmtKind, ValueId};
use std::collections::HashSet;

/// Drops the definitions of unused values, and then of those that only they used.
pub(super) fn drop_unused(kernel: &mut Kernel) {
    let mut used = HashSet::new();
    prune(&mut kernel.body, &mut used);
}

/// Goes through a block backwards, so that uses are known before the definition is reached.
fn prune(block: &mut Block, used: &mut HashSet<ValueId>) {
    for i in (0..block.len()).rev() {
        let kind = &mut block[i].kind;
        let results = kind.results();
        let is_pure = !results.is_empty();
        if is_pure && !results.iter().any(|result| used.contains(result)) {
            block.remove(i);
            continue;
        }
        match kind {
            StmtKind::Choose { then, otherwise, .. } => {
                prune_arm(then, used);
                prune_arm(otherwise, used);
            }
            StmtKind::If { then, otherwise, .. } => {
                prune(then, used);
                prune(otherwise, used);
            }
            StmtKind::While { condition, body } => {
                prune_arm(condition, used);
                prune(body, used);
            }
            StmtKind::For { body, .. } => prune(body, used),
            _ => {}
        }
        kind.for_each_operand(|value| {
            used.insert(value);
        });
    }
}

fn prune_arm(arm: &mut Arm, used: &mut HashSet<ValueId>) {
    used.insert(arm.value);
    prune(&mut arm.block, used);
}
