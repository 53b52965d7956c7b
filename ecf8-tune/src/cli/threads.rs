//! The threads that work is shared among.

use super::answer::Failure;
use rayon::ThreadPoolBuilder;

/// Starts as many threads as were asked for, else the usual ones.
pub(super) fn start(threads: Option<u16>) -> Result<(), Failure> {
    let Some(threads) = threads else {
        start_usual();
        return Ok(());
    };
    let pool = ThreadPoolBuilder::new().num_threads(threads.into()).build_global();
    pool.map_err(|error| Failure::request(format!("cannot start {threads} threads: {error}; use fewer")))
}

/// Starts a thread for each core. Where the system has no more of them, as under a limit of processes, this one does all the
/// work; rayon would panic when it is first asked for anything.
pub(super) fn start_usual() {
    if ThreadPoolBuilder::new().build_global().is_err() {
        // Where the process has threads already, neither succeeds.
        let _ = ThreadPoolBuilder::new().num_threads(1).use_current_thread().build_global();
    }
}
