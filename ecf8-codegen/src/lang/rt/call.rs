//! The call of a `#[device]` function, whose lines become part of the caller's.

use super::with_builder;
use crate::ir::Location;

/// A device function being run: until this is dropped, whatever is built belongs to the call.
#[derive(Debug)]
#[must_use]
pub struct Call(());

impl Call {
    /// The device function that asks begins. It is `#[track_caller]`, so the place is that of its call.
    #[track_caller]
    pub fn enter() -> Self {
        let at = Location::here();
        with_builder(|b| b.enter_call(at));
        Self(())
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        with_builder(|b| b.leave_call());
    }
}
