//! Long work: how far it is, told to a Python function, and interrupts, which Python notices only if it is asked.

use crate::{error, threads};
use ecf8_core::Progress;
use pyo3::prelude::*;
use rayon::ThreadPool;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often a function is told, and interrupts are looked for.
const STEP: Duration = Duration::from_millis(50);

/// How far some work is.
#[derive(Default)]
pub(crate) struct Told {
    what: Mutex<String>,
    done: AtomicU64,
    total: AtomicU64,
    notes: Mutex<Vec<String>>,
    is_cancelled: AtomicBool,
}

impl Progress for Told {
    fn start(&self, what: &str, total_bytes: u64) {
        what.clone_into(&mut lock(&self.what));
        self.total.store(total_bytes, Ordering::Relaxed);
        self.done.store(0, Ordering::Relaxed);
    }

    fn advance(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }

    fn stage(&self, what: &str) {
        what.clone_into(&mut lock(&self.what));
    }

    fn finish(&self) {
        self.done.store(self.total.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    fn note(&self, text: &str) {
        lock(&self.notes).push(text.to_owned());
    }

    fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Relaxed)
    }
}

impl Told {
    /// What was noted, each on one line.
    pub(crate) fn notes(&self) -> Vec<String> {
        lock(&self.notes).clone()
    }

    /// Tells `function` how far it is, and lets Python handle signals; gives what either raises.
    fn tell(&self, py: Python<'_>, function: Option<&Py<PyAny>>) -> PyResult<()> {
        py.check_signals()?;
        let Some(function) = function else { return Ok(()) };
        let what = lock(&self.what).clone();
        if what.is_empty() {
            return Ok(());
        }
        let [done, total] = [&self.done, &self.total].map(|number| number.load(Ordering::Relaxed));
        function.call1(py, (what, done.min(total), total)).map(|_| ())
    }
}

/// Does long work on a pool, this process's if none is given, while other Python threads go on. Several times a second
/// `function` is told how far it is. If that raises something, or the user interrupts, the work is given up.
pub(crate) fn work<T: Send>(
    py: Python<'_>,
    pool: Option<ThreadPool>,
    function: Option<Py<PyAny>>,
    work: impl FnOnce(&Told) -> Result<T, ecf8_core::Error> + Send,
) -> PyResult<T> {
    let pool = match pool {
        Some(pool) => Arc::new(pool),
        None => threads::pool(py)?,
    };
    let told = Told::default();
    let mut raised = None;
    let done = py.detach(|| {
        let (sender, receiver) = mpsc::channel();
        pool.in_place_scope(|scope| {
            scope.spawn(|_| {
                // Whoever waits for it is there until it comes.
                let _ = sender.send(threads::caught(|| work(&told)));
            });
            loop {
                match receiver.recv_timeout(STEP) {
                    Ok(done) => return Some(done),
                    Err(RecvTimeoutError::Disconnected) => return None,
                    Err(RecvTimeoutError::Timeout) => {}
                }
                if raised.is_none() {
                    raised = Python::attach(|py| told.tell(py, function.as_ref())).err();
                    told.is_cancelled.store(raised.is_some(), Ordering::Relaxed);
                }
            }
        })
    });
    if let Some(raised) = raised {
        return Err(raised);
    }
    let done = done.unwrap_or_else(|| {
        Err(error::plain("the work ended without a result; please report this".to_owned()))
    });
    let done = done?.map_err(error::of_core)?;
    told.tell(py, function.as_ref())?;
    Ok(done)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
