//! Proof by trying: a strategy, in every variant, on the corpus, against the reference decoder.
//!
//! The executor is the emulator with all its checks, so that what is proven needs no GPU.

use super::{Coding, Inlined, Params, Strategy, TunableError, batch_offsets, batch_output, widest_coding};
use crate::emulator::{self, Checks};
use crate::sink::{Sink, Store};
use ecf8_core::corpus::{self, Tier, corpus};
use ecf8_core::{Encoded, Scheme, scheme};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Failures that a [`Disproof`] lists; the others are only counted.
pub const LISTED_FAILURES: usize = 8;

/// How far a proof is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProofProgress {
    /// Decodings that are done.
    pub done: usize,
    /// Decodings that there will be.
    pub runs: usize,
}

/// What was tried, and decoded exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Proof {
    /// Variants of the strategy.
    pub variants: usize,
    /// Tensors, each encoded under every scheme that the strategy decodes.
    pub tensors: usize,
    /// Decodings: every variant on every encoded tensor, and on several in one launch if the strategy has that.
    pub runs: usize,
    /// Bytes decoded, in all runs together.
    pub bytes: u64,
}

/// One decoding that went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofFailure {
    /// The scheme of the tensor.
    pub scheme: &'static str,
    /// The name of the tensor in the corpus.
    pub case: String,
    /// The variant.
    pub variant: Params,
    /// What was wrong.
    pub what: String,
}

impl fmt::Display for ProofFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "variant `{}`, {} ({}): {}", self.variant, self.case, self.scheme, self.what)
    }
}

/// Why a strategy is not proven.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Disproof {
    /// The strategy names a scheme that does not exist.
    #[error(
        "strategy {strategy} decodes scheme `{scheme}`, which does not exist: name one of `ecf8_core::schemes()`"
    )]
    NoScheme {
        /// The strategy.
        strategy: &'static str,
        /// The scheme it names.
        scheme: &'static str,
    },
    /// The strategy has no scheme or no variant, so there is nothing to try.
    #[error("strategy {strategy} has no {what}: nothing can be tried")]
    Nothing {
        /// The strategy.
        strategy: &'static str,
        /// What there is none of.
        what: &'static str,
    },
    /// The defaults of the strategy's tunables are not a variant.
    #[error("strategy {strategy}: its defaults are not a variant: {source}")]
    Default {
        /// The strategy.
        strategy: &'static str,
        /// Why not.
        source: TunableError,
    },
    /// A tensor of the corpus does not survive its scheme: no strategy is to blame.
    #[error("scheme {scheme} does not bring back {case}: {what}")]
    Scheme {
        /// The scheme.
        scheme: &'static str,
        /// The name of the tensor in the corpus.
        case: String,
        /// What was wrong.
        what: String,
    },
    /// Some decodings failed.
    #[error("strategy {strategy}: {count} of {runs} decodings failed{}", listing(failures, *count))]
    Failed {
        /// The strategy.
        strategy: &'static str,
        /// Decodings tried.
        runs: usize,
        /// Decodings that failed.
        count: usize,
        /// The first of them, in the order of tensors and then variants; at most [`LISTED_FAILURES`].
        failures: Vec<ProofFailure>,
    },
}

fn listing(failures: &[ProofFailure], count: usize) -> String {
    let mut text: String = failures.iter().map(|failure| format!("\n- {failure}")).collect();
    if count > failures.len() {
        text.push_str(&format!("\n- and {} more", count - failures.len()));
    }
    text
}

/// Makes a sink for tensors with these bytes.
pub type MakeSink<'s> = dyn for<'b> Fn(&[&'b [u8]]) -> Box<dyn Sink + 's> + Sync + 's;

/// A tensor of the corpus under a scheme.
struct Tensor<'a> {
    case: &'a corpus::Case,
    encoded: Encoded<'static>,
}

/// One decoding to try: of a tensor, or of several in one launch.
struct Run<'a> {
    tensors: Vec<&'a Tensor<'a>>,
    variant: &'a Params,
}

impl Run<'_> {
    fn scheme(&self) -> &'static str {
        self.tensors.first().map_or("", |tensor| tensor.encoded.scheme.name())
    }

    fn case(&self) -> String {
        match &self.tensors[..] {
            [tensor] => tensor.case.name.clone(),
            tensors => format!("{} tensors in one launch", tensors.len()),
        }
    }
}

