//! Global, shared and constant memory, with what is known about who wrote what.

use super::fault::FaultKind;
use crate::ir::Location;
use crate::launch::{ALIGNMENT, OutputSlot};
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

/// The output buffer, which all blocks write.
pub(super) struct Output {
    bytes: Vec<AtomicU8>,
    /// Per byte the block that wrote it plus one, 0 while nobody has; empty if nobody asks.
    writers: Vec<AtomicU32>,
    /// Per byte the last write by that block, which alone looks at it; empty if nobody asks.
    written: Vec<Packed>,
}

impl Output {
    pub(super) fn new(bytes: usize, track_writers: bool) -> Self {
        let writers = if track_writers { bytes } else { 0 };
        Self {
            bytes: std::iter::repeat_with(|| AtomicU8::new(0)).take(bytes).collect(),
            writers: std::iter::repeat_with(|| AtomicU32::new(0)).take(writers).collect(),
            written: std::iter::repeat_with(Packed::default).take(writers).collect(),
        }
    }

    /// The first byte that should have been written, and was not; `None` if nobody has asked for that.
    pub(super) fn first_unwritten(&self, slot: &OutputSlot) -> Option<usize> {
        let is_unwritten = |byte: &usize| self.writers[*byte].load(Ordering::Relaxed) == 0;
        slot.written_of(self.writers.len()).find_map(|mut bytes| bytes.find(is_unwritten))
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes.into_iter().map(AtomicU8::into_inner).collect()
    }
}

