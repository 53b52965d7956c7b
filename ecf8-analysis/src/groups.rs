//! Tensors together: by kind, by layer, and all.

use crate::entropy::entropy;
use crate::report::{
    BitFieldEntropies, ExponentBin, Floor, GroupAnalysis, HadamardEffect, Spread, TensorAnalysis, Verdict,
};
use crate::sizes::sized;
use ecf8_core::schemes;
use std::collections::BTreeMap;

/// The float tensors among these, by what `key` makes of each; those without a key are left out.
pub(crate) fn by<K: Ord>(
    tensors: &[TensorAnalysis],
    key: impl Fn(&TensorAnalysis) -> Option<K>,
    name: impl Fn(&K) -> String,
) -> Vec<GroupAnalysis> {
    let mut groups: BTreeMap<K, Vec<&TensorAnalysis>> = BTreeMap::new();
    for tensor in tensors.iter().filter(|tensor| tensor.entropy.is_some()) {
        if let Some(key) = key(tensor) {
            groups.entry(key).or_default().push(tensor);
        }
    }
    groups.iter().map(|(key, tensors)| group(name(key), tensors)).collect()
}

/// All float tensors among these.
pub(crate) fn total(tensors: &[TensorAnalysis]) -> GroupAnalysis {
    let floats: Vec<&TensorAnalysis> = tensors.iter().filter(|tensor| tensor.entropy.is_some()).collect();
    group("all".to_owned(), &floats)
}

/// Means of entropies, each as often as it has elements.
#[derive(Default)]
struct Mean {
    sum: BitFieldEntropies,
    elements: f64,
}

impl Mean {
    #[expect(clippy::cast_precision_loss, reason = "weights of a mean")]
    fn add(&mut self, elements: u64, entropies: &BitFieldEntropies) {
        let elements = elements as f64;
        self.elements += elements;
        for (sum, own) in self.sum.fields_mut().into_iter().zip(entropies.fields()) {
            *sum += elements * own;
        }
    }

    fn mean(mut self) -> BitFieldEntropies {
        if self.elements > 0.0 {
            self.sum.fields_mut().into_iter().for_each(|sum| *sum /= self.elements);
        }
        self.sum
    }
}

impl BitFieldEntropies {
    fn fields(&self) -> [f64; 8] {
        let mut copy = *self;
        copy.fields_mut().map(|field| *field)
    }

    fn fields_mut(&mut self) -> [&mut f64; 8] {
        [
            &mut self.sign,
            &mut self.exponent,
            &mut self.mantissa,
            &mut self.sign_mantissa,
            &mut self.element,
            &mut self.exponent_given_previous,
            &mut self.exponent_given_above,
            &mut self.mutual_information_exponent_mantissa,
        ]
    }
}

#[expect(clippy::cast_precision_loss, reason = "weights of a mean")]
fn group(name: String, tensors: &[&TensorAnalysis]) -> GroupAnalysis {
    let (mut all, mut before, mut after) = (Mean::default(), Mean::default(), Mean::default());
    let (mut floor, mut floor_elements) = (Floor::default(), 0.0);
    let (mut exponents, mut transformed) = (BTreeMap::<i32, u64>::new(), 0u64);
    for tensor in tensors {
        all.add(tensor.elements, &tensor.entropy.unwrap_or_default());
        if let Some(effect) = &tensor.hadamard {
            transformed += effect.elements;
            before.add(effect.elements, &effect.before);
            after.add(effect.elements, &effect.after);
        }
        if let Some(own) = &tensor.floor {
            let elements = tensor.elements as f64;
            floor_elements += elements;
            floor.with_one_mantissa_bit += elements * own.with_one_mantissa_bit;
            floor.exponents_coded += elements * own.exponents_coded;
            floor.elements_coded += elements * own.elements_coded;
        }
        for bin in &tensor.exponents {
            *exponents.entry(bin.exponent).or_default() += bin.count;
        }
    }
    if floor_elements > 0.0 {
        floor.with_one_mantissa_bit /= floor_elements;
        floor.exponents_coded /= floor_elements;
        floor.elements_coded /= floor_elements;
    }
    let sum = |of: &dyn Fn(&TensorAnalysis) -> u64| {
        tensors.iter().map(|tensor| of(tensor)).fold(0, u64::saturating_add)
    };
    let bytes = sum(&|tensor| tensor.bytes);
    let held = |verdict: Verdict| {
        sum(&|tensor| u64::from(tensor.law.as_ref().is_some_and(|law| law.goodness.verdict == verdict)))
    };
    let taken = |tensor: &TensorAnalysis, scheme: &str| {
        let own = tensor.sizes.iter().find(|size| size.scheme == scheme);
        own.map_or(tensor.bytes, |size| size.bytes.min(tensor.bytes))
    };
    let sizes = schemes().iter().map(|scheme| {
        let name = scheme.name();
        sized(name, sum(&|tensor| taken(tensor, name)), bytes, false)
    });
    GroupAnalysis {
        name,
        tensors: tensors.len() as u64,
        elements: sum(&|tensor| tensor.elements),
        bytes,
        stored_bytes: sum(&|tensor| tensor.stored_bytes),
        entropy: all.mean(),
        hadamard: (transformed > 0).then(|| HadamardEffect {
            elements: transformed,
            before: before.mean(),
            after: after.mean(),
        }),
        pooled_exponent_entropy: entropy(exponents.values().copied()),
        exponents: exponents
            .into_iter()
            .map(|(exponent, count)| ExponentBin { exponent, count, law: None })
            .collect(),
        alpha: spread(tensors.iter().filter_map(|tensor| Some(tensor.law.as_ref()?.alpha)).collect()),
        fitted: sum(&|tensor| u64::from(tensor.law.is_some())),
        law_holds: held(Verdict::Holds),
        law_nearly_holds: held(Verdict::Nearly),
        floor,
        sizes: sizes.collect(),
    }
}

fn spread(mut figures: Vec<f64>) -> Option<Spread> {
    figures.sort_by(f64::total_cmp);
    let (least, most) = (*figures.first()?, *figures.last()?);
    Some(Spread { least, median: figures[figures.len() / 2], most })
}
