//! Bytes on their way to the GPU: through a few buffers of the host's, in turn, so that the host writes to one while
//! the GPU reads another, and waits for none but the one that it needs next.

use std::ptr::{NonNull, null_mut};
use std::sync::{Arc, PoisonError};

use rayon::prelude::*;

use super::context::{Context, Stream};
use super::ffi::{PinningFunctions, check};
use super::{CudaDevice, DeviceBuffer, DeviceError, Mark};

/// Buffers of the host's. Two would do if writing and reading took equally long each time.
const SLOTS: usize = 4;

/// Bytes of one: the GPU takes a fraction of a millisecond for them, far longer than it takes to ask for a copy.
const SLOT_BYTES: usize = 8 << 20;

/// Bytes that one thread writes at a time.
const PIECE: usize = 1 << 20;

/// Writes the bytes of an upload from a place on: called with that place, for several places at once.
pub type Fill<'a> = dyn Fn(usize, &mut [u8]) + Sync + 'a;

/// The uploads of a device.
#[derive(Debug, Default)]
pub(super) struct Uploads {
    /// There from the first upload until [`CudaDevice::settle`].
    ring: Option<Ring>,
    /// Why the host's buffers are ordinary memory, which the driver copies once more, if they are.
    pageable: Option<DeviceError>,
}

#[derive(Debug)]
struct Ring {
    stream: Arc<Stream>,
    /// Made one by one, as they are needed.
    slots: Vec<Slot>,
    /// The slot that is written to.
    turn: usize,
    /// Bytes of it that are written.
    used: usize,
}

#[derive(Debug)]
struct Slot {
    memory: Memory,
    /// After the last copy that reads it, once all of it is written.
    read: Option<Mark>,
}

#[derive(Debug)]
enum Memory {
    /// The GPU reads it by itself.
    Pinned(Pinned),
    Pageable(Vec<u8>),
}

impl Drop for Ring {
    fn drop(&mut self) {
        if self.slots.is_empty() {
            return;
        }
        // The GPU may still read them, for ever if it is lost; a stream that is captured can't be waited for.
        let is_read = self.stream.is_captured() == Ok(false) && self.stream.synchronize().is_ok();
        if !is_read {
            std::mem::forget(std::mem::take(&mut self.slots));
        }
    }
}

/// [`SLOT_BYTES`] bytes of the host's memory that stay where they are, so that the GPU reads them by itself.
#[derive(Debug)]
struct Pinned {
    context: Arc<Context>,
    functions: &'static PinningFunctions,
    start: NonNull<u8>,
}

// SAFETY: it is memory that it alone has.
unsafe impl Send for Pinned {}

impl Pinned {
    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: as many bytes are there, set since it was made, and `self` alone has them. While the GPU reads some of
        // them, `Ring` writes to none of those.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), SLOT_BYTES) }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if let Ok(_current) = self.context.enter() {
            // SAFETY: the driver gave it, and neither the GPU nor anybody else uses it any more: `Ring` sees to that.
            let _ = unsafe { (self.functions.cuMemFreeHost)(self.start.as_ptr().cast()) };
        }
    }
}

impl CudaDevice {
    /// A buffer holding a copy of `bytes`, in order with what else is asked of the GPU.
    ///
    /// # Errors
    /// As [`CudaDevice::upload_with`].
    pub fn upload(&self, bytes: &[u8]) -> Result<DeviceBuffer, DeviceError> {
        let fill = |start: usize, out: &mut [u8]| out.copy_from_slice(&bytes[start..start + out.len()]);
        self.upload_with(bytes.len(), &fill)
    }

    /// A buffer of `bytes` bytes, those that `fill` writes. Returns when `fill` has written all; the last of them may
    /// still be on their way, in order with what else is asked of the GPU.
    ///
    /// # Errors
    /// As [`CudaDevice::alloc`], or what the driver says.
    pub fn upload_with(&self, bytes: usize, fill: &Fill<'_>) -> Result<DeviceBuffer, DeviceError> {
        let buffer = self.alloc(bytes)?;
        self.upload_into(buffer, fill)
    }

