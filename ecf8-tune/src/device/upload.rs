//! Bytes on their way to the GPU: through a few buffers of the host's, in turn, so that the host writes to one while
//! the GPU reads another, and waits for none but the one that it needs next.

use std::sync::{Arc, PoisonError};

use cudarc::driver::{CudaStream, DevicePtrMut, PinnedHostSlice, result};
use rayon::prelude::*;

use super::{CudaDevice, DeviceBuffer, DeviceError, Mark, driver};

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
    stream: Arc<CudaStream>,
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
    Pinned(PinnedHostSlice<u8>),
    Pageable(Vec<u8>),
}

impl Drop for Ring {
    fn drop(&mut self) {
        if !self.slots.is_empty() {
            // The GPU may still read them. What went wrong shows in the next call.
            let _ = self.stream.synchronize();
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
        const DOING: &str = "copying to it";
        let mut buffer = self.alloc(bytes)?;
        let mut uploads = self.uploads.lock().unwrap_or_else(PoisonError::into_inner);
        let mut start = 0;
        while start < bytes {
            let room = self.room(&mut uploads)?;
            let count = room.len().min(bytes - start);
            let part = &mut room[..count];
            part.par_chunks_mut(PIECE).enumerate().for_each(|(n, piece)| fill(start + n * PIECE, piece));
            self.bind(DOING)?;
            let address = buffer.slice_mut().device_ptr_mut(&self.stream).0 + start as u64;
            // SAFETY: `count` bytes at `address` belong to the buffer, and the context of the stream is current. The
            // host's bytes stay there, and are not written to, until the GPU is done: `Ring` waits before it uses a
            // slot again or goes.
            let copied = unsafe { result::memcpy_htod_async(address, part, self.stream.cu_stream()) };
            copied.map_err(|error| self.fail(DOING, error))?;
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
            Memory::Pinned(pinned) => {
                pinned.as_mut_slice().map_err(|error| self.fail("writing for it", error))?
            }
            Memory::Pageable(bytes) => bytes,
        };
        Ok(&mut all[ring.used..])
    }

    /// Memory of the host's that the GPU reads by itself.
    fn pinned(&self) -> Result<Memory, DeviceError> {
        if let Some(function) = driver::missing_for_pinning() {
            return Err(DeviceError::DriverTooOld { function });
        }
        // SAFETY: it is unset, and so set before anybody sees it.
        let made = unsafe { self.context.alloc_pinned::<u8>(SLOT_BYTES) };
        let mut pinned = made.map_err(|error| self.fail("pinning host memory", error))?;
        let start = pinned.as_mut_ptr().map_err(|error| self.fail("pinning host memory", error))?;
        // SAFETY: these are all bytes of it, and nobody else has it yet.
        unsafe { start.write_bytes(0, SLOT_BYTES) };
        Ok(Memory::Pinned(pinned))
    }
}
