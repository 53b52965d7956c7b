//! One problem on one device: all candidates' times, and the choice.

use crate::executor::{Fingerprint, Timing};
use crate::tuner::{Candidate, Known, Outcome, Problem, Tuned};
use ecf8_codegen::strategy::{Params, Strategy, strategy};
use ecf8_core::checksum::to_hex;
use serde::{Deserialize, Serialize};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// Longest name or reason in a record, in bytes.
const LONGEST_TEXT: usize = 4096;
/// Longest time of a launch, in nanoseconds.
const LONGEST_TIME: u64 = 1_000_000_000_000_000;
/// Most candidates of a record, and most runs of a candidate.
const MOST: usize = 1 << 16;

/// What was found out about one problem on one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The device.
    pub fingerprint: Fingerprint,
    /// Where its times come from.
    pub timing: Timing,
    /// The shape of launch.
    pub problem: Problem,
    /// Elements of all tensors that were decoded.
    pub elements: u64,
    /// What became of each candidate.
    pub candidates: Vec<CandidateRecord>,
    /// The candidate to take.
    pub choice: Option<VariantName>,
    /// Whether nothing is left to try: the choice was made among all candidates.
    pub complete: bool,
    /// When, in milliseconds since 1970.
    pub unix_ms: u64,
}

/// What became of one candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CandidateRecord {
    /// The candidate.
    #[serde(flatten)]
    pub variant: VariantName,
    /// Its times, or why it is out.
    pub outcome: Outcome,
}

/// A variant by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VariantName {
    /// The strategy's name.
    pub strategy: String,
    /// All parameters by name.
    pub params: BTreeMap<String, String>,
    /// The hash of its code, 16 hexadecimal digits.
    pub code: String,
}

impl VariantName {
    fn of(candidate: &Candidate) -> Self {
        Self {
            strategy: candidate.strategy.name().to_owned(),
            params: candidate
                .params
                .iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            code: to_hex(candidate.code),
        }
    }

    /// What tells it from the others.
    fn name(&self) -> (&str, &BTreeMap<String, String>) {
        (&self.strategy, &self.params)
    }

    /// The strategy and the parameters, if this program has them with the same code; else why not.
    ///
    /// # Errors
    /// The reason, for people.
    pub fn resolve(&self, scheme: &str) -> Result<(&'static dyn Strategy, Params), String> {
        let name = self.strategy.escape_debug();
        let known = strategy(&self.strategy).filter(|strategy| strategy.schemes().contains(&scheme));
        let strategy =
            known.ok_or_else(|| format!("there is no strategy `{name}` for scheme {scheme} here"))?;
        let set: Vec<(String, String)> = self.params.clone().into_iter().collect();
        let params = strategy.params(&set).map_err(|_| format!("{name} has other tunables here"))?;
        if to_hex(crate::tuner::code_hash(strategy, &params, scheme)) != self.code {
            return Err(format!("the code of {name} has changed since"));
        }
        Ok((strategy, params))
    }
}

impl Record {
    /// From the result of a tuning run.
    #[must_use]
    pub fn new(
        fingerprint: Fingerprint,
        timing: Timing,
        problem: Problem,
        elements: u64,
        space: &[Candidate],
        tuned: &Tuned,
    ) -> Self {
        let candidates = space.iter().zip(&tuned.outcomes).filter_map(|(candidate, outcome)| {
            let mut outcome = outcome.clone()?;
            if let Outcome::Rejected(reason) = &mut outcome {
                truncate(reason);
            }
            Some(CandidateRecord { variant: VariantName::of(candidate), outcome })
        });
        let mut record = Self {
            fingerprint,
            timing,
            problem,
            elements,
            candidates: candidates.collect(),
            choice: tuned.choice.and_then(|index| space.get(index)).map(VariantName::of),
            complete: tuned.complete,
            unix_ms: now(),
        };
        record.sort();
        record
    }

    /// Puts the candidates into the one order that equal records have in common.
    fn sort(&mut self) {
        self.candidates.sort_by(|one, other| one.variant.name().cmp(&other.variant.name()));
    }