/// Tries a strategy, registered or not: every variant on the corpus of this tier, encoded under each scheme that the
/// strategy decodes, on the emulator with [`Checks::Full`]. The result must be the tensor's bytes, which the scheme's
/// reference decoder must bring back as well. `progress` is told after every decoding, from several threads.
///
/// # Errors
/// What went wrong first, with the tensor, the variant and the fault.
pub fn prove(
    strategy: &dyn Strategy,
    tier: Tier,
    progress: &(dyn Fn(ProofProgress) + Sync),
) -> Result<Proof, Disproof> {
    prove_into(strategy, &|_| Box::new(Store), tier, progress)
}

/// The same for kernels that end in a sink, which is made for the tensors of a launch, given their bytes. The result
/// must be what the sink makes of them.
///
/// # Errors
/// As [`prove`].
pub fn prove_into(
    strategy: &dyn Strategy,
    sink: &MakeSink<'_>,
    tier: Tier,
    progress: &(dyn Fn(ProofProgress) + Sync),
) -> Result<Proof, Disproof> {
    let name = strategy.name();
    let schemes = schemes_of(strategy)?;
    let variants = strategy.telling_variants();
    for (what, is_missing) in [("scheme", schemes.is_empty()), ("variant", variants.is_empty())] {
        if is_missing {
            return Err(Disproof::Nothing { strategy: name, what });
        }
    }
    strategy.params(&[]).map_err(|source| Disproof::Default { strategy: name, source })?;
    let cases = corpus(tier);
    let suited = |scheme: &'static dyn Scheme| cases.iter().filter(move |case| case.suits(scheme));
    let tensors: Vec<_> =
        schemes.iter().flat_map(|&scheme| suited(scheme).map(move |case| (scheme, case))).collect();
    let tensors: Vec<_> = tensors.par_iter().map(|&(scheme, case)| encode(scheme, case)).collect();
    let tensors = tensors.into_iter().collect::<Result<Vec<_>, Disproof>>()?;
    let mut runs: Vec<Run<'_>> = tensors
        .iter()
        .flat_map(|tensor| {
            let takes = |variant: &&Params| takes(strategy, variant, tensor);
            variants.iter().filter(takes).map(move |variant| Run { tensors: vec![tensor], variant })
        })
        .collect();
    runs.extend(batches(strategy, &tensors, &variants));
    let done = AtomicUsize::new(0);
    let mut failures: Vec<ProofFailure> = runs
        .par_iter()
        .filter_map(|run| {
            let failure = decode(strategy, sink, run).err().map(|what| ProofFailure {
                scheme: run.scheme(),
                case: run.case(),
                variant: run.variant.clone(),
                what,
            });
            progress(ProofProgress { done: done.fetch_add(1, Ordering::Relaxed) + 1, runs: runs.len() });
            failure
        })
        .collect();
    if !failures.is_empty() {
        let count = failures.len();
        failures.truncate(LISTED_FAILURES);
        return Err(Disproof::Failed { strategy: name, runs: runs.len(), count, failures });
    }
    Ok(Proof {
        variants: variants.len(),
        tensors: cases.iter().filter(|case| schemes.iter().any(|scheme| case.suits(*scheme))).count(),
        runs: runs.len(),
        bytes: runs.iter().flat_map(|run| &run.tensors).map(|tensor| tensor.case.bytes.len() as u64).sum(),
    })
}

fn schemes_of(strategy: &dyn Strategy) -> Result<Vec<&'static dyn Scheme>, Disproof> {
    let known = |&name: &&'static str| {
        scheme(name).ok_or(Disproof::NoScheme { strategy: strategy.name(), scheme: name })
    };
    strategy.schemes().iter().map(known).collect()
}

/// Whether a variant decodes a tensor: one with codebooks compiled in takes only tensors that have one.
fn takes(strategy: &dyn Strategy, variant: &Params, tensor: &Tensor<'_>) -> bool {
    strategy.inlined(variant).unwrap_or(Inlined::Codebook).takes(&tensor.encoded.codebooks)
}

