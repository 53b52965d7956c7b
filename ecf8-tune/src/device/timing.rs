//! Time on the GPU's own clock.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::context::Event;
use super::{CudaDevice, DeviceBuffer, DeviceCopy, DeviceError};

/// A GPU with nothing to do lowers its clocks, an H200 to a sixth, and takes its time to raise them again.
#[derive(Debug, Default)]
pub(super) struct Clocks {
    /// When the last timed work was done.
    raised: Option<Instant>,
}

/// How long a GPU may be idle and keep its clocks.
const IDLE: Duration = Duration::from_millis(300);

/// How long the clocks are waited for at most.
const PATIENCE: Duration = Duration::from_secs(1);

/// Copies of a burst of work, long enough for the clock that tells its time.
const BURST: usize = 16;

/// The time in the middle, or the later of two; `None` of no times.
fn median(times: &[f32]) -> Option<f32> {
    let mut sorted = times.to_vec();
    sorted.sort_by(f32::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

/// Whether bursts of work, by their times in milliseconds, in order, show clocks that rise no more.
fn is_steady(times: &[f32]) -> bool {
    /// Clocks may stay low for some time before they rise, which would look steady.
    const LEAST_MS: f32 = 300.0;
    /// Bursts whose middle is compared with that of as many before.
    const WINDOW: usize = 8;
    const TOLERANCE: f32 = 0.01;
    let middle = |times: &[f32]| median(times).unwrap_or(0.0);
    let (earlier, last) = times.split_at(times.len().saturating_sub(WINDOW));
    let before = &earlier[earlier.len().saturating_sub(WINDOW)..];
    before.len() == WINDOW
        && times.iter().sum::<f32>() >= LEAST_MS
        && (middle(before) - middle(last)).abs() <= TOLERANCE * middle(last)
}

impl CudaDevice {
    /// Times `runs` launches by events around each, in milliseconds, in order, after the GPU's clocks are up.
    ///
    /// `launch` is called with 0, 1, … so that it can rotate its buffers. It may launch several kernels; where they are
    /// small, a [`Recording`](super::Recording) of them keeps the host's share out of the time. All runs are queued
    /// before any is waited for. A kernel's own warm-up is the caller's: its first runs, which may load it, are among the
    /// samples.
    ///
    /// # Errors
    /// What `launch` says, or the driver; [`DeviceError::Captured`].
    pub fn time<E: From<DeviceError>>(
        &self,
        runs: usize,
        launch: impl FnMut(usize) -> Result<(), E>,
    ) -> Result<Vec<f32>, E> {
        let mut clocks = self.clocks.lock().unwrap_or_else(PoisonError::into_inner);
        if runs > 0 && clocks.raised.is_none_or(|raised| raised.elapsed() > IDLE) {
            self.warm_up()?;
        }
        let times = self.time_as_it_is(runs, launch);
        clocks.raised = Some(Instant::now());
        times
    }

    /// Keeps the GPU busy with copies until they take the same time again and again, or patience ends.
    fn warm_up(&self) -> Result<(), DeviceError> {
        let buffer = self.room_for_copies()?;
        let half = buffer.len() / 2;
        let copy = DeviceCopy { source: &buffer, part: 0..half, target: &buffer, start: half };
        let (begun, mut times) = (Instant::now(), Vec::new());
        while !is_steady(&times) && begun.elapsed() < PATIENCE {
            times.extend(self.time_as_it_is(1, |_| (0..BURST).try_for_each(|_| self.transfer(&copy)))?);
        }
        Ok(())
    }

    /// Memory to copy within: of a size that a GPU has a while to do with, or less if it has no more left.
    fn room_for_copies(&self) -> Result<DeviceBuffer, DeviceError> {
        const MOST: u64 = 256 << 20;
        const LEAST: usize = 1 << 20;
        let mut bytes = usize::try_from((self.info().memory_bytes / 64).min(MOST)).unwrap_or(LEAST);
        loop {
            match self.alloc(bytes) {
                Err(DeviceError::OutOfMemory { .. }) if bytes > LEAST => bytes /= 4,
                made => return made,
            }
        }
    }

    fn time_as_it_is<E: From<DeviceError>>(
        &self,
        runs: usize,
        mut launch: impl FnMut(usize) -> Result<(), E>,
    ) -> Result<Vec<f32>, E> {
        let _current = self.enter_uncaptured("timing")?;
        let event = || Event::new(&self.context, true).map_err(|code| self.fail("making an event", code));
        let record =
            |event: &Event| event.record(&self.stream).map_err(|code| self.fail("recording an event", code));
        let mut pairs = Vec::with_capacity(runs);
        for _ in 0..runs {
            pairs.push((event()?, event()?));
        }
        for (run, (start, end)) in pairs.iter().enumerate() {
            record(start)?;
            launch(run)?;
            record(end)?;
        }
        self.synchronize()?;
        let elapsed = pairs.iter().map(|(start, end)| start.elapsed_ms(end));
        Ok(elapsed
            .map(|time| time.map_err(|code| self.fail("reading an event", code)))
            .collect::<Result<_, _>>()?)
    }

    /// Marks what has been asked of the GPU so far.
    ///
    /// # Errors
    /// [`DeviceError::Captured`], or what the driver says.
    pub fn mark(&self) -> Result<Mark, DeviceError> {
        let _current = self.enter_uncaptured("marking a place to wait for")?;
        let event = Event::new(&self.context, false).map_err(|code| self.fail("making an event", code))?;
        event.record(&self.stream).map_err(|code| self.fail("recording an event", code))?;
        Ok(Mark(event))
    }

    /// Waits until everything before the mark is done; what was asked after it goes on meanwhile.
    ///
    /// # Errors
    /// As [`CudaDevice::synchronize`].
    pub fn wait(&self, mark: &Mark) -> Result<(), DeviceError> {
        const DOING: &str = "waiting for it";
        let _current = self.enter_uncaptured(DOING)?;
        mark.0.synchronize().map_err(|code| self.fail(DOING, code))
    }

    /// Measures how fast the GPU copies `bytes` bytes within its memory, `runs` times, with its clocks up and after two copies
    /// to warm up.
    ///
    /// It needs twice `bytes` of memory; choose `bytes` several times the L2 cache.
    ///
    /// # Errors
    /// [`DeviceError::OutOfMemory`], or what the driver says.
    pub fn copy_bandwidth(&self, bytes: usize, runs: usize) -> Result<CopyBandwidth, DeviceError> {
        const WARM_UP: usize = 2;
        let mut source = self.alloc(bytes)?;
        let mut target = self.alloc(bytes)?;
        self.fill(&mut source, 0xa5)?;
        let mut samples_ms = self.time(WARM_UP + runs, |_| self.copy(&source, &mut target))?;
        samples_ms.drain(..WARM_UP);
        Ok(CopyBandwidth { bytes: bytes as u64, samples_ms })
    }
}

/// A point in the order of what was asked of a GPU.
#[derive(Debug)]
pub struct Mark(Event);

/// Copies within a GPU's memory, timed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CopyBandwidth {
    /// Bytes copied in each run; each is read once and written once.
    pub bytes: u64,
    /// Time of each run in milliseconds, in order.
    pub samples_ms: Vec<f32>,
}

impl CopyBandwidth {
    /// Bytes read and written per second in units of 10⁹, at the median time; `None` without samples.
    pub fn gb_per_s(&self) -> Option<f64> {
        let middle = f64::from(median(&self.samples_ms)?);
        let moved = 2.0 * self.bytes as f64;
        (middle > 0.0).then(|| moved / (middle * 1e6))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_up_when_bursts_take_as_long_as_those_before_and_not_while_they_have_not_begun_to_rise() {
        let low = [12.0; 20];
        assert!(!is_steady(&low), "the same again and again, but not for long");
        let rising = [&low[..], &[6.0, 4.0, 3.0, 2.5, 2.3, 2.2, 2.1, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0]].concat();
        assert!(!is_steady(&rising));
        // One burst that something else held up does not matter.
        let up = [&rising[..], &[2.0, 2.01, 9.0, 2.0, 1.99, 2.0, 2.0, 2.0]].concat();
        assert!(!is_steady(&up), "not for long enough");
        assert!(is_steady(&[&up[..], &[2.0; 8]].concat()));
        assert!(!is_steady(&[]));
    }

    #[test]
    fn bandwidth_counts_reads_and_writes_at_the_median_time() {
        let copies = CopyBandwidth { bytes: 1_000_000_000, samples_ms: vec![9.0, 1.0, 0.5] };
        assert_eq!(copies.gb_per_s(), Some(2000.0));
        assert_eq!(CopyBandwidth { bytes: 1, samples_ms: vec![] }.gb_per_s(), None);
    }
}
