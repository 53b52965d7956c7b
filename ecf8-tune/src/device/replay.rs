//! Work that is asked for again and again, replayed as a graph from the second time on.

use std::fmt;

use super::graph::{DeviceLaunch, Graph, is_no_graph};
use super::{CudaDevice, DeviceError};

/// A graph of one launch takes as long as the launch.
const LEAST_LAUNCHES: usize = 2;

/// What was done the last time, and its graph once it was asked for twice in a row.
///
/// It borrows nothing: a graph is replayed only when the very work that it was made of is asked for again, on the same
/// kernels and the same addresses, so with buffers that are there. Other work has it forgotten.
#[derive(Default)]
pub struct Replay {
    /// The GPU and the stream.
    on: (u32, usize),
    last: Vec<Identity>,
    graph: Option<Result<Graph, DeviceError>>,
}

/// What tells a launch from all others.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    kernel: usize,
    grid: u32,
    threads: u32,
    dynamic_shared: u32,
    parameters: Vec<u8>,
}

/// Work that could not be done.
#[derive(Debug)]
pub struct Undone {
    /// The first launch that was not made, where that is known.
    pub at: Option<usize>,
    /// Why not.
    pub source: DeviceError,
}

impl Replay {
    /// Why the last launches were made one by one though it was asked for before; `None` if a graph was replayed, or none
    /// was wanted yet.
    pub fn one_by_one(&self) -> Option<&DeviceError> {
        self.graph.as_ref()?.as_ref().err()
    }
}

impl CudaDevice {
    /// Makes launches in their order: as a graph if they are the same as the last time. Returns at once, as
    /// [`CudaDevice::launch`] does. While somebody captures the stream, they become part of that graph one by one, and
    /// `replay` stays as it is.
    ///
    /// # Errors
    /// As that.
    pub fn repeat(&self, work: &[DeviceLaunch<'_>], replay: &mut Replay) -> Result<(), Undone> {
        let is_captured = self.is_captured().map_err(|source| Undone { at: None, source })?;
        if !is_captured && self.is_repeated(work, replay) {
            let graph = replay.graph.get_or_insert_with(|| self.capture(work));
            match graph {
                Ok(graph) => return graph.replay().map_err(|source| Undone { at: None, source }),
                Err(error) if is_no_graph(error) => {}
                Err(error) => {
                    let source = error.clone();
                    *replay = Replay::default();
                    return Err(Undone { at: None, source });
                }
            }
        }
        for (at, launch) in work.iter().enumerate() {
            self.run(launch).map_err(|source| Undone { at: Some(at), source })?;
        }
        Ok(())
    }

    /// Whether this is what was done the last time; if not, it is what will have been.
    fn is_repeated(&self, work: &[DeviceLaunch<'_>], replay: &mut Replay) -> bool {
        let all = if work.len() < LEAST_LAUNCHES { &[] } else { work };
        // What is wrong with one of them shows when they are done.
        let identities = all.iter().map(|launch| self.identify(launch)).collect::<Result<Vec<_>, _>>();
        let identities = identities.unwrap_or_default();
        let on = (self.info().ordinal, self.stream.handle.addr());
        let is_repeated = !identities.is_empty() && on == replay.on && identities == replay.last;
        if !is_repeated {
            *replay = Replay { on, last: identities, graph: None };
        }
        is_repeated
    }

    fn identify(&self, launch: &DeviceLaunch<'_>) -> Result<Identity, DeviceError> {
        let DeviceLaunch { function, grid, threads, dynamic_shared, args } = *launch;
        let (kernel, parameters) = self.identity(function, args)?;
        Ok(Identity { kernel, grid, threads, dynamic_shared, parameters })
    }
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay")
            .field("last", &self.last)
            .field("one_by_one", &self.one_by_one())
            .finish_non_exhaustive()
    }
}
