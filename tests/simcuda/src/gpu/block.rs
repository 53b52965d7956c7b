//! A block of threads: who runs next, and who waits.

use super::shared::Shared;
use super::touch::Clock;
use super::{Fault, Launch, Memory, Random};
use crate::ptx::{Kernel, Special};
use rand::RngExt;

/// Most instructions of a thread in a row. An interruption costs more than an instruction.
const BURST: u32 = 64;

/// Instructions of a block after which it is taken to be caught in a loop.
const TOO_MANY: u64 = 1 << 33;

pub(super) struct Block<'a> {
    pub(super) kernel: &'a Kernel,
    pub(super) parameters: &'a [u8],
    pub(super) memory: &'a mut Memory,
    pub(super) shared: Shared,
    pub(super) clock: &'a mut Clock,
    random: &'a mut Random,
    index: u32,
    pub(super) lanes: Vec<Lane>,
    /// Of all threads, one thread's after the other's.
    pub(super) registers: Vec<u64>,
    /// Of each warp.
    pub(super) phases: Vec<u32>,
    /// Threads that could go on.
    pub(super) ready: Vec<usize>,
    pub(super) instructions: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Lane {
    /// The instruction that is next, or that it waits at.
    pub(super) at: usize,
    pub(super) state: Stop,
}

/// Why a thread does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    Interrupted,
    AtBarrier,
    AtWarp,
    Done,
}

impl<'a> Block<'a> {
    pub(super) fn new(
        launch: &Launch<'a>,
        index: u32,
        memory: &'a mut Memory,
        clock: &'a mut Clock,
        random: &'a mut Random,
    ) -> Result<Self, Fault> {
        let Launch { kernel, grid, threads, dynamic_shared, parameters } = *launch;
        clock.block();
        let count = threads as usize;
        // Nobody should count on what a register holds at first.
        let mut registers = vec![0x5bad_5bad_5bad_5bad; count * kernel.registers];
        for (thread, of_thread) in (0_u64..).zip(registers.chunks_exact_mut(kernel.registers)) {
            let specials = [
                (Special::Thread, thread),
                (Special::Threads, threads.into()),
                (Special::Block, index.into()),
                (Special::Blocks, grid.into()),
                (Special::Lane, thread % 32),
            ];
            for (special, value) in specials {
                of_thread[usize::from(special.register())] = value;
            }
        }
        let phases = (0..count.div_ceil(32)).map(|_| clock.phase()).collect::<Result<_, _>>()?;
        Ok(Self {
            kernel,
            parameters,
            memory,
            shared: Shared::new(kernel.static_shared + dynamic_shared, random),
            clock,
            random,
            index,
            lanes: vec![Lane { at: 0, state: Stop::Interrupted }; count],
            registers,
            phases,
            ready: (0..count).collect(),
            instructions: 0,
        })
    }

    /// Runs all threads to their ends.
    pub(super) fn run(&mut self) -> Result<(), Fault> {
        loop {
            while !self.ready.is_empty() {
                let chosen = self.random.random_range(..self.ready.len());
                let thread = self.ready[chosen];
                let burst = self.random.random_range(1..=BURST);
                let stop = self.step(thread, burst).map_err(|fault| self.place(fault, thread))?;
                if stop == Stop::Interrupted {
                    continue;
                }
                self.lanes[thread].state = stop;
                self.ready.swap_remove(chosen);
                if stop == Stop::AtWarp {
                    self.meet(thread)?;
                }
                if self.instructions > TOO_MANY {
                    return Err(self.place(Fault::undefined("a loop that does not end"), thread));
                }
            }
            if self.lanes.iter().all(|lane| lane.state == Stop::Done) {
                return Ok(());
            }
            self.barrier()?;
        }
    }

    /// Lets all threads go on that wait at a barrier of the block, which must be all that are left.
    fn barrier(&mut self) -> Result<(), Fault> {
        let waiting = |state| (0..).zip(&self.lanes).find(|(_, lane)| lane.state == state).map(|(at, _)| at);
        if let Some(thread) = waiting(Stop::AtWarp) {
            return Err(self.place(Fault::undefined("a wait for lanes that do not come"), thread));
        }
        let Some(first) = waiting(Stop::AtBarrier) else { return Ok(()) };
        let at = self.lanes[first].at;
        let mut others = (0..).zip(&self.lanes).filter(|(_, lane)| lane.state == Stop::AtBarrier);
        if let Some((thread, _)) = others.find(|(_, lane)| lane.at != at) {
            return Err(
                self.place(Fault::undefined("threads of the block wait at different barriers"), thread)
            );
        }
        self.clock.barrier();
        for phase in &mut self.phases {
            *phase = self.clock.phase()?;
        }
        for (thread, lane) in
            self.lanes.iter_mut().enumerate().filter(|(_, lane)| lane.state == Stop::AtBarrier)
        {
            *lane = Lane { at: at + 1, state: Stop::Interrupted };
            self.ready.push(thread);
        }
        Ok(())
    }

    /// Says where a fault was.
    pub(super) fn place(&self, fault: Fault, thread: usize) -> Fault {
        let line = self.kernel.lines.get(self.lanes[thread].at).map_or("its end", String::as_str);
        let place = format!("{}, block {}, thread {thread}: {line}", self.kernel.name, self.index);
        Fault { place, ..fault }
    }
}
