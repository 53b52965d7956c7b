//! Streams: orders of work.

use super::capture::Capture;
use super::queue::{LEGACY, Work};
use super::{Code, Context};

#[derive(Debug)]
pub(super) struct Stream {
    /// Whether it waits for the context's own stream, and that for it.
    is_blocking: bool,
    /// What is recorded of it instead of being done.
    pub(super) capture: Option<Capture>,
}

impl Context {
    pub(crate) fn create_stream(&mut self, flags: u32) -> Result<u64, Code> {
        const NON_BLOCKING: u32 = 1;
        if flags > NON_BLOCKING {
            return Err(Code::INVALID_VALUE);
        }
        let handle = self.new_handle();
        self.streams.insert(handle, Stream { is_blocking: flags == 0, capture: None });
        Ok(handle)
    }

    /// What was asked of it is done all the same.
    pub(crate) fn destroy_stream(&mut self, stream: u64) -> Result<(), Code> {
        self.forbid_on(stream)?;
        self.streams.remove(&stream).ok_or(Code::INVALID_HANDLE)?;
        Ok(())
    }

    pub(crate) fn synchronize_stream(&mut self, stream: u64) -> Result<(), Code> {
        self.forbid_on(stream)?;
        self.complete(stream)
    }

    /// The handle of a stream that is there: a null one, and another spelling of it, mean the context's own.
    pub(crate) fn stream(&self, handle: u64) -> Result<u64, Code> {
        match handle {
            LEGACY | 1 => Ok(LEGACY),
            known if self.streams.contains_key(&known) => Ok(known),
            _ => Err(Code::INVALID_HANDLE),
        }
    }

    pub(super) fn is_blocking(&self, stream: u64) -> bool {
        self.streams.get(&stream).is_none_or(|stream| stream.is_blocking)
    }

    /// Does it when it is time, or records it if the stream is captured.
    pub(super) fn ask(&mut self, stream: u64, work: Work) -> Result<(), Code> {
        if let Some(capture) = self.streams.get_mut(&stream).and_then(|stream| stream.capture.as_mut()) {
            return capture.record(work);
        }
        self.forbid_implicit(stream)?;
        self.enqueue(stream, work)
    }
}
