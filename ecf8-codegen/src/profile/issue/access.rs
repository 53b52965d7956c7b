//! Loads and stores, and the addresses they share.

use super::{Pass, Place};
use crate::ir::{BinaryOp, MemoryId, Op, Space, Ty, ValueId};
use crate::profile::class::Class;
use crate::profile::cost;

impl Pass<'_> {
    pub(super) fn load(&mut self, here: Place, memory: MemoryId, index: ValueId, bytes: u64) {
        self.address(here, memory, index, bytes);
        let class = match self.kernel.memory(memory).space {
            Space::Global { .. } => Class::GlobalLoad,
            Space::Table { .. } => Class::Table,
            Space::Shared { .. } | Space::DynamicShared => Class::SharedLoad,
        };
        self.charge(here, cost::access(class));
    }

    pub(super) fn store(&mut self, here: Place, memory: MemoryId, index: ValueId, values: &[ValueId]) {
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
    pub(super) fn address(&mut self, here: Place, memory: MemoryId, index: ValueId, bytes: u64) {
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
    pub(super) fn need_scaled(&mut self, id: ValueId) {
        match self.absorbed(id) {
            Some(Op::Binary(BinaryOp::Shl, a, amount)) if self.facts.is_known(*amount) => self.need(*a),
            Some(Op::Binary(BinaryOp::Mul, a, factor)) if self.is_power_of_two(*factor) => self.need(*a),
            _ => self.need(id),
        }
    }
}
