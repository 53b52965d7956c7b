//! Time on the GPU's own clock.

use cudarc::driver::CudaEvent;
use cudarc::driver::sys::CUevent_flags;
use serde::{Deserialize, Serialize};

use super::{CudaDevice, DeviceError};

impl CudaDevice {
    /// Times `runs` launches by events around each, in milliseconds, in order.
    ///
    /// `launch` is called with 0, 1, … so that it can rotate its buffers. It may launch several kernels; where they are
    /// small, a [`Recording`](super::Recording) of them keeps the host's share out of the time. All runs are queued
    /// before any is waited for. Warm-up is the caller's: the first runs of a kernel, which may load it, are among the
    /// samples.
    ///
    /// # Errors
    /// What `launch` says, or the driver.
    pub fn time(
        &self,
        runs: usize,
        mut launch: impl FnMut(usize) -> Result<(), DeviceError>,
    ) -> Result<Vec<f32>, DeviceError> {
        let event = || {
            let event = self.context.new_event(Some(CUevent_flags::CU_EVENT_DEFAULT));
            event.map_err(|error| self.fail("making an event", error))
        };
        let mut pairs = Vec::with_capacity(runs);
        for _ in 0..runs {
            pairs.push((event()?, event()?));
        }
        for (run, (start, end)) in pairs.iter().enumerate() {
            start.record(&self.stream).map_err(|error| self.fail("recording an event", error))?;
            launch(run)?;
            end.record(&self.stream).map_err(|error| self.fail("recording an event", error))?;
        }
        self.synchronize()?;
        let elapsed = pairs.iter().map(|(start, end)| start.elapsed_ms(end));
        elapsed.map(|time| time.map_err(|error| self.fail("reading an event", error))).collect()
    }

    /// Marks what has been asked of the GPU so far.
    ///
    /// # Errors
    /// What the driver says.
    pub fn mark(&self) -> Result<Mark, DeviceError> {
        let event = self.context.new_event(Some(CUevent_flags::CU_EVENT_DISABLE_TIMING));
        let event = event.map_err(|error| self.fail("making an event", error))?;
        event.record(&self.stream).map_err(|error| self.fail("recording an event", error))?;
        Ok(Mark(event))
    }

    /// Waits until everything before the mark is done; what was asked after it goes on meanwhile.
    ///
    /// # Errors
    /// As [`CudaDevice::synchronize`].
    pub fn wait(&self, mark: &Mark) -> Result<(), DeviceError> {
        mark.0.synchronize().map_err(|error| self.fail("waiting for it", error))
    }

    /// Measures how fast the GPU copies `bytes` bytes within its memory, `runs` times after two to warm up.
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
pub struct Mark(CudaEvent);

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
        let mut sorted = self.samples_ms.clone();
        sorted.sort_by(f32::total_cmp);
        let middle = f64::from(*sorted.get(sorted.len() / 2)?);
        let moved = 2.0 * self.bytes as f64;
        (middle > 0.0).then(|| moved / (middle * 1e6))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bandwidth_counts_reads_and_writes_at_the_median_time() {
        let copies = CopyBandwidth { bytes: 1_000_000_000, samples_ms: vec![9.0, 1.0, 0.5] };
        assert_eq!(copies.gb_per_s(), Some(2000.0));
        assert_eq!(CopyBandwidth { bytes: 1, samples_ms: vec![] }.gb_per_s(), None);
    }
}
