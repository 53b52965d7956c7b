//! Memory of the GPU's and of the host's, and copies.

use std::sync::Arc;

use super::queue::Work;
use super::{Code, Context, Driver};

/// Where bytes of the host's are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Host<'a> {
    /// In ordinary memory.
    Bytes(&'a [u8]),
    /// In pinned memory, at an address that the driver gave.
    Pinned(u64, usize),
}

impl Context {
    pub(crate) fn allocate(&mut self, bytes: usize) -> Result<u64, Code> {
        self.forbid_unsafe()?;
        self.take(bytes)
    }

    /// In the order of a stream.
    pub(crate) fn allocate_on(&mut self, stream: u64, bytes: usize) -> Result<u64, Code> {
        self.check_pools()?;
        // Real drivers make the memory a part of the graph, which nothing here asks for.
        self.forbid_on(stream)?;
        self.take(bytes)
    }

    fn take(&mut self, bytes: usize) -> Result<u64, Code> {
        match self.gpu.memory.used().checked_add(bytes as u64) {
            _ if bytes == 0 => Err(Code::INVALID_VALUE),
            Some(used) if used <= self.settings.memory => Ok(self.gpu.memory.allocate(bytes)),
            _ => Err(Code::OUT_OF_MEMORY),
        }
    }

    pub(crate) fn free(&mut self, address: u64) -> Result<(), Code> {
        self.forbid_unsafe()?;
        self.check_start(address)?;
        // Real drivers wait for everything, too.
        self.complete_all()?;
        self.gpu.memory.free(address);
        Ok(())
    }

    /// In the order of a stream.
    pub(crate) fn free_on(&mut self, stream: u64, address: u64) -> Result<(), Code> {
        self.check_pools()?;
        self.forbid_on(stream)?;
        self.check_start(address)?;
        self.leaving.insert(address);
        self.ask(stream, Work::Free(address))
    }

    fn check_pools(&self) -> Result<(), Code> {
        if self.settings.has_pools { Ok(()) } else { Err(Code::NOT_SUPPORTED) }
    }

    fn check_start(&self, address: u64) -> Result<(), Code> {
        if self.gpu.memory.begins(address) && !self.leaving.contains(&address) {
            return Ok(());
        }
        Driver::complain(&format!("{address:#x} is freed, where no allocation begins"));
        Err(Code::INVALID_VALUE)
    }

    /// Refuses bytes that are not all in one allocation.
    fn check(&self, address: u64, count: usize) -> Result<(), Code> {
        match self.gpu.memory.start_of(address, count) {
            Some(start) if !self.leaving.contains(&start) => Ok(()),
            _ => {
                Driver::complain(&format!(
                    "{count} bytes at {address:#x} are asked for, where no allocation has them"
                ));
                Err(Code::INVALID_VALUE)
            }
        }
    }

    /// Bytes that are free, and all.
    pub(crate) fn room(&self) -> (usize, usize) {
        let all = self.settings.memory;
        let size = |bytes| usize::try_from(bytes).unwrap_or(usize::MAX);
        (size(all.saturating_sub(self.gpu.memory.used())), size(all))
    }

    /// Ordinary bytes are taken before this returns, as real drivers do; pinned ones are read when it is time.
    pub(crate) fn copy_in(&mut self, stream: u64, to: u64, from: Host<'_>) -> Result<(), Code> {
        match from {
            Host::Bytes(bytes) => {
                self.forbid_on(stream)?;
                self.check(to, bytes.len())?;
                self.ask(stream, Work::In { to, bytes: Arc::new(bytes.to_vec()) })
            }
            Host::Pinned(from, count) => {
                self.check(to, count)?;
                self.ask(stream, Work::InPinned { to, from, count })
            }
        }
    }

    /// Copies to ordinary memory of the host's, after which nothing is left to be done.
    pub(crate) fn copy_out(&mut self, stream: u64, to: &mut [u8], from: u64) -> Result<(), Code> {
        self.forbid_on(stream)?;
        self.check(from, to.len())?;
        self.complete(stream)?;
        let (bytes, _) = self.gpu.memory.get(from, to.len()).ok_or(Code::INVALID_VALUE)?;
        to.copy_from_slice(bytes);
        Ok(())
    }

    pub(crate) fn copy_out_pinned(
        &mut self,
        stream: u64,
        to: u64,
        from: u64,
        count: usize,
    ) -> Result<(), Code> {
        self.check(from, count)?;
        self.ask(stream, Work::OutPinned { to, from, count })
    }

    pub(crate) fn copy(&mut self, stream: u64, to: u64, from: u64, count: usize) -> Result<(), Code> {
        self.check(to, count)?;
        self.check(from, count)?;
        self.ask(stream, Work::Copy { to, from, count })
    }

    pub(crate) fn fill(&mut self, stream: u64, to: u64, value: u8, count: usize) -> Result<(), Code> {
        self.check(to, count)?;
        self.ask(stream, Work::Fill { to, value, count })
    }
}
