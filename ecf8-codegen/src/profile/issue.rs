//! Which instructions each statement issues, and how often.
//!
//! The pass asks, from what has an effect backwards, which values must be in registers, and charges for each once, at the
//! place where a compiler would compute it: outside of the loops that it does not depend on. On the way it finds what one
//! instruction does for several operations: three inputs of `LOP3` and `IADD3`, sum and product of `IMAD`, shift and sum of
//! `LEA`, the offset of an address, an extension or mask that changes nothing. Costs themselves are in [`super::cost`].

use super::class::{Class, Counts};
use super::cost::{self, Halves};
use super::facts::Facts;
use super::known::Known;
use crate::emulator::Trace;
use crate::ir::{Arm, BinaryOp, Block, Kernel, MemoryId, Op, Space, Stmt, StmtKind, Ty, UnaryOp, ValueId};
use std::collections::{HashMap, HashSet};

/// How often something is executed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Often {
    /// Once per warp.
    Once,
    /// As often as this statement.
    Executions(usize),
    /// As often as this loop goes round.
    Rounds(usize),
}

/// Instructions of one statement.
#[derive(Debug, Clone, Copy)]
pub(super) struct Charge {
    pub(super) often: Often,
    /// The statement they belong to, wherever they are executed.
    pub(super) statement: usize,
    pub(super) counts: Counts,
}

/// The instructions of a kernel.
pub(super) fn charges(kernel: &Kernel, trace: &Trace) -> Vec<Charge> {
    let facts = Facts::new(kernel, Known::new(kernel, trace));
    let mut pass = Pass {
        kernel,
        facts,
        charges: vec![Charge { often: Often::Once, statement: 0, counts: cost::FRAME }],
        places: vec![Place { often: Often::Once, statement: 0 }; kernel.values.len()],
        computed: vec![false; kernel.values.len()],
        addresses: HashSet::new(),
        homes: HashMap::new(),
        loops: Vec::new(),
        statement: 0,
    };
    pass.block(&kernel.body);
    pass.charges
}

#[derive(Debug, Clone, Copy)]
struct Place {
    often: Often,
    statement: usize,
}

struct Pass<'k> {
    kernel: &'k Kernel,
    facts: Facts<'k>,
    charges: Vec<Charge>,
    /// Per value: where it is computed.
    places: Vec<Place>,
    /// Per value: whether it is in a register.
    computed: Vec<bool>,
    /// Addresses in registers: memory, index and size of element.
    addresses: HashSet<(MemoryId, ValueId, u64)>,
    /// The variable that a value is kept in.
    homes: HashMap<ValueId, usize>,
    /// The loops around, as statements.
    loops: Vec<usize>,
    /// Number of the next statement.
    statement: usize,
}

impl<'k> Pass<'k> {
    fn charge(&mut self, place: Place, counts: Counts) {
        if counts != Counts::NONE {
            self.charges.push(Charge { often: place.often, statement: place.statement, counts });
        }
    }

    /// Where something that depends on `level` loops is computed.
    fn place(&self, statement: usize, level: usize) -> Place {
        let often =
            self.loops.get(level).map_or(Often::Executions(statement), |&outer| Often::Executions(outer));
        Place { often, statement }
    }

    fn block(&mut self, block: &'k Block) {
        for stmt in block {
            let statement = self.statement;
            self.statement += 1;
            self.stmt(statement, stmt);
        }
    }

    fn stmt(&mut self, statement: usize, stmt: &'k Stmt) {
        let here = Place { often: Often::Executions(statement), statement };
        match &stmt.kind {
            StmtKind::Let(id, op) => {
                self.places[id.index()] = self.place(statement, self.facts.of(*id).level);
                match op {
                    Op::Load(memory, index) if self.facts.same(*id) == *id => {
                        let bytes = self.facts.ty(*id).bytes() as u64;
                        self.load(here, *memory, *index, bytes);
                        self.computed[id.index()] = true;
                    }
                    Op::Ballot(condition) => {
                        self.condition(*condition);
                        self.charge(here, cost::exchange(false, !self.loops.is_empty()));
                        self.computed[id.index()] = true;
                    }
                    Op::Shuffle(_, value, lane) => {
                        self.need(*value);
                        self.need(*lane);
                        self.charge(
                            here,
                            cost::exchange(self.facts.ty(*id) == Ty::U64, !self.loops.is_empty()),
                        );
                        self.computed[id.index()] = true;
                    }
                    _ => {}
                }
            }
            StmtKind::Declare(variable, Some(value)) | StmtKind::Assign(variable, value) => {
                self.assign(here, variable.index(), *value);
            }
            StmtKind::Store(memory, index, value) => {
                self.store(here, *memory, *index, std::slice::from_ref(value));
            }
            StmtKind::StoreVector { memory, index, values } => self.store(here, *memory, *index, values),
            StmtKind::LoadVector { results, memory, index } => {
                let width = results.first().map_or(0, |id| self.facts.ty(*id).bytes());
                self.load(here, *memory, *index, (width * results.len()) as u64);
                for id in results {
                    self.computed[id.index()] = true;
                }
            }
            StmtKind::Choose { result, condition, then, otherwise } => {
                self.choose(here, *result, *condition, [then, otherwise]);
            }
            StmtKind::If { condition, then, otherwise } => {
                self.branch(here, *condition, |pass| {
                    pass.block(then);
                    let middle = pass.statement;
                    pass.block(otherwise);
                    // The jump over the other arm.
                    (!then.is_empty() && !otherwise.is_empty()).then_some(middle)
                });
            }
            StmtKind::While { condition, body } => self.while_(here, condition, body),
            StmtKind::For { index, from, to, step, unroll, body } => {
                for value in [from, to, step] {
                    self.need(*value);
                }
                self.for_(here, *index, *unroll, body);
            }
            StmtKind::Break | StmtKind::Continue | StmtKind::Return => self.charge(here, cost::JUMP),
            StmtKind::Barrier | StmtKind::WarpBarrier => self.charge(here, cost::BARRIER),
            StmtKind::Declare(_, None) | StmtKind::Comment(_) => {}
        }
    }