    /// What this record tells about the candidates that there are now: those whose code is the same as then.
    #[must_use]
    pub fn known(&self, space: &[Candidate]) -> Known {
        let by_variant: BTreeMap<(&str, &BTreeMap<String, String>), &CandidateRecord> = self
            .candidates
            .iter()
            .map(|candidate| ((candidate.variant.strategy.as_str(), &candidate.variant.params), candidate))
            .collect();
        let now: Vec<VariantName> = space.iter().map(VariantName::of).collect();
        let outcome = |choice: &VariantName| {
            let then = by_variant.get(&(choice.strategy.as_str(), &choice.params))?;
            (then.variant.code == choice.code).then(|| then.outcome.clone())
        };
        Known {
            outcomes: now.iter().map(outcome).collect(),
            incumbent: now.iter().position(|choice| self.choice.as_ref() == Some(choice)),
            complete: self.complete,
        }
    }

    /// Whether two records answer the same question, so that the newer one is enough.
    fn key(&self) -> (Fingerprint, Timing, Problem) {
        (self.fingerprint.clone(), self.timing, self.problem.clone())
    }

    /// Whether the numbers and texts are such as this program writes.
    ///
    /// # Errors
    /// What is not, for people.
    pub(super) fn check(&self) -> Result<(), String> {
        let (device, problem) = (&self.fingerprint, &self.problem);
        let texts =
            [&device.gpu, &device.driver, &device.nvrtc, &problem.operation, &problem.scheme, &problem.dtype];
        if !texts.iter().all(|text| is_plain(text)) {
            return Err("a name is no plain text".to_owned());
        }
        if problem.tensors.max(problem.elements) >= 64 || self.candidates.len() > MOST {
            return Err("a number is out of range".to_owned());
        }
        let variants = self.candidates.iter().map(|candidate| &candidate.variant).chain(&self.choice);
        for variant in variants {
            let pairs = variant.params.iter().all(|(name, value)| is_plain(name) && is_plain(value));
            if !pairs || !is_plain(&variant.strategy) {
                return Err("a parameter is no plain text".to_owned());
            }
        }
        for candidate in &self.candidates {
            let sound = match &candidate.outcome {
                Outcome::SamplesNs(samples) => {
                    (1..=MOST).contains(&samples.len())
                        && samples.iter().all(|sample| (1..=LONGEST_TIME).contains(sample))
                }
                Outcome::Rejected(reason) => reason.len() <= LONGEST_TEXT,
            };
            if !sound {
                return Err("a time is out of range".to_owned());
            }
        }
        Ok(())
    }
}

fn is_plain(text: &str) -> bool {
    text.len() <= LONGEST_TEXT && !text.chars().any(char::is_control)
}

fn truncate(text: &mut String) {
    let mut end = text.len().min(LONGEST_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
}

fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// All records of both: of two that answer the same question the newer choice, and the candidates of both, the newer one's
/// if both have one. The order does not matter, and nothing is lost.
#[must_use]
pub fn merge(one: Vec<Record>, other: Vec<Record>) -> Vec<Record> {
    let mut all: BTreeMap<_, Record> = BTreeMap::new();
    for record in one.into_iter().chain(other) {
        match all.entry(record.key()) {
            Entry::Vacant(entry) => {
                entry.insert(record);
            }
            Entry::Occupied(mut entry) => {
                let joined = join(entry.get().clone(), record);
                entry.insert(joined);
            }
        }
    }
    all.into_values().collect()
}

fn join(one: Record, other: Record) -> Record {
    // Any order will do for equal times, as long as it is the same whichever comes first.
    let rank = |record: &Record| {
        (record.unix_ms, record.complete, serde_json::to_string(record).unwrap_or_default())
    };
    let (mut newer, older) = if rank(&one) >= rank(&other) { (one, other) } else { (other, one) };
    let known: BTreeSet<_> = newer.candidates.iter().map(|candidate| candidate.variant.name()).collect();
    let is_missing = |candidate: &CandidateRecord| !known.contains(&candidate.variant.name());
    let missing: Vec<_> = older.candidates.into_iter().filter(is_missing).collect();
    newer.candidates.extend(missing);
    newer.sort();
    newer
}
