//! The driver: what `cuda.h` promises and forbids, checked where real drivers check it, and in some places where they
//! only say that nobody should count on it.
//!
//! Nothing that may run later runs at once. What is asked of a stream waits in a [queue](queue) until something orders
//! it: so a buffer that goes too early, or a host's bytes that change too early, show themselves.

mod capture;
mod code;
mod context;
mod event;
mod graph;
mod launch;
mod memory;
mod module;
mod pinned;
mod queue;
mod stream;
#[cfg(test)]
mod tests;

pub(crate) use capture::Mode;
pub(crate) use code::Code;
pub(crate) use context::{Context, current, set_current};
pub(crate) use memory::Host;

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::settings::Settings;

/// All that there is, once `cuInit` was called.
pub(crate) struct Driver {
    pub(crate) settings: Settings,
    pub(crate) is_started: bool,
    pub(crate) gpus: Vec<Primary>,
    /// Handles are numbers that are never used again.
    last_handle: u64,
}

/// The primary context of a GPU.
#[derive(Default)]
pub(crate) struct Primary {
    /// How often it is retained.
    retained: usize,
    context: Option<Context>,
}

static DRIVER: Mutex<Option<Driver>> = Mutex::new(None);

/// The driver for one call, which waits for all others.
pub(crate) struct Locked(MutexGuard<'static, Option<Driver>>);

impl Driver {
    pub(crate) fn lock() -> Locked {
        let mut guard = DRIVER.lock().unwrap_or_else(PoisonError::into_inner);
        guard.get_or_insert_with(|| {
            let settings = Settings::from_environment();
            let gpus = (0..settings.gpus).map(|_| Primary::default()).collect();
            // Not small, so that nobody takes one for an index or a flag.
            Self { settings, is_started: false, gpus, last_handle: 0x7000 }
        });
        Locked(guard)
    }

    /// Says what is wrong beyond its code, as sanitizers do.
    pub(crate) fn complain(what: &str) {
        eprintln!("simulated GPU: {what}");
    }
}

impl Locked {
    /// The driver, if `cuInit` was called.
    pub(crate) fn started(&mut self) -> Result<&mut Driver, Code> {
        self.any().filter(|driver| driver.is_started).ok_or(Code::NOT_INITIALIZED)
    }

    pub(crate) fn any(&mut self) -> Option<&mut Driver> {
        self.0.as_mut()
    }
}
