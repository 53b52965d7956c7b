//! A device that runs nothing: it answers with times that are given, or were recorded, and with noise from a seed, so that
//! searching and choosing are tested without hardware.

use super::trials::{TrialError, Trials};
use super::{Known, Outcome};
use crate::executor::Timing;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use std::collections::BTreeSet;
use std::time::Duration;

/// What is known of one candidate.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Script {
    /// Its true time in nanoseconds; noise is added.
    Truth(f64),
    /// Samples of an earlier run in nanoseconds, of which one is drawn each time.
    Recorded(Vec<u64>),
    /// It is rejected for this reason.
    Rejected(String),
    /// It decodes to wrong bytes.
    Wrong,
    /// There is no memory for it now.
    Postponed,
    /// It faults when it is timed, and the device is lost.
    Faults,
}

/// Answers from a script.
#[derive(Clone, Debug)]
pub(super) struct Simulated {
    script: Vec<Script>,
    /// Standard deviation of a sample, as a part.
    noise: f64,
    random: ChaCha8Rng,
    compiled: BTreeSet<usize>,
    /// Runs that were timed.
    pub runs: usize,
    /// Candidates that were verified, in order.
    pub verified: Vec<usize>,
    /// How long that takes each time.
    pub verifying: Duration,
}

impl Simulated {
    /// A device on which candidates do what `script` says, with `noise` as a part of each time.
    #[must_use]
    pub(super) fn new(script: Vec<Script>, noise: f64, seed: u64) -> Self {
        let random = ChaCha8Rng::seed_from_u64(seed);
        Self {
            script,
            noise,
            random,
            compiled: BTreeSet::new(),
            runs: 0,
            verified: Vec::new(),
            verifying: Duration::ZERO,
        }
    }

    /// A device on which each candidate does what it did in an earlier run, such as one kept in a tuning cache
    /// ([`Record::known`](crate::cache::Record::known)): its times are drawn from those recorded, by a seed. What was not
    /// tried then is rejected.
    #[must_use]
    pub(super) fn recorded(known: &Known, seed: u64) -> Self {
        let script = known.outcomes.iter().map(|outcome| match outcome {
            Some(Outcome::SamplesNs(samples)) => Script::Recorded(samples.clone()),
            Some(Outcome::Rejected(reason)) => Script::Rejected(reason.clone()),
            None => Script::Rejected("it was not recorded".to_owned()),
        });
        Self::new(script.collect(), 0.0, seed)
    }

    fn sample(&mut self, candidate: usize) -> Result<u64, TrialError> {
        let deviate: f64 = self.random.sample(StandardNormal);
        match self.script.get(candidate) {
            Some(Script::Truth(time)) => Ok(whole(time * (1.0 + self.noise * deviate))),
            Some(Script::Recorded(samples)) if !samples.is_empty() => {
                Ok(samples[self.random.random_range(0..samples.len())])
            }
            Some(Script::Faults) => Err(TrialError::Fatal("it faults".to_owned())),
            _ => Err(TrialError::Rejected("it has no times".to_owned())),
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what a time can be")]
fn whole(nanoseconds: f64) -> u64 {
    nanoseconds.round().clamp(1.0, 1e15) as u64
}

impl Trials for Simulated {
    fn timing(&self) -> Timing {
        Timing::Measured
    }

    fn compile(&mut self, candidates: &[usize]) -> Vec<Result<(), TrialError>> {
        self.compiled.extend(candidates);
        let answer = |index: &usize| match self.script.get(*index) {
            Some(Script::Rejected(reason)) => Err(TrialError::Rejected(reason.clone())),
            _ => Ok(()),
        };
        candidates.iter().map(answer).collect()
    }

    fn verify(&mut self, candidate: usize) -> Result<(), TrialError> {
        self.verified.push(candidate);
        std::thread::sleep(self.verifying);
        if !self.compiled.contains(&candidate) {
            return Err(TrialError::Rejected("it is not compiled".to_owned()));
        }
        match self.script.get(candidate) {
            Some(Script::Wrong) => Err(TrialError::Rejected("byte 0 is wrong".to_owned())),
            Some(Script::Postponed) => Err(TrialError::Postponed("there is no memory".to_owned())),
            _ => Ok(()),
        }
    }

    fn time(&mut self, candidate: usize, runs: usize) -> Result<Vec<u64>, TrialError> {
        self.runs += runs;
        (0..runs).map(|_| self.sample(candidate)).collect()
    }
}
