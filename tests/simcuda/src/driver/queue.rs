//! Work that was asked for and is still to be done.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use super::launch::Launched;
use super::{Code, Context, Driver};
use crate::gpu::Kind;

/// The stream that others wait for, and that waits for others.
pub(super) const LEGACY: u64 = 0;

/// How much waits at most: a real GPU would have begun with it.
const MOST: usize = 1024;

/// Something that a GPU does in the order of a stream.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    Launch(Arc<Launched>),
    /// From bytes of the host's, which the call has taken.
    In {
        to: u64,
        bytes: Arc<Vec<u8>>,
    },
    /// From pinned memory of the host's, which is read when it is time.
    InPinned {
        to: u64,
        from: u64,
        count: usize,
    },
    /// To pinned memory of the host's.
    OutPinned {
        to: u64,
        from: u64,
        count: usize,
    },
    Copy {
        to: u64,
        from: u64,
        count: usize,
    },
    Fill {
        to: u64,
        value: u8,
        count: usize,
    },
    Free(u64),
    /// Says that an event has come, if it was not recorded again.
    Record {
        event: u64,
        time: u64,
    },
    /// Goes on only after that.
    Wait {
        event: u64,
        time: u64,
    },
    /// The end of what a graph was launched for.
    Replayed(u64),
}

#[derive(Debug)]
struct Queued {
    stream: u64,
    is_blocking: bool,
    work: Work,
}

#[derive(Debug, Default)]
pub(super) struct Queue(VecDeque<Queued>);

impl Queue {
    /// Which of the first `count` must be done so that a stream can be said to be there: its own, those that the stream
    /// of the context orders before them, and those before events that it waits for.
    fn before(&self, stream: u64, is_blocking: bool, count: usize) -> Vec<usize> {
        let mut streams = HashSet::from([stream]);
        let mut events = HashSet::new();
        let (mut has_legacy, mut has_blocking) = (stream == LEGACY, is_blocking && stream != LEGACY);
        let mut found = Vec::new();
        for (at, queued) in self.0.iter().enumerate().take(count).rev() {
            let is_legacy = queued.stream == LEGACY;
            let is_awaited =
                matches!(queued.work, Work::Record { event, time } if events.contains(&(event, time)));
            let is_before = streams.contains(&queued.stream)
                || is_awaited
                || is_legacy && has_blocking
                || has_legacy && queued.is_blocking;
            if !is_before {
                continue;
            }
            streams.insert(queued.stream);
            has_legacy |= is_legacy;
            has_blocking |= queued.is_blocking && !is_legacy;
            if let Work::Wait { event, time } = queued.work {
                events.insert((event, time));
            }
            found.push(at);
        }
        found.reverse();
        found
    }
}

impl Context {
    /// Does it when its time comes; at once for nothing.
    pub(super) fn enqueue(&mut self, stream: u64, work: Work) -> Result<(), Code> {
        let is_blocking = self.is_blocking(stream);
        self.queue.0.push_back(Queued { stream, is_blocking, work });
        while self.queue.0.len() > MOST {
            self.finish(&[0])?;
        }
        Ok(())
    }

    /// Does all that is before the end of a stream.
    pub(super) fn complete(&mut self, stream: u64) -> Result<(), Code> {
        let is_blocking = self.is_blocking(stream);
        let due = self.queue.before(stream, is_blocking, self.queue.0.len());
        self.finish(&due)
    }

    /// Does all that is before this recording of an event, and that.
    pub(super) fn complete_until(&mut self, event: u64, time: u64) -> Result<(), Code> {
        let is_it = |queued: &Queued| matches!(queued.work, Work::Record { event: e, time: t } if (e, t) == (event, time));
        let Some(at) = self.queue.0.iter().position(is_it) else { return Ok(()) };
        let (stream, is_blocking) = (self.queue.0[at].stream, self.queue.0[at].is_blocking);
        let due = self.queue.before(stream, is_blocking, at + 1);
        self.finish(&due)
    }

    pub(super) fn complete_all(&mut self) -> Result<(), Code> {
        let all: Vec<usize> = (0..self.queue.0.len()).collect();
        self.finish(&all)
    }

    /// Whether work waits that `is` tells.
    pub(super) fn is_queued(&self, is: impl Fn(&Work) -> bool) -> bool {
        self.queue.0.iter().any(|queued| is(&queued.work))
    }

    /// Takes these out of the queue and does them.
    fn finish(&mut self, due: &[usize]) -> Result<(), Code> {
        let mut works: Vec<Work> = Vec::with_capacity(due.len());
        for at in due.iter().rev() {
            works.extend(self.queue.0.remove(*at).map(|queued| queued.work));
        }
        for work in works.into_iter().rev() {
            if let Err(code) = self.perform(&work) {
                // Nothing works after that, and nothing is done any more.
                self.fault = Some(code);
                self.queue.0.clear();
                return Err(code);
            }
        }
        Ok(())
    }

    fn perform(&mut self, work: &Work) -> Result<(), Code> {
        let lost = |what: &str| {
            Driver::complain(what);
            Err(Code::ILLEGAL_ADDRESS)
        };
        match work {
            Work::Launch(launched) => return self.run(launched),
            Work::In { to, bytes } => {
                if !self.store(*to, bytes) {
                    return lost("a copy to memory that is not there any more");
                }
                self.takes_a_copy(bytes.len());
            }
            Work::InPinned { to, from, count } => {
                let Some(bytes) = self.pinned_bytes(*from, *count) else {
                    return lost("a copy from pinned memory that is not there any more");
                };
                if !self.store(*to, &bytes) {
                    return lost("a copy to memory that is not there any more");
                }
                self.takes_a_copy(*count);
            }
            Work::OutPinned { to, from, count } => {
                let Some(bytes) = self.gpu.memory.get(*from, *count).map(|(bytes, _)| bytes.to_vec()) else {
                    return lost("a copy from memory that is not there any more");
                };
                if !self.set_pinned(*to, &bytes) {
                    return lost("a copy to pinned memory that is not there any more");
                }
                self.takes_a_copy(*count);
            }
            Work::Copy { to, from, count } => {
                if !self.gpu.memory.copy(*to, *from, *count) {
                    return lost("a copy between memory that is not there any more");
                }
                self.takes_a_copy(*count);
            }
            Work::Fill { to, value, count } => {
                if !self.store(*to, &vec![*value; *count]) {
                    return lost("filling memory that is not there any more");
                }
                self.takes_a_copy(*count);
            }
            Work::Free(address) => {
                self.leaving.remove(address);
                self.gpu.memory.free(*address);
            }
            Work::Record { event, time } => {
                let now = self.clock_ms;
                if let Some(event) = self.events.get_mut(event) {
                    event.comes(*time, now);
                }
            }
            Work::Wait { .. } | Work::Replayed(_) => {}
        }
        Ok(())
    }

    fn store(&mut self, to: u64, bytes: &[u8]) -> bool {
        let Some((into, set)) = self.gpu.memory.get_mut(to, bytes.len()) else { return false };
        into.copy_from_slice(bytes);
        set.fill(true);
        true
    }

    /// As an H100 would take, about.
    fn takes_a_copy(&mut self, bytes: usize) {
        self.clock_ms += 0.001 + bytes as f64 / 1.5e9;
    }
}

impl From<Kind> for Code {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Address => Self::ILLEGAL_ADDRESS,
            Kind::Alignment => Self::MISALIGNED_ADDRESS,
            Kind::Undefined => Self::LAUNCH_FAILED,
        }
    }
}
