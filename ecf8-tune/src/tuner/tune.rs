//! One problem tuned: what to try, what of it works, what is fastest.

use super::race::{Broken, Race, Settings};
use super::trials::{TrialError, Trials};
use super::{Budget, Candidate, Searcher, Stop, Summary};
use crate::executor::Timing;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Candidates that are compiled and verified between two looks at the clock.
const BATCH: usize = 64;

/// What became of a candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It decodes exactly and was timed: nanoseconds of each run. Few runs mean that it was soon out.
    SamplesNs(Vec<u64>),
    /// It was out before it was timed, or failed, for this reason.
    Rejected(String),
}

/// What earlier runs found out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Known {
    /// What became of each candidate, as far as known; as many as there are candidates, or none.
    pub outcomes: Vec<Option<Outcome>>,
    /// The candidate that was chosen.
    pub incumbent: Option<usize>,
    /// Whether the choice was made among all the candidates there were.
    pub complete: bool,
}

impl Known {
    /// Whether nothing is left to find out about a space: the choice was made, and the search would try no more.
    #[must_use]
    pub fn is_settled(&self, space: &[Candidate], searcher: &dyn Searcher) -> bool {
        let known = self.outcomes.iter().enumerate().filter(|(_, outcome)| outcome.is_some());
        let tried: BTreeSet<usize> = known.map(|(index, _)| index).collect();
        let chosen = self.incumbent.is_some()
            || !self.outcomes.iter().flatten().any(|outcome| matches!(outcome, Outcome::SamplesNs(_)));
        let best = self.incumbent.as_slice();
        self.complete && self.outcomes.len() == space.len() && chosen && searcher.is_over(space, &tried, best)
    }
}

/// What is known in the end.
#[derive(Clone, Debug, PartialEq)]
pub struct Tuned {
    /// What became of each candidate; `None` for those not tried.
    pub outcomes: Vec<Option<Outcome>>,
    /// The fastest, if any works. It has been verified after it was timed, in this run or in the one that chose it.
    pub choice: Option<usize>,
    /// Whether everything was tried and decided, so that a later run has nothing to do.
    pub complete: bool,
    /// Runs that were timed now, warm-up included; 0 if all was known.
    pub runs: usize,
    /// Candidates that were tried now.
    pub tried: usize,
    /// Why it ended early, if it did.
    pub stopped: Option<Stop>,
    /// The fault that ended it, after which the device can be used no more: nothing could be verified again, so nothing
    /// new is chosen.
    pub fatal: Option<String>,
}

/// Tunes one problem. `progress` is told what is known whenever something more is, and how many candidates are done.
pub fn tune<T: Trials>(
    trials: &mut T,
    space: &[Candidate],
    searcher: &mut dyn Searcher,
    known: &Known,
    budget: &Budget,
    settings: &Settings,
    mut progress: impl FnMut(&Tuned),
) -> Tuned {
    if known.is_settled(space, searcher) {
        return settled(known);
    }
    let mut outcomes = known.outcomes.clone();
    outcomes.resize(space.len(), None);
    let incumbent = known.incumbent.filter(|index| timed(&outcomes, *index).is_some());
    let mut state = State {
        tuned: Tuned {
            outcomes,
            choice: incumbent,
            complete: false,
            runs: 0,
            tried: 0,
            stopped: None,
            fatal: None,
        },
        race: Race::new(settings, budget, space.len(), incumbent),
        incumbent,
        postponed: false,
        timing: trials.timing(),
    };
    match state.search(trials, space, searcher, known, budget, &mut progress) {
        Ok(()) => state.decide(trials),
        Err(Broken::Stopped(stop)) => {
            state.tuned.stopped = Some(stop);
            state.collect();
            state.choose_for_now();
            let first = state.race.winner().or(state.tuned.choice);
            let order = first.into_iter().chain(state.race.ranking()).collect();
            state.confirm(trials, order);
        }
        Err(Broken::Fatal(reason)) => {
            state.tuned.fatal = Some(reason);
            state.collect();
            state.keep_incumbent();
        }
    }
    progress(&state.tuned);
    state.tuned
}

/// The result where everything is known: nothing is tried.
#[must_use]
pub fn settled(known: &Known) -> Tuned {
    let (outcomes, choice) = (known.outcomes.clone(), known.incumbent);
    Tuned { outcomes, choice, complete: true, runs: 0, tried: 0, stopped: None, fatal: None }
}

struct State<'a> {
    tuned: Tuned,
    race: Race<'a>,
    incumbent: Option<usize>,
    timing: Timing,
    /// Whether something could not be tried for a reason that may pass.
    postponed: bool,
}

