//! The memory of a GPU: allocations, far from each other, at addresses that are never used again.

use std::ops::Range;

use super::touch::{Clock, Touch, Touches};
use super::{Fault, Kind};

/// Addresses are multiples of this, and so is the room between allocations, so that a step over an end is seen.
const APART: u64 = 4096;

/// All allocations, in the order of their addresses.
#[derive(Debug)]
pub struct Memory {
    allocations: Vec<Allocation>,
    /// Where the next one goes.
    next: u64,
    /// Which was used last: likely the next, too.
    last: usize,
}

/// Bytes at neighbouring addresses.
#[derive(Debug)]
pub struct Allocation {
    base: u64,
    bytes: Vec<u8>,
    /// Which of them were ever set.
    set: Vec<bool>,
    /// Of a module's tables, to which kernels do not write.
    is_table: bool,
    touches: Touches,
}

impl Default for Memory {
    fn default() -> Self {
        Self::from(1 << 40)
    }
}

impl Memory {
    /// Memory whose addresses begin here.
    #[must_use]
    pub fn from(start: u64) -> Self {
        Self { allocations: Vec::new(), next: start, last: 0 }
    }

    /// Takes `bytes` bytes that are not set.
    pub fn allocate(&mut self, bytes: usize) -> u64 {
        // What was there before is not what anybody hopes for.
        self.add(vec![0x5a; bytes], false, false)
    }

    /// Takes room for a table of a module's.
    pub fn table(&mut self, bytes: Vec<u8>) -> u64 {
        self.add(bytes, true, true)
    }

    fn add(&mut self, bytes: Vec<u8>, is_set: bool, is_table: bool) -> u64 {
        let base = self.next;
        self.next += (bytes.len() as u64).next_multiple_of(APART) + APART;
        let set = vec![is_set; bytes.len()];
        self.allocations.push(Allocation { base, bytes, set, is_table, touches: Touches::default() });
        base
    }

    /// Gives back what begins at an address; whether there was something.
    pub fn free(&mut self, address: u64) -> bool {
        let found = self.allocations.binary_search_by_key(&address, |one| one.base);
        if let Ok(at) = found {
            self.allocations.remove(at);
        }
        found.is_ok()
    }

    /// How many bytes are allocated.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.allocations.iter().map(|one| one.bytes.len() as u64).sum()
    }

    /// Whether an allocation that can be freed begins here.
    #[must_use]
    pub fn begins(&self, address: u64) -> bool {
        let found = self.allocations.binary_search_by_key(&address, |one| one.base);
        found.is_ok_and(|at| !self.allocations[at].is_table)
    }

    /// Where the allocation begins that all of these bytes are in.
    #[must_use]
    pub fn start_of(&self, address: u64, count: usize) -> Option<u64> {
        let (at, _) = self.find(address, count)?;
        Some(self.allocations[at].base)
    }

    /// The bytes there, and which of them were ever set.
    #[must_use]
    pub fn get(&self, address: u64, count: usize) -> Option<(&[u8], &[bool])> {
        let (at, range) = self.find(address, count)?;
        let one = &self.allocations[at];
        Some((&one.bytes[range.clone()], &one.set[range]))
    }

    /// The bytes there, to be written by somebody else than a kernel, and notes of which are set.
    pub fn get_mut(&mut self, address: u64, count: usize) -> Option<(&mut [u8], &mut [bool])> {
        let (at, range) = self.find(address, count)?;
        let one = &mut self.allocations[at];
        Some((&mut one.bytes[range.clone()], &mut one.set[range]))
    }

    /// Copies bytes, and what is known of whether they were set; whether all of them are there.
    pub fn copy(&mut self, to: u64, from: u64, count: usize) -> bool {
        let (Some((source, read)), Some((target, written))) = (self.find(from, count), self.find(to, count))
        else {
            return false;
        };
        match self.allocations.get_disjoint_mut([source, target]) {
            Ok([source, target]) => {
                target.bytes[written.clone()].copy_from_slice(&source.bytes[read.clone()]);
                target.set[written].copy_from_slice(&source.set[read]);
            }
            Err(_) => {
                let one = &mut self.allocations[source];
                one.bytes.copy_within(read.clone(), written.start);
                one.set.copy_within(read, written.start);
            }
        }
        true
    }

    fn find(&self, address: u64, count: usize) -> Option<(usize, Range<usize>)> {
        let hint = self.allocations.get(self.last).and_then(|one| one.place(address, count));
        if let Some(range) = hint {
            return Some((self.last, range));
        }
        let at = self.allocations.partition_point(|one| one.base <= address).checked_sub(1)?;
        Some((at, self.allocations[at].place(address, count)?))
    }

    /// Reads what a kernel asks for.
    pub(super) fn read(
        &mut self,
        address: u64,
        count: usize,
        is_cached: bool,
        now: Touch,
        clock: &Clock,
    ) -> Result<&[u8], Fault> {
        let (at, range) = self.find(address, count).ok_or_else(|| nothing("read", address, count))?;
        self.last = at;
        let one = &mut self.allocations[at];
        if !one.set[range.clone()].iter().all(|is_set| *is_set) {
            return Err(Fault::undefined("a read of memory that was never set"));
        }
        let written = one.touches.writes.get(range.clone()).unwrap_or_default();
        if let Some(write) = written.iter().find(|write| clock.is_of_launch(**write)) {
            if is_cached {
                return Err(Fault::undefined("a read through the read-only cache of what the kernel writes"));
            }
            if !clock.is_of_block(*write) {
                return Err(Fault::undefined("a race: a read of what another block of the launch writes"));
            }
        }
        if !one.is_table {
            one.touches.reads.resize(one.bytes.len(), Touch::default());
            one.touches.read(range.start, count, now, clock)?;
        }
        Ok(&one.bytes[range])
    }

    /// Where to write what a kernel writes.
    pub(super) fn write(
        &mut self,
        address: u64,
        count: usize,
        now: Touch,
        clock: &Clock,
    ) -> Result<&mut [u8], Fault> {
        let (at, range) = self.find(address, count).ok_or_else(|| nothing("write", address, count))?;
        self.last = at;
        let one = &mut self.allocations[at];
        if one.is_table {
            return Err(Fault::new(Kind::Address, "a write to a table"));
        }
        one.touches.writes.resize(one.bytes.len(), Touch::default());
        let is_of_others = |touches: &[Touch]| {
            touches
                .get(range.clone())
                .unwrap_or_default()
                .iter()
                .any(|touch| clock.is_of_launch(*touch) && !clock.is_of_block(*touch))
        };
        if is_of_others(&one.touches.writes) || is_of_others(&one.touches.reads) {
            return Err(Fault::undefined(
                "a race: a write to what another block of the launch reads or writes",
            ));
        }
        one.touches.write(range.start, count, now, clock)?;
        one.set[range.clone()].fill(true);
        Ok(&mut one.bytes[range])
    }
}

impl Allocation {
    fn place(&self, address: u64, count: usize) -> Option<Range<usize>> {
        let start = usize::try_from(address.checked_sub(self.base)?).ok()?;
        let end = start.checked_add(count)?;
        (end <= self.bytes.len()).then_some(start..end)
    }
}

fn nothing(doing: &str, address: u64, count: usize) -> Fault {
    Fault::new(
        Kind::Address,
        format!("a {doing} of {count} bytes at {address:#x}, where no allocation has them"),
    )
}
