//! Contexts: each GPU has one, which every thread that wants to use it makes current.

use rand::SeedableRng;
use std::cell::Cell;
use std::collections::{BTreeMap, HashSet};

use super::event::Event;
use super::graph::Graph;
use super::launch::Function;
use super::module::Loaded;
use super::pinned::Pinned;
use super::queue::Queue;
use super::stream::Stream;
use super::{Code, Driver};
use crate::gpu::{Gpu, Memory, Random};
use crate::settings::Settings;

thread_local! {
    static CURRENT: Cell<u64> = const { Cell::new(0) };
}

/// The handle of the calling thread's context; 0 is none.
pub(crate) fn current() -> u64 {
    CURRENT.get()
}

pub(crate) fn set_current(handle: u64) {
    CURRENT.set(handle);
}

/// What lives as long as a context.
pub(crate) struct Context {
    pub(crate) handle: u64,
    pub(super) settings: Settings,
    pub(super) gpu: Gpu,
    pub(super) random: Random,
    /// What went wrong, from which on nothing works any more.
    pub(super) fault: Option<Code>,
    pub(super) streams: BTreeMap<u64, Stream>,
    pub(super) events: BTreeMap<u64, Event>,
    pub(super) modules: BTreeMap<u64, Loaded>,
    pub(super) functions: BTreeMap<u64, Function>,
    pub(super) graphs: BTreeMap<u64, Graph>,
    /// Graphs that can be launched.
    pub(super) instances: BTreeMap<u64, Graph>,
    pub(super) queue: Queue,
    /// Memory of the host's that the GPU reads and writes by itself, by address.
    pub(super) pinned: BTreeMap<u64, Pinned>,
    /// Memory that is freed as soon as the queue gets there, and that nobody may ask for any more.
    pub(super) leaving: HashSet<u64>,
    /// Milliseconds that work took so far, as far as there is time here.
    pub(super) clock_ms: f64,
    last_handle: u64,
}

impl Context {
    pub(super) fn new(handle: u64, ordinal: u32, settings: &Settings) -> Self {
        // Addresses of one GPU mean nothing to another.
        let memory = Memory::from((u64::from(ordinal) + 1) << 40);
        Self {
            handle,
            settings: settings.clone(),
            gpu: Gpu::new(memory),
            random: Random::seed_from_u64(settings.seed.wrapping_add(ordinal.into())),
            fault: None,
            streams: BTreeMap::new(),
            events: BTreeMap::new(),
            modules: BTreeMap::new(),
            functions: BTreeMap::new(),
            graphs: BTreeMap::new(),
            instances: BTreeMap::new(),
            queue: Queue::default(),
            pinned: BTreeMap::new(),
            leaving: HashSet::new(),
            clock_ms: 0.0,
            // Of this context's only, so that another one's are seen to be none.
            last_handle: handle << 20,
        }
    }

    pub(super) fn new_handle(&mut self) -> u64 {
        self.last_handle += 16;
        self.last_handle
    }

    /// Waits until all that was asked of it is done.
    pub(crate) fn synchronize(&mut self) -> Result<(), Code> {
        self.forbid_while_capturing()?;
        self.complete_all()
    }
}

impl Driver {
    /// The calling thread's context, if nothing went wrong in it.
    pub(crate) fn current(&mut self) -> Result<&mut Context, Code> {
        let handle = current();
        let context =
            self.gpus.iter_mut().filter_map(|gpu| gpu.context.as_mut()).find(|one| one.handle == handle);
        let context = context.ok_or(Code::INVALID_CONTEXT)?;
        context.fault.map_or(Ok(context), Err)
    }

    /// Whether there is a context with this handle.
    pub(crate) fn has_context(&self, handle: u64) -> bool {
        self.gpus.iter().filter_map(|gpu| gpu.context.as_ref()).any(|one| one.handle == handle)
    }

    /// The context of a GPU, made if nobody has it.
    pub(crate) fn retain(&mut self, ordinal: usize) -> Result<u64, Code> {
        self.last_handle += 0x100;
        let (handle, number) = (self.last_handle, u32::try_from(ordinal).map_err(|_| Code::INVALID_DEVICE)?);
        let primary = self.gpus.get_mut(ordinal).ok_or(Code::INVALID_DEVICE)?;
        primary.retained += 1;
        let context = primary.context.get_or_insert_with(|| Context::new(handle, number, &self.settings));
        Ok(context.handle)
    }

    /// Lets a GPU's context go if nobody else has it, with all that is in it.
    pub(crate) fn release(&mut self, ordinal: usize) -> Result<(), Code> {
        let primary = self.gpus.get_mut(ordinal).ok_or(Code::INVALID_DEVICE)?;
        primary.retained = primary.retained.checked_sub(1).ok_or(Code::INVALID_CONTEXT)?;
        if primary.retained == 0
            && let Some(mut context) = primary.context.take()
        {
            // Work goes on to its end; what goes wrong then nobody is told.
            let _ = context.complete_all();
            let left = context.streams.len() + context.instances.len() + context.modules.len();
            if self.settings.is_logged && (context.gpu.memory.used() > 0 || left > 0) {
                Self::complain(&format!(
                    "a context goes with {} bytes and {left} handles",
                    context.gpu.memory.used()
                ));
            }
        }
        Ok(())
    }
}
