//! Which instructions each statement issues, and how often.
//!
//! The pass asks, from what has an effect backwards, which values must be in registers, and charges for each once, at the
//! place where a compiler would compute it: outside of the loops that it does not depend on. On the way it finds what one
//! instruction does for several operations: three inputs of `LOP3` and `IADD3`, sum and product of `IMAD`, shift and sum of
//! `LEA`, the offset of an address, an extension or mask that changes nothing. Costs themselves are in [`super::cost`].
//!
//! - `access`: loads and stores, and the addresses they share.
//! - `arithmetic`: what computes a value.
//! - `control`: branches and loops.

mod access;
mod arithmetic;
mod control;

use super::class::Counts;
use super::cost::{self, Halves};
use super::facts::Facts;
use super::known::Known;
use crate::emulator::Trace;
use crate::ir::{Block, Kernel, MemoryId, Op, Stmt, StmtKind, Ty, ValueId};
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

    /// A truth value as a predicate.
    fn condition(&mut self, id: ValueId) {
        self.need(id);
    }
}
