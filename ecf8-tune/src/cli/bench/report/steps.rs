//! The steps of a report, those worth most first.

use super::super::Bench;
use super::kept::Kind;
use crate::cli::answer::Failure;
use crate::cli::size::{in_words, size};
use ecf8_codegen::strategy::{Strategy, strategies};
use ecf8_core::Scheme;
use ecf8_core::kv::Numbers;

/// Sizes that strategies are timed at: a small tensor, a large one, a layer of an 8B model, and what fills any GPU.
const SIZES: [&str; 4] = ["8M", "64M", "218M", "512M"];

/// The same for trying a report out, as on a simulated GPU.
const QUICK_SIZES: [&str; 2] = ["8K", "32K"];

/// One step.
#[derive(Clone, Copy)]
pub(super) enum Step {
    /// A strategy's decodings of the corpus, by its default variant or by all.
    Proof { strategy: &'static dyn Strategy, only_default: bool },
    /// The speed of a strategy's default variant on this many bytes.
    Rates { strategy: &'static dyn Strategy, bytes: u64 },
    /// The tuner beside a search of all variants for a scheme.
    Tuning { scheme: &'static dyn Scheme, bytes: u64 },
    /// A model of many tensors, loaded without and with compiled kernels.
    Loading,
    /// Pages of K/V caches with numbers of this type.
    Pages { numbers: Numbers },
    /// A layer brought to a later state.
    Updates,
    /// nvCOMP on this many bytes.
    Nvcomp { bytes: u64 },
}

impl Step {
    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Proof { .. } => Kind::Selftest,
            Self::Rates { .. } => Kind::Decoding,
            Self::Tuning { .. } => Kind::Tuning,
            Self::Loading => Kind::Loading,
            Self::Pages { .. } => Kind::Pages,
            Self::Updates => Kind::Updates,
            Self::Nvcomp { .. } => Kind::Nvcomp,
        }
    }

    /// What tells it from other steps, for people too.
    pub(super) fn name(self) -> String {
        match self {
            Self::Proof { strategy, only_default: true } => {
                format!("selftest of {}, default", strategy.name())
            }
            Self::Proof { strategy, only_default: false } => {
                format!("selftest of {}, all variants", strategy.name())
            }
            Self::Rates { strategy, bytes } => format!("{} on {}", strategy.name(), in_words(bytes)),
            Self::Tuning { scheme, bytes } => {
                format!("tuner for {} on {} beside a search of all", scheme.name(), in_words(bytes))
            }
            Self::Loading => "loading a model".to_owned(),
            Self::Pages { numbers } => format!("pages of K/V caches in {}", numbers.dtype()),
            Self::Updates => "updating a layer".to_owned(),
            Self::Nvcomp { bytes } => format!("nvCOMP on {}", in_words(bytes)),
        }
    }
}

/// The scheme that a strategy is timed with.
pub(super) fn scheme_of(strategy: &dyn Strategy) -> Result<&'static dyn Scheme, Failure> {
    let scheme = strategy.schemes().first().and_then(|name| ecf8_core::scheme(name));
    let nothing = || Failure::request(format!("strategy {} decodes no scheme known here", strategy.name()));
    scheme.ok_or_else(nothing)
}

/// All steps of a report that is asked for so.
pub(super) fn plan(bench: &Bench) -> Result<Vec<Step>, Failure> {
    let usual: &[&str] = if bench.quick { &QUICK_SIZES } else { &SIZES };
    let sizes = match &bench.sizes[..] {
        [] => usual.iter().filter_map(|text| size(text).ok()).collect(),
        sizes => sizes.to_vec(),
    };
    let is_chosen = |strategy: &&'static dyn Strategy| {
        bench.strategies.is_empty() || bench.strategies.iter().any(|name| name == strategy.name())
    };
    let mut chosen: Vec<&'static dyn Strategy> = strategies().iter().copied().filter(is_chosen).collect();
    // Nothing is compressed in the paper's scheme unless somebody asks for it.
    chosen.sort_by_key(|strategy| strategy.schemes().contains(&"exponent-gap"));
    let proofs = |only_default| chosen.iter().map(move |&strategy| Step::Proof { strategy, only_default });
    let mut steps: Vec<Step> = proofs(true).collect();
    for &bytes in &sizes {
        steps.extend(chosen.iter().map(|&strategy| Step::Rates { strategy, bytes }));
    }
    let mut schemes: Vec<&'static dyn Scheme> = Vec::new();
    for &strategy in &chosen {
        let scheme = scheme_of(strategy)?;
        if !schemes.iter().any(|one| one.name() == scheme.name()) {
            schemes.push(scheme);
        }
    }
    // A layer, if there are usual sizes; in a quick report a small tensor of one scheme will do.
    let layer = if bench.quick { sizes.first() } else { sizes.get(2).or(sizes.last()) };
    let tuned = if bench.quick { 1 } else { schemes.len() };
    let tuning = schemes.into_iter().take(tuned);
    steps.extend(
        layer.iter().flat_map(|&&bytes| tuning.clone().map(move |scheme| Step::Tuning { scheme, bytes })),
    );
    steps.push(Step::Loading);
    steps.extend(Numbers::ALL.map(|numbers| Step::Pages { numbers }));
    steps.push(Step::Updates);
    if bench.nvcomp.is_some() {
        steps.extend(sizes.iter().map(|&bytes| Step::Nvcomp { bytes }));
    }
    if !bench.quick {
        steps.extend(proofs(false));
    }
    Ok(steps)
}
