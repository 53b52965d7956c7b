//! Work that is asked for again and again, replayed as a graph from the second time on.

use std::fmt;

use cudarc::driver::sys::CUdeviceptr;

use super::graph::{Graph, Task, is_no_graph};
use super::{CudaDevice, DeviceError};

/// A graph of one piece of work takes as long as the piece.
const LEAST_TASKS: usize = 2;

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

/// What tells a piece of work from all others.
#[derive(Debug, PartialEq, Eq)]
enum Identity {
    Launch { kernel: usize, grid: u32, threads: u32, dynamic_shared: u32, parameters: Vec<u8> },
    Copy { target: CUdeviceptr, source: CUdeviceptr, bytes: usize },
}

/// Work that could not be done.
#[derive(Debug)]
pub struct Undone {
    /// The first piece that was not done, where that is known.
    pub at: Option<usize>,
    /// Why not.
    pub source: DeviceError,
}

impl Replay {
    /// Why the last work was done piece by piece though it was asked for before; `None` if a graph was replayed, or none
    /// was wanted yet.
    pub fn one_by_one(&self) -> Option<&DeviceError> {
        self.graph.as_ref()?.as_ref().err()
    }
}

impl CudaDevice {
    /// Does work in its order: as a graph if it is the same as the last time. Returns at once, as [`CudaDevice::launch`] does.
    ///
    /// # Errors
    /// As [`CudaDevice::perform`].
    pub fn repeat(&self, work: &[Task<'_>], replay: &mut Replay) -> Result<(), Undone> {
        if self.is_repeated(work, replay) {
            let graph = replay.graph.get_or_insert_with(|| self.capture(work.iter().cloned()));
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
        for (at, task) in work.iter().enumerate() {
            self.perform(task).map_err(|source| Undone { at: Some(at), source })?;
        }
        Ok(())
    }

    /// Whether this is what was done the last time; if not, it is what will have been.
    fn is_repeated(&self, work: &[Task<'_>], replay: &mut Replay) -> bool {
        let all = if work.len() < LEAST_TASKS { &[] } else { work };
        // What is wrong with one of them shows when they are done.
        let identities = all.iter().map(|task| self.identify(task)).collect::<Result<Vec<_>, _>>();
        let identities = identities.unwrap_or_default();
        let on = (self.info().ordinal, self.stream.cu_stream().addr());
        let is_repeated = !identities.is_empty() && on == replay.on && identities == replay.last;
        if !is_repeated {
            *replay = Replay { on, last: identities, graph: None };
        }
        is_repeated
    }

    fn identify(&self, task: &Task<'_>) -> Result<Identity, DeviceError> {
        Ok(match task {
            Task::Launch(launch) => {
                let (kernel, parameters) = self.identity(launch.function, launch.args)?;
                let (grid, threads, dynamic_shared) = (launch.grid, launch.threads, launch.dynamic_shared);
                Identity::Launch { kernel, grid, threads, dynamic_shared, parameters }
            }
            Task::Copy(transfer) => {
                let (target, source, bytes) = self.ends(transfer)?;
                Identity::Copy { target, source, bytes }
            }
        })
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
