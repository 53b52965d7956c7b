//! Codebooks for the tensors of a file: one each, or one for those that lose little by it.

use super::CompressOptions;
use crate::codebook::Codebook;
use crate::codebook::cluster::{Sharing, share};
use crate::histogram::Histogram;
use crate::layout::Scheme;
use rayon::prelude::*;

/// Which part of the codewords sharing may cost, where no number of codebooks is asked for.
const TOLERANCE: f64 = 0.001;

/// What a character takes in a deflated list of codebooks, in bits.
const CHARACTER_BITS: u64 = 3;

/// Characters for a symbol of a large alphabet, of which most do not occur: a digit, and a number of zeros before it.
const SPARSE_CHARACTERS: usize = 3;

/// What a codebook takes in a deflated list of them.
pub(super) fn stored_bytes(codebook: &Codebook) -> u64 {
    (codebook.to_text().len() as u64).saturating_mul(CHARACTER_BITS) / 8
}

/// The best codebook for a histogram, within a limit if there is one.
pub(super) fn codebook(scheme: &dyn Scheme, histogram: &Histogram, code_bits: Option<u8>) -> Codebook {
    code_bits.map_or_else(|| scheme.codebook(histogram), |limit| scheme.codebook_within(histogram, limit))
}

/// One codebook per histogram, equal for those that share.
pub(super) fn codebooks(
    histograms: &[&Histogram],
    scheme: &dyn Scheme,
    options: &CompressOptions,
) -> Vec<Codebook> {
    let best = |histogram: &Histogram| codebook(scheme, histogram, options.code_bits);
    if !scheme.shares() {
        return histograms.par_iter().map(|histogram| best(histogram)).collect();
    }
    let present = histograms.iter().map(|histogram| histogram.present().len()).max().unwrap_or(0);
    let characters = scheme.symbols().alphabet().min(SPARSE_CHARACTERS * present);
    let characters = u32::try_from(characters).unwrap_or(u32::MAX);
    let codebook_bits = f64::from(characters) * CHARACTER_BITS as f64;
    let sharing = Sharing { codebook_bits, tolerance: TOLERANCE, most: options.codebooks };
    let groups = share(histograms, &sharing);
    let mut sums = vec![Histogram::default(); groups.iter().max().map_or(0, |last| last + 1)];
    for (histogram, group) in histograms.iter().zip(&groups) {
        sums[*group].add(histogram);
    }
    let codebooks: Vec<Codebook> = sums.par_iter().map(best).collect();
    groups.into_iter().map(|group| codebooks[group].clone()).collect()
}
