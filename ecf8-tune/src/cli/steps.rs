//! A progress bar that counts steps, on a terminal; nothing when standard error is not one.

use indicatif::{ProgressBar, ProgressStyle};

/// One bar, which goes away when it is dropped.
#[derive(Debug)]
pub(super) struct Steps(ProgressBar);

impl Steps {
    pub(super) fn start(what: &str, steps: u64) -> Self {
        let bar = ProgressBar::new(steps).with_message(what.to_owned());
        if let Ok(style) = ProgressStyle::with_template("{msg:.bold} [{bar:30}] {pos}/{len} eta {eta}") {
            bar.set_style(style.progress_chars("=> "));
        }
        Self(bar)
    }

    /// So many steps are done.
    pub(super) fn at(&self, steps: u64) {
        self.0.set_position(steps);
    }

    /// Says how many of the steps are done.
    pub(super) fn of(&self, steps: u64, all: u64) {
        self.0.set_length(all);
        self.0.set_position(steps);
    }

    pub(super) fn finish(self) {
        drop(self);
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
