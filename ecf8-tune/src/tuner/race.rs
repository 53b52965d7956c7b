//! Timing in turns: in every round each contender that can still win runs once.
//!
//! A contender is out when it is hopeless, over 1.5 times the best, or when it is slower than the leader by more than the
//! noise, both judged from the rounds that the two ran in together. The few that are left go on in pairs, so to speak,
//! until one of them leads surely or it no longer matters which.

use super::statistics::slowdown;
use super::trials::{TrialError, Trials};
use super::{Budget, Stop, Summary};
use std::collections::{BTreeMap, BTreeSet};

/// How carefully is timed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Runs of each contender that are dropped as warm-up.
    pub warm_up: usize,
    /// Runs of each candidate that a search without elimination would time; half of them, over all candidates, is the
    /// most that a race takes.
    pub full_runs: usize,
    /// A contender over this many times the best is out.
    pub hopeless: f64,
    /// How many standard errors a difference has to have to count.
    pub certainty: f64,
    /// The loss of speed that does not matter, as a part.
    pub tolerance: f64,
    /// As many are left after `full_runs` rounds.
    pub finalists: usize,
    /// Least advantage over an incumbent that makes it go, as a part; the noise counts too.
    pub least_gain: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            warm_up: 1,
            full_runs: 40,
            hopeless: 1.5,
            certainty: 3.0,
            tolerance: 0.01,
            finalists: 4,
            least_gain: 0.01,
        }
    }
}

/// Rounds before differences are judged by their noise, which fewer would not show.
const LEAST_ROUNDS: usize = 6;

/// Rounds before a contender can be hopeless, unless it is so by far.
const SURE_ROUNDS: usize = 3;

/// Contenders, their samples, and who is out.
#[derive(Debug)]
pub(super) struct Race<'a> {
    pub(super) settings: &'a Settings,
    budget: &'a Budget,
    /// Nanoseconds of every run after the warm-up, round by round.
    pub(super) samples: BTreeMap<usize, Vec<u64>>,
    /// Those who can still win.
    contenders: Vec<usize>,
    /// The choice of an earlier run, which noise alone does not drive out.
    incumbent: Option<usize>,
    /// Who failed while being timed, and why.
    pub(super) failed: BTreeMap<usize, String>,
    /// Who could not be timed for a reason that may pass.
    pub(super) postponed: BTreeSet<usize>,
    /// Runs so far, warm-up included.
    pub(super) runs: usize,
    /// Most runs.
    limit: usize,
    round: usize,
}

/// Why a race was broken off.
pub(super) enum Broken {
    Stopped(Stop),
    /// The device can be used no more.
    Fatal(String),
}

impl<'a> Race<'a> {
    /// A race over a space of `candidates` candidates.
    pub(super) fn new(
        settings: &'a Settings,
        budget: &'a Budget,
        candidates: usize,
        incumbent: Option<usize>,
    ) -> Self {
        Self {
            settings,
            budget,
            samples: BTreeMap::new(),
            contenders: Vec::new(),
            incumbent,
            failed: BTreeMap::new(),
            postponed: BTreeSet::new(),
            runs: 0,
            limit: candidates.saturating_mul(settings.full_runs) / 2,
            round: 0,
        }
    }

    /// Those who can still win, the fastest first.
    pub(super) fn ranking(&self) -> Vec<usize> {
        let mut ranking: Vec<(usize, f64)> =
            self.contenders.iter().filter_map(|&index| Some((index, self.median(index)?))).collect();
        ranking.sort_by(|one, other| one.1.total_cmp(&other.1));
        ranking.into_iter().map(|(index, _)| index).collect()
    }

    fn median(&self, index: usize) -> Option<f64> {
        Summary::of(self.samples.get(&index)?).map(|summary| summary.median_ns)
    }

    /// Lets newcomers in: warm-up, then a few rounds among themselves and with those already here.
    pub(super) fn enter<T: Trials>(&mut self, trials: &mut T, newcomers: &[usize]) -> Result<(), Broken> {
        for &index in newcomers {
            self.run(trials, index, self.settings.warm_up, false)?;
        }
        let able: Vec<usize> = newcomers.iter().copied().filter(|index| !self.is_out(index)).collect();
        self.contenders.extend(able);
        for _ in 0..LEAST_ROUNDS {
            self.round(trials)?;
        }
        Ok(())
    }

    /// Goes on until one is left, or the leader is good enough, or all runs are used up.
    pub(super) fn finish<T: Trials>(&mut self, trials: &mut T) -> Result<(), Broken> {
        while self.contenders.len() > 1 && self.runs + self.contenders.len() <= self.limit {
            self.round(trials)?;
            if self.rounds() >= self.settings.full_runs && self.contenders.len() > self.settings.finalists {
                self.contenders = self.ranking();
                let incumbent = self.incumbent.filter(|index| self.contenders.contains(index));
                self.contenders.truncate(self.settings.finalists);
                self.contenders.extend(incumbent.filter(|index| !self.contenders.contains(index)));
            }
            if self.is_decided() {
                break;
            }
        }
        Ok(())
    }

