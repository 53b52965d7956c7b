//! The variants that there are for a scheme.

use ecf8_codegen::cuda;
use ecf8_codegen::strategy::{Coding, Params, Strategy, strategies_for};
use ecf8_core::checksum::checksum;
use ecf8_core::element::Numbers;
use ecf8_core::{Codebook, Scheme, scheme, synthetic};
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// A variant of a strategy.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The strategy.
    pub strategy: &'static dyn Strategy,
    /// Its parameters, all of them.
    pub params: Params,
    /// Hash of the code that it emits, as [`code_hash`] tells.
    pub code: u64,
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.strategy.name() == other.strategy.name()
            && self.params == other.params
            && self.code == other.code
    }
}

/// All variants of all strategies for a scheme, in the order of the registry.
#[must_use]
pub fn candidates(scheme: &str) -> Vec<Candidate> {
    let all: Vec<_> = strategies_for(scheme)
        .flat_map(|strategy| strategy.variants().into_iter().map(move |params| (strategy, params)))
        .collect();
    let with_code = |(strategy, params): (&'static dyn Strategy, Params)| {
        let code = code_hash(strategy, &params, scheme);
        Candidate { strategy, params, code }
    };
    all.into_par_iter().map(with_code).collect()
}

/// A hash of the CUDA code that a variant emits for a codebook which is always the same, so that a change of the strategy or
/// of the printer shows, and a difference of codebooks does not.
#[must_use]
pub fn code_hash(strategy: &dyn Strategy, params: &Params, scheme: &str) -> u64 {
    let codebook = sample_codebook(scheme);
    match codebook.map(|codebook| strategy.kernel(params, &Coding::e4m3(&codebook))) {
        Some(Ok(kernel)) => cuda::source_hash(&kernel),
        Some(Err(error)) => checksum(error.to_string().as_bytes()),
        None => 0,
    }
}

/// A codebook of the scheme with codewords of many lengths, always the same.
fn sample_codebook(name: &str) -> Option<Codebook> {
    const BYTES: usize = 1 << 14;
    static MADE: Mutex<Option<HashMap<String, Codebook>>> = Mutex::new(None);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let made = made.get_or_insert_default();
    if let Some(codebook) = made.get(name) {
        return Some(codebook.clone());
    }
    let scheme: &dyn Scheme = scheme(name)?;
    let (a, b) = (synthetic::noise(1, BYTES), synthetic::noise(2, BYTES));
    let bytes: Vec<u8> = a.iter().zip(b).map(|(a, b)| a & b).collect();
    let codebook = scheme.codebook(&scheme.symbol_histogram(Numbers::e4m3(&bytes)));
    made.insert(name.to_owned(), codebook.clone());
    Some(codebook)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_variant_of_every_strategy_is_a_candidate_once() {
        for scheme in ecf8_core::schemes() {
            let all = candidates(scheme.name());
            let expected: usize =
                strategies_for(scheme.name()).map(|strategy| strategy.variants().len()).sum();
            let different: HashSet<_> = all
                .iter()
                .map(|candidate| (candidate.strategy.name(), candidate.params.to_string()))
                .collect();
            assert_eq!((all.len(), different.len()), (expected, expected));
        }
        assert!(candidates("no such scheme").is_empty());
    }

    #[test]
    fn the_hash_of_the_code_is_repeatable_and_tells_variants_apart() {
        let scheme = ecf8_core::schemes()[0].name();
        let all = candidates(scheme);
        assert_eq!(all, candidates(scheme));
        let codes: HashSet<_> = all.iter().map(|candidate| candidate.code).collect();
        assert!(codes.len() > all.len() / 2, "{} of {}", codes.len(), all.len());
    }
}
