//! Loads and stores of the active lanes, each checked by the memory it goes to.

use super::{ArrayHome, Machine, Outcome};
use crate::emulator::fault::Fault;
use crate::emulator::lanes::{LANES, Mask, active};
use crate::emulator::memory::{Global, Moment, Wrong, load_input, load_table};
use crate::emulator::observe::{Access, Observer};
use crate::emulator::program::Register;
use crate::ir::{Location, MemoryId};

impl<O: Observer> Machine<'_, O> {
    /// Loads neighbouring elements of `width` bytes into the registers of `to`.
    pub(super) fn load(
        &mut self,
        (at, statement): (Location, usize),
        mask: Mask,
        (memory, width): (MemoryId, usize),
        to: &[Register],
        index: Register,
    ) -> Outcome<()> {
        for warp in 0..self.warps {
            let word = mask.0[warp];
            if word == 0 {
                continue;
            }
            let indices = *self.get(index, warp);
            self.observer.accesses(&Access {
                statement,
                warp,
                memory,
                bytes: width * to.len(),
                indices: &indices,
                word,
                stores: false,
            });
            for (part, register) in to.iter().enumerate() {
                let mut values = [0; LANES];
                let mut wrong = None;
                let (now, block) = (self.now(statement, warp), self.block);
                let place = &mut self.places[memory.index()];
                for lane in active(word) {
                    let i = element(indices[lane], part, to.len());
                    let now = Moment { thread: thread_number(warp, lane), ..now };
                    let loaded = match place {
                        ArrayHome::Table(bytes) => load_table(bytes, i, width),
                        ArrayHome::Global(Global::Input(bytes)) => load_input(bytes, i, width),
                        ArrayHome::Global(Global::Output(output)) => output.load(i, width, block, now),
                        ArrayHome::Shared(array) => array.load(i, width, now),
                    };
                    match loaded {
                        Ok(value) => values[lane] = value,
                        Err(reason) => {
                            wrong = Some((lane, i, reason));
                            break;
                        }
                    }
                }
                if let Some((lane, i, reason)) = wrong {
                    return Err(self.wrong(at, (memory, width), warp * LANES + lane, i, reason));
                }
                self.set(*register, warp, values);
            }
        }
        Ok(())
    }

    /// Stores the registers of `from` to neighbouring elements of `width` bytes.
    pub(super) fn store(
        &mut self,
        (at, statement): (Location, usize),
        mask: Mask,
        (memory, width): (MemoryId, usize),
        index: Register,
        from: &[Register],
    ) -> Outcome<()> {
        for warp in 0..self.warps {
            let word = mask.0[warp];
            if word == 0 {
                continue;
            }
            let indices = *self.get(index, warp);
            self.observer.accesses(&Access {
                statement,
                warp,
                memory,
                bytes: width * from.len(),
                indices: &indices,
                word,
                stores: true,
            });
            for (part, register) in from.iter().enumerate() {
                let values = *self.get(*register, warp);
                let mut wrong = None;
                let (now, block) = (self.now(statement, warp), self.block);
                let place = &mut self.places[memory.index()];
                for lane in active(word) {
                    let (i, value) = (element(indices[lane], part, from.len()), values[lane]);
                    let now = Moment { thread: thread_number(warp, lane), ..now };
                    let stored = match place {
                        ArrayHome::Shared(array) => array.store(i, width, value, now),
                        ArrayHome::Global(Global::Output(output)) => {
                            output.store(i, width, value, block, now)
                        }
                        // Not writable by type: the language has no store to these.
                        ArrayHome::Global(Global::Input(_)) | ArrayHome::Table(_) => Err(Wrong::OutOfBounds),
                    };
                    if let Err(reason) = stored {
                        wrong = Some((lane, i, reason));
                        break;
                    }
                }
                if let Some((lane, i, reason)) = wrong {
                    return Err(self.wrong(at, (memory, width), warp * LANES + lane, i, reason));
                }
            }
        }
        Ok(())
    }

    /// Now, for the threads of a warp.
    fn now(&self, statement: usize, warp: usize) -> Moment {
        Moment {
            thread: 0,
            epoch: self.epoch,
            warp_epoch: self.warp_epochs[warp],
            statement: u32::try_from(statement).unwrap_or(u32::MAX),
        }
    }

    fn wrong(
        &self,
        at: Location,
        (memory, width): (MemoryId, usize),
        thread: usize,
        index: u64,
        wrong: Wrong,
    ) -> Box<Fault> {
        let declared = self.program.kernel.memory(memory);
        let bytes = match &self.places[memory.index()] {
            ArrayHome::Table(bytes) => bytes.len(),
            ArrayHome::Global(Global::Input(bytes)) => bytes.len(),
            ArrayHome::Global(Global::Output(output)) => output.len(),
            ArrayHome::Shared(array) => array.len(),
        };
        let elements = (bytes / width) as u64;
        let place = |statement: u32| self.program.kernel.place_of_statement(usize::try_from(statement).ok()?);
        self.fault(at, Some(thread), wrong.named(&declared.name, index, elements, place))
    }
}

/// The element that is part `part` of vector `index`; one beyond any memory if there is no such number.
#[inline]
fn element(index: u64, part: usize, parts: usize) -> u64 {
    if parts == 1 { index } else { index.saturating_mul(parts as u64).saturating_add(part as u64) }
}

/// The number of a thread in its block, which has at most 1024.
#[inline]
#[allow(clippy::cast_possible_truncation)] // warp < 32 and lane < 32
fn thread_number(warp: usize, lane: usize) -> u32 {
    (warp * LANES + lane) as u32
}