    /// The same into a buffer that is there already.
    ///
    /// # Errors
    /// [`DeviceError::Captured`], or what the driver says.
    pub fn upload_into(&self, buffer: DeviceBuffer, fill: &Fill<'_>) -> Result<DeviceBuffer, DeviceError> {
        const DOING: &str = "copying to it";
        let bytes = buffer.len();
        let _current = self.enter_uncaptured(DOING)?;
        let mut uploads = self.uploads.lock().unwrap_or_else(PoisonError::into_inner);
        let mut start = 0;
        while start < bytes {
            let room = self.room(&mut uploads)?;
            let count = room.len().min(bytes - start);
            let part = &mut room[..count];
            part.par_chunks_mut(PIECE).enumerate().for_each(|(n, piece)| fill(start + n * PIECE, piece));
            let (to, from, stream) = (buffer.device_address() + start as u64, part.as_ptr(), &self.stream);
            // SAFETY: `count` bytes at `to` belong to the buffer, and the context of the stream is current. The
            // host's bytes stay there, and are not written to, until the GPU is done: `Ring` waits before it uses a
            // slot again or goes.
            check(unsafe {
                (self.context.driver.cuMemcpyHtoDAsync_v2)(to, from.cast(), count, stream.handle)
            })
            .map_err(|code| self.fail(DOING, code))?;
            if let Some(ring) = &mut uploads.ring {
                ring.used += count;
            }
            start += count;
        }
        Ok(buffer)
    }

    /// Waits until everything asked of the GPU is done, and gives back the host memory that uploads went through.
    ///
    /// # Errors
    /// As [`CudaDevice::synchronize`].
    pub fn settle(&self) -> Result<(), DeviceError> {
        let mut uploads = self.uploads.lock().unwrap_or_else(PoisonError::into_inner);
        self.synchronize()?;
        if let Some(mut ring) = uploads.ring.take() {
            // Nobody reads them any more.
            ring.slots.clear();
        }
        Ok(())
    }

    /// Why uploads go through ordinary memory, so that the driver copies them once more; `None` if they do not, or
    /// there were none.
    pub fn pageable(&self) -> Option<DeviceError> {
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner).pageable.clone()
    }

    /// The bytes of the host's to write to next, at least one.
    fn room<'a>(&self, uploads: &'a mut Uploads) -> Result<&'a mut [u8], DeviceError> {
        let Uploads { ring, pageable } = uploads;
        let stream = &self.stream;
        let ring =
            ring.get_or_insert_with(|| Ring { stream: stream.clone(), slots: Vec::new(), turn: 0, used: 0 });
        if ring.used == SLOT_BYTES {
            if let Some(slot) = ring.slots.get_mut(ring.turn) {
                slot.read = Some(self.mark()?);
            }
            (ring.turn, ring.used) = ((ring.turn + 1) % SLOTS, 0);
            if let Some(read) = ring.slots.get_mut(ring.turn).and_then(|slot| slot.read.take()) {
                self.wait(&read)?;
            }
        }
        if ring.turn == ring.slots.len() {
            let memory = self.pinned().unwrap_or_else(|reason| {
                *pageable = Some(reason);
                Memory::Pageable(vec![0; SLOT_BYTES])
            });
            ring.slots.push(Slot { memory, read: None });
        }
        let all = match &mut ring.slots[ring.turn].memory {
            Memory::Pinned(pinned) => pinned.bytes(),
            Memory::Pageable(bytes) => bytes,
        };
        Ok(&mut all[ring.used..])
    }

    /// Memory of the host's that the GPU reads by itself.
    fn pinned(&self) -> Result<Memory, DeviceError> {
        const DOING: &str = "pinning host memory";
        /// Faster for the GPU to read, and slow for the host, which only writes it.
        const WRITE_COMBINED: u32 = 4;
        let functions = self.context.driver.pinning()?;
        let _current = self.enter(DOING)?;
        let mut start = null_mut();
        // SAFETY: the context is current, and the driver fills the pointer.
        check(unsafe { (functions.cuMemHostAlloc)(&raw mut start, SLOT_BYTES, WRITE_COMBINED) })
            .map_err(|code| self.fail(DOING, code))?;
        let Some(start) = NonNull::new(start.cast::<u8>()) else {
            let (doing, reason) = (DOING.to_owned(), "the driver gave none".to_owned());
            return Err(DeviceError::Driver { ordinal: self.info().ordinal, doing, reason });
        };
        // SAFETY: these are all bytes of it, and nobody else has it yet.
        unsafe { start.write_bytes(0, SLOT_BYTES) };
        Ok(Memory::Pinned(Pinned { context: self.context.clone(), functions, start }))
    }
}