/// A buffer that a launch passes.
#[derive(Clone, Copy)]
pub(super) enum Global<'a> {
    Input(&'a [u8]),
    Output(&'a Output),
}

/// Who touched the same place.
pub(super) struct Other {
    thread: u32,
    /// The number of the statement, if it is known.
    statement: Option<u32>,
}

/// What a thread can do wrong at a memory, short of names.
pub(super) enum Wrong {
    OutOfBounds,
    Uninitialised,
    Race { access: &'static str, other_access: &'static str, other: Other },
    Overlap { other_block: u32 },
}

impl Wrong {
    /// With names. `at` gives where the statement with a number was written.
    pub(super) fn named(
        self,
        memory: &str,
        index: u64,
        elements: u64,
        at: impl Fn(u32) -> Option<Location>,
    ) -> FaultKind {
        let memory = memory.to_owned();
        match self {
            Wrong::OutOfBounds => FaultKind::OutOfBounds { memory, index, elements },
            Wrong::Uninitialised => FaultKind::Uninitialised { what: memory, index: Some(index) },
            Wrong::Race { access, other_access, other } => {
                let (other_thread, other_at) = (other.thread, other.statement.and_then(at));
                FaultKind::Race { memory, index, access, other_access, other_thread, other_at }
            }
            Wrong::Overlap { other_block } => FaultKind::Overlap { memory, index, other_block },
        }
    }
}

/// Where element `index` of `width` bytes starts, if it lies within `bytes`.
#[inline]
fn locate(index: u64, width: usize, bytes: usize) -> Result<usize, Wrong> {
    let start =
        usize::try_from(index).ok().and_then(|index| index.checked_mul(width)).ok_or(Wrong::OutOfBounds)?;
    if start.checked_add(width).is_some_and(|end| end <= bytes) { Ok(start) } else { Err(Wrong::OutOfBounds) }
}

#[inline]
fn little_endian(bytes: &[u8]) -> u64 {
    match *bytes {
        [a] => a.into(),
        [a, b] => u16::from_le_bytes([a, b]).into(),
        [a, b, c, d] => u32::from_le_bytes([a, b, c, d]).into(),
        [a, b, c, d, e, f, g, h] => u64::from_le_bytes([a, b, c, d, e, f, g, h]),
        _ => 0,
    }
}

/// Reads an element of a table.
#[inline]
pub(super) fn load_table(bytes: &[u8], index: u64, width: usize) -> Result<u64, Wrong> {
    let start = locate(index, width, bytes.len())?;
    Ok(little_endian(&bytes[start..start + width]))
}

/// Reads an element of an input buffer, which zeros follow up to a multiple of [`ALIGNMENT`].
#[inline]
pub(super) fn load_input(bytes: &[u8], index: u64, width: usize) -> Result<u64, Wrong> {
    let start = locate(index, width, bytes.len().next_multiple_of(ALIGNMENT))?;
    match bytes.get(start..start + width) {
        Some(element) => Ok(little_endian(element)),
        None => {
            let there = bytes.iter().skip(start).take(width).zip(0_u32..);
            Ok(there.fold(0, |value, (&byte, n)| value | u64::from(byte) << (8 * n)))
        }
    }
}

impl Output {
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Reads an element, which is to be set, and if by `block` itself, with a barrier since.
    pub(super) fn load(&self, index: u64, width: usize, block: u32, now: Moment) -> Result<u64, Wrong> {
        let start = locate(index, width, self.bytes.len())?;
        for byte in (start..start + width).take_while(|byte| *byte < self.writers.len()) {
            match self.writers[byte].load(Ordering::Relaxed) {
                0 => return Err(Wrong::Uninitialised),
                by if by == block + 1 => {
                    if let Some(other) = self.written[byte].get().conflict(now) {
                        return Err(Wrong::Race { access: "reads", other_access: "wrote", other });
                    }
                }
                _ => {}
            }
        }
        let bytes = self.bytes[start..start + width].iter().rev();
        Ok(bytes.fold(0, |value, byte| value << 8 | u64::from(byte.load(Ordering::Relaxed))))
    }

    #[inline]
    pub(super) fn store(
        &self,
        index: u64,
        width: usize,
        value: u64,
        block: u32,
        now: Moment,
    ) -> Result<(), Wrong> {
        let start = locate(index, width, self.bytes.len())?;
        for (byte, value) in self.bytes[start..start + width].iter().zip(value.to_le_bytes()) {
            byte.store(value, Ordering::Relaxed);
        }
        for byte in (start..start + width).take_while(|byte| *byte < self.writers.len()) {
            let before = self.writers[byte].swap(block + 1, Ordering::Relaxed);
            if before != 0 && before != block + 1 {
                return Err(Wrong::Overlap { other_block: before - 1 });
            }
            let last = if before == 0 { Touch::default() } else { self.written[byte].get() };
            if let Some(other) = last.conflict(now) {
                return Err(Wrong::Race { access: "writes", other_access: "wrote", other });
            }
            self.written[byte].set(last.and(now));
        }
        Ok(())
    }
}

/// When a thread touches memory, as far as barriers order it.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    pub(super) thread: u32,
    /// Barriers passed, plus one.
    pub(super) epoch: u32,
    /// Barriers of its warp passed.
    pub(super) warp_epoch: u32,
    /// The number of the statement.
    pub(super) statement: u32,
}

/// Who touched a byte last.
#[derive(Clone, Copy, Default)]
struct Touch {
    /// 0 if nobody did.
    epoch: u32,
    warp_epoch: u32,
    statement: u32,
    thread: u16,
    /// Whether other threads of the warp, or of other warps, did so too since the last barrier.
    by: By,
}

/// There are two for each byte of shared memory, and one for each byte of output.
const _: () = assert!(size_of::<Touch>() == 16);

#[derive(Clone, Copy, Default, PartialEq)]
enum By {
    #[default]
    One,
    Warp,
    Many,
}

impl Touch {
    /// Another thread that touched it with no barrier between then and now.
    fn conflict(&self, now: Moment) -> Option<Other> {
        if self.epoch != now.epoch {
            return None;
        }
        let thread = u32::from(self.thread);
        let same_warp = thread / 32 == now.thread / 32;
        let alone = self.by == By::One && thread == now.thread;
        let ordered = same_warp && (alone || self.warp_epoch < now.warp_epoch);
        if self.by != By::Many && ordered {
            return None;
        }
        // Of several only the last is known.
        Some(if thread == now.thread {
            Other { thread: thread ^ 1, statement: None }
        } else {
            Other { thread, statement: Some(self.statement) }
        })
    }