/// Tensors of a scheme in one launch, for the strategies that can: all of them for a variant that serves any codebook,
/// else those that share one.
fn batches<'a>(strategy: &dyn Strategy, tensors: &'a [Tensor<'a>], variants: &'a [Params]) -> Vec<Run<'a>> {
    let of = |variant| {
        let inlined = strategy.inlined(variant).unwrap_or(Inlined::Codebook);
        let mut together: BTreeMap<_, Vec<&Tensor<'_>>> = BTreeMap::new();
        for tensor in tensors.iter().filter(|tensor| inlined.takes(&tensor.encoded.codebooks)) {
            let key = inlined.in_common(tensor.encoded.scheme, Coding::of(&tensor.encoded));
            together.entry(key).or_default().push(tensor);
        }
        let several = together.into_values().filter(|tensors| tensors.len() > 1);
        several.map(move |tensors| Run { tensors, variant }).collect::<Vec<_>>()
    };
    variants.iter().filter(|_| strategy.takes_several()).flat_map(of).collect()
}

/// The case under a scheme, once the reference decoder has brought it back.
fn encode<'a>(scheme: &'static dyn Scheme, case: &'a corpus::Case) -> Result<Tensor<'a>, Disproof> {
    let failed = |what| Disproof::Scheme { scheme: scheme.name(), case: case.name.clone(), what };
    let encoded = case.encode(scheme).map_err(|error| failed(error.to_string()))?;
    let decoded = encoded.decode_reference().map_err(|error| failed(error.to_string()))?;
    difference(&decoded, &case.bytes).map_or(Ok(Tensor { case, encoded }), |what| Err(failed(what)))
}

fn decode(strategy: &dyn Strategy, sink: &MakeSink<'_>, run: &Run<'_>) -> Result<(), String> {
    let batch: Vec<&Encoded<'_>> = run.tensors.iter().map(|tensor| &tensor.encoded).collect();
    let Some(coding) = widest_coding(&batch) else { return Ok(()) };
    let sink = sink(&run.tensors.iter().map(|tensor| &tensor.case.bytes[..]).collect::<Vec<_>>());
    let kernel = strategy.kernel_into(run.variant, &coding, &*sink);
    let kernel = kernel.map_err(|error| format!("kernel: {error}"))?;
    let launch = strategy.launch_into(run.variant, &batch, &*sink);
    let launch = launch.map_err(|error| format!("launch: {error}"))?;
    // What the launch says that it writes is what the emulator looks at, so it may not promise less.
    let output = batch_output(&batch).map_err(|error| format!("launch: {error}"))?;
    let expected = [vec![output], sink.outputs(launch.grid)].concat();
    if launch.outputs != expected {
        return Err(format!("launch: its outputs are {:?}, expected {expected:?}", launch.outputs));
    }
    let outputs = emulator::run(&kernel, &launch, Checks::Full).map_err(|error| error.to_string())?;
    let (decoded, others) = outputs.split_first().map_or((&[][..], &[][..]), |(first, rest)| (first, rest));
    if others.iter().flatten().any(|byte| *byte != 0) {
        return Err(format!("sink {}: says that something is damaged, which is not", sink.name()));
    }
    for ((index, tensor), start) in run.tensors.iter().enumerate().zip(batch_offsets(&batch)) {
        let bytes = &sink.expected(index, &tensor.case.bytes);
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        let found = decoded.get(start..).unwrap_or_default();
        let found = &found[..bytes.len().min(found.len())];
        if let Some(what) = difference(found, bytes) {
            return Err(format!("{}: {what}", tensor.case.name));
        }
    }
    Ok(())
}

