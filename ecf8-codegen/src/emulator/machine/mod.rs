//! What a block does, statement by statement, under a mask of active threads.
//!
//! - `access`: loads and stores.
//! - `control`: arms and loops.

mod access;
mod control;

use super::fault::{Fault, FaultKind};
use super::lanes::{self, LANES, Lanes, MAX_WARPS, Mask};
use super::memory::{Global, SharedArray};
use super::observe::Observer;
use super::program::{Code, Instruction, Preset, Program, Register, Step};
use super::{Bindings, Checks};
use crate::ir::{BinaryOp, Location, Space, Special, Ty, VarId};
use crate::launch::{Gather, Launch};

/// Rounds after which a loop counts as endless.
const MAX_ROUNDS: u64 = 1 << 24;

/// Where an array lives.
enum ArrayHome<'p> {
    Global(Global<'p>),
    Shared(SharedArray),
    Table(Vec<u8>),
}

/// One block at a time; used again for the next.
pub(super) struct Machine<'p, O> {
    program: &'p Program<'p>,
    launch: &'p Launch<Gather<'p>>,
    scalars: &'p [u64],
    checks: Checks,
    warps: usize,
    /// `registers[register * warps + warp]`
    registers: Vec<Lanes>,
    /// Per variable and warp: the lanes that have assigned it.
    assigned: Vec<u32>,
    places: Vec<ArrayHome<'p>>,
    block: u32,
    /// Barriers passed, plus one.
    epoch: u32,
    /// Barriers passed by each warp alone.
    warp_epochs: [u32; MAX_WARPS],
    returned: Mask,
    /// Per open loop: the threads that go on with its next round.
    continued: Vec<Mask>,
    observer: O,
}

type Outcome<T> = Result<T, Box<Fault>>;

impl<'p, O: Observer> Machine<'p, O> {
    pub(super) fn new(
        program: &'p Program<'p>,
        bindings: &'p Bindings<'p>,
        launch: &'p Launch<Gather<'p>>,
        checks: Checks,
        observer: O,
    ) -> Self {
        let warps = (program.kernel.threads as usize).div_ceil(LANES);
        let track = checks == Checks::Full;
        let places = program.kernel.memories.iter().zip(&bindings.memories).map(|(memory, bound)| {
            let width = memory.ty.bytes();
            match (&memory.space, bound) {
                (Space::Shared { elements }, _) => {
                    ArrayHome::Shared(SharedArray::new(elements * width, track))
                }
                (Space::DynamicShared, _) => {
                    ArrayHome::Shared(SharedArray::new(launch.dynamic_shared_bytes as usize, track))
                }
                (Space::Table { data, .. }, _) => ArrayHome::Table(
                    data.iter().flat_map(|bits| bits.to_le_bytes().into_iter().take(width)).collect(),
                ),
                (Space::Global { .. }, Some(global)) => ArrayHome::Global(*global),
                (Space::Global { .. }, None) => ArrayHome::Table(Vec::new()),
            }
        });
        Self {
            places: places.collect(),
            program,
            launch,
            scalars: &bindings.scalars,
            checks,
            warps,
            registers: vec![[0; LANES]; program.registers * warps],
            assigned: vec![0; program.kernel.variables.len() * warps],
            block: 0,
            epoch: 1,
            warp_epochs: [0; MAX_WARPS],
            returned: Mask::EMPTY,
            continued: Vec::new(),
            observer,
        }
    }

    /// Runs one block to its end.
    pub(super) fn run(&mut self, block: u32) -> Outcome<()> {
        self.block = block;
        self.epoch = 1;
        self.warp_epochs = [0; MAX_WARPS];
        self.returned = Mask::EMPTY;
        self.continued.clear();
        self.assigned.fill(0);
        for place in &mut self.places {
            if let ArrayHome::Shared(array) = place {
                array.reset();
            }
        }
        for &(register, preset) in &self.program.presets {
            for warp in 0..self.warps {
                self.registers[register * self.warps + warp] = match preset {
                    Preset::Constant(bits) => [bits; LANES],
                    Preset::Scalar(n) => [self.scalars[n]; LANES],
                    Preset::Special(Special::BlockIdx) => [block.into(); LANES],
                    Preset::Special(Special::GridDim) => [self.launch.grid.into(); LANES],
                    Preset::Special(Special::ThreadIdx) => {
                        std::array::from_fn(|lane| (warp * LANES + lane) as u64)
                    }
                };
            }
        }
        let everyone = Mask::first(self.program.kernel.threads as usize);
        self.code(&self.program.code, everyone)?;
        self.observer.block_ends(block);
        Ok(())
    }

