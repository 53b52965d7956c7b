//! Sinks: what a kernel does with numbers once they are decoded. Adding one is a file here and its line in [`SINKS`].
//!
//! A kernel puts the words of numbers together and gives them to its sink, 16 bytes at a time or number by number, with
//! the place that they have in the output. [`Store`] writes them there. [`XorBase`] first adds what they differ from. [`Checked`] also
//! says which tensors are damaged.

mod checked;
mod store;
mod xor_base;

pub use checked::Checked;
pub use store::Store;
pub use xor_base::XorBase;

use crate::lang::{GlobalMut, V};
use crate::launch::{Arg, Gather, OutputSlot};
use ecf8_core::Encoded;
use std::fmt::Debug;

/// What becomes of decoded numbers.
pub trait Sink: Sync + Debug {
    /// Its name in kernels' headers and in tuning caches.
    fn name(&self) -> &'static str;

    /// Declares what the kernel that is being built needs besides its output, as its last parameters.
    fn open(&self, output: GlobalMut<u8>) -> Box<dyn OpenSink>;

    /// The arguments for these parameters, for a launch that decodes a batch.
    fn args<'a>(&'a self, batch: &[&'a Encoded<'a>]) -> Vec<Arg<Gather<'a>>>;

    /// What such a launch of `grid` blocks writes besides the numbers: its outputs from number 1 on.
    fn outputs(&self, _grid: u32) -> Vec<OutputSlot> {
        Vec::new()
    }

    /// What the bytes of the output must be, from `start` on, where a tensor of the batch decodes to `decoded`.
    fn expected(&self, tensor: usize, decoded: &[u8]) -> Vec<u8>;
}

/// A sink in the kernel that is being built. Numbers may come twice: a patch that follows a vector is right.
pub trait OpenSink {
    /// Takes 16 bytes, which go to vector `place` of the output.
    fn vector(&self, place: V<u64>, words: [V<u32>; 4]);

    /// Takes one byte, which goes to byte `place`.
    fn byte(&self, place: V<u64>, value: V<u8>);

    /// Takes two bytes, which go to bytes 2·`place` and the next.
    fn half(&self, place: V<u64>, value: V<u16>);

    /// Takes four bytes, which go to bytes 4·`place` and the next three.
    fn word(&self, place: V<u64>, value: V<u32>);

    /// Whether it wants to be told where streams do not end as they should. If not, a kernel need not look.
    fn asks_for_ends(&self) -> bool {
        false
    }

    /// Takes that codewords of job `job` did not end where their stream does. One thread of a warp tells it for all.
    fn damaged(&self, _job: V<u32>) {}
}

/// The names of all sinks.
pub const SINKS: [&str; 3] = [store::NAME, xor_base::NAME, checked::NAME];