fn timed(outcomes: &[Option<Outcome>], index: usize) -> Option<&[u64]> {
    match outcomes.get(index) {
        Some(Some(Outcome::SamplesNs(samples))) if !samples.is_empty() => Some(samples),
        _ => None,
    }
}

/// The candidates that have times, by their medians, the fastest first.
#[must_use]
pub fn by_median(outcomes: &[Option<Outcome>]) -> Vec<usize> {
    let median =
        |index: usize| Summary::of(timed(outcomes, index)?).map(|summary| (index, summary.median_ns));
    let mut timed: Vec<(usize, f64)> = (0..outcomes.len()).filter_map(median).collect();
    timed.sort_by(|one, other| one.1.total_cmp(&other.1));
    timed.into_iter().map(|(index, _)| index).collect()
}

impl State<'_> {
    fn search<T: Trials>(
        &mut self,
        trials: &mut T,
        space: &[Candidate],
        searcher: &mut dyn Searcher,
        known: &Known,
        budget: &Budget,
        progress: &mut impl FnMut(&Tuned),
    ) -> Result<(), Broken> {
        let mut tried: BTreeSet<usize> =
            (0..space.len()).filter(|index| self.tuned.outcomes[*index].is_some()).collect();
        // Times of another run do not compare with today's, so who could have won then runs again now.
        let returning = match self.timing {
            Timing::Predicted => Vec::new(),
            Timing::Measured => self.returning(known),
        };
        self.try_out(trials, &returning, budget, progress)?;
        loop {
            let batch = searcher.next(space, &tried, &self.best());
            if batch.is_empty() {
                return Ok(());
            }
            for part in batch.chunks(BATCH) {
                self.try_out(trials, part, budget, progress)?;
            }
            tried.extend(batch);
        }
    }

    /// Who is timed again: the incumbent, and if there was no decision, or what it was for is no more, everyone who was
    /// not hopeless.
    fn returning(&self, known: &Known) -> Vec<usize> {
        let median =
            |index: usize| Summary::of(timed(&self.tuned.outcomes, index)?).map(|summary| summary.median_ns);
        let all = 0..self.tuned.outcomes.len();
        let best = all.clone().filter_map(median).min_by(f64::total_cmp).unwrap_or(0.0);
        let hopeless = self.race.settings.hopeless;
        let hopeful = |index: &usize| median(*index).is_some_and(|median| median <= hopeless * best);
        let is_open = !known.complete || self.incumbent.is_none();
        all.filter(|index| Some(*index) == self.incumbent || (is_open && hopeful(index))).collect()
    }

    /// Compiles, verifies and times candidates, as far as they get.
    fn try_out<T: Trials>(
        &mut self,
        trials: &mut T,
        batch: &[usize],
        budget: &Budget,
        progress: &mut impl FnMut(&Tuned),
    ) -> Result<(), Broken> {
        if batch.is_empty() {
            return Ok(());
        }
        stop(budget)?;
        let mut compiled = batch.iter().copied().zip(trials.compile(batch)).peekable();
        while compiled.peek().is_some() {
            // Large tensors take long to verify. What half of the time has sufficed for is timed before the others are looked at, so that a
            // run which ends early has a choice.
            let half = budget.share(2);
            let mut exact = Vec::new();
            for (index, compiled) in compiled.by_ref() {
                stop(budget)?;
                match compiled.and_then(|()| trials.verify(index)) {
                    Ok(()) if self.timing == Timing::Measured => exact.push(index),
                    Ok(()) => self.predict(trials, index)?,
                    Err(error) => self.reject(index, error)?,
                }
                self.tuned.tried += 1;
                self.choose_for_now();
                progress(&self.tuned);
                if half.stop().is_some() && !exact.is_empty() {
                    break;
                }
            }
            let raced = if exact.is_empty() { Ok(()) } else { self.race.enter(trials, &exact) };
            self.collect();
            raced?;
            progress(&self.tuned);
        }
        Ok(())
    }

    fn reject(&mut self, index: usize, error: TrialError) -> Result<(), Broken> {
        match error {
            TrialError::Postponed(_) => {
                self.postponed = true;
                Ok(())
            }
            TrialError::Rejected(reason) => {
                self.tuned.outcomes[index] = Some(Outcome::Rejected(reason));
                Ok(())
            }
            TrialError::Fatal(reason) => {
                self.tuned.outcomes[index] = Some(Outcome::Rejected(reason.clone()));
                Err(Broken::Fatal(reason))
            }
        }
    }

    /// A prediction needs one look, and no race.
    fn predict<T: Trials>(&mut self, trials: &mut T, index: usize) -> Result<(), Broken> {
        match trials.time(index, 1) {
            Ok(times) => {
                self.tuned.runs += 1;
                self.tuned.outcomes[index] = Some(Outcome::SamplesNs(times));
                Ok(())
            }
            Err(error) => self.reject(index, error),
        }
    }

    /// What the race has found out so far.
    fn collect(&mut self) {
        for (&index, samples) in &self.race.samples {
            self.tuned.outcomes[index] = Some(Outcome::SamplesNs(samples.clone()));
        }
        for (&index, reason) in &self.race.failed {
            self.tuned.outcomes[index] = Some(Outcome::Rejected(reason.clone()));
        }
        self.postponed |= !self.race.postponed.is_empty();
        if self.race.runs > 0 {
            self.tuned.runs = self.race.runs;
        }
    }

    /// The candidates that may still win, the fastest first.
    fn best(&self) -> Vec<usize> {
        if self.timing == Timing::Measured { self.race.ranking() } else { by_median(&self.tuned.outcomes) }
    }

    /// What may be used as long as nothing is decided: the best prediction, or what an earlier run has accepted. A run
    /// that is killed leaves no choice which was not verified after its timing.
    fn choose_for_now(&mut self) {
        match self.timing {
            Timing::Predicted => self.tuned.choice = by_median(&self.tuned.outcomes).first().copied(),
            Timing::Measured => self.keep_incumbent(),
        }
    }

    /// After a fault nothing can be verified again: what an earlier run has chosen stays, unless it is at fault.
    fn keep_incumbent(&mut self) {
        self.tuned.choice = self.incumbent.filter(|index| timed(&self.tuned.outcomes, *index).is_some());
    }

    /// Ends the race, verifies its winner once more, and accepts it; or else the next best.
    fn decide<T: Trials>(&mut self, trials: &mut T) {
        let finished = self.race.finish(trials);
        self.collect();
        match finished {
            Err(Broken::Stopped(stop)) => self.tuned.stopped = Some(stop),
            Err(Broken::Fatal(reason)) => self.tuned.fatal = Some(reason),
            Ok(()) => {}
        }
        if self.tuned.fatal.is_some() {
            self.keep_incumbent();
            return;
        }
        let winner = match self.timing {
            Timing::Measured => self.race.winner(),
            Timing::Predicted => None,
        };
        let mut order: Vec<usize> = winner.into_iter().chain(self.race.ranking()).collect();
        if order.is_empty() {
            order = by_median(&self.tuned.outcomes);
        }
        self.confirm(trials, order);
        self.tuned.complete = self.tuned.stopped.is_none() && self.tuned.fatal.is_none() && !self.postponed;
    }

    /// Chooses the first of these that decodes exactly once more, after all the timing.
    fn confirm<T: Trials>(&mut self, trials: &mut T, order: Vec<usize>) {
        self.tuned.choice = None;
        for index in order {
            match self.accept(trials, index) {
                Ok(true) => {
                    self.tuned.choice = Some(index);
                    break;
                }
                Ok(false) => {}
                Err(Broken::Fatal(reason)) => {
                    self.tuned.fatal = Some(reason);
                    self.keep_incumbent();
                    break;
                }
                Err(Broken::Stopped(stop)) => self.tuned.stopped = Some(stop),
            }
        }
    }

    /// Verifies a winner again; a prediction's trial has changed nothing since.
    fn accept<T: Trials>(&mut self, trials: &mut T, index: usize) -> Result<bool, Broken> {
        if self.timing == Timing::Predicted || timed(&self.tuned.outcomes, index).is_none() {
            return Ok(timed(&self.tuned.outcomes, index).is_some());
        }
        let mut compiled = Ok(());
        if !self.race.samples.contains_key(&index) {
            // Not run today: an incumbent was accepted when it was chosen, anything else is not even compiled.
            if self.incumbent == Some(index) {
                return Ok(true);
            }
            compiled = trials.compile(&[index]).pop().unwrap_or(Ok(()));
        }
        match compiled.and_then(|()| trials.verify(index)) {
            Ok(()) => Ok(true),
            Err(error) => self.reject(index, error).map(|()| false),
        }
    }
}

fn stop(budget: &Budget) -> Result<(), Broken> {
    budget.stop().map_or(Ok(()), |stop| Err(Broken::Stopped(stop)))
}
