//! When to stop: a time limit, and interrupts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Why a tuning run ended before everything was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The time is up.
    Time,
    /// The user interrupted it.
    Interrupt,
}

/// A limit on time that an interrupt ends at once.
#[derive(Clone, Debug, Default)]
pub struct Budget {
    end: Option<Instant>,
    interrupt: Arc<AtomicBool>,
}

impl Budget {
    /// No limit.
    #[must_use]
    pub fn unlimited() -> Self {
        Self::default()
    }

    /// A limit from now on; `interrupt` ends it when set.
    #[must_use]
    pub fn new(limit: Duration, interrupt: Arc<AtomicBool>) -> Self {
        Self { end: Instant::now().checked_add(limit), interrupt }
    }

    /// An equal share of what is left, for one of `parts`.
    #[must_use]
    pub fn share(&self, parts: usize) -> Self {
        let left = self.end.map(|end| end.saturating_duration_since(Instant::now()));
        let part = u32::try_from(parts.max(1)).unwrap_or(u32::MAX);
        let end = left.and_then(|left| Instant::now().checked_add(left / part));
        Self { end, interrupt: self.interrupt.clone() }
    }

    /// Whether to stop now.
    #[must_use]
    pub fn stop(&self) -> Option<Stop> {
        if self.interrupt.load(Ordering::Relaxed) {
            return Some(Stop::Interrupt);
        }
        self.end.filter(|end| Instant::now() >= *end).map(|_| Stop::Time)
    }
}
