//! Who used a byte last, and whether the next may.
//!
//! Time is counted in *phases*: each warp is in one, and gets a fresh one at each `bar.warp.sync`; all warps of a block get
//! fresh ones at each `bar.sync`. Two uses of a byte by different threads are ordered if a barrier of the block came
//! between them, or if both are of one warp and a barrier of the warp did.

use super::Fault;

/// Numbers of phases, which are never used again. 0 is before all of them.
#[derive(Debug, Default)]
pub(super) struct Clock {
    last: u32,
    /// The last phase before the present launch, block, and interval between barriers of the block.
    launch: u32,
    block: u32,
    interval: u32,
}

impl Clock {
    /// A phase that is later than all others.
    pub(super) fn phase(&mut self) -> Result<u32, Fault> {
        self.last =
            self.last.checked_add(1).ok_or_else(|| Fault::undefined("the simulation ran for too long"))?;
        Ok(self.last)
    }

    pub(super) fn launch(&mut self) -> Result<(), Fault> {
        self.launch = self.last;
        self.phase().map(drop)
    }

    pub(super) fn block(&mut self) {
        self.block = self.last;
        self.interval = self.last;
    }

    pub(super) fn barrier(&mut self) {
        self.interval = self.last;
    }

    /// Whether a phase is of the present block.
    pub(super) fn is_of_block(&self, touch: Touch) -> bool {
        touch.phase > self.block
    }

    /// Whether a phase is of the present launch.
    pub(super) fn is_of_launch(&self, touch: Touch) -> bool {
        touch.phase > self.launch
    }

    /// Whether a use by `now` may not follow one by `before` that changed or will change the byte.
    fn races(&self, before: Touch, now: Touch) -> bool {
        if before.phase <= self.interval {
            return false;
        }
        match before.by {
            By::SeveralWarps => true,
            By::Thread(thread) | By::OneWarp(thread) if thread / 32 != now.thread() / 32 => true,
            // Nothing in this warp's earlier phases is unordered.
            _ if before.phase != now.phase => false,
            By::OneWarp(_) => true,
            By::Thread(thread) => thread != now.thread(),
        }
    }

    /// Who has used the byte after `now` did, for who may use it next.
    fn joined(&self, before: Touch, now: Touch) -> Touch {
        if before.phase <= self.interval {
            return now;
        }
        let is_other_warp = before.thread() / 32 != now.thread() / 32;
        let by = match before.by {
            By::SeveralWarps => By::SeveralWarps,
            _ if is_other_warp => By::SeveralWarps,
            _ if before.phase != now.phase => now.by,
            By::Thread(thread) if thread == now.thread() => now.by,
            _ => By::OneWarp(now.thread()),
        };
        Touch { by, ..now }
    }
}

/// The last use of a byte. The phase of another block of the launch is not of the present one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Touch {
    phase: u32,
    by: By,
}

#[derive(Clone, Copy, Debug)]
enum By {
    Thread(u16),
    /// Several threads of one warp, this the last of them.
    OneWarp(u16),
    SeveralWarps,
}

impl Default for Touch {
    fn default() -> Self {
        Self { phase: 0, by: By::Thread(0) }
    }
}

impl Touch {
    pub(super) fn new(phase: u32, thread: u16) -> Self {
        Self { phase, by: By::Thread(thread) }
    }

    fn thread(self) -> u16 {
        match self.by {
            By::Thread(thread) | By::OneWarp(thread) => thread,
            By::SeveralWarps => u16::MAX,
        }
    }
}

/// The last reader and the last writer of each byte of some memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Touches {
    pub(super) reads: Vec<Touch>,
    pub(super) writes: Vec<Touch>,
}

impl Touches {
    /// Notes a read by `now` of bytes from `start` on; what is wrong with it otherwise.
    pub(super) fn read(
        &mut self,
        start: usize,
        count: usize,
        now: Touch,
        clock: &Clock,
    ) -> Result<(), Fault> {
        for at in start..start + count {
            if let Some(write) = self.writes.get(at)
                && clock.races(*write, now)
            {
                return Err(race("read", "write", *write));
            }
            self.reads[at] = clock.joined(self.reads[at], now);
        }
        Ok(())
    }

    /// As [`Touches::read`], for a write.
    pub(super) fn write(
        &mut self,
        start: usize,
        count: usize,
        now: Touch,
        clock: &Clock,
    ) -> Result<(), Fault> {
        for at in start..start + count {
            if clock.races(self.writes[at], now) {
                return Err(race("write", "write", self.writes[at]));
            }
            if let Some(read) = self.reads.get(at)
                && clock.races(*read, now)
            {
                return Err(race("write", "read", *read));
            }
            self.writes[at] = now;
        }
        Ok(())
    }
}

fn race(now: &str, before: &str, by: Touch) -> Fault {
    let who = match by.by {
        By::Thread(thread) | By::OneWarp(thread) => format!("thread {thread}"),
        By::SeveralWarps => "several warps".to_owned(),
    };
    Fault::undefined(format!("a race: a {now} with no barrier since a {before} by {who}"))
}
