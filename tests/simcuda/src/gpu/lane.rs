//! What one thread does by itself.

use super::touch::Touch;
use super::{Fault, Kind, alu};
use crate::gpu::block::{Block, Stop};
use crate::ptx::{Instruction, Logic, Op, Register, Source, Space, Type};

impl Block<'_> {
    /// Runs at most `count` instructions of a thread, until it has to wait or is done.
    pub(super) fn step(&mut self, thread: usize, count: u32) -> Result<Stop, Fault> {
        let kernel = self.kernel;
        let mut at = self.lanes[thread].at;
        for _ in 0..count {
            let Some(&Instruction { guard, op }) = kernel.code.get(at) else {
                return Err(Fault::undefined("a kernel without an end"));
            };
            self.instructions += 1;
            if let Some((predicate, is_negated)) = guard
                && (self.register(thread, predicate) != 0) == is_negated
            {
                at += 1;
                continue;
            }
            match op {
                Op::Branch { to } => {
                    at = to as usize;
                    continue;
                }
                Op::Return | Op::Barrier | Op::WarpSync { .. } | Op::Shuffle { .. } | Op::Vote { .. } => {
                    self.lanes[thread].at = at;
                    return Ok(match op {
                        Op::Return => Stop::Done,
                        Op::Barrier => Stop::AtBarrier,
                        _ => Stop::AtWarp,
                    });
                }
                other => {
                    // Where it is, should it fail.
                    self.lanes[thread].at = at;
                    self.execute(thread, other)?;
                }
            }
            at += 1;
        }
        self.lanes[thread].at = at;
        Ok(Stop::Interrupted)
    }

    pub(super) fn register(&self, thread: usize, register: Register) -> u64 {
        self.registers[thread * self.kernel.registers + usize::from(register)]
    }

    pub(super) fn set(&mut self, thread: usize, register: Register, value: u64) {
        self.registers[thread * self.kernel.registers + usize::from(register)] = value;
    }

    pub(super) fn value(&self, thread: usize, source: Source) -> u64 {
        match source {
            Source::Register(register) => self.register(thread, register),
            Source::Constant(index) => self.kernel.constants[usize::from(index)],
        }
    }

    fn execute(&mut self, thread: usize, op: Op) -> Result<(), Fault> {
        let value = |source| self.value(thread, source);
        let (to, result) = match op {
            Op::Convert { to, from, value: source, as_type } => (to, as_type.cut(from.wide(value(source)))),
            Op::Unary { op, to, of, value: source } => (to, alu::unary(op, of, value(source))),
            Op::Binary { op, to, of, a, b } => (to, alu::binary(op, of, value(a), value(b))),
            Op::MultiplyAdd { op, to, of, a, b, c } => {
                let product = alu::binary(op, of, value(a), value(b));
                let bits = if op == crate::ptx::Binary::MultiplyWide { 2 * of.bits } else { of.bits };
                (to, Type { bits, ..of }.cut(product.wrapping_add(value(c))))
            }
            Op::Compare { how, to, of, a, b, and } => {
                let is = alu::compare(how, of, value(a), value(b));
                let is = match and {
                    None => is,
                    Some((logic, predicate, is_negated)) => {
                        let other = (self.register(thread, predicate) != 0) != is_negated;
                        match logic {
                            Logic::And => is & other,
                            Logic::Or => is | other,
                            Logic::Xor => is ^ other,
                        }
                    }
                };
                (to, u64::from(is))
            }
            Op::Select { to, yes, no, by } => {
                (to, if self.register(thread, by) != 0 { value(yes) } else { value(no) })
            }
            Op::Permute { to, low, high, by } => (to, alu::permute(value(low), value(high), value(by))),
            Op::Funnel { to, low, high, by, is_left, is_clamped } => {
                (to, alu::funnel(value(low), value(high), value(by), is_left, is_clamped))
            }
            Op::Insert { to, of, from, into, start, count } => {
                (to, alu::insert(of, value(from), value(into), value(start), value(count)))
            }
            Op::Extract { to, of, from, start, count } => {
                (to, alu::extract(of, value(from), value(start), value(count)))
            }
            Op::Logic3 { to, a, b, c, table } => (to, alu::logic3(value(a), value(b), value(c), table)),
            Op::Join { to, low, high, half } => (to, value(low) | value(high) << half),
            Op::Part { low, high, value: source, half } => {
                let whole = value(source);
                self.set(thread, low, Type { bits: half, is_signed: false }.cut(whole));
                (high, whole >> half)
            }
            Op::LoadParameter { to, start, of } => {
                let start = usize::from(start);
                let bytes = self.parameters.get(start..start + of.bytes());
                let bytes = bytes.ok_or_else(|| Fault::new(Kind::Address, "a read behind the parameters"))?;
                (to, of_bytes(bytes, of))
            }
            Op::Load { to, count, of, space, base, offset } => {
                let address = value(base).wrapping_add_signed(offset.into());
                return self.load(thread, &to[..usize::from(count)], of, space, address);
            }
            Op::Store { from, count, of, space, base, offset } => {
                let address = value(base).wrapping_add_signed(offset.into());
                return self.store(thread, &from[..usize::from(count)], of, space, address);
            }
            Op::Branch { .. }
            | Op::Return
            | Op::Barrier
            | Op::WarpSync { .. }
            | Op::Shuffle { .. }
            | Op::Vote { .. } => {
                return Ok(());
            }
        };
        self.set(thread, to, result);
        Ok(())
    }

    fn load(
        &mut self,
        thread: usize,
        to: &[Register],
        of: Type,
        space: Space,
        address: u64,
    ) -> Result<(), Fault> {
        let (width, now) = (of.bytes(), self.touch(thread));
        let size = width * to.len();
        aligned(address, size)?;
        let mut values = [0; 4];
        let bytes = match space {
            Space::Shared => self.shared.read(address, size, now, self.clock)?,
            _ => self.memory.read(address, size, space == Space::ReadOnly, now, self.clock)?,
        };
        for (value, bytes) in values.iter_mut().zip(bytes.chunks_exact(width)) {
            *value = of_bytes(bytes, of);
        }
        to.iter().zip(values).for_each(|(to, value)| self.set(thread, *to, value));
        Ok(())
    }

    fn store(
        &mut self,
        thread: usize,
        from: &[Source],
        of: Type,
        space: Space,
        address: u64,
    ) -> Result<(), Fault> {
        let (width, now) = (of.bytes(), self.touch(thread));
        let size = width * from.len();
        aligned(address, size)?;
        let mut values = [0; 4];
        values.iter_mut().zip(from).for_each(|(value, from)| *value = self.value(thread, *from));
        let bytes = match space {
            Space::Shared => self.shared.write(address, size, now, self.clock)?,
            _ => self.memory.write(address, size, now, self.clock)?,
        };
        for (bytes, value) in bytes.chunks_exact_mut(width).zip(values) {
            bytes.copy_from_slice(&value.to_le_bytes()[..width]);
        }
        Ok(())
    }

    fn touch(&self, thread: usize) -> Touch {
        Touch::new(self.phases[thread / 32], u16::try_from(thread).unwrap_or(u16::MAX))
    }
}

/// A value of memory as registers hold it: with its sign in all 32 bits or more, if it has one.
fn of_bytes(bytes: &[u8], of: Type) -> u64 {
    let mut all = [0; 8];
    all[..bytes.len()].copy_from_slice(bytes);
    let value = of.wide(u64::from_le_bytes(all));
    if of.is_signed { Type { bits: of.bits.max(32), ..of }.cut(value) } else { value }
}

fn aligned(address: u64, size: usize) -> Result<(), Fault> {
    if address.is_multiple_of(size as u64) {
        return Ok(());
    }
    Err(Fault::new(
        Kind::Alignment,
        format!("an access of {size} bytes at {address:#x}, which is no multiple of them"),
    ))
}