/// Where decoded bytes differ from what they should be.
fn difference(decoded: &[u8], wanted: &[u8]) -> Option<String> {
    if decoded.len() != wanted.len() {
        return Some(format!("{} bytes decoded, expected {}", decoded.len(), wanted.len()));
    }
    let at = decoded.iter().zip(wanted).position(|(found, wanted)| found != wanted)?;
    let Range { start, end } = at..(at + 4).min(wanted.len());
    Some(format!(
        "differs from byte {at} on: {:02x?}, expected {:02x?}",
        &decoded[start..end],
        &wanted[start..end]
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Kernel, StmtKind};
    use crate::sink::{Checked, XorBase};
    use crate::strategy::{
        Describe, Gather, Launch, Requirement, StrategyError, TunableSpec, strategies, strategy,
    };

    /// The paper's strategy in its default variant, and what is wrong with it.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Cascade {
        Right,
        ForgetsTheLastBlock,
        /// Only where there are several tensors.
        ForgetsTheLastBlockOfABatch,
        /// Its barriers are gone.
        Races,
        /// It promises to write less than it should.
        PromisesLess,
        ForAnotherScheme,
        WithoutVariants,
    }

    fn right() -> &'static dyn Strategy {
        strategy("gap-cascade").unwrap()
    }

    impl Describe for Cascade {
        fn name(&self) -> &'static str {
            "cascade"
        }

        fn about(&self) -> &'static str {
            right().about()
        }

        fn schemes(&self) -> &'static [&'static str] {
            if *self == Self::ForAnotherScheme { &["no-such-scheme"] } else { right().schemes() }
        }

        fn takes_several(&self) -> bool {
            right().takes_several()
        }
    }

    impl Strategy for Cascade {
        fn tunables(&self) -> Vec<TunableSpec> {
            right().tunables()
        }

        fn requirements(&self) -> Vec<Requirement> {
            right().requirements()
        }

        fn check(&self, params: &Params) -> Result<Params, TunableError> {
            right().check(params)
        }

        fn params(&self, set: &[(String, String)]) -> Result<Params, TunableError> {
            right().params(set)
        }

        fn variants(&self) -> Vec<Params> {
            if *self == Self::WithoutVariants { Vec::new() } else { vec![self.params(&[]).unwrap()] }
        }

        fn kernel_into(
            &self,
            params: &Params,
            coding: &Coding<'_>,
            sink: &dyn Sink,
        ) -> Result<Kernel, StrategyError> {
            let mut kernel = right().kernel_into(params, coding, sink)?;
            if *self == Self::Races {
                kernel.body.retain(|stmt| stmt.kind != StmtKind::Barrier);
            }
            Ok(kernel)
        }

        fn launch<'a>(
            &self,
            params: &Params,
            batch: &[&'a Encoded<'a>],
        ) -> Result<Launch<Gather<'a>>, StrategyError> {
            let mut launch = right().launch(params, batch)?;
            let forgets = *self == Self::ForgetsTheLastBlock
                || (*self == Self::ForgetsTheLastBlockOfABatch && batch.len() > 1);
            if forgets {
                launch.grid = launch.grid.saturating_sub(1);
            }
            if *self == Self::PromisesLess {
                launch.outputs[0].written.pop();
            }
            Ok(launch)
        }

        fn inlined(&self, params: &Params) -> Result<Inlined, StrategyError> {
            right().inlined(params)
        }
    }

    #[test]
    fn a_right_strategy_is_proven_on_every_tensor_and_progress_is_told_of_each() {
        let told = AtomicUsize::new(0);
        let proof = prove(&Cascade::Right, Tier::Quick, &|progress| {
            assert!(progress.done <= progress.runs);
            told.fetch_add(1, Ordering::Relaxed);
        })
        .unwrap();
        let scheme = scheme(right().schemes()[0]).unwrap();
        let cases: Vec<_> = corpus(Tier::Quick).into_iter().filter(|case| case.suits(scheme)).collect();
        let bytes: u64 = cases.iter().map(|case| case.bytes.len() as u64).sum();
        assert_eq!((proof.variants, proof.tensors), (1, cases.len()));
        assert!(proof.runs > cases.len() && proof.bytes > bytes, "also several tensors at once: {proof:?}");
        assert_eq!(told.into_inner(), proof.runs);
    }

    #[test]
    fn every_registered_strategy_decodes_tensors_together_in_every_variant() {
        let cases = corpus(Tier::Quick);
        for &strategy in strategies() {
            let scheme = scheme(strategy.schemes()[0]).unwrap();
            let suited = cases.iter().filter(|case| case.suits(scheme));
            let tensors: Vec<Tensor<'_>> = suited.map(|case| encode(scheme, case).unwrap()).collect();
            let variants = strategy.telling_variants();
            let runs = batches(strategy, &tensors, &variants);
            for variant in &variants {
                assert!(runs.iter().any(|run| run.variant == variant), "{} {variant}", strategy.name());
            }
            runs.par_iter().for_each(|run| {
                let what = || format!("{} {} on {}", strategy.name(), run.variant, run.case());
                decode(strategy, &|_| Box::new(Store), run)
                    .unwrap_or_else(|error| panic!("{}: {error}", what()));
            });
        }
    }

    #[test]
    fn kernels_that_end_in_other_sinks_give_what_these_make_of_the_numbers() {
        let noise = ecf8_core::synthetic::noise(5, 1 << 20);
        let xor: &MakeSink<'_> = &|tensors| {
            let base = |bytes: &&[u8]| &noise[bytes.len() % 7..][..bytes.len()];
            Box::new(XorBase::new(tensors.iter().map(base).collect()))
        };
        let checked: &MakeSink<'_> = &|_| Box::new(Checked);
        let is_short = |run: &Run<'_>| run.tensors.iter().all(|tensor| tensor.case.bytes.len() < 100_000);
        for name in [
            "lanes-quad",
            "lanes-triple",
            "lanes-pair",
            "lanes-pair6",
            "lanes-byte",
            "lanes-two-bytes",
            "lanes-ans",
        ] {
            let strategy = strategy(name).unwrap();
            let scheme = scheme(strategy.schemes()[0]).unwrap();
            let cases: Vec<_> = corpus(Tier::Quick).into_iter().filter(|case| case.suits(scheme)).collect();
            let tensors: Vec<Tensor<'_>> = cases.iter().map(|case| encode(scheme, case).unwrap()).collect();
            let variants = vec![strategy.params(&[]).unwrap()];
            let one = |tensor| Run { tensors: vec![tensor], variant: &variants[0] };
            let mut runs: Vec<Run<'_>> = tensors.iter().map(one).collect();
            runs.extend(batches(strategy, &tensors, &variants));
            runs.retain(is_short);
            assert!(runs.len() > 50);
            for sink in [xor, checked] {
                runs.par_iter().for_each(|run| {
                    decode(strategy, sink, run)
                        .unwrap_or_else(|error| panic!("{name} on {}: {error}", run.case()));
                });
            }
        }
        for (sink, name) in [(xor, "xor_base"), (checked, "checked")] {
            let refused = prove_into(&Cascade::Right, sink, Tier::Quick, &|_| {}).unwrap_err().to_string();
            assert!(refused.contains(&format!("has no sink {name}")), "{refused}");
        }
    }

    #[test]
    fn a_wrong_strategy_is_reported_with_tensor_variant_and_what_was_wrong() {
        let error = prove(&Cascade::ForgetsTheLastBlock, Tier::Quick, &|_| {}).unwrap_err();
        let Disproof::Failed { count, failures, .. } = &error else { panic!("{error}") };
        assert_eq!(failures.len(), LISTED_FAILURES);
        assert!(*count > LISTED_FAILURES);
        let text = error.to_string();
        for part in [
            "bytes_per_thread=8 threads_per_block=512",
            "all 256 byte values (exponent-gap)",
            "byte 0 of output is not written by any thread",
            "more",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }

    /// What is wrong with a strategy's decoding of several tensors by one launch, of which the last is all zeros.
    fn of_a_batch(strategy: Cascade) -> Option<String> {
        let cases = corpus(Tier::Quick);
        let mut zeros = cases.iter().find(|case| case.bytes.len() > 5000).unwrap().clone();
        let codebook = zeros.codebook(scheme("exponent-gap").unwrap());
        let encoded =
            |case: &corpus::Case| scheme("exponent-gap").unwrap().encode(case.numbers(), &codebook).unwrap();
        let first = zeros.clone();
        zeros.bytes = vec![0; 5001];
        let tensors = [&first, &zeros].map(|case| Tensor { case, encoded: encoded(case) });
        let variant = strategy.params(&[]).unwrap();
        decode(&strategy, &|_| Box::new(Store), &Run { tensors: tensors.iter().collect(), variant: &variant })
            .err()
    }

    #[test]
    fn a_byte_of_a_later_tensor_that_nobody_writes_is_missed_though_it_should_be_zero() {
        assert_eq!(of_a_batch(Cascade::Right), None);
        let error = of_a_batch(Cascade::ForgetsTheLastBlockOfABatch).unwrap();
        assert!(error.contains("of output is not written by any thread"), "{error}");
        let error = of_a_batch(Cascade::PromisesLess).unwrap();
        assert!(error.contains("its outputs are"), "{error}");
    }

    #[test]
    fn a_race_in_a_launch_of_several_tensors_is_found() {
        let error = of_a_batch(Cascade::Races).unwrap();
        assert!(error.contains("race: "), "{error}");
    }

    #[test]
    fn a_strategy_with_nothing_to_try_is_not_proven() {
        let told = |strategy| prove(&strategy, Tier::Quick, &|_| {}).unwrap_err().to_string();
        assert!(told(Cascade::ForAnotherScheme).contains("`no-such-scheme`, which does not exist"));
        assert!(told(Cascade::WithoutVariants).contains("has no variant"));
    }
}
