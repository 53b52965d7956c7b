//! Which variant to take for a launch: the ladder, from what was measured for just this down to the default.

use super::record::Record;
use crate::executor::{Fingerprint, Timing};
use crate::tuner::{Problem, nearest_first};
use ecf8_codegen::strategy::{Params, Strategy, strategies_for};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt::{self, Display};

/// Where a plan comes from, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rung {
    /// The same device and software, codebook class and size of launch.
    Exact,
    /// The same model of GPU and size of launch; another codebook class, driver or NVRTC.
    SameBucket,
    /// The same architecture; another GPU or another size of launch.
    SameArchitecture,
    /// One of these from the caches that come with the program.
    Bundled,
    /// A prediction of the emulator.
    Predicted,
    /// Nothing is known: the first strategy with its defaults.
    Default,
}

impl Rung {
    /// The words for people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::SameBucket => "same bucket",
            Self::SameArchitecture => "same architecture",
            Self::Bundled => "bundled",
            Self::Predicted => "predicted",
            Self::Default => "default",
        }
    }
}

impl Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

/// The variant to take, and why.
#[derive(Clone, Debug)]
pub struct ChosenVariant {
    /// The strategy.
    pub strategy: &'static dyn Strategy,
    /// Its parameters.
    pub params: Params,
    /// Where this comes from.
    pub rung: Rung,
    /// Why records that would have been better were not used, each reason once.
    pub ignored: Vec<String>,
}

/// Why there is no variant to take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPlan {
    /// No strategy decodes the scheme.
    #[error("no strategy decodes scheme {scheme}; update the program")]
    NoStrategy {
        /// The scheme.
        scheme: String,
    },
    /// Every variant of every strategy needs more than the device has.
    #[error(
        "no variant for scheme {scheme} fits this device; {variant} does not because {why}; decode it on another"
    )]
    NoneFits {
        /// The scheme.
        scheme: String,
        /// The default variant.
        variant: String,
        /// What it needs.
        why: String,
    },
}

/// Says whether a variant can be launched on the device at hand, and if not, why.
pub type Fits<'a> = dyn FnMut(&'static dyn Strategy, &Params) -> Result<(), String> + 'a;

/// The variant for launches of a shape on a device that measures or predicts: the first rung of the ladder that has one
/// which fits. The last rung is the default, or where that does not fit, the variant most like it that does.
///
/// # Errors
/// If no strategy decodes the scheme, or no variant fits.
pub fn plan(
    records: &[Record],
    bundled: &[Record],
    fingerprint: &Fingerprint,
    timing: Timing,
    problem: &Problem,
    fits: &mut Fits<'_>,
) -> Result<ChosenVariant, NoPlan> {
    let mut ignored = BTreeSet::new();
    let query = Query { fingerprint, timing, problem };
    let own = [Rung::Exact, Rung::SameBucket, Rung::SameArchitecture].map(|rung| (rung, rung, records));
    let foreign =
        [Rung::Exact, Rung::SameBucket, Rung::SameArchitecture].map(|rung| (rung, Rung::Bundled, bundled));
    let predicted = [(Rung::Predicted, Rung::Predicted, records)];
    for (test, rung, records) in own.into_iter().chain(foreign).chain(predicted) {
        let mut fitting: Vec<&Record> = records.iter().filter(|record| query.fits(record, test)).collect();
        fitting.sort_by_key(|record| query.distance(record));
        for record in fitting {
            let Some(choice) = &record.choice else { continue };
            match choice.resolve(&problem.scheme) {
                Ok((strategy, params)) => match fits(strategy, &params) {
                    Ok(()) => {
                        let ignored = ignored.into_iter().collect();
                        return Ok(ChosenVariant { strategy, params, rung, ignored });
                    }
                    Err(why) => {
                        ignored.insert(format!("{} {params} does not fit here: {why}", strategy.name()));
                    }
                },
                Err(reason) => {
                    ignored.insert(reason);
                }
            }
        }
    }
    for record in records.iter().filter(|record| record.problem.is_like(problem)) {
        if record.fingerprint.arch != fingerprint.arch {
            let gpu = record.fingerprint.gpu.escape_debug();
            ignored.insert(format!("a record is for another GPU, {gpu} ({})", record.fingerprint.arch));
        }
    }
    let (strategy, params) = default(&problem.scheme, fits, &mut ignored)?;
    Ok(ChosenVariant { strategy, params, rung: Rung::Default, ignored: ignored.into_iter().collect() })
}

/// The first variant that fits of the first strategy that has one, those most like its default first.
fn default(
    scheme: &str,
    fits: &mut Fits<'_>,
    ignored: &mut BTreeSet<String>,
) -> Result<(&'static dyn Strategy, Params), NoPlan> {
    let mut first: Option<(String, String)> = None;
    for strategy in strategies_for(scheme) {
        let Ok(default) = strategy.params(&[]) else { continue };
        for params in nearest_first(strategy, &default) {
            match (fits(strategy, &params), first.take()) {
                (Ok(()), None) => return Ok((strategy, params)),
                (Ok(()), Some((variant, why))) => {
                    let instead = format!("{} {params}", strategy.name());
                    ignored.insert(format!("{variant} does not fit here: {why}; {instead} is taken instead"));
                    return Ok((strategy, params));
                }
                (Err(why), None) => first = Some((format!("{} {params}", strategy.name()), why)),
                (Err(_), before) => first = before,
            }
        }
    }
    let scheme = scheme.to_owned();
    Err(match first {
        Some((variant, why)) => NoPlan::NoneFits { scheme, variant, why },
        None => NoPlan::NoStrategy { scheme },
    })
}

struct Query<'a> {
    fingerprint: &'a Fingerprint,
    timing: Timing,
    problem: &'a Problem,
}

impl Query<'_> {
    /// Whether a record is good enough for a rung.
    fn fits(&self, record: &Record, rung: Rung) -> bool {
        let (theirs, problem) = (&record.fingerprint, &record.problem);
        let same_timing = record.timing == self.timing;
        problem.is_like(self.problem)
            && match rung {
                Rung::Exact => same_timing && theirs.serves(self.fingerprint) && problem == self.problem,
                Rung::SameBucket => {
                    same_timing && theirs.is_same_gpu(self.fingerprint) && problem.is_as_large(self.problem)
                }
                Rung::SameArchitecture => same_timing && theirs.arch == self.fingerprint.arch,
                Rung::Predicted => record.timing == Timing::Predicted,
                Rung::Bundled | Rung::Default => false,
            }
    }

    /// How far a record is from what is asked; the newest of equally near ones comes first.
    fn distance(&self, record: &Record) -> (u32, bool, u32, u64) {
        let size = record.problem.size_distance(self.problem);
        let other_gpu = !record.fingerprint.is_same_gpu(self.fingerprint);
        (size, other_gpu, record.problem.class.distance(&self.problem.class), u64::MAX - record.unix_ms)
    }
}
