//! Which tensors of a layer are decoded together: what is planned, tuned and launched.

use super::Model;
use super::plan::{TensorPlan, coding};
use crate::tuner::Problem;
use ecf8_core::Encoded;
use std::collections::BTreeMap;

impl Model {
    /// The compressed tensors of a layer that one launch decodes, if its kernel takes any codebook: those of one scheme
    /// and dtype that have elements. Nothing for a layer that is not there.
    pub(crate) fn batches(&self, layer: usize) -> Vec<Vec<usize>> {
        self.parted(self.layers().get(layer).map_or(&[][..], |layer| &layer.tensors), |_| Some(()))
    }

    /// The launches that decode a batch by these plans: tensors of the same variant, and of the same codebook if the
    /// kernel has it compiled in. One, if all is as it was planned for a kernel that takes any codebook.
    pub(super) fn launches(&self, batch: &[usize], plans: &[Option<TensorPlan>]) -> Vec<Vec<usize>> {
        self.parted(batch, |index| {
            let (plan, tensor) = (plans[index].as_ref()?, self.compressed(index)?);
            Some((plan.variant(), plan.inlined().in_common(tensor.scheme(), coding(&tensor))))
        })
    }

    /// Tensors by scheme, dtype, and what else they must have in common; without those that have none of it, or no
    /// elements.
    fn parted<K: Ord>(&self, tensors: &[usize], key: impl Fn(usize) -> Option<K>) -> Vec<Vec<usize>> {
        let mut parts: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for &index in tensors {
            let Some(tensor) = self.compressed(index).filter(|tensor| tensor.elements() > 0) else {
                continue;
            };
            let Some(key) = key(index) else { continue };
            parts
                .entry((tensor.scheme().name(), self.tensors()[index].dtype.as_str(), key))
                .or_default()
                .push(index);
        }
        parts.into_values().collect()
    }

    /// The shape of the launch that decodes a batch.
    pub(crate) fn problem(&self, batch: &[usize]) -> Option<Problem> {
        let encoded = self.encoded(batch);
        Problem::of(&encoded.iter().collect::<Vec<_>>())
    }

    /// Compressed tensors, as strategies take them.
    pub(crate) fn encoded(&self, batch: &[usize]) -> Vec<Encoded<'_>> {
        batch.iter().filter_map(|&index| Some(self.compressed(index)?.encoded())).collect()
    }
}