    /// Puts a value into a variable.
    fn assign(&mut self, here: Place, variable: usize, value: ValueId) {
        if self.facts.known.variable(variable) {
            return;
        }
        self.need(value);
        let same = self.facts.same(value);
        // A value computed for the variable is computed in its register; what has a register of its own is copied.
        let has_its_own = match self.facts.definition(same) {
            Some(Op::Const(_) | Op::Special(_)) => true,
            Some(Op::Read(of)) => of.index() != variable,
            _ => self.homes.get(&same).is_some_and(|&home| home != variable),
        };
        self.homes.entry(same).or_insert(variable);
        if has_its_own && self.facts.of(value).demanded > 0 {
            let halves = Halves { low: true, high: self.facts.of(value).demanded > 32 };
            self.charge(here, cost::copy(halves));
        }
    }

    fn load(&mut self, here: Place, memory: MemoryId, index: ValueId, bytes: u64) {
        self.address(here, memory, index, bytes);
        let class = match self.kernel.memory(memory).space {
            Space::Global { .. } => Class::GlobalLoad,
            Space::Table { .. } => Class::Table,
            Space::Shared { .. } | Space::DynamicShared => Class::SharedLoad,
        };
        self.charge(here, cost::access(class));
    }

    fn store(&mut self, here: Place, memory: MemoryId, index: ValueId, values: &[ValueId]) {
        for value in values {
            self.need(*value);
        }
        let width = values.first().map_or(0, |id| self.facts.ty(*id).bytes());
        self.address(here, memory, index, (width * values.len()) as u64);
        let class = match self.kernel.memory(memory).space {
            Space::Shared { .. } | Space::DynamicShared => Class::SharedStore,
            _ => Class::GlobalStore,
        };
        self.charge(here, cost::access(class));
    }

    /// The address of an element: once for all accesses that differ by a constant.
    fn address(&mut self, here: Place, memory: MemoryId, index: ValueId, bytes: u64) {
        let is_far = matches!(
            self.kernel.memory(memory).space,
            Space::Global { .. } | Space::Table { in_constant_memory: false, .. }
        );
        let is_wide = self.facts.ty(index) == Ty::U64 && self.facts.of(index).bits > 32;
        let mut root = self.facts.same(index);
        // A 32-bit sum may wrap, which a 64-bit address must not.
        while let Some(Op::Binary(BinaryOp::Add | BinaryOp::Sub, a, b)) = self.facts.definition(root)
            && (!is_far || is_wide)
        {
            root = match (self.facts.is_known(*a), self.facts.is_known(*b)) {
                (_, true) => self.facts.same(*a),
                (true, _) => self.facts.same(*b),
                _ => break,
            };
        }
        if self.facts.is_known(root) || !self.addresses.insert((memory, root, bytes)) {
            return;
        }
        let place = Place {
            often: self.place(here.statement, self.facts.of(root).level).often,
            statement: here.statement,
        };
        self.need_scaled(root);
        let counts = if is_far { cost::global_address(bytes, is_wide) } else { cost::NEAR_ADDRESS };
        self.charge(place, counts);
    }

    /// The value in a register, but for a shift to the left that an address or a sum does on the side.
    fn need_scaled(&mut self, id: ValueId) {
        match self.absorbed(id) {
            Some(Op::Binary(BinaryOp::Shl, a, amount)) if self.facts.is_known(*amount) => self.need(*a),
            Some(Op::Binary(BinaryOp::Mul, a, factor)) if self.is_power_of_two(*factor) => self.need(*a),
            _ => self.need(id),
        }
    }

    fn is_power_of_two(&self, id: ValueId) -> bool {
        match self.facts.constant(id) {
            Some(factor) => factor.is_power_of_two(),
            None => self.facts.is_known(id),
        }
    }

