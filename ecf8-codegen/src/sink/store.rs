//! Numbers are stored.

use super::{OpenSink, Sink};
use crate::lang::{GlobalMut, V, rt};
use crate::launch::{Arg, Gather};
use ecf8_core::Encoded;

pub(super) const NAME: &str = "store";

/// Writes numbers to the output.
#[derive(Debug, Clone, Copy, Default)]
pub struct Store;

impl Sink for Store {
    fn name(&self) -> &'static str {
        NAME
    }

    fn open(&self, output: GlobalMut<u8>) -> Box<dyn OpenSink> {
        Box::new(Stored { output })
    }

    fn args<'a>(&'a self, _batch: &[&'a Encoded<'a>]) -> Vec<Arg<Gather<'a>>> {
        Vec::new()
    }

    fn expected(&self, _tensor: usize, decoded: &[u8]) -> Vec<u8> {
        decoded.to_vec()
    }
}

pub(super) struct Stored {
    pub(super) output: GlobalMut<u8>,
}

impl OpenSink for Stored {
    #[track_caller]
    fn vector(&self, place: V<u64>, words: [V<u32>; 4]) {
        self.output.view::<u32>().store4(place, words);
    }

    #[track_caller]
    fn byte(&self, place: V<u64>, value: V<u8>) {
        rt::store(&self.output, place, value);
    }

    #[track_caller]
    fn half(&self, place: V<u64>, value: V<u16>) {
        rt::store(&self.output.view::<u16>(), place, value);
    }

    #[track_caller]
    fn word(&self, place: V<u64>, value: V<u32>) {
        rt::store(&self.output.view::<u32>(), place, value);
    }
}
