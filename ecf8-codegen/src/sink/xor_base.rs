//! Numbers are differences from those of a base, bit for bit: what is stored is the numbers that they are differences
//! of.

use super::{OpenSink, Sink};
use crate::lang::rt::KernelParam;
use crate::lang::{Global, GlobalMut, V, rt};
use crate::launch::{ALIGNMENT, Arg, Gather};
use crate::strategy::batch_offsets;
use ecf8_core::Encoded;

pub(super) const NAME: &str = "xor_base";

/// Writes the exclusive or of numbers and a base, which a kernel reads from a buffer where each tensor is at the place
/// that it has in the output.
#[derive(Debug, Clone, Default)]
pub struct XorBase<'b> {
    bases: Vec<&'b [u8]>,
}

impl<'b> XorBase<'b> {
    /// With the base of each tensor of a batch, as long as the tensor; none are needed to build a kernel.
    #[must_use]
    pub fn new(bases: Vec<&'b [u8]>) -> Self {
        Self { bases }
    }

    fn base(&self, tensor: usize) -> &'b [u8] {
        self.bases.get(tensor).copied().unwrap_or_default()
    }
}

impl Sink for XorBase<'_> {
    fn name(&self) -> &'static str {
        NAME
    }

    fn open(&self, output: GlobalMut<u8>) -> Box<dyn OpenSink> {
        Box::new(Xored { base: Global::param("base"), output })
    }

    fn args<'a>(&'a self, batch: &[&'a Encoded<'a>]) -> Vec<Arg<Gather<'a>>> {
        let mut base = Gather::default();
        for (tensor, offset) in (0..batch.len()).zip(batch_offsets(batch)) {
            base.fill_to(offset);
            base.add(1, self.base(tensor));
        }
        let end = base.len().next_multiple_of(ALIGNMENT as u64);
        base.fill_to(end);
        vec![Arg::Input(base)]
    }

    fn expected(&self, tensor: usize, decoded: &[u8]) -> Vec<u8> {
        decoded.iter().zip(self.base(tensor)).map(|(a, b)| a ^ b).collect()
    }
}

struct Xored {
    base: Global<u8>,
    output: GlobalMut<u8>,
}

impl OpenSink for Xored {
    #[track_caller]
    fn vector(&self, place: V<u64>, words: [V<u32>; 4]) {
        let base = self.base.view::<u32>().load4(place);
        let [a, b, c, d] = words;
        let words = [a ^ base[0], b ^ base[1], c ^ base[2], d ^ base[3]];
        self.output.view::<u32>().store4(place, words);
    }

    #[track_caller]
    fn byte(&self, place: V<u64>, value: V<u8>) {
        let base = rt::at(&self.base, place);
        rt::store(&self.output, place, value ^ base);
    }

    #[track_caller]
    fn half(&self, place: V<u64>, value: V<u16>) {
        let base = rt::at(&self.base.view::<u16>(), place);
        rt::store(&self.output.view::<u16>(), place, value ^ base);
    }

    #[track_caller]
    fn word(&self, place: V<u64>, value: V<u32>) {
        let base = rt::at(&self.base.view::<u32>(), place);
        rt::store(&self.output.view::<u32>(), place, value ^ base);
    }
}