    /// The operation behind a value that only one other uses, so that it may be done on the side; through extensions that
    /// change nothing.
    fn absorbed(&self, id: ValueId) -> Option<&'k Op> {
        let same = self.facts.same(id);
        if self.facts.of(same).uses != 1 || self.computed[same.index()] {
            return None;
        }
        match self.facts.definition(same)? {
            Op::Cast(a) if self.is_free_cast(same, *a) => self.absorbed(*a),
            op => Some(op),
        }
    }

    /// Whether two values are computed equally often: what is computed outside of a loop is not done again within it.
    fn is_beside(&self, inner: ValueId, outer: ValueId) -> bool {
        self.facts.of(inner).level == self.facts.of(outer).level
    }

    fn is_free_cast(&self, id: ValueId, from: ValueId) -> bool {
        let (from_ty, to) = (self.facts.ty(from), self.facts.ty(id));
        let cuts = self.facts.of(from).bits.min(self.facts.of(id).demanded) > to.bits() && to.bits() < 32;
        let extends_sign = from_ty == Ty::I32 && to == Ty::U64 && self.facts.of(id).demanded > 32;
        from_ty != Ty::Bool && to != Ty::Bool && !cuts && !extends_sign
    }

    /// The halves of a value that are neither zero nor of no interest.
    fn halves(&self, id: ValueId) -> Halves {
        let fact = self.facts.of(id);
        Halves { low: fact.zeros < 32 && fact.demanded > 0, high: self.facts.is_wide(id) }
    }

    /// The value must be in a register: charges for what computes it, unless it is there.
    fn need(&mut self, id: ValueId) {
        let same = self.facts.same(id);
        if self.computed[same.index()] || self.facts.is_known(same) || self.facts.of(same).demanded == 0 {
            return;
        }
        self.computed[same.index()] = true;
        let place = self.places[same.index()];
        let Some(op) = self.facts.definition(same) else { return };
        let counts = match op {
            Op::Const(_) | Op::Read(_) | Op::Load(..) | Op::Ballot(_) | Op::Shuffle(..) => return,
            Op::Special(_) => {
                self.charge(Place { often: Often::Once, ..place }, cost::COORDINATE);
                return;
            }
            Op::Cast(a) => self.cast(same, *a),
            Op::Unary(op, a) => self.unary(same, *op, *a),
            Op::Binary(op, a, b) => self.binary(same, *op, *a, *b),
            Op::Select(condition, a, b) => {
                self.condition(*condition);
                self.need(*a);
                self.need(*b);
                cost::selection(self.halves(same))
            }
            Op::FunnelLeft { high, low, amount } | Op::FunnelRight { high, low, amount } => {
                self.need_all([*high, *low, *amount]);
                cost::PERMUTE
            }
            Op::BytePermute(a, b, selector) => {
                self.need_all([*a, *b, *selector]);
                cost::PERMUTE
            }
        };
        self.charge(place, counts);
    }

    fn need_all<const N: usize>(&mut self, ids: [ValueId; N]) {
        for id in ids {
            self.need(id);
        }
    }

    fn cast(&mut self, id: ValueId, a: ValueId) -> Counts {
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

    fn unary(&mut self, id: ValueId, op: UnaryOp, a: ValueId) -> Counts {
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

    /// A truth value as a predicate.
    fn condition(&mut self, id: ValueId) {
        self.need(id);
    }

    fn binary(&mut self, id: ValueId, op: BinaryOp, a: ValueId, b: ValueId) -> Counts {
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

    fn product(&self, id: ValueId, a: ValueId, b: ValueId) -> Counts {
        let wide = |operand: ValueId| u32::from(self.facts.of(operand).bits > 32);
        cost::product(self.facts.is_wide(id), wide(a) + wide(b))
    }

    fn shift(&self, id: ValueId, op: BinaryOp, a: ValueId, amount: Option<u64>) -> Counts {
        let halves = self.halves(id);
        // A byte of a register is an operand as it is, and so is its upper half after a shift by 32 or more.
        if op == BinaryOp::Shr && self.facts.of(a).bits <= 32 {
            return cost::shift(Halves { high: false, ..halves }, amount);
        }
        cost::shift(halves, amount)
    }

    fn sum(&mut self, id: ValueId, op: BinaryOp, a: ValueId, b: ValueId) -> Counts {
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
    fn mark(&mut self, id: ValueId) {
        let same = self.facts.same(id);
        self.computed[same.index()] = true;
        if let Some(Op::Cast(a)) = self.facts.definition(same) {
            self.mark(*a);
        }
    }

    /// Up to three inputs at once; per half only where two of them are not zero.
    fn logic(&mut self, id: ValueId, op: BinaryOp, a: ValueId, b: ValueId) -> Counts {
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

    /// A branch. `body` walks over what is in it and says where its second arm begins, if it has two.
    fn branch(&mut self, here: Place, condition: ValueId, body: impl FnOnce(&mut Self) -> Option<usize>) {
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

    fn choose(&mut self, here: Place, result: ValueId, condition: ValueId, arms: [&'k Arm; 2]) {
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

    fn while_(&mut self, here: Place, condition: &'k Arm, body: &'k Block) {
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

    fn for_(&mut self, here: Place, index: ValueId, unroll: Option<u32>, body: &'k Block) {
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
