//! Records as `ecf8 tune` would write them.

use super::*;
use crate::cache::Record;
use crate::executor::Target;
use crate::tuner::{Outcome, Problem, Tuned, candidates};
use ecf8_codegen::strategy::Params;

/// A record that chooses the first candidate like this for the first compressed tensor's problem.
pub(super) fn for_first_compressed(model: &Model, like: impl Fn(&Params) -> bool) -> (Record, Params) {
    let tensor = (0..model.tensors().len()).find_map(|index| model.compressed(index)).unwrap();
    let problem = Problem::new(tensor.scheme().name(), tensor.codebook(), tensor.elements()).unwrap();
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
    let record = Record::new(fingerprint, timing, problem, tensor.elements(), &space, &tuned);
    (record, space[choice].params.clone())
}
