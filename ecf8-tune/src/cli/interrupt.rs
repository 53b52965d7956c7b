//! Ctrl-C, a closed terminal and other signals: whatever is half written goes before the process does.

use ecf8_core::container;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What ends a process unless it handles it, and comes from outside: interrupts, closed terminals, batch systems and
/// limits of time.
#[cfg(unix)]
const ENDS: [i32; 10] = {
    use signal_hook::consts::{
        SIGALRM, SIGHUP, SIGINT, SIGPROF, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM, SIGXCPU,
    };
    [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGXCPU, SIGALRM, SIGVTALRM, SIGPROF, SIGUSR1, SIGUSR2]
};

/// From now on, an interrupt removes unfinished outputs and `scratch`, a folder of the caller's, and then ends the
/// process as the signal would have.
#[cfg(unix)]
pub(super) fn clean_up(scratch: Option<&Path>) {
    use std::io::Write;
    use std::sync::mpsc;
    let scratch = scratch.map(Path::to_owned);
    // A file over the limit of `ulimit -f` is then an error of the write, like a full disk, and not the end of the
    // process.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::new(AtomicBool::new(false)));
    let handled: Vec<i32> = ENDS.into_iter().filter(|signal| !is_to_be_ignored(*signal)).collect();
    let (ready, is_ready) = mpsc::channel();
    let wait = move || {
        let Ok(mut signals) = signal_hook::iterator::Signals::new(handled) else { return };
        let _ = ready.send(());
        if let Some(signal) = signals.forever().next() {
            container::abandon_outputs();
            if let Some(scratch) = &scratch {
                let _ = std::fs::remove_dir_all(scratch);
            }
            let _ =
                writeln!(std::io::stderr(), "ecf8: interrupted; no unfinished output is left, run it again");
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    };
    // Without a thread or handlers everything works, but an interrupt would leave temporary files for the next run to
    // remove.
    if std::thread::Builder::new().spawn(wait).is_ok() {
        let _ = is_ready.recv();
    }
}

/// Whether the process was started so that the end of its terminal does not end it, as by `nohup`.
#[cfg(unix)]
fn is_to_be_ignored(signal: i32) -> bool {
    let status = || std::fs::read_to_string("/proc/self/status").ok();
    let ignored = |status: String| {
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?.trim();
        u64::from_str_radix(mask, 16).ok()
    };
    signal == signal_hook::consts::SIGHUP
        && status().and_then(ignored).is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// From now on, the first interrupt only sets `flag`, and the second ends the process at once.
#[cfg(unix)]
pub(super) fn tell(flag: &Arc<AtomicBool>) {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    const INTERRUPTED: i32 = 130;
    for signal in [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| !is_to_be_ignored(*signal)) {
        // In this order: the flag is looked at before it is set. Without handlers an interrupt ends the process as
        // usual.
        let _ = signal_hook::flag::register_conditional_shutdown(signal, INTERRUPTED, flag.clone());
        let _ = signal_hook::flag::register(signal, flag.clone());
    }
}

/// An interrupt ends the process there; what was saved by then is kept.
#[cfg(not(unix))]
pub(super) fn tell(_flag: &Arc<AtomicBool>) {}

/// Nothing is known to be needed here.
#[cfg(not(unix))]
pub(super) fn clean_up(_scratch: Option<&Path>) {}
