//! Branches, which may be predicated instead, and loops.

use super::{Charge, Often, Pass, Place};
use crate::ir::{Arm, Block, Ty, ValueId};
use crate::profile::class::{Class, Counts};
use crate::profile::cost::{self, Halves};

impl<'k> Pass<'k> {
    /// A branch. `body` walks over what is in it and says where its second arm begins, if it has two.
    pub(super) fn branch(
        &mut self,
        here: Place,
        condition: ValueId,
        body: impl FnOnce(&mut Self) -> Option<usize>,
    ) {
        self.condition(condition);
        let (charges, first) = (self.charges.len(), self.statement);
        let addresses = self.addresses.clone();
        let second_arm = body(self);
        self.addresses = addresses;
        if self.facts.is_known(condition) {
            return;
        }
        let inside = first..self.statement;
        let is_inside = |charge: &Charge| match charge.often {
            Often::Executions(statement) | Often::Rounds(statement) => inside.contains(&statement),
            Often::Once => false,
        };
        let body = || self.charges[charges..].iter().filter(|charge| is_inside(charge));
        let length: f64 = body().map(|charge| charge.counts.total()).sum();
        let jumps = |charge: &Charge| {
            charge.counts.get(Class::Barrier) + charge.counts.get(Class::Warp) > 0.0
                || matches!(charge.often, Often::Rounds(_))
                || charge.counts.get(Class::Branch) > 1.0
        };
        if length <= cost::LONGEST_PREDICATED && !body().any(jumps) {
            for charge in &mut self.charges[charges..] {
                if is_inside(charge) {
                    charge.often = here.often;
                }
            }
            return;
        }
        self.charge(here, cost::around(self.facts.known.varies(condition)));
        if let Some(second) = second_arm {
            let then = Place { often: Often::Executions(first), statement: here.statement };
            self.charge(then, if second > first { cost::JUMP } else { Counts::NONE });
        }
    }

    pub(super) fn choose(&mut self, here: Place, result: ValueId, condition: ValueId, arms: [&'k Arm; 2]) {
        let is_bool = self.facts.ty(result) == Ty::Bool;
        self.branch(here, condition, |pass| {
            let mut starts = [0; 2];
            for (start, arm) in starts.iter_mut().zip(arms) {
                *start = pass.statement;
                pass.block(&arm.block);
                pass.need(arm.value);
            }
            None
        });
        // A predicate is joined to the condition; a constant is put there before the branch.
        for arm in arms {
            if !is_bool && self.facts.is_known(arm.value) {
                self.charge(here, cost::copy(self.halves(result)));
            }
        }
        self.computed[result.index()] = true;
    }

    pub(super) fn while_(&mut self, here: Place, condition: &'k Arm, body: &'k Block) {
        let addresses = self.addresses.clone();
        self.loops.push(here.statement);
        self.block(&condition.block);
        self.condition(condition.value);
        self.block(body);
        self.loops.pop();
        self.addresses = addresses;
        if self.facts.known.is_written_out(here.statement) {
            return;
        }
        self.charge(here, cost::loop_entry(self.facts.known.varies(condition.value)));
        self.charge(Place { often: Often::Rounds(here.statement), ..here }, cost::JUMP);
    }

    pub(super) fn for_(&mut self, here: Place, index: ValueId, unroll: Option<u32>, body: &'k Block) {
        let addresses = self.addresses.clone();
        let (charges, first) = (self.charges.len(), self.statement);
        self.loops.push(here.statement);
        self.block(body);
        self.loops.pop();
        self.addresses = addresses;
        if self.facts.known.is_written_out(here.statement) {
            return;
        }
        let inside = |charge: &&Charge| matches!(charge.often, Often::Executions(n) if n >= first);
        let length: f64 =
            self.charges[charges..].iter().filter(inside).map(|charge| charge.counts.total()).sum();
        let factor = match unroll {
            Some(factor) => f64::from(factor.max(1)),
            None if length <= cost::LONGEST_UNROLLED => cost::USUAL_UNROLL,
            None => 1.0,
        };
        self.charge(here, cost::copy(Halves { low: true, high: false }));
        self.charge(here, cost::loop_entry(self.facts.known.varies(index)));
        self.charge(Place { often: Often::Rounds(here.statement), ..here }, cost::counted_round(factor));
    }
}
