//! Records as `ecf8 tune` would write them.

use super::*;
use crate::cache::Record;
use crate::executor::Target;
use crate::tuner::{Outcome, Tuned, candidates};
use ecf8_codegen::strategy::Params;

/// A record that chooses the first candidate like this for the first layer that has compressed tensors.
pub(super) fn for_first_compressed(model: &Model, like: impl Fn(&Params) -> bool) -> (Record, Params) {
    let batch = (0..model.layers().len()).find_map(|layer| model.batches(layer).into_iter().next()).unwrap();
    let problem = model.problem(&batch).unwrap();
    let elements = model.encoded(&batch).iter().map(|encoded| encoded.elements).sum();
    let space = candidates(&problem.scheme);
    let choice = space.iter().position(|candidate| like(&candidate.params)).unwrap();
    let tuned = Tuned {
        outcomes: (0..space.len()).map(|_| Some(Outcome::SamplesNs(vec![1000]))).collect(),
        choice: Some(choice),
        complete: true,
        runs: 1,
        tried: 1,
        stopped: None,
        fatal: None,
    };
    let target = emulator();
    let (fingerprint, timing) = (Target::fingerprint(&target), Target::timing(&target));
    let record = Record::new(fingerprint, timing, problem, elements, &space, &tuned);
    (record, space[choice].params.clone())
}
