//! The threads that work is shared among.

use super::answer::Failure;
use rayon::{ThreadBuilder, ThreadPoolBuilder};
use std::io;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

/// The variable that says how many threads there are where nothing else does; rayon's.
const VARIABLE: &str = "RAYON_NUM_THREADS";

/// Starts as many threads as were asked for, else the usual ones.
pub(super) fn start(threads: Option<u16>) -> Result<(), Failure> {
    let Some(threads) = threads else {
        start_usual();
        return Ok(());
    };
    match start_up_to(threads.into()) {
        (started, _) if started == usize::from(threads) => Ok(()),
        (_, why) => {
            let why = why.map_or(String::new(), |error| format!(": {error}"));
            Err(Failure::request(format!("cannot start {threads} threads{why}; use fewer")))
        }
    }
}

/// Starts a thread for each core, or as many as the system gives, as under a limit of processes; if none, this one does all the
/// work.
pub(super) fn start_usual() {
    let told = std::env::var(VARIABLE).ok().and_then(|count| count.parse().ok()).filter(|count| *count > 0);
    let wanted = told.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
    let _ = start_up_to(wanted.min(rayon::max_num_threads()));
}

/// Starts threads, and then rayon's pool with those that there are: rayon itself gives up for good, with a panic later, if one
/// cannot be started. Says how many there are, and why no more. Where the process has a pool already, they end again.
fn start_up_to(wanted: usize) -> (usize, Option<io::Error>) {
    let (sender, receiver) = mpsc::channel::<ThreadBuilder>();
    let receiver = Arc::new(Mutex::new(receiver));
    let (mut started, mut why) = (0, None);
    while started < wanted && why.is_none() {
        let receiver = receiver.clone();
        let work = move || {
            let worker = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
            if let Ok(worker) = worker {
                worker.run();
            }
        };
        match thread::Builder::new().spawn(work) {
            Ok(_) => started += 1,
            Err(error) => why = Some(error),
        }
    }
    let pool = ThreadPoolBuilder::new().num_threads(started.max(1));
    let _ = match started {
        0 => pool.use_current_thread().build_global(),
        _ => {
            let hand = move |worker| sender.send(worker).map_err(|_| io::ErrorKind::BrokenPipe.into());
            pool.spawn_handler(hand).build_global()
        }
    };
    (started, why)
}
