//! What computes a value, and what one instruction does for several operations.

use super::Pass;
use crate::ir::{BinaryOp, Op, Ty, UnaryOp, ValueId};
use crate::profile::class::Counts;
use crate::profile::cost::{self, Halves};

impl Pass<'_> {
    pub(super) fn cast(&mut self, id: ValueId, a: ValueId) -> Counts {
        let (from, to) = (self.facts.ty(a), self.facts.ty(id));
        if to == Ty::Bool {
            self.need(a);
            return cost::comparison(self.facts.of(a).bits > 32);
        }
        if from == Ty::Bool {
            self.condition(a);
            return cost::selection(Halves { low: true, high: false });
        }
        self.need(a);
        match (self.is_free_cast(id, a), to) {
            (true, _) => Counts::NONE,
            (false, Ty::U64) => cost::SIGN,
            (false, _) => cost::MASK,
        }
    }

    pub(super) fn unary(&mut self, id: ValueId, op: UnaryOp, a: ValueId) -> Counts {
        let is_wide = self.facts.ty(a) == Ty::U64 && self.facts.of(a).bits > 32;
        match op {
            UnaryOp::Not if self.facts.ty(id) == Ty::Bool => {
                self.condition(a);
                Counts::NONE
            }
            UnaryOp::Not => {
                self.need(a);
                cost::logic(self.halves(id))
            }
            UnaryOp::CountOnes => {
                self.need(a);
                cost::count_ones(is_wide)
            }
            UnaryOp::LeadingZeros => {
                self.need(a);
                cost::leading_zeros(is_wide)
            }
        }
    }

    pub(super) fn binary(&mut self, id: ValueId, op: BinaryOp, a: ValueId, b: ValueId) -> Counts {
        let is_wide = self.facts.is_wide(id);
        let is_bool = self.facts.ty(id) == Ty::Bool;
        match op {
            BinaryOp::Add | BinaryOp::Sub => self.sum(id, op, a, b),
            BinaryOp::And | BinaryOp::Or | BinaryOp::Xor if is_bool => {
                let joins = [a, b].iter().any(|&operand| {
                    matches!(self.absorbed(operand), Some(Op::Binary(op, ..)) if op.is_comparison())
                });
                self.need(a);
                self.need(b);
                cost::predicate_logic(joins)
            }
            BinaryOp::And | BinaryOp::Or | BinaryOp::Xor => self.logic(id, op, a, b),
            BinaryOp::Shl | BinaryOp::Shr => {
                self.need(a);
                self.need(b);
                self.shift(id, op, a, self.facts.constant(b))
            }
            BinaryOp::Mul => {
                self.need(a);
                self.need(b);
                match self.facts.constant(b).filter(|factor| factor.is_power_of_two()) {
                    Some(factor) if self.facts.of(a).bits > 32 || !is_wide => {
                        cost::shift(self.halves(id), Some(u64::from(factor.trailing_zeros())))
                    }
                    _ => self.product(id, a, b),
                }
            }
            BinaryOp::Div | BinaryOp::Rem => {
                self.need(a);
                self.need(b);
                match self.facts.constant(b) {
                    Some(divisor) if divisor.is_power_of_two() && op == BinaryOp::Div => {
                        self.shift(id, BinaryOp::Shr, a, Some(u64::from(divisor.trailing_zeros())))
                    }
                    Some(divisor) if divisor.is_power_of_two() => cost::logic(self.halves(id)),
                    divisor => cost::quotient(self.facts.of(a).bits > 32, divisor.is_some()),
                }
            }
            BinaryOp::Min | BinaryOp::Max => {
                self.need(a);
                self.need(b);
                cost::extreme(is_wide)
            }
            _ => {
                self.need(a);
                self.need(b);
                cost::comparison(self.facts.of(a).bits.max(self.facts.of(b).bits) > 32)
            }
        }
    }

    pub(super) fn product(&self, id: ValueId, a: ValueId, b: ValueId) -> Counts {
        let wide = |operand: ValueId| u32::from(self.facts.of(operand).bits > 32);
        cost::product(self.facts.is_wide(id), wide(a) + wide(b))
    }

    pub(super) fn shift(&self, id: ValueId, op: BinaryOp, a: ValueId, amount: Option<u64>) -> Counts {
        let halves = self.halves(id);
        // A byte of a register is an operand as it is, and so is its upper half after a shift by 32 or more.
        if op == BinaryOp::Shr && self.facts.of(a).bits <= 32 {
            return cost::shift(Halves { high: false, ..halves }, amount);
        }
        cost::shift(halves, amount)
    }

    pub(super) fn sum(&mut self, id: ValueId, op: BinaryOp, a: ValueId, b: ValueId) -> Counts {
        let is_wide = self.facts.is_wide(id);
        for (inner, other) in [(b, a), (a, b)] {
            match self.absorbed(inner).filter(|_| self.is_beside(inner, id)) {
                Some(Op::Binary(BinaryOp::Mul, x, y))
                    if !self.is_power_of_two(*y) || (is_wide && self.facts.of(*x).bits <= 32) =>
                {
                    let (x, y) = (*x, *y);
                    self.need_all([x, y, other]);
                    self.mark(inner);
                    return self.product(id, x, y);
                }
                Some(Op::Binary(BinaryOp::Shl | BinaryOp::Mul, x, y))
                    if self.facts.is_known(*y) && (op == BinaryOp::Add || inner == b) =>
                {
                    let x = *x;
                    self.need(x);
                    self.need(other);
                    self.mark(inner);
                    return cost::sum(Halves { low: true, high: is_wide });
                }
                Some(Op::Binary(BinaryOp::Add | BinaryOp::Sub, x, y)) if !is_wide => {
                    let (x, y) = (*x, *y);
                    self.need_all([x, y, other]);
                    self.mark(inner);
                    return cost::sum(Halves { low: true, high: false });
                }
                _ => {}
            }
        }
        self.need(a);
        self.need(b);
        cost::sum(Halves { low: true, high: is_wide })
    }

    /// The value has been computed on the side.
    pub(super) fn mark(&mut self, id: ValueId) {
        let same = self.facts.same(id);
        self.computed[same.index()] = true;
        if let Some(Op::Cast(a)) = self.facts.definition(same) {
            self.mark(*a);
        }
    }

    /// Up to three inputs at once; per half only where two of them are not zero.
    pub(super) fn logic(&mut self, id: ValueId, op: BinaryOp, a: ValueId, b: ValueId) -> Counts {
        if op == BinaryOp::And
            && let Some(mask) = self.facts.constant(b)
        {
            let looked_at = self.facts.of(a).bits.min(self.facts.of(id).demanded);
            if mask.trailing_ones() >= looked_at {
                self.need(a);
                return Counts::NONE;
            }
        }
        let mut inputs = vec![a, b];
        for inner in [a, b] {
            let Some(Op::Binary(BinaryOp::And | BinaryOp::Or | BinaryOp::Xor, x, y)) =
                self.absorbed(inner).filter(|_| self.is_beside(inner, id))
            else {
                continue;
            };
            let (x, y) = (*x, *y);
            let is_no_op =
                matches!(self.facts.constant(y), Some(mask) if mask.trailing_ones() >= self.facts.of(x).bits);
            if !is_no_op && inputs.len() == 2 {
                inputs.retain(|&input| input != inner);
                inputs.extend([x, y]);
                self.mark(inner);
            }
        }
        for input in &inputs {
            self.need(*input);
        }
        let halves = self.halves(id);
        let mut live = [0; 2];
        for input in inputs {
            let fact = self.facts.of(input);
            live[0] += u32::from(fact.zeros < 32);
            live[1] += u32::from(fact.bits > 32);
        }
        let is_and = op == BinaryOp::And;
        cost::logic(Halves {
            low: halves.low && (is_and || live[0] > 1),
            high: halves.high && (is_and || live[1] > 1),
        })
    }
}