    /// The winner: the leader, but the incumbent stays unless it is out or the leader is faster by more than the noise.
    pub(super) fn winner(&self) -> Option<usize> {
        let leader = self.leader()?;
        let Some(incumbent) = self.incumbent.filter(|index| self.contenders.contains(index)) else {
            return Some(leader);
        };
        let gain = slowdown(self.samples.get(&incumbent)?, self.samples.get(&leader)?)?;
        let noise = self.settings.certainty * gain.error;
        let wins = gain.value > noise.max(self.settings.least_gain.ln_1p());
        Some(if wins { leader } else { incumbent })
    }

    /// Rounds that all contenders have run.
    fn rounds(&self) -> usize {
        let runs = self.contenders.iter().map(|index| self.samples.get(index).map_or(0, Vec::len));
        runs.min().unwrap_or(0)
    }

    /// The contender that nobody is ahead of, judged in pairs.
    fn leader(&self) -> Option<usize> {
        let ahead = |one: usize, other: usize| -> bool {
            let pair = self.samples.get(&one).zip(self.samples.get(&other));
            pair.and_then(|(one, other)| slowdown(one, other)).is_some_and(|slower| slower.value < 0.0)
        };
        let ranking = self.ranking();
        let mut leader = *ranking.first()?;
        for &rival in &ranking[1..] {
            if ahead(rival, leader) {
                leader = rival;
            }
        }
        Some(leader)
    }

    /// Whether no contender can be faster than the leader by more than does not matter.
    fn is_decided(&self) -> bool {
        let Some(leader) = self.leader() else { return true };
        if self.rounds() < 2 * LEAST_ROUNDS {
            return false;
        }
        self.contenders.iter().filter(|&&index| index != leader).all(|index| {
            let pair = self.samples.get(index).zip(self.samples.get(&leader));
            pair.and_then(|(rival, leader)| slowdown(rival, leader))
                .is_none_or(|behind| 2.0 * behind.error - behind.value < self.settings.tolerance)
        })
    }

    /// One run of each contender, the first one a different one each time; then whoever cannot win is out.
    fn round<T: Trials>(&mut self, trials: &mut T) -> Result<(), Broken> {
        let mut order = self.contenders.clone();
        let start = self.round % order.len().max(1);
        order.rotate_left(start);
        self.round += 1;
        for index in order {
            self.run(trials, index, 1, true)?;
        }
        let contenders = std::mem::take(&mut self.contenders);
        self.contenders = contenders.into_iter().filter(|index| !self.is_out(index)).collect();
        self.eliminate();
        Ok(())
    }

    /// Whether it could not be timed.
    fn is_out(&self, index: &usize) -> bool {
        self.failed.contains_key(index) || self.postponed.contains(index)
    }

    fn eliminate(&mut self) {
        let Some(leader) = self.leader() else { return };
        let (samples, settings, incumbent) = (&self.samples, self.settings, self.incumbent);
        let (Some(best), Some(leading)) = (self.median(leader), samples.get(&leader)) else { return };
        let out = |index: &usize| -> bool {
            let Some(own) = samples.get(index).filter(|own| !own.is_empty()) else { return false };
            let Some(summary) = Summary::of(own) else { return false };
            let far = if own.len() < SURE_ROUNDS { 2.0 } else { 1.0 };
            if summary.median_ns > best * settings.hopeless * far {
                return true;
            }
            let shared = own.len().min(leading.len());
            Some(*index) != incumbent
                && shared >= LEAST_ROUNDS
                && slowdown(own, leading).is_some_and(|behind| {
                    behind.value > 0.0 && behind.value > settings.certainty * behind.error
                })
        };
        let contenders = std::mem::take(&mut self.contenders);
        self.contenders = contenders.into_iter().filter(|index| *index == leader || !out(index)).collect();
    }

    fn run<T: Trials>(
        &mut self,
        trials: &mut T,
        index: usize,
        runs: usize,
        counts: bool,
    ) -> Result<(), Broken> {
        if let Some(stop) = self.budget.stop() {
            return Err(Broken::Stopped(stop));
        }
        if runs == 0 {
            return Ok(());
        }
        self.runs += runs;
        match trials.time(index, runs) {
            Ok(times) if counts => self.samples.entry(index).or_default().extend(times),
            Ok(_) => {}
            Err(TrialError::Rejected(reason)) => {
                self.failed.insert(index, reason);
            }
            Err(TrialError::Postponed(_)) => {
                self.postponed.insert(index);
            }
            Err(TrialError::Fatal(reason)) => {
                self.failed.insert(index, reason.clone());
                return Err(Broken::Fatal(reason));
            }
        }
        Ok(())
    }
}
