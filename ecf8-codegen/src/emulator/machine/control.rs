//! Arms and loops: which threads go where, and for how long.

use super::{MAX_ROUNDS, Machine, Outcome};
use crate::emulator::fault::FaultKind;
use crate::emulator::lanes::{self, Mask};
use crate::emulator::observe::Observer;
use crate::emulator::program::{ArmCode, Code, Register};
use crate::ir::{BinaryOp, Location, Ty};

impl<'p, O: Observer> Machine<'p, O> {
    /// Runs an arm and puts its result into the lanes that took it.
    pub(super) fn arm(&mut self, arm: &'p ArmCode, mask: Mask, to: Register) -> Outcome<Mask> {
        if mask.is_empty() {
            return Ok(mask);
        }
        let mask = self.code(&arm.code, mask)?;
        self.each_warp(mask, |m, warp, word| {
            let value = *m.get(arm.result, warp);
            lanes::blend(&mut m.registers[to * m.warps + warp], &value, word);
        });
        Ok(mask)
    }

    pub(super) fn while_(
        &mut self,
        (at, statement): (Location, usize),
        entered: Mask,
        condition: &'p ArmCode,
        body: &'p Code,
    ) -> Outcome<Mask> {
        self.rounds(at, entered, |m, mask| {
            let asking = m.code(&condition.code, mask)?;
            let mask = m.truth(condition.result, asking);
            m.observer.goes_round(statement, &asking, &mask);
            if mask.is_empty() { Ok(mask) } else { m.code(body, mask) }
        })
    }

    pub(super) fn for_(
        &mut self,
        (at, statement): (Location, usize),
        entered: Mask,
        ty: Ty,
        (index, from, limit, step): (Register, Register, Register, Register),
        body: &'p Code,
    ) -> Outcome<Mask> {
        self.each_warp(entered, |m, warp, word| {
            let first = *m.get(from, warp);
            lanes::blend(&mut m.registers[index * m.warps + warp], &first, word);
        });
        let mut started = false;
        self.rounds(at, entered, |m, mask| {
            if std::mem::replace(&mut started, true) {
                m.each_warp(mask, |m, warp, word| {
                    let next = lanes::binary(ty, BinaryOp::Add, m.get(index, warp), m.get(step, warp));
                    lanes::blend(&mut m.registers[index * m.warps + warp], &next, word);
                });
            }
            let mut words = mask.0;
            for (warp, word) in words.iter_mut().enumerate().take(m.warps) {
                if *word != 0 {
                    *word &= lanes::truth(&lanes::binary(
                        ty,
                        BinaryOp::Lt,
                        m.get(index, warp),
                        m.get(limit, warp),
                    ));
                }
            }
            let asking = mask;
            let mask = Mask(words);
            m.observer.goes_round(statement, &asking, &mask);
            if mask.is_empty() { Ok(mask) } else { m.code(body, mask) }
        })
    }

    /// Runs rounds until no thread is left; returns the threads that leave the loop rather than the kernel.
    pub(super) fn rounds(
        &mut self,
        at: Location,
        entered: Mask,
        mut round: impl FnMut(&mut Self, Mask) -> Outcome<Mask>,
    ) -> Outcome<Mask> {
        let mut mask = entered;
        let mut rounds = 0;
        while !mask.is_empty() {
            self.continued.push(Mask::EMPTY);
            let reached = round(self, mask)?;
            mask = reached.or(self.continued.pop().unwrap_or(Mask::EMPTY));
            rounds += 1;
            if rounds > MAX_ROUNDS {
                return Err(self.fault(at, mask.first_thread(), FaultKind::Endless { rounds: MAX_ROUNDS }));
            }
        }
        Ok(entered.without(self.returned))
    }
}
