//! Progress bars on a terminal; nothing when standard error is not one.

use super::answer::printable;
use ecf8_core::container::Progress;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::Write;
use std::sync::Mutex;

/// One bar at a time, on standard error, and notes as warnings there.
#[derive(Debug, Default)]
pub(super) struct Bars {
    bar: Mutex<Option<ProgressBar>>,
    notes: Mutex<Vec<String>>,
}

impl Bars {
    fn with(&self, f: impl FnOnce(&mut Option<ProgressBar>)) {
        // A bar that panicked elsewhere is still good enough to draw.
        f(&mut self.bar.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }

    /// What was noted so far, for scripts.
    pub(super) fn notes(&self) -> Vec<String> {
        self.notes.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

impl Progress for Bars {
    fn start(&self, what: &str, total_bytes: u64) {
        let bar = ProgressBar::new(total_bytes).with_message(what.to_owned());
        if let Ok(style) = ProgressStyle::with_template(
            "{msg:.bold} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} eta {eta}",
        ) {
            bar.set_style(style.progress_chars("=> "));
        }
        self.with(|slot| *slot = Some(bar));
    }

    fn advance(&self, bytes: u64) {
        self.with(|slot| {
            if let Some(bar) = slot {
                bar.inc(bytes);
            }
        });
    }

    fn finish(&self) {
        self.with(|slot| {
            if let Some(bar) = slot.take() {
                bar.finish_and_clear();
            }
        });
    }

    fn note(&self, text: &str) {
        let write = || {
            let _ = writeln!(std::io::stderr(), "ecf8: warning: {}", printable(text));
        };
        self.with(|slot| match slot {
            Some(bar) => bar.suspend(write),
            None => write(),
        });
        self.notes.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(text.to_owned());
    }
}
