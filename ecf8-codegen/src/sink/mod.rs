//! Sinks: what a kernel does with numbers once they are decoded. Adding one is a file here and its line in [`SINKS`].
//!
//! A kernel puts the words of numbers together and gives them to its sink, 16 bytes at a time or number by number, with
//! the place that they have in the output. [`Store`] writes them there. [`XorBase`] first adds what they differ from.

mod store;
mod xor_base;

pub use store::Store;
pub use xor_base::XorBase;

use crate::lang::{GlobalMut, V};
use crate::launch::{Arg, Gather};
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
}

/// The names of all sinks.
pub const SINKS: [&str; 2] = [store::NAME, xor_base::NAME];
