//! Work without the interpreter's lock, on threads that belong to this very process.
//!
//! A forked child has none of its parent's threads, so whoever asks them to do something waits forever. Therefore every
//! process has a pool of its own, and a child leaves its parent's alone.

use crate::error;
use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

/// The pool, and the number of the process that it belongs to.
static POOL: Mutex<Option<(u32, Arc<ThreadPool>)>> = Mutex::new(None);

/// The pool of this process. With the interpreter's lock, which is also held where Python forks: so no fork happens while
/// another thread holds the lock here.
pub(crate) fn pool(_py: Python<'_>) -> PyResult<Arc<ThreadPool>> {
    let process = std::process::id();
    let mut own = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, pool)) = own.as_ref().filter(|(owner, _)| *owner == process) {
        return Ok(pool.clone());
    }
    let pool = Arc::new(build(0)?);
    // Dropping the parent's would wait for its threads.
    std::mem::forget(own.replace((process, pool.clone())));
    Ok(pool)
}

/// A pool of `threads` threads; 0 stands for one per core, or for the number in `RAYON_NUM_THREADS`.
pub(crate) fn build(threads: usize) -> PyResult<ThreadPool> {
    let pool = ThreadPoolBuilder::new().num_threads(threads).thread_name(|index| format!("ecf8-{index}"));
    pool.build().map_err(|error| {
        error::plain(format!("cannot start threads: {error}; free some memory, or use fewer"))
    })
}

/// Does some work on this process's pool while other Python threads go on.
pub(crate) fn work<T: Send>(
    py: Python<'_>,
    work: impl FnOnce() -> Result<T, ecf8_core::Error> + Send,
) -> PyResult<T> {
    let pool = pool(py)?;
    py.detach(|| pool.install(|| caught(work)))?.map_err(error::of_core)
}

/// What it gives; a panic, which would be a mistake of ours, as an error that Python programs expect.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> PyResult<T> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason");
        error::plain(format!("ecf8 failed by a mistake of its own ({text}); please report this"))
    })
}
