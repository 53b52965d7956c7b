//! The variant of a strategy to time.

use crate::cli::answer::Failure;
use crate::executor::Target;
use crate::tuner::{self, Budget, Candidate, Known, Outcome, Settings, Stop, Workbench};
use ecf8_codegen::strategy::Params;
use ecf8_core::Encoded;

/// The fastest variant of a strategy for a tensor; its defaults if nothing was found out in time.
pub(in crate::cli) fn choose<T: Target>(
    target: &mut T,
    encoded: &Encoded<'_>,
    bytes: &[u8],
    strategy: &str,
    budget: &Budget,
) -> Result<Candidate, Failure> {
    let scheme = encoded.scheme.name();
    let all = tuner::candidates(scheme);
    let space: Vec<Candidate> =
        all.into_iter().filter(|candidate| candidate.strategy.name() == strategy).collect();
    let default = space.iter().find(|candidate| tuner::is_default(candidate)).or(space.first());
    let nothing = || Failure::request(format!("strategy {strategy} has no variant for scheme {scheme}"));
    let default = default.cloned().ok_or_else(nothing)?;
    let mut bench = Workbench::new(target, &[encoded], &space, &[bytes]);
    let mut searcher = tuner::Exhaustive::default();
    let (known, settings) = (Known::default(), Settings::default());
    let tuned = tuner::tune(&mut bench, &space, &mut searcher, &known, budget, &settings, |_| ());
    if tuned.stopped == Some(Stop::Interrupt) {
        return Err(Failure::request("interrupted"));
    }
    if let Some(reason) = tuned.fatal {
        return Err(Failure::data(format!("{strategy}: {reason}")));
    }
    let timed = |index: &usize| matches!(tuned.outcomes.get(*index), Some(Some(Outcome::SamplesNs(_))));
    if let Some(choice) = tuned.choice.filter(timed).and_then(|index| space.get(index)) {
        return Ok(choice.clone());
    }
    // Nothing was timed: the default, or what is most like it among those that were not rejected and fit.
    let limits = target.limits();
    let is_possible = |params: &Params| {
        let index = space.iter().position(|candidate| candidate.params == *params)?;
        let rejected = matches!(tuned.outcomes.get(index), Some(Some(Outcome::Rejected(_))));
        let fits = limits.check_variant(default.strategy, params, encoded).is_ok();
        (fits && !rejected).then(|| space[index].clone())
    };
    let near = tuner::nearest_first(default.strategy, &default.params);
    Ok(near.iter().find_map(is_possible).unwrap_or(default))
}