    /// What the observer has seen.
    pub(super) fn into_observer(self) -> O {
        self.observer
    }

    fn fault(&self, at: Location, thread: Option<usize>, kind: FaultKind) -> Box<Fault> {
        Box::new(Fault {
            kind,
            kernel: self.program.kernel.name.clone(),
            at: Some(at),
            callers: self.program.kernel.callers(at),
            block: Some(self.block),
            thread: thread.and_then(|thread| u32::try_from(thread).ok()),
        })
    }

    #[inline]
    fn get(&self, register: Register, warp: usize) -> &Lanes {
        &self.registers[register * self.warps + warp]
    }

    #[inline]
    fn set(&mut self, register: Register, warp: usize, value: Lanes) {
        self.registers[register * self.warps + warp] = value;
    }

    /// The threads of `mask` in which the register is true.
    fn truth(&self, register: Register, mask: Mask) -> Mask {
        let mut words = mask.0;
        for (warp, word) in words.iter_mut().enumerate().take(self.warps) {
            if *word != 0 {
                *word &= lanes::truth(self.get(register, warp));
            }
        }
        Mask(words)
    }

    /// Calls `f` for each warp with an active thread.
    #[inline]
    fn each_warp(&mut self, mask: Mask, mut f: impl FnMut(&mut Self, usize, u32)) {
        for warp in 0..self.warps {
            if mask.0[warp] != 0 {
                f(self, warp, mask.0[warp]);
            }
        }
    }

    /// Runs instructions; returns the threads that reach their end.
    fn code(&mut self, code: &'p Code, mut mask: Mask) -> Outcome<Mask> {
        for step in code {
            mask = self.step(step, mask)?;
            if mask.is_empty() {
                break;
            }
        }
        Ok(mask)
    }

    fn step(&mut self, step: &'p Step, mask: Mask) -> Outcome<Mask> {
        let (at, statement) = (step.at, step.statement);
        self.observer.executes(statement, &mask);
        match &step.instruction {
            &Instruction::Binary { op, ty, to, a, b } => self.binary(at, mask, op, ty, (to, a, b))?,
            &Instruction::Read { variable, to, from } => self.read(at, mask, variable, to, from)?,
            &Instruction::Assign { variable, to, from } => {
                self.each_warp(mask, |m, warp, word| {
                    let new = *m.get(from, warp);
                    lanes::blend(&mut m.registers[to * m.warps + warp], &new, word);
                    m.assigned[variable.index() * m.warps + warp] |= word;
                });
            }
            &Instruction::Cast { from, ty, to, a } => {
                self.each_warp(mask, |m, warp, _| m.set(to, warp, lanes::cast(from, ty, m.get(a, warp))));
            }
            &Instruction::Load { memory, width, to, index } => {
                self.load((at, statement), mask, (memory, width), &[to], index)?;
            }
            Instruction::LoadVector { memory, width, index, to } => {
                self.load((at, statement), mask, (*memory, *width), to, *index)?;
            }
            &Instruction::Store { memory, width, index, from } => {
                self.store((at, statement), mask, (memory, width), index, &[from])?;
            }
            Instruction::StoreVector { memory, width, index, from } => {
                self.store((at, statement), mask, (*memory, *width), *index, from)?;
            }
            &Instruction::Ternary { op, to, of: [a, b, c] } => {
                self.each_warp(mask, |m, warp, _| {
                    let (a, b, c) = (m.get(a, warp), m.get(b, warp), m.get(c, warp));
                    let value = std::array::from_fn(|lane| op(a[lane], b[lane], c[lane]));
                    m.set(to, warp, value);
                });
            }
            &Instruction::Ballot { to, condition } => {
                self.whole_warps(at, mask, "ballot")?;
                self.each_warp(mask, |m, warp, word| {
                    let ballot = lanes::truth(m.get(condition, warp)) & word;
                    m.set(to, warp, [ballot.into(); LANES]);
                });
            }
            &Instruction::Shuffle { how, to, value, lane } => {
                self.whole_warps(at, mask, "shuffle")?;
                self.each_warp(mask, |m, warp, _| {
                    m.set(to, warp, lanes::shuffle(how, m.get(value, warp), m.get(lane, warp)));
                });
            }
            &Instruction::Unary { op, ty, to, a } => {
                self.each_warp(mask, |m, warp, _| m.set(to, warp, lanes::unary(ty, op, m.get(a, warp))));
            }
            &Instruction::Select { to, condition, a, b } => {
                self.each_warp(mask, |m, warp, _| {
                    m.set(to, warp, lanes::select(m.get(condition, warp), m.get(a, warp), m.get(b, warp)));
                });
            }
            &Instruction::Declare { variable } => {
                self.each_warp(mask, |m, warp, word| m.assigned[variable.index() * m.warps + warp] &= !word);
            }
            Instruction::Choose { to, condition, then, otherwise } => {
                let yes = self.truth(*condition, mask);
                let yes = self.arm(then, yes, *to)?;
                let no = self.arm(otherwise, mask.without(self.truth(*condition, mask)), *to)?;
                return Ok(yes.or(no));
            }
            Instruction::If { condition, then, otherwise } => {
                let yes = self.truth(*condition, mask);
                let no = mask.without(yes);
                let yes = if yes.is_empty() { yes } else { self.code(then, yes)? };
                let no = if no.is_empty() { no } else { self.code(otherwise, no)? };
                return Ok(yes.or(no));
            }
            Instruction::While { condition, body } => {
                return self.while_((at, statement), mask, condition, body);
            }
            Instruction::For { ty, index, from, limit, step, body } => {
                return self.for_((at, statement), mask, *ty, (*index, *from, *limit, *step), body);
            }
            Instruction::Break => return Ok(Mask::EMPTY),
            Instruction::Continue => {
                if let Some(continued) = self.continued.last_mut() {
                    *continued = continued.or(mask);
                }
                return Ok(Mask::EMPTY);
            }
            Instruction::Return => {
                self.returned = self.returned.or(mask);
                return Ok(Mask::EMPTY);
            }
            Instruction::Barrier => {
                let expected = Mask::first(self.program.kernel.threads as usize).without(self.returned);
                if mask != expected {
                    let kind =
                        FaultKind::DivergentBarrier { present: mask.count(), expected: expected.count() };
                    return Err(self.fault(at, expected.without(mask).first_thread(), kind));
                }
                self.epoch += 1;
            }
            Instruction::WarpBarrier => {
                self.whole_warps(at, mask, "sync_warp")?;
                for (epoch, word) in self.warp_epochs.iter_mut().zip(mask.0) {
                    *epoch += u32::from(word != 0);
                }
            }
        }
        Ok(mask)
    }

