//! Ctrl-C and termination: whatever is half written goes before the process does.

use ecf8_core::container;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// From now on, an interrupt removes unfinished outputs and `scratch`, a folder of the caller's, and then ends the process
/// as the signal would have.
#[cfg(unix)]
pub(super) fn clean_up(scratch: Option<&Path>) {
    use signal_hook::consts::{SIGINT, SIGTERM};
    use std::io::Write;
    let scratch = scratch.map(Path::to_owned);
    // Without a handler everything works, but an interrupt would leave temporary files.
    let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]) else { return };
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            container::abandon_outputs();
            if let Some(scratch) = &scratch {
                let _ = std::fs::remove_dir_all(scratch);
            }
            let _ =
                writeln!(std::io::stderr(), "ecf8: interrupted; no unfinished output is left, run it again");
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    });
}

/// From now on, the first interrupt only sets `flag`, and the second ends the process at once.
#[cfg(unix)]
pub(super) fn tell(flag: &Arc<AtomicBool>) {
    use signal_hook::consts::{SIGINT, SIGTERM};
    const INTERRUPTED: i32 = 130;
    for signal in [SIGINT, SIGTERM] {
        // In this order: the flag is looked at before it is set. Without handlers an interrupt ends the process as usual.
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
