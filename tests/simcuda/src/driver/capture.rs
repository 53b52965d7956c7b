//! Capturing what is asked of a stream, and what nobody may do meanwhile: it ends the capture without a graph.

use std::thread::{ThreadId, current};

use super::graph::Graph;
use super::queue::{LEGACY, Work};
use super::{Code, Context, Driver};

/// What else is forbidden while a stream is captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// To all threads, what might need the GPU to be done.
    Global,
    /// The same, to the thread that captures.
    ThreadLocal,
    Relaxed,
}

/// What is recorded of a stream.
#[derive(Debug)]
pub(super) struct Capture {
    mode: Mode,
    thread: ThreadId,
    works: Vec<Work>,
    is_broken: bool,
}

impl Capture {
    pub(super) fn record(&mut self, work: Work) -> Result<(), Code> {
        if self.is_broken {
            return Err(Code::STREAM_CAPTURE_INVALIDATED);
        }
        self.works.push(work);
        Ok(())
    }

    fn breaks(&mut self, why: &str) {
        Driver::complain(&format!("a capture is broken: {why}"));
        self.is_broken = true;
    }
}

impl Context {
    pub(crate) fn begin_capture(&mut self, stream: u64, mode: Mode) -> Result<(), Code> {
        let stream = self.streams.get_mut(&stream).ok_or(Code::STREAM_CAPTURE_UNSUPPORTED)?;
        if stream.capture.is_some() {
            return Err(Code::ILLEGAL_STATE);
        }
        stream.capture = Some(Capture { mode, thread: current().id(), works: Vec::new(), is_broken: false });
        Ok(())
    }

    pub(crate) fn end_capture(&mut self, stream: u64) -> Result<u64, Code> {
        let stream = self.streams.get_mut(&stream).ok_or(Code::ILLEGAL_STATE)?;
        let capture = stream.capture.take().ok_or(Code::ILLEGAL_STATE)?;
        if capture.mode != Mode::Relaxed && capture.thread != current().id() {
            stream.capture = Some(Capture { is_broken: true, ..capture });
            return Err(Code::STREAM_CAPTURE_WRONG_THREAD);
        }
        if capture.is_broken {
            return Err(Code::STREAM_CAPTURE_INVALIDATED);
        }
        let handle = self.new_handle();
        self.graphs.insert(handle, Graph::new(capture.works));
        Ok(handle)
    }

    /// 0 if it is not captured, 1 if it is, 2 if the capture is broken.
    pub(crate) fn capture_status(&self, stream: u64) -> Result<i32, Code> {
        self.refuse_legacy(stream)?;
        let capture = self.streams.get(&stream).and_then(|stream| stream.capture.as_ref());
        Ok(capture.map_or(0, |capture| if capture.is_broken { 2 } else { 1 }))
    }

    fn refuse_legacy(&self, stream: u64) -> Result<(), Code> {
        let is_implicit = stream == LEGACY && self.captured().any(|other| self.is_blocking(other));
        if is_implicit { Err(Code::STREAM_CAPTURE_IMPLICIT) } else { Ok(()) }
    }

    fn captured(&self) -> impl Iterator<Item = u64> {
        self.streams.iter().filter(|(_, stream)| stream.capture.is_some()).map(|(handle, _)| *handle)
    }

    /// Breaks the captures of streams for which `is` holds; whether there was one.
    fn break_captures(&mut self, why: &str, is: impl Fn(u64, &Capture) -> bool) -> bool {
        let all = self.streams.iter_mut();
        let captures =
            all.filter_map(|(handle, stream)| stream.capture.as_mut().map(|capture| (*handle, capture)));
        captures
            .filter(|(handle, capture)| is(*handle, capture))
            .map(|(_, capture)| capture.breaks(why))
            .count()
            > 0
    }

    /// What cannot be recorded, on this stream or at all.
    pub(super) fn forbid_on(&mut self, stream: u64) -> Result<(), Code> {
        let why = "what cannot be recorded was asked of the stream";
        if self.break_captures(why, |handle, _| handle == stream) {
            return Err(Code::STREAM_CAPTURE_UNSUPPORTED);
        }
        self.forbid_implicit(stream)
    }

    /// Use of the context's own stream, which would wait for streams that do nothing now.
    pub(super) fn forbid_implicit(&mut self, stream: u64) -> Result<(), Code> {
        if self.refuse_legacy(stream).is_err() {
            let blocking: Vec<u64> = self.captured().filter(|other| self.is_blocking(*other)).collect();
            let why = "the default stream, which waits for others, was used";
            self.break_captures(why, |handle, _| blocking.contains(&handle));
            return Err(Code::STREAM_CAPTURE_IMPLICIT);
        }
        Ok(())
    }

    /// Calls that may wait for the GPU, by their nature and not by what they are asked for.
    pub(super) fn forbid_unsafe(&mut self) -> Result<(), Code> {
        let thread = current().id();
        let is_forbidden = |_, capture: &Capture| match capture.mode {
            Mode::Global => true,
            Mode::ThreadLocal => capture.thread == thread,
            Mode::Relaxed => false,
        };
        let is_broken = self.break_captures("a call that may wait for the GPU was made", is_forbidden);
        if is_broken { Err(Code::STREAM_CAPTURE_UNSUPPORTED) } else { Ok(()) }
    }

    /// Waiting for everything, of which some is not even asked for.
    pub(super) fn forbid_while_capturing(&mut self) -> Result<(), Code> {
        let is_broken = self.break_captures("the whole GPU was waited for", |_, _| true);
        if is_broken { Err(Code::STREAM_CAPTURE_UNSUPPORTED) } else { Ok(()) }
    }
}
