//! What a kernel did wrong.

use std::fmt;

/// What a kernel did wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What kind of thing, for who acts on it.
    pub kind: Kind,
    /// What in particular.
    pub what: String,
    /// The kernel, block, thread and instruction, once they are known.
    pub place: String,
}

/// Kinds of faults, told apart as GPUs do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An address where nothing is, or nothing that may be used so.
    Address,
    /// An address that is no multiple of the size of the access.
    Alignment,
    /// What hardware lets pass, with a result that nobody can rely on.
    Undefined,
}

impl Fault {
    pub(crate) fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), place: String::new() }
    }

    pub(crate) fn undefined(what: impl Into<String>) -> Self {
        Self::new(Kind::Undefined, what)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.what, self.place)
    }
}

impl std::error::Error for Fault {}
