//! Events: points in the order of work.

use super::queue::Work;
use super::{Code, Context};
use rand::RngExt;

#[derive(Debug)]
pub(super) struct Event {
    is_timed: bool,
    /// How often it was recorded.
    recorded: u64,
    /// Which of these times came last, and when.
    come: Option<(u64, f64)>,
    /// Whether the last time was in a capture, so that it never comes by itself.
    is_captured: bool,
}

impl Event {
    pub(super) fn comes(&mut self, time: u64, now: f64) {
        self.come = Some((time, now));
    }

    fn is_come(&self) -> bool {
        self.come.is_some_and(|(time, _)| time == self.recorded)
    }
}

impl Context {
    pub(crate) fn create_event(&mut self, flags: u32) -> Result<u64, Code> {
        const BLOCKING_SYNC: u32 = 1;
        const DISABLE_TIMING: u32 = 2;
        if flags > BLOCKING_SYNC + DISABLE_TIMING {
            return Err(Code::INVALID_VALUE);
        }
        let is_timed = flags & DISABLE_TIMING == 0;
        let handle = self.new_handle();
        self.events.insert(handle, Event { is_timed, recorded: 0, come: None, is_captured: false });
        Ok(handle)
    }

    pub(crate) fn destroy_event(&mut self, event: u64) -> Result<(), Code> {
        self.events.remove(&event).map(drop).ok_or(Code::INVALID_HANDLE)
    }

    pub(crate) fn record_event(&mut self, event: u64, stream: u64) -> Result<(), Code> {
        let is_captured = self.capture_status(stream)? != 0;
        let of = self.events.get_mut(&event).ok_or(Code::INVALID_HANDLE)?;
        of.recorded += 1;
        of.is_captured = is_captured;
        let time = of.recorded;
        self.ask(stream, Work::Record { event, time })
    }

    /// An event that was recorded outside of captures, and how often; `None` if it never was.
    fn recorded(&mut self, event: u64) -> Result<Option<u64>, Code> {
        let of = self.events.get(&event).ok_or(Code::INVALID_HANDLE)?;
        if of.is_captured {
            self.forbid_while_capturing().map_err(|_| Code::CAPTURED_EVENT)?;
            return Err(Code::CAPTURED_EVENT);
        }
        Ok((of.recorded > 0).then_some(of.recorded))
    }

    /// One that was never recorded is not waited for.
    pub(crate) fn synchronize_event(&mut self, event: u64) -> Result<(), Code> {
        match self.recorded(event)? {
            Some(time) => self.complete_until(event, time),
            None => Ok(()),
        }
    }

    /// Asking lets time pass, so that who asks again and again gets an answer.
    pub(crate) fn query_event(&mut self, event: u64) -> Result<(), Code> {
        self.forbid_unsafe()?;
        let Some(time) = self.recorded(event)? else { return Ok(()) };
        if self.events.get(&event).is_some_and(Event::is_come) {
            return Ok(());
        }
        if self.random.random() {
            self.complete_until(event, time)?;
        }
        Err(Code::NOT_READY)
    }

    pub(crate) fn wait_event(&mut self, stream: u64, event: u64) -> Result<(), Code> {
        match self.recorded(event)? {
            Some(time) => self.ask(stream, Work::Wait { event, time }),
            None => Ok(()),
        }
    }

    pub(crate) fn elapsed_ms(&mut self, start: u64, end: u64) -> Result<f64, Code> {
        self.recorded(start)?.zip(self.recorded(end)?).ok_or(Code::INVALID_HANDLE)?;
        let of = |event: u64| self.events.get(&event).ok_or(Code::INVALID_HANDLE);
        let (start, end) = (of(start)?, of(end)?);
        if !start.is_timed || !end.is_timed {
            return Err(Code::INVALID_HANDLE);
        }
        match (start.come.filter(|_| start.is_come()), end.come.filter(|_| end.is_come())) {
            (Some((_, start)), Some((_, end))) => Ok(end - start),
            _ => Err(Code::NOT_READY),
        }
    }
}
