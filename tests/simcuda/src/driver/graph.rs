//! Graphs: work that was captured, to be done as often as is asked.

use std::sync::Arc;

use super::queue::Work;
use super::{Code, Context, Driver};

/// Work in the order in which it is done.
#[derive(Clone, Debug)]
pub(super) struct Graph(Arc<Vec<Work>>);

impl Graph {
    pub(super) fn new(works: Vec<Work>) -> Self {
        Self(Arc::new(works))
    }
}

impl Context {
    pub(crate) fn instantiate(&mut self, graph: u64, flags: u64) -> Result<u64, Code> {
        if flags != 0 {
            return Err(Code::INVALID_VALUE);
        }
        let graph = self.graphs.get(&graph).ok_or(Code::INVALID_HANDLE)?.clone();
        let handle = self.new_handle();
        self.instances.insert(handle, graph);
        Ok(handle)
    }

    pub(crate) fn upload_graph(&mut self, instance: u64, stream: u64) -> Result<(), Code> {
        self.forbid_on(stream)?;
        if self.instances.contains_key(&instance) { Ok(()) } else { Err(Code::INVALID_HANDLE) }
    }

    pub(crate) fn launch_graph(&mut self, instance: u64, stream: u64) -> Result<(), Code> {
        let Graph(works) = self.instances.get(&instance).ok_or(Code::INVALID_HANDLE)?.clone();
        for work in works.iter() {
            self.ask(stream, work.clone())?;
        }
        self.ask(stream, Work::Replayed(instance))
    }

    pub(crate) fn destroy_graph(&mut self, graph: u64) -> Result<(), Code> {
        self.graphs.remove(&graph).map(drop).ok_or(Code::INVALID_HANDLE)
    }

    /// Nobody promises that one may go while it runs.
    pub(crate) fn destroy_instance(&mut self, instance: u64) -> Result<(), Code> {
        self.instances.remove(&instance).ok_or(Code::INVALID_HANDLE)?;
        if self.is_queued(|work| matches!(work, Work::Replayed(other) if *other == instance)) {
            Driver::complain("a graph goes before a replay of it is done");
            self.fault = Some(Code::LAUNCH_FAILED);
        }
        Ok(())
    }
}