    /// The record of this touch and those before it that still matter.
    fn and(self, now: Moment) -> Self {
        let Moment { thread, epoch, warp_epoch, statement } = now;
        let by = match self.conflict(now) {
            None => By::One,
            Some(_) if self.by == By::Many || u32::from(self.thread) / 32 != thread / 32 => By::Many,
            Some(_) => By::Warp,
        };
        // A block has at most 1024 threads.
        Self { epoch, warp_epoch, statement, thread: u16::try_from(thread).unwrap_or(u16::MAX), by }
    }
}

/// A touch where blocks that run at once may each have theirs of other bytes.
#[derive(Default)]
struct Packed {
    epochs: AtomicU64,
    /// The statement, the thread, and by whom.
    who: AtomicU64,
}

impl Packed {
    #[expect(clippy::cast_possible_truncation, reason = "each part is taken out as wide as it was put in")]
    fn get(&self) -> Touch {
        let (epochs, who) = (self.epochs.load(Ordering::Relaxed), self.who.load(Ordering::Relaxed));
        let by = match who & 3 {
            0 => By::One,
            1 => By::Warp,
            _ => By::Many,
        };
        Touch {
            epoch: (epochs >> 32) as u32,
            warp_epoch: epochs as u32,
            statement: (who >> 32) as u32,
            thread: (who >> 8) as u16,
            by,
        }
    }

    fn set(&self, touch: Touch) {
        let by = match touch.by {
            By::One => 0,
            By::Warp => 1,
            By::Many => 2,
        };
        self.epochs.store(u64::from(touch.epoch) << 32 | u64::from(touch.warp_epoch), Ordering::Relaxed);
        let who = u64::from(touch.statement) << 32 | u64::from(touch.thread) << 8 | by;
        self.who.store(who, Ordering::Relaxed);
    }
}

/// A block's shared memory of one array.
pub(super) struct SharedArray {
    bytes: Vec<u8>,
    /// Last write and reads of each byte; empty if nobody asks.
    touches: Vec<(Touch, Touch)>,
}

impl SharedArray {
    pub(super) fn new(bytes: usize, track: bool) -> Self {
        Self { bytes: vec![0; bytes], touches: vec![Default::default(); if track { bytes } else { 0 }] }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Makes it as a new block finds it.
    pub(super) fn reset(&mut self) {
        self.touches.fill(Default::default());
    }

    #[inline]
    pub(super) fn load(&mut self, index: u64, width: usize, now: Moment) -> Result<u64, Wrong> {
        let start = locate(index, width, self.bytes.len())?;
        if let Some(touches) = self.touches.get_mut(start..start + width) {
            for (written, read) in touches {
                if written.epoch == 0 {
                    return Err(Wrong::Uninitialised);
                }
                if let Some(other) = written.conflict(now) {
                    return Err(Wrong::Race { access: "reads", other_access: "wrote", other });
                }
                *read = read.and(now);
            }
        }
        Ok(little_endian(&self.bytes[start..start + width]))
    }

    #[inline]
    pub(super) fn store(&mut self, index: u64, width: usize, value: u64, now: Moment) -> Result<(), Wrong> {
        let start = locate(index, width, self.bytes.len())?;
        if let Some(touches) = self.touches.get_mut(start..start + width) {
            for (written, read) in touches {
                for (touch, other_access) in [(&*written, "wrote"), (&*read, "read")] {
                    if let Some(other) = touch.conflict(now) {
                        return Err(Wrong::Race { access: "writes", other_access, other });
                    }
                }
                *written = written.and(now);
            }
        }
        self.bytes[start..start + width].copy_from_slice(&value.to_le_bytes()[..width]);
        Ok(())
    }
}
