//! How decoded bytes go to memory.

use crate::lang::GlobalMut;
use crate::strategy::tunables::tunable_enum;

tunable_enum! {
    /// Whether decoded bytes stay in the caches, for what reads them next, or leave them to what is decoded.
    pub(in super::super) enum Stores {
        /// As usual.
        Cached = "cached",
        /// First to make room.
        Streaming = "streaming",
    }
}

impl Stores {
    /// Makes the kernel's output so.
    #[track_caller]
    pub(super) fn apply(self, output: GlobalMut<u8>) {
        match self {
            Self::Cached => {}
            Self::Streaming => output.streaming_stores(),
        }
    }
}