    /// Checks that in each warp all threads that have not returned are active, or none.
    fn whole_warps(&self, at: Location, mask: Mask, operation: &'static str) -> Outcome<()> {
        let expected = Mask::first(self.program.kernel.threads as usize).without(self.returned);
        for warp in 0..self.warps {
            let (present, expected) = (mask.0[warp], expected.0[warp]);
            if present != 0 && present != expected {
                let missing = warp * LANES + (expected & !present).trailing_zeros() as usize;
                let (present, expected) = (present.count_ones(), expected.count_ones());
                return Err(self.fault(
                    at,
                    Some(missing),
                    FaultKind::DivergentWarp { operation, present, expected },
                ));
            }
        }
        Ok(())
    }

    fn binary(
        &mut self,
        at: Location,
        mask: Mask,
        op: BinaryOp,
        ty: Ty,
        (to, a, b): (Register, Register, Register),
    ) -> Outcome<()> {
        for warp in 0..self.warps {
            let word = mask.0[warp];
            if word == 0 {
                continue;
            }
            let (left, right) = (self.get(a, warp), self.get(b, warp));
            if let Some(lane) = lanes::has_no_value(ty, op, left, right, word) {
                let kind = if op.is_shift() {
                    FaultKind::Shift { amount: right[lane], bits: ty.bits() }
                } else if right[lane] == 0 {
                    FaultKind::DivisionByZero
                } else {
                    FaultKind::DivisionOverflow
                };
                return Err(self.fault(at, Some(warp * LANES + lane), kind));
            }
            let value = lanes::binary(ty, op, left, right);
            self.set(to, warp, value);
        }
        Ok(())
    }

    fn read(
        &mut self,
        at: Location,
        mask: Mask,
        variable: VarId,
        to: Register,
        from: Register,
    ) -> Outcome<()> {
        for warp in 0..self.warps {
            let word = mask.0[warp];
            if word == 0 {
                continue;
            }
            let unset = word & !self.assigned[variable.index() * self.warps + warp];
            if self.checks == Checks::Full && unset != 0 {
                let what = self.program.kernel.variable(variable).name.clone();
                let thread = warp * LANES + unset.trailing_zeros() as usize;
                return Err(self.fault(at, Some(thread), FaultKind::Uninitialised { what, index: None }));
            }
            let value = *self.get(from, warp);
            self.set(to, warp, value);
        }
        Ok(())
    }
}
